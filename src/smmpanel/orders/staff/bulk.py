"""One deed to many orders: first a page that says in numbers what will happen, then each order for itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.logging import get_logger
from smmpanel.orders.fulfilling import REASON_LENGTH_MAX
from smmpanel.orders.models import ORDER_FLOW, DripState, OrderKind, OrderStatus
from smmpanel.orders.owning import is_order_id
from smmpanel.orders.staff.deeds import BULK_DEEDS, COMPLETE, NOT_TAKEN, REFUND, RESEND, TEXT_NEEDED, Deed
from smmpanel.orders.staff.order import perform
from smmpanel.orders.staff.order_list import LIST_PATH
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import is_clean
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import safe_target, see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

CHOSEN_MAX = 100
S = OrderStatus
NOTHING_CHOSEN = marked("No order was chosen. Tick some first.")
DONE_TO = marked("{label}: {n}")
LEFT = marked("{n} were left as they were: {why}")
log = get_logger()

Looking = Annotated[Viewer, Depends(staff_with(Permission.ORDERS_VIEW))]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is known of a chosen order before anything is done to it."""

    id: int
    kind: str
    status: str
    unconfirmed: bool
    drip_state: str | None
    back: Decimal
    """What canceling it pays back."""
    user_id: int

    def fits(self, deed: Deed) -> bool:
        """Whether the deed can be done to it as it stands."""
        in_doubt = self.unconfirmed or self.status == S.SUBMITTING
        if deed is RESEND:
            return self.status == S.FAILED
        if deed is NOT_TAKEN:
            return self.unconfirmed
        if deed is REFUND and self.kind == OrderKind.DRIP:
            return self.drip_state in {DripState.ACTIVE, DripState.PAUSED}
        if deed is COMPLETE and self.kind in {OrderKind.DRIP, OrderKind.SUBSCRIPTION}:
            return False
        return not in_doubt and ORDER_FLOW.allows(S(self.status), S.COMPLETED if deed is COMPLETE else S.CANCELED)


@dataclass(frozen=True, slots=True)
class BulkPage:
    """What orders/staff/bulk.html receives."""

    deed: Deed
    able: Sequence[Chosen]
    unable: Sequence[Chosen]
    users: int
    back: Decimal
    reason: str
    error: str
    return_to: str


@router.post(f"{LIST_PATH}/bulk")
async def ask_bulk(request: Request, session: Session, viewer: Looking) -> Response:
    """Say what a deed will do to the chosen orders, and ask."""
    form = await read_form(request)
    deed, target = _deed(viewer, form.get("deed", "")), _target(form.get("return_to", ""))
    ids = await _ids(request)
    if not ids:
        return with_toast(see_other(target), Toast(say(request, NOTHING_CHOSEN), kind="is-warn"))
    return page(request, "orders/staff/bulk.html", await _bulk_page(session, deed, ids, target))


@router.post(f"{LIST_PATH}/bulk/run")
async def run_bulk(request: Request, panel: CurrentPanel, viewer: Looking) -> Response:
    """Do it to each order in a transaction of its own, so that one that is refused keeps no other from it."""
    form = await read_form(request)
    deed, target = _deed(viewer, form.get("deed", "")), _target(form.get("return_to", ""))
    ids = await _ids(request)
    reason = form.get("reason", "").strip()
    if deed.fields and not (0 < len(reason) <= REASON_LENGTH_MAX and reason.isprintable()):
        error = say(request, TEXT_NEEDED, most=REASON_LENGTH_MAX)
        async with panel.db.transaction() as session:
            shown = await _bulk_page(session, deed, ids, target, reason=reason, error=error)
        return page(request, "orders/staff/bulk.html", shown, status=422)
    done, refusals = 0, []
    for order_id in ids:
        try:
            await perform(panel, viewer, deed, order_id, form)
            done += 1
        except PanelError as refusal:
            log.info("bulk_deed_refused", deed=deed.name, order_id=order_id, code=refusal.code)
            refusals.append(failure_of(request, refusal).message)
    formats = formats_of(request)
    title = say(request, DONE_TO, label=say(request, deed.label), n=formats.num(done))
    left = say(request, LEFT, n=formats.num(len(refusals)), why=refusals[0]) if refusals else ""
    return with_toast(see_other(target), Toast(title, left[:250], kind="is-warn" if refusals else "is-ok"))


def _deed(viewer: Viewer, name: str) -> Deed:
    deed = next((one for one in BULK_DEEDS if one.name == name), None)
    if deed is None:
        raise NotFoundError
    for permission in deed.permissions:
        viewer.require(permission)
    return deed


def _target(asked: str) -> str:
    target = safe_target(asked)
    return target if target.split("?")[0] == LIST_PATH else LIST_PATH


async def _ids(request: Request) -> list[int]:
    """Read which orders were ticked, each once, the first `CHOSEN_MAX` of them."""
    form = await request.form()
    typed = [value for value in form.getlist("id") if isinstance(value, str) and is_clean(value)]
    numbers = [int(value) for value in typed if value.isascii() and value.isdigit() and len(value) < 20]
    return sorted({number for number in numbers if is_order_id(number)})[:CHOSEN_MAX]


_CHOSEN = text(
    "SELECT o.id, o.kind, o.status, o.unconfirmed, d.state AS drip_state, CASE WHEN o.kind = 'drip'"
    " THEN o.charge - o.refunded - o.earned - o.allocated ELSE o.charge - o.refunded END AS back, o.user_id"
    " FROM orders o LEFT JOIN drip_feeds d ON d.order_id = o.id WHERE o.id = ANY(CAST(:ids AS bigint[])) ORDER BY o.id DESC"
)


async def _bulk_page(
    session: AsyncSession, deed: Deed, ids: Sequence[int], target: str, *, reason: str = "", error: str = ""
) -> BulkPage:
    chosen = [Chosen(*row) for row in await session.execute(_CHOSEN, {"ids": list(ids)})]
    able = [one for one in chosen if one.fits(deed)]
    return BulkPage(
        deed=deed,
        able=able,
        unable=[one for one in chosen if not one.fits(deed)],
        users=len({one.user_id for one in able}),
        back=sum((one.back for one in able), Decimal(0)),
        reason=reason,
        error=error,
        return_to=target,
    )
