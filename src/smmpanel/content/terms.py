"""Terms of use: the owner's own text, or a short set that is true of every panel of this kind."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from smmpanel.kernel.i18n import marked, translate

HEADING = "## "
_GAP = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a text under its heading; what comes before the first heading has none."""

    anchor: str
    heading: str
    paragraphs: Sequence[str]


def sections_of(text: str) -> list[Section]:
    """Read a plain text: paragraphs with blank lines between them, and lines that begin with `## ` as headings."""
    sections: list[Section] = []
    heading, paragraphs = "", list[str]()

    def end() -> None:
        if heading or paragraphs:
            sections.append(Section(f"section-{len(sections) + 1}", heading, tuple(paragraphs)))

    for block in _GAP.split(text.replace("\r\n", "\n").replace("\r", "\n")):
        lines: list[str] = []
        for line in [*block.split("\n"), HEADING]:
            if not line.startswith(HEADING):
                lines.append(line.rstrip())
                continue
            if said := "\n".join(lines).strip():
                paragraphs.append(said)
            lines = []
            if named := line.removeprefix(HEADING).strip():
                end()
                heading, paragraphs = named, []
    end()
    return sections


def own_text(option: Any, language: str) -> str:
    """Return the owner's text in a language, if there is one: an option holds one text for all, or one by language."""
    chosen = option.get(language) or option.get("en") or "" if isinstance(option, Mapping) else option
    return str(chosen or "").strip()


def usual_sections(language: str) -> list[Section]:
    """Return the usual terms in a language."""
    return [
        Section(f"section-{place}", translate(language, heading), [translate(language, one) for one in paragraphs])
        for place, (heading, paragraphs) in enumerate(USUAL_TERMS, start=1)
    ]


USUAL_DATE = date(2026, 11, 21)
"""When the usual terms were last changed."""
USUAL_TERMS = (
    (
        marked("Your account"),
        (
            marked("You are responsible for what is ordered with your account and with its API keys."),
            marked("Keep your password and your keys to yourself. Tell us at once if somebody else has them."),
        ),
    ),
    (
        marked("Your orders"),
        (
            marked("The charge is shown before you order and is taken from your balance when the order is placed."),
            marked("The link has to be public, and has to stay so until the order has ended."),
            marked(
                "Place one order per link at a time. With several at once nobody can tell which one delivered what."
            ),
        ),
    ),
    (
        marked("Delivery"),
        (
            marked("Times are measured on earlier orders. They say what is usual and are no promise."),
            marked("Platforms may remove what was delivered. We cannot say how much of it stays."),
        ),
    ),
    (
        marked("Refunds and refills"),
        (
            marked("What was not delivered is paid back to your balance when an order ends as Partial or Canceled."),
            marked(
                "Services with refill deliver again what dropped, if you ask within the days that the service states."
            ),
        ),
    ),
    (
        marked("Your balance"),
        (
            marked("What you pay in is credited when it has arrived, and is meant for orders on this panel."),
            marked("Every movement is listed on your statement. Ask us about any line that you do not understand."),
        ),
    ),
    (
        marked("What is not allowed"),
        (
            marked("Do not order for content that is against the law, or for accounts whose owner does not want it."),
            marked(
                "The rules of the platforms apply to you as well. What follows from breaking them is yours to bear."
            ),
        ),
    ),
    (
        marked("Changes of these terms"),
        (marked("These terms can change. The date above says when they last did; orders keep the terms they had."),),
    ),
)
