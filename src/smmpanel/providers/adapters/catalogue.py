"""Reading a panel's catalogue line by line, and refusing to take a broken one for a small one."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from smmpanel.providers.adapters.answers import raise_error_in
from smmpanel.providers.adapters.reading import (
    RATE_MAX,
    amount_of,
    flag_of,
    label_of,
    prose_of,
    rows_of,
    text_of,
    whole_of,
)
from smmpanel.providers.adapters.talking import Reply
from smmpanel.providers.adapters.words import type_of
from smmpanel.providers.protocol import Catalogue, UpstreamService

SKIPPED_ONE_IN = 20
"""One broken line in so many is left out; more of them, and nobody knows what the rest is worth."""
EXTERNAL_ID_MAX = 100
PACKAGE_TYPES = frozenset({"package", "custom_comments_package"})

_DETAILS = ("desc", "description")


def catalogue_in(reply: Reply) -> Catalogue:
    """Return the services of an API v2 answer; raises `Unclear` for whatever is not wholly a catalogue."""
    raise_error_in(reply)
    data = reply.data
    # PHP makes an object of a list with gaps; an envelope with "Empty Data" is no list at all.
    is_gapped_list = isinstance(data, Mapping) and bool(data) and all(_is_service_row(row) for row in data.values())
    if not isinstance(data, list) and not is_gapped_list:
        raise reply.unclear("the answer is no list of services")
    return read_rows(reply, data, service_of)


def _is_service_row(row: Any) -> bool:
    return isinstance(row, Mapping) and "service" in row


def read_rows(reply: Reply, data: Any, read: Callable[[Mapping[str, Any]], UpstreamService | None]) -> Catalogue:
    """Read all rows, skipping and counting what is broken or there twice; too much of it makes the whole unclear."""
    found: dict[str, UpstreamService] = {}
    for row in rows_of(data):
        service = read(row)
        if service is not None:
            found.setdefault(service.external_id, service)
    skipped = len(data) - len(found)
    if skipped > max(1, len(data) // SKIPPED_ONE_IN) or (skipped and not found):
        raise reply.unclear(f"{skipped} of {len(data)} services cannot be read")
    return Catalogue(found.values(), skipped=skipped)


def service_of(row: Mapping[str, Any]) -> UpstreamService | None:
    """Return one line of an API v2 catalogue, or `None` if it lacks what a service needs."""
    return service_from(
        external_id=row.get("service"),
        name=row.get("name"),
        category=row.get("category"),
        type_word=type_of(row.get("type")),
        rate=amount_of(row.get("rate")),
        limits=(row.get("min"), row.get("max")),
        flags=(row.get("refill"), row.get("cancel"), row.get("dripfeed")),
        description=next((row[name] for name in _DETAILS if row.get(name)), None),
        average_time=row.get("average_time"),
    )


def service_from(
    *,
    external_id: Any,
    name: Any,
    category: Any,
    type_word: str,
    rate: Decimal | None,
    limits: tuple[Any, Any],
    flags: tuple[Any, Any, Any],
    description: Any = None,
    average_time: Any = None,
) -> UpstreamService | None:
    """Put a service together from what a panel's row holds; `None` if it cannot be sold from that."""
    key, title = text_of(external_id, max_chars=EXTERNAL_ID_MAX + 1), label_of(name)
    least, most = (whole_of(limit) for limit in limits)
    if type_word in PACKAGE_TYPES:
        least, most = least or 1, most or 1
    if least is None or most is None or rate is None or not 0 <= rate <= RATE_MAX or not 0 <= least <= most:
        return None
    if not key or len(key) > EXTERNAL_ID_MAX or key == "0" or not title:
        return None
    refill, cancel, dripfeed = (flag_of(flag) for flag in flags)
    return UpstreamService(
        external_id=key,
        name=title,
        category=label_of(category),
        type=type_word,
        rate=rate,
        min=least,
        max=most,
        refill=refill,
        cancel=cancel,
        dripfeed=dripfeed,
        description=prose_of(description),
        average_time=label_of(average_time, max_chars=200),
    )
