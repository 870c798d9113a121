"""`/staff/referrals`: referrals that look like one's own, payouts that wait, all referrals, and the terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.staff.typed import amount_in, whole_in, written
from smmpanel.growth.payouts import EarningsTooLowError, PayoutDecidedError, approve_payout, refuse_payout
from smmpanel.growth.referral_deciding import clear_referral, refuse_referral
from smmpanel.growth.referral_desk import (
    COUNTED_MAX,
    PayoutCase,
    ReferralCase,
    payout_cases,
    referral_cases,
    waiting_counts,
)
from smmpanel.growth.referral_models import ReferralState
from smmpanel.growth.referral_pages import REFERRAL_WORDS
from smmpanel.growth.referral_signals import SIGNAL_WORDS
from smmpanel.growth.referral_terms import (
    WRONG_DAYS,
    WRONG_MINIMUM,
    WRONG_PERCENT,
    ReferralTerms,
    referral_terms,
    set_referral_terms,
)
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.paging import Paged
from smmpanel.kernel.panel import Panel
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

N = TypeVar("N", Decimal, int)
router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/referrals"
ROWS = 25
TABS: Mapping[str, str] = {
    "": marked("To be checked"),
    "payouts": marked("Payouts"),
    "all": marked("All referrals"),
    "refused": marked("Refused"),
    "terms": marked("Terms"),
}
_STATES = {"": ReferralState.FLAGGED, "refused": ReferralState.REFUSED, "all": None}
VIA_WORDS: Mapping[str, str] = {"link": marked("Link"), "code": marked("Code")}
WRONG: Mapping[str, str] = {"percent": WRONG_PERCENT, "minimum": WRONG_MINIMUM, "cookie_days": WRONG_DAYS}
CLEARED, REFUSED = marked("Referral cleared"), marked("Referral refused")
CLEARED_TEXT = marked("Its commission is credited.")
REFUSED_TEXT = marked("It brings nothing; what was credited is taken back.")
SAME = marked("Nothing was different")
PAID, TURNED_DOWN = marked("Payout approved"), marked("Payout refused")
REASON_NEEDED = marked("Enter a reason of up to 500 characters.")
SAVED = marked("Terms saved")
SAVED_TEXT = marked("The rate holds for orders that end from now on.")
Looking = Annotated[Viewer, Depends(staff_with(Permission.REFERRALS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.REFERRALS_EDIT))]
Paying = Annotated[Viewer, Depends(staff_with(Permission.REFERRALS_PAY))]


@dataclass(frozen=True, slots=True)
class ReferralDesk:
    """What growth/staff/referrals.html receives: the list of one tab, or the terms."""

    tab: str
    cases: Paged[ReferralCase] | None
    payouts: Paged[PayoutCase] | None
    terms: ReferralTerms
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    counts: Mapping[str, int]
    may_edit: bool
    may_pay: bool
    sees_users: bool
    counted_max: int = COUNTED_MAX
    tabs: Mapping[str, str] = field(default_factory=lambda: TABS)
    words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: REFERRAL_WORDS)
    signals: Mapping[str, str] = field(default_factory=lambda: SIGNAL_WORDS)
    ways: Mapping[str, str] = field(default_factory=lambda: VIA_WORDS)


@router.get(WAY)
async def show_referrals(
    request: Request,
    panel: CurrentPanel,
    viewer: Looking,
    session: Session,
    *,
    show: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show what waits for staff, or another list."""
    shown = await _shown(panel, viewer, session, tab=show if show in TABS else "", after=after)
    return page(request, "growth/staff/referrals.html", shown, fragment="rows")


