"""What all lists of the JSON API have in common: pages by number and by key, how long they are, how they are sorted."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from smmpanel.catalog.sorting import ServiceOrder
from smmpanel.web.inputs import CleanText

LIMIT_USUAL = 20
LIMIT_MAX = 100
NUMBERED_MAX = 10_000
"""Rows are counted, and pages have numbers, up to this row; `after` goes on to the end of any list."""
CURSOR_MAX = 100
SEARCH_MAX = 2000

After = Annotated[
    CleanText | None,
    Query(
        max_length=CURSOR_MAX,
        description="The `after` of the page before: costs the same however long the list is, and goes before `page`.",
    ),
]
Page = Annotated[int, Query(ge=1, le=NUMBERED_MAX, description="The number of the page.", examples=[1])]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Rows in a page.", examples=[20])]
Search = Annotated[CleanText | None, Query(max_length=SEARCH_MAX)]
ByAge = Annotated[
    Literal["created_at", "-created_at"],
    Query(description="`-created_at` is the newest first; the order never changes between equal rows."),
]
ServiceSort = Annotated[
    ServiceOrder,
    Query(
        description="`position` is the catalogue's own order; names are compared without case and accents; equal rates are "
        "in the order of their ids. An `after` goes on in the order that it was given in."
    ),
]

AFTER = "Give this as `after` to get the next page; `null`: this is the last one."


class Pagination(BaseModel):
    """Where in the list this page is."""

    total: int = Field(description=f"How many rows there are, counted up to {NUMBERED_MAX:,}.", examples=[50])
    page: int = Field(description="Its number; of a page by `after` the one that was asked for.", examples=[1])
    limit: int = Field(examples=[20])
    total_pages: int = Field(examples=[3])

    @classmethod
    def of(cls, *, total: int, page: int, limit: int) -> "Pagination":
        """Return where a page is in a list of so many rows."""
        return cls(total=total, page=page, limit=limit, total_pages=-(-total // limit))


def skipped(page: int, limit: int) -> int:
    """Return how many rows lie before a numbered page; beyond the last row that has a number all of them do."""
    return min((page - 1) * limit, NUMBERED_MAX)
