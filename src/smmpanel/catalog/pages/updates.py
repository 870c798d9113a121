"""The feed of what changed in the catalogue: prices, new services, those that went or came back, limits and terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.catalog.kept_lists import KeptList
from smmpanel.catalog.pages.shelves import list_for
from smmpanel.catalog.pricing import final_rate
from smmpanel.catalog.updates import KINDS, Update, latest_updates
from smmpanel.catalog.user_prices import discount_in_force
from smmpanel.kernel.i18n import marked
from smmpanel.web.inputs import CleanText
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/updates"
ROWS = 50
KIND_WORDS = {
    "": marked("All"),
    "price": marked("Prices"),
    "new": marked("New"),
    "back": marked("Back on sale"),
    "gone": marked("Not on sale any more"),
    "limits": marked("Limits"),
    "terms": marked("Conditions"),
}
FIELD_WORDS = {
    "min": marked("Minimum"),
    "max": marked("Maximum"),
    "refill": marked("Refill"),
    "refill_days": marked("Days of refill"),
    "cancel": marked("Cancel"),
    "dripfeed": marked("Drip-feed"),
}


class PriceMove(NamedTuple):
    """A price of the reader's own before and after, and by how many percent it moved."""

    before: Decimal
    after: Decimal
    percent: Decimal | None


class Told(NamedTuple):
    """One line of the feed; `rate` is what the reader pays now, if it is on sale."""

    update: Update
    move: PriceMove | None
    rate: Decimal | None


@dataclass(frozen=True, slots=True)
class UpdatesPage:
    """What catalog/updates.html receives."""

    lines: Sequence[Told]
    after: str | None
    kind: str
    favourites_only: bool
    kind_words: dict[str, str]
    field_words: dict[str, str]


@router.get(PATH)
async def show_updates(
    request: Request,
    viewer: CurrentViewer,
    session: Session,
    *,
    kind: CleanText = "",
    favourites: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show what changed, newest first."""
    wanted = kind if kind in KINDS else ""
    found = await latest_updates(
        session, viewer.user_id, kind=wanted, favourites_only=bool(favourites), after=after, size=ROWS
    )
    kept = await list_for(request, session, viewer.user_id)
    discount = (await discount_in_force(session, viewer.user_id)).percent
    lines = [told(one, kept, discount) for one in found.rows]
    shown = UpdatesPage(lines, found.after, wanted, bool(favourites), KIND_WORDS, FIELD_WORDS)
    return page(request, "catalog/updates.html", shown)


def told(update: Update, kept: KeptList, discount: Decimal) -> Told:
    """Say an update in the reader's own prices.

    What a price once cost us is not known any more, so for those in between the discount is taken as it is; the present
    one is what would be charged today.
    """
    row = kept.by_id.get(update.service_id)
    rate = None if row is None else row.rate
    if update.kind != "price" or update.before is None or update.after is None:
        return Told(update, None, rate)
    listed_before, listed = Decimal(str(update.before)), Decimal(str(update.after))
    before = final_rate(listed_before, None, discount_percent=discount)
    after = final_rate(listed, None, discount_percent=discount)
    if row is not None and listed == row.list_rate:
        after = row.rate
    return Told(update, PriceMove(before, after, (after - before) * 100 / before if before else None), rate)