@router.post(WAY + "/terms")
async def save_terms(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Change the terms, or show the form again."""
    form = await read_form(request)
    try:
        terms = ReferralTerms(
            percent=_needed(amount_in(form, "percent"), "percent"),
            approval=form.get("approval") == "yes",
            minimum=amount_in(form, "minimum") or Decimal(0),
            cookie_days=_needed(whole_in(form, "cookie_days"), "cookie_days"),
        )
        async with session.begin_nested():
            changed = await set_referral_terms(session, viewer, terms)
    except InvalidInputError as wrong:
        name = str(wrong.fields.get("field", ""))
        errors = {name: say(request, WRONG[name]) if name in WRONG else say(request, wrong.template, **wrong.facts)}
        typed = {"approval": "", **form}
        shown = await _shown(panel, viewer, session, tab="terms", typed=typed, errors=errors)
        return page(request, "growth/staff/referrals.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    toast = Toast(say(request, SAVED), say(request, SAVED_TEXT)) if changed else Toast(say(request, SAME))
    return with_toast(see_other(f"{WAY}?show=terms"), toast)


@router.post(WAY + "/{referral_id}/clear")
async def clear(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, referral_id: RowId
) -> Response:
    """Believe a referral."""
    changed = await clear_referral(session, viewer, referral_id, currency=panel.currency, now=panel.clock())
    toast = Toast(say(request, CLEARED), say(request, CLEARED_TEXT)) if changed else Toast(say(request, SAME))
    return with_toast(see_other(_back(request)), toast)


@router.post(WAY + "/{referral_id}/refuse")
async def refuse(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, referral_id: RowId
) -> Response:
    """Refuse a referral, with a reason."""
    note = (await read_form(request)).get("reason", "")
    try:
        async with session.begin_nested():
            changed = await refuse_referral(
                session, viewer, referral_id, note=note, currency=panel.currency, now=panel.clock()
            )
    except InvalidInputError:
        return with_toast(see_other(_back(request)), Toast(say(request, REASON_NEEDED), kind="is-bad"))
    toast = Toast(say(request, REFUSED), say(request, REFUSED_TEXT)) if changed else Toast(say(request, SAME))
    return with_toast(see_other(_back(request)), toast)


@router.post(WAY + "/payouts/{payout_id}/approve")
async def approve(
    request: Request, panel: CurrentPanel, viewer: Paying, session: Session, payout_id: RowId
) -> Response:
    """Pay out."""
    toast = Toast(say(request, PAID))
    try:
        async with session.begin_nested():
            await approve_payout(session, viewer, payout_id, currency=panel.currency, now=panel.clock())
    except (PayoutDecidedError, EarningsTooLowError) as error:
        toast = Toast(failure_of(request, error).message, kind="is-bad")
    return with_toast(see_other(f"{WAY}?show=payouts"), toast)


@router.post(WAY + "/payouts/{payout_id}/refuse")
async def turn_down(
    request: Request, panel: CurrentPanel, viewer: Paying, session: Session, payout_id: RowId
) -> Response:
    """Refuse to pay out, with a reason that the customer reads."""
    reason = (await read_form(request)).get("reason", "")
    toast = Toast(say(request, TURNED_DOWN))
    try:
        async with session.begin_nested():
            await refuse_payout(session, viewer, payout_id, reason=reason, currency=panel.currency, now=panel.clock())
    except InvalidInputError:
        toast = Toast(say(request, REASON_NEEDED), kind="is-bad")
    except PayoutDecidedError as error:
        toast = Toast(failure_of(request, error).message, kind="is-bad")
    return with_toast(see_other(f"{WAY}?show=payouts"), toast)


async def _shown(
    panel: Panel,
    viewer: Viewer,
    session: AsyncSession,
    *,
    tab: str,
    after: str = "",
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> ReferralDesk:
    terms, cursor = await referral_terms(session), after or None
    kept = {
        "percent": written(terms.percent),
        "approval": "yes" if terms.approval else "",
        "minimum": written(terms.minimum),
        "cookie_days": str(terms.cookie_days),
    }
    return ReferralDesk(
        tab=tab,
        cases=await referral_cases(session, _STATES[tab], after=cursor, size=ROWS) if tab in _STATES else None,
        payouts=await payout_cases(session, panel.currency, after=cursor, size=ROWS) if tab == "payouts" else None,
        terms=terms,
        typed={**kept, **(typed or {})},
        errors=errors or {},
        counts=await waiting_counts(session),
        may_edit=viewer.may(Permission.REFERRALS_EDIT),
        may_pay=viewer.may(Permission.REFERRALS_PAY),
        sees_users=viewer.may(Permission.USERS_VIEW),
    )


def _needed(value: N | None, name: str) -> N:
    if value is None:
        raise InvalidInputError(field=name, reason=WRONG[name])
    return value


def _back(request: Request) -> str:
    tab = request.query_params.get("show", "")
    return f"{WAY}?show={tab}" if tab in TABS and tab else WAY
