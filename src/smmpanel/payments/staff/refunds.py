"""Deeds on the page of a deposit: paying it back, saying what became of a refund, and being the second person."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import MissingPermissionError, Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.staff.typed import faults_of
from smmpanel.kernel.errors import InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.payments.confirming import confirm, withdraw
from smmpanel.payments.refunding import WantedRefund, ask_refund, resolve_refund
from smmpanel.payments.return_models import Confirmation, PaymentReturn
from smmpanel.payments.staff.deposit_list import PATH, Looking
from smmpanel.payments.staff.deposit_page import amount_in, story_page
from smmpanel.payments.staff.going_back import AWAITS, KEY_LENGTH
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

SECOND = PATH + "/second/{confirmation_id}"
SENT = marked("Taken from the balance; the gateway is asked to pay it back")
PAID_BACK = marked("Paid back, and taken from the balance")
RESOLVED = marked("Written down")
CONFIRMED = marked("Confirmed and done")
WITHDRAWN = marked("Withdrawn: nothing was done")
Refunding = Annotated[Viewer, Depends(staff_with(Permission.DEPOSITS_REFUND))]


@router.post(PATH + "/{deposit_id}/refund")
async def refund(
    request: Request, panel: CurrentPanel, viewer: Refunding, session: Session, deposit_id: RowId
) -> Response:
    """Pay a deposit back, through its gateway or by hand."""
    form = await read_form(request)
    try:
        wanted = WantedRefund(
            deposit_id,
            form.get("key", "")[:KEY_LENGTH] or random_text(KEY_LENGTH),
            form.get("refund_reason", ""),
            amount=await amount_in(request, session, deposit_id, form.get("refund_amount", "")),
            by_hand=form.get("by_hand") == "yes",
            bank_ref=form.get("bank_ref", ""),
        )
        async with session.begin_nested():
            done = await ask_refund(session, panel, wanted, actor=viewer)
    except NotFoundError:
        raise
    except InvalidInputError as wrong:
        named = _named(wrong)
        return await story_page(request, panel, viewer, session, deposit_id, typed=form, wrong=named)
    except PanelError as wrong:
        return await story_page(request, panel, viewer, session, deposit_id, typed=form, wrong=wrong)
    if isinstance(done, Confirmation):
        told = Toast(say(request, AWAITS), kind="is-info")
    else:
        told = Toast(say(request, PAID_BACK if done.by_hand else SENT))
    return with_toast(see_other(f"{PATH}/{deposit_id}"), told)


@router.post(PATH + "/{deposit_id}/refunds/{return_id}")
async def resolve(  # noqa: PLR0917 - who says what of which refund
    request: Request, panel: CurrentPanel, viewer: Refunding, session: Session, deposit_id: RowId, return_id: RowId
) -> Response:
    """Say what became of a refund that nobody knows about."""
    form = await read_form(request)
    found = await session.get(PaymentReturn, return_id)
    if found is None or found.deposit_id != deposit_id:
        raise NotFoundError
    paid_back = form.get("became") == "paid_back"
    try:
        async with session.begin_nested():
            note, now = form.get("note", ""), panel.clock()
            await resolve_refund(session, return_id, paid_back=paid_back, actor=viewer, note=note, now=now)
    except PanelError as wrong:
        return _refused(request, wrong, f"{PATH}/{deposit_id}")
    return with_toast(see_other(f"{PATH}/{deposit_id}"), Toast(say(request, RESOLVED)))


@router.post(SECOND + "/confirm")
async def confirm_deed(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, confirmation_id: RowId
) -> Response:
    """Be the second person."""
    back = await _address_of(session, confirmation_id)
    try:
        async with session.begin_nested():
            done = await confirm(session, panel, confirmation_id, actor=viewer)
    except PanelError as wrong:
        return _refused(request, wrong, back)
    return with_toast(see_other(f"{PATH}/{done.deposit_id}"), Toast(say(request, CONFIRMED)))


@router.post(SECOND + "/withdraw")
async def withdraw_deed(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, confirmation_id: RowId
) -> Response:
    """Say that it is not to be done."""
    back = await _address_of(session, confirmation_id)
    try:
        async with session.begin_nested():
            await withdraw(session, confirmation_id, actor=viewer, now=panel.clock())
    except PanelError as wrong:
        return _refused(request, wrong, back)
    return with_toast(see_other(back), Toast(say(request, WITHDRAWN), kind="is-warn"))


async def _address_of(session: AsyncSession, confirmation_id: int) -> str:
    row = await session.get(Confirmation, confirmation_id)
    if row is None:
        raise NotFoundError
    return f"{PATH}/money/{row.receipt_id}" if row.receipt_id is not None else f"{PATH}/{row.deposit_id}"


def _refused(request: Request, wrong: PanelError, back: str) -> Response:
    if isinstance(wrong, MissingPermissionError):
        raise wrong
    said = next(iter(faults_of(request, wrong).values()))
    return with_toast(see_other(back), Toast(said, kind="is-bad"))


def _named(wrong: InvalidInputError) -> InvalidInputError:
    """Give fields the names that they have on the page, where other forms have an amount and a reason, too."""
    names = {"amount": "refund_amount", "reason": "refund_reason"}
    field = str(wrong.fields["field"])
    return InvalidInputError(field=names.get(field, field), reason=wrong.template, **wrong.facts)
