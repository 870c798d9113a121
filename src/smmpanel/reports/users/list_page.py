"""`/staff/users`: all users, found by name, address or id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.accounts.pages import ROLE_NAMES
from smmpanel.accounts.states import Role
from smmpanel.growth.tiers import TierView, all_tiers
from smmpanel.kernel.i18n import marked
from smmpanel.reports.users.finding import COUNTED_MAX, ORDERS_LOOKED_AT, TABS, FoundUser, find_users, tab_counts
from smmpanel.web.inputs import CleanText
from smmpanel.web.pages import page
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/users"
ROWS = 25
TYPED_MAX = 254
TAB_NAMES: Mapping[str, str] = {
    "": marked("All"),
    "active": marked("Active"),
    "suspended": marked("Suspended"),
    "banned": marked("Banned"),
    "staff": marked("Staff"),
}
Looking = Annotated[Viewer, Depends(staff_with(Permission.USERS_VIEW))]


@dataclass(frozen=True, slots=True)
class UserListPage:
    """What reports/users.html receives."""

    rows: Sequence[FoundUser]
    after: str | None
    tab: str
    search: str
    counts: Mapping[str, int]
    tiers: Sequence[TierView]
    tier: TierView | None
    """The one whose users are shown; `None` for all."""
    counted_max: int = COUNTED_MAX
    looked_at: int = ORDERS_LOOKED_AT
    tabs: Mapping[str, str] = field(default_factory=lambda: TAB_NAMES)
    role_names: Mapping[Role, str] = field(default_factory=lambda: ROLE_NAMES)


@router.get(WAY)
async def show_users(
    request: Request,
    panel: CurrentPanel,
    _viewer: Looking,
    session: Session,
    *,
    q: CleanText = "",
    state: CleanText = "",
    tier: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show users, newest first."""
    tab, search = state if state in TABS else "", q.strip()[:TYPED_MAX]
    tiers = await all_tiers(session)
    wanted = next((one for one in tiers if str(one.id) == tier), None)
    found = await find_users(
        session, tab=tab, search=search, currency=panel.currency, after=after or None, size=ROWS, tier=wanted
    )
    shown = UserListPage(found.rows, found.after, tab, search, await tab_counts(session), tiers, wanted)
    return page(request, "reports/users.html", shown, fragment="rows")
