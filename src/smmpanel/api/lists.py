"""What all lists of the JSON API have in common: where a page begins, how long it is, where the next one begins."""

from typing import Annotated

from fastapi import Query

from smmpanel.kernel.paging import PAGE_SIZE, PAGE_SIZE_MAX
from smmpanel.web.inputs import CleanText

CURSOR_MAX = 100
SEARCH_MAX = 2000

After = Annotated[
    CleanText | None,
    Query(max_length=CURSOR_MAX, description="The `after` of the page before; left out: the first page."),
]
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description=f"Rows in a page; usually {PAGE_SIZE}.")]
Search = Annotated[CleanText | None, Query(max_length=SEARCH_MAX)]

AFTER = "Give this as `after` to get the next page; `null`: this is the last one."
