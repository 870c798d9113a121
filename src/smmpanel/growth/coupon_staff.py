"""`/staff/coupons`: making coupons for orders, seeing how often they were used, and stopping them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.staff.typed import amount_in, faults_of, whole_in
from smmpanel.growth.days import day_is_over
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.orders.coupon_editing import NOTE_MAX, CouponTerms, coupons_page, make_coupon, stop_coupon
from smmpanel.orders.coupon_models import Coupon
from smmpanel.orders.coupons import CODE_MAX, code_typed
from smmpanel.web.amounts import amount_typed
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/coupons"
MADE, STOPPED = marked("Coupon made"), marked("Coupon stopped")
STOPPED_TEXT = marked("Orders that were placed with it keep their price.")
Looking = Annotated[Viewer, Depends(staff_with(Permission.VOUCHERS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.VOUCHERS_EDIT))]


@dataclass(frozen=True, slots=True)
class CouponsPage:
    """What growth/staff/coupons.html receives."""

    rows: Sequence[Coupon]
    after: str | None
    now: datetime
    may_edit: bool
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    code_max: int = CODE_MAX
    note_max: int = NOTE_MAX


@router.get(WAY)
async def show_coupons(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, after: CleanText = ""
) -> Response:
    """Show coupons, newest first, and the form for another one."""
    shown = await _shown(session, viewer, panel.clock(), after=after)
    return page(request, "growth/staff/coupons.html", shown, fragment="rows")


@router.post(WAY)
async def make(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Make a coupon, or show the form again."""
    form, now = await read_form(request), panel.clock()
    try:
        terms = _terms(request, form, viewer.time_zone)
        async with session.begin_nested():
            await make_coupon(session, terms, actor=viewer, now=now)
    except InvalidInputError as wrong:
        shown = await _shown(session, viewer, now, typed=form, errors=faults_of(request, wrong))
        return page(request, "growth/staff/coupons.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return with_toast(see_other(WAY), Toast(say(request, MADE)))


@router.post(WAY + "/{coupon_id}/stop")
async def stop(request: Request, panel: CurrentPanel, viewer: Editing, session: Session, coupon_id: RowId) -> Response:
    """Have a coupon count no more."""
    await stop_coupon(session, coupon_id, actor=viewer, now=panel.clock())
    return with_toast(see_other(WAY), Toast(say(request, STOPPED), say(request, STOPPED_TEXT)))


def _terms(request: Request, form: Mapping[str, str], zone: str) -> CouponTerms:
    formats = formats_of(request)
    return CouponTerms(
        code=code_typed(form.get("code", "")),
        percent=amount_in(form, "percent"),
        amount=amount_typed(formats, form.get("amount", ""), field="amount"),
        maximum=amount_typed(formats, form.get("maximum", ""), field="maximum"),
        min_charge=amount_typed(formats, form.get("min_charge", ""), field="min_charge") or Decimal(0),
        max_uses=whole_in(form, "max_uses"),
        uses_per_user=whole_in(form, "uses_per_user"),
        below_cost=form.get("below_cost") == "yes",
        valid_until=day_is_over(form, "valid_until", zone),
        note=form.get("note", "").strip()[:NOTE_MAX],
    )


async def _shown(
    session: AsyncSession,
    viewer: Viewer,
    now: datetime,
    *,
    after: str = "",
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> CouponsPage:
    found = await coupons_page(session, after=after or None)
    may_edit = viewer.may(Permission.VOUCHERS_EDIT)
    return CouponsPage(found.rows, found.after, now, may_edit, typed or {}, errors or {})
