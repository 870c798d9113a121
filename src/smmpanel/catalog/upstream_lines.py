"""Reading a provider's list: which of its lines make sense, and what their wording gives away."""

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from smmpanel.catalog.service_types import type_named
from smmpanel.providers.protocol import UpstreamService

RATE_LIMIT = Decimal(10) ** 9
"""A provider that asks more than this per 1,000 has made a mistake."""
RATE_PLACES = Decimal(1).scaleb(-9)
QUANTITY_LIMIT = 2**62
NAME_MAX = 500
DESCRIPTION_MAX = 20_000
EXTERNAL_ID_MAX = 200
REFILL_DAYS_MAX = 3650
CATEGORY_UNNAMED = "Other"


class Skipped(NamedTuple):
    """A line that was left out, and why: `unusable`, `duplicate`, `unknown_type`, `already_imported`, `not_listed`."""

    external_id: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class UpstreamList:
    """A provider's list, tidied."""

    lines: dict[str, UpstreamService]
    """Usable lines by external id, in the provider's order; types are slugs of `service_types` where they are known."""
    skipped: tuple[Skipped, ...]
    total: int

    @property
    def unusable(self) -> int:
        """How many lines made no sense."""
        return sum(1 for one in self.skipped if one.reason == "unusable")


def read_list(upstream: Iterable[UpstreamService]) -> UpstreamList:
    """Sort a provider's list into lines that can be worked with and those that cannot; of repeated ids the first counts."""
    lines: dict[str, UpstreamService] = {}
    skipped: list[Skipped] = []
    total = 0
    for raw in upstream:
        total += 1
        line = _tidied(raw)
        if line is None:
            skipped.append(Skipped(raw.external_id, raw.name, "unusable"))
        elif line.external_id in lines:
            skipped.append(Skipped(line.external_id, line.name, "duplicate"))
        else:
            lines[line.external_id] = line
    return UpstreamList(lines, tuple(skipped), total)


def _tidied(raw: UpstreamService) -> UpstreamService | None:
    external_id, name = one_line(raw.external_id), one_line(raw.name)
    if not (name and 0 < len(external_id) <= EXTERNAL_ID_MAX):
        return None
    if not (raw.rate.is_finite() and 0 <= raw.rate < RATE_LIMIT):
        return None
    # Zero means "no lower limit" to those who write it.
    least, most = max(raw.min, 1), max(raw.max, 1)
    if raw.min < 0 or raw.max < 0 or least > most or most > QUANTITY_LIMIT:
        return None
    known = type_named(raw.type)
    return replace(
        raw,
        external_id=external_id,
        name=name[:NAME_MAX].strip(),
        category=one_line(raw.category)[:NAME_MAX].strip() or CATEGORY_UNNAMED,
        type=raw.type if known is None else known.slug,
        rate=raw.rate.quantize(RATE_PLACES),
        min=least,
        max=most,
        description=plain_text(raw.description)[:DESCRIPTION_MAX].strip(),
        average_time=one_line(raw.average_time)[:NAME_MAX].strip(),
    )


_BREAKS = re.compile(r"<\s*(?:br|/p|/div|/li|/h\d)\b[^>]*>", re.IGNORECASE)
_TAGS = re.compile(r"<\s*/?\s*[a-zA-Z!][^<>]*>")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BLANKS = re.compile(r"[ \t\xa0]+")


def one_line(words: str) -> str:
    """Return a name as text: entities resolved, control characters gone, white space folded."""
    return " ".join(_CONTROL.sub("", html.unescape(words)).split())


def plain_text(words: str) -> str:
    """Return a description as text: tags dropped, their line breaks kept."""
    # Tags first, entities after: what was written as an entity is meant to be read, not to be a tag.
    without_tags = _TAGS.sub("", _BREAKS.sub("\n", words.replace("\r\n", "\n").replace("\r", "\n")))
    tidy = _CONTROL.sub("", html.unescape(without_tags))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_BLANKS.sub(" ", line).strip() for line in tidy.split("\n"))).strip()


_FOREVER = re.compile(r"\b(?:life\s*time|forever|no\s*drop\s*ever)\b", re.IGNORECASE)
_STATED = (
    re.compile(r"\bR\s?(\d{1,4})\b"),
    re.compile(r"(?:refill|guarantee[d]?|warranty|♻)\W{0,6}(\d{1,4})\s*(?:d|days?|hari|ngày)?\b", re.IGNORECASE),
    re.compile(
        r"\b(\d{1,4})\s*-?\s*(?:d|days?|hari|ngày)\b\W{0,6}(?:auto\W*)?(?:refill|guarantee|warranty|♻)", re.IGNORECASE
    ),
    re.compile(r"(?<![-–/\d])\b(\d{1,4})\s*-?\s*(?:days?|hari|ngày)\b", re.IGNORECASE),
)


def refill_days_in(name: str) -> int | None:
    """Return the days of refill that a name states ("R30", "30 Days ♻️"); `None` if it states none, or for ever."""
    # Catalogues love bold look-alike letters and digits; NFKC turns them into plain ones.
    words = unicodedata.normalize("NFKC", name)
    if _FOREVER.search(words):
        return None
    for pattern in _STATED:
        if (found := pattern.search(words)) and 0 < int(found[1]) <= REFILL_DAYS_MAX:
            return int(found[1])
    return None
