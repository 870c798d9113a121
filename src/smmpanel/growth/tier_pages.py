"""`/tiers`: where a customer stands, what is missing to the next tier, and what all of them give."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.catalog.user_prices import Discount, discount_in_force
from smmpanel.growth.telling_of_tiers import TIERS_PATH
from smmpanel.growth.tiers import Standing, TierView, standing_of
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)


@dataclass(frozen=True, slots=True)
class TiersPage:
    """What growth/tiers.html receives."""

    standing: Standing
    tiers: Sequence[TierView]
    in_force: Discount


@router.get(TIERS_PATH)
async def show_tiers(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show the viewer's tier among all of them."""
    standing, tiers = await standing_of(session, viewer.user_id)
    shown = TiersPage(standing, tiers, await discount_in_force(session, viewer.user_id))
    return page(request, "growth/tiers.html", shown)
