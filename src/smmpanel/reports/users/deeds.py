"""What staff do about a user: money, prices, stopping the account, ending sessions and keys."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_STAFF
from smmpanel.accounts.ending_access import end_all_sessions, end_key, end_session, reset_proofs
from smmpanel.accounts.states import AccountState
from smmpanel.accounts.suspending import ban_user, reactivate_user, suspend_user
from smmpanel.catalog.staff.provider_forms import NEEDED
from smmpanel.catalog.staff.typed import amount_in, row_id_in
from smmpanel.catalog.user_prices import remove_custom_rate, set_custom_rate, set_discount
from smmpanel.growth.referral_terms import WRONG_PERCENT, set_own_percent
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.live import tell
from smmpanel.kernel.money import Money
from smmpanel.ledger import AdjustmentKind, InsufficientFundsError, KeyReusedError, adjust_by_staff
from smmpanel.reports.users.list_page import WAY, Looking
from smmpanel.reports.users.user_page import KEY_LENGTH, Typed, user_page
from smmpanel.web.amounts import amount_typed
from smmpanel.web.csrf import ForeignFormError
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

KEY_MAX = 64
MOVES = {
    AccountState.SUSPENDED.value: suspend_user,
    AccountState.BANNED.value: ban_user,
    AccountState.ACTIVE.value: reactivate_user,
}
NO_REASON = marked("Enter a reason of up to 500 characters.")
NO_SERVICE = marked("There is no such service.")
NOT_ENOUGH = marked("There is less than that in the wallet.")
SENT_BEFORE = marked("This form was sent before, with something else in it. Check what was done, then send it again.")
WRONG: Mapping[tuple[str, str], str] = {
    ("balance", "amount"): marked("Enter an amount other than zero, with six decimals at most."),
    ("balance", "reason"): NO_REASON,
    ("balance", "kind"): marked("Say what kind of money it is."),
    ("discount", "percent"): marked("Enter a percentage from 0 to 100."),
    ("commission", "percent"): WRONG_PERCENT,
    ("rate", "rate"): marked("Enter an amount, zero or more, with six decimals at most."),
    ("rate", "service_id"): NO_SERVICE,
    ("state", "reason"): NO_REASON,
}
ADJUSTED = marked("{amount} booked on the balance")
DONE_BEFORE = marked("This was booked before")
DISCOUNT_SAVED = marked("Discount saved")
COMMISSION_SAVED = marked("Rate of commission saved")
RATE_SAVED = marked("Own rate saved: {rate}")
RATE_REMOVED = marked("Own rate taken away")
MOVED: Mapping[str, str] = {
    AccountState.SUSPENDED.value: marked("The account is suspended"),
    AccountState.BANNED.value: marked("The account is banned"),
    AccountState.ACTIVE.value: marked("The account is active again"),
}
SESSION_ENDED = marked("Session ended")
SESSIONS_ENDED = marked("Signed out everywhere")
KEY_ENDED = marked("Key revoked")
FACTOR_RESET = marked("Second factor and passkeys taken away")


class _Fault(NamedTuple):
    field: str
    text: str


class Desk:
    """What each deed needs: who does it, to whom, and the panel in which it is done."""

    def __init__(
        self, request: Request, panel: CurrentPanel, viewer: Looking, session: Session, user_id: RowId
    ) -> None:
        self.request, self.panel, self.viewer = request, panel, viewer
        self.session, self.user_id = session, user_id

    def done(self, said: str, **fields: object) -> Response:
        """Lead back to the user, and say what was done."""
        toast = Toast(say(self.request, said, **fields))
        return with_toast(see_other(f"{WAY}/{self.user_id}"), toast)

    async def again(self, form: str, values: Mapping[str, str], error: PanelError) -> Response:
        """Show the page with a form that was not taken, as it was typed."""
        fault = _fault(self.request, form, error)
        typed = Typed(form, values, {fault.field: fault.text})
        return await user_page(self.request, self.panel, self.viewer, self.session, user_id=self.user_id, typed=typed)


OneDesk = Annotated[Desk, Depends()]


@router.post(WAY + "/{user_id}/balance")
async def change_balance(desk: OneDesk) -> Response:
    """Add to the wallet or take from it; the same form sent twice does it once."""
    form = await read_form(desk.request)
    key = form.get("key", "")
    if not KEY_LENGTH <= len(key) <= KEY_MAX or not key.isalnum():
        raise ForeignFormError
    session = desk.session
    try:
        amount = Money(_amount_in(desk.request, form, "amount"), desk.panel.currency)
        reason, kind = form.get("reason", ""), _kind_in(form)
        async with session.begin_nested():
            is_done = await adjust_by_staff(
                session, desk.viewer, desk.user_id, amount, reason=reason, key=f"staff:{key}", kind=kind
            )
    except (InvalidInputError, KeyReusedError, InsufficientFundsError) as error:
        return await desk.again("balance", form, error)
    if not is_done:
        return desk.done(DONE_BEFORE)
    await tell(session, "balance", [desk.user_id])
    return desk.done(ADJUSTED, amount=formats_of(desk.request).signed(amount.amount))


@router.post(WAY + "/{user_id}/discount")
async def change_discount(desk: OneDesk) -> Response:
    """Give a discount on all list rates; zero or nothing takes it away."""
    form = await read_form(desk.request)
    try:
        percent = amount_in(form, "percent") or Decimal(0)
        async with desk.session.begin_nested():
            await set_discount(desk.session, desk.user_id, percent, actor=desk.viewer)
    except InvalidInputError as error:
        return await desk.again("discount", form, error)
    return desk.done(DISCOUNT_SAVED)


@router.post(WAY + "/{user_id}/commission")
async def change_commission(desk: OneDesk) -> Response:
    """Give an own rate of commission; nothing typed takes it away."""
    form = await read_form(desk.request)
    try:
        percent = amount_in(form, "percent")
        async with desk.session.begin_nested():
            await set_own_percent(desk.session, desk.viewer, desk.user_id, percent)
    except InvalidInputError as error:
        return await desk.again("commission", form, error)
    return desk.done(COMMISSION_SAVED)


@router.post(WAY + "/{user_id}/rates")
async def change_rate(desk: OneDesk) -> Response:
    """Give an own rate for one service."""
    form = await read_form(desk.request)
    try:
        service_id = _chosen(form)
        rate = _amount_in(desk.request, form, "rate")
        async with desk.session.begin_nested():
            await set_custom_rate(desk.session, desk.user_id, service_id, rate, actor=desk.viewer)
    except (InvalidInputError, NotFoundError) as error:
        return await desk.again("rate", form, error)
    return desk.done(RATE_SAVED, rate=formats_of(desk.request).exact(rate))


@router.post(WAY + "/{user_id}/rates/{service_id}/remove")
async def remove_rate(desk: OneDesk, service_id: RowId) -> Response:
    """Have the user pay the list rate of a service again, less their discount."""
    await remove_custom_rate(desk.session, desk.user_id, service_id, actor=desk.viewer)
    return desk.done(RATE_REMOVED)


@router.post(WAY + "/{user_id}/state")
async def change_state(desk: OneDesk) -> Response:
    """Suspend, ban, or let back in."""
    form = await read_form(desk.request)
    to, reason, session = form.get("to", ""), form.get("reason", ""), desk.session
    if to not in MOVES:
        raise ForeignFormError
    try:
        async with session.begin_nested():
            await MOVES[to](session, desk.viewer, desk.user_id, reason=reason, now=desk.panel.clock())
    except (InvalidInputError, ConflictError) as error:
        return await desk.again("state", form, error)
    return desk.done(MOVED[to])


@router.post(WAY + "/{user_id}/sessions/{session_id}/revoke")
async def revoke_one(desk: OneDesk, session_id: RowId) -> Response:
    """Sign the user out on one device."""
    await end_session(desk.session, desk.viewer, desk.user_id, session_id, now=desk.panel.clock())
    return desk.done(SESSION_ENDED)


@router.post(WAY + "/{user_id}/sessions/revoke")
async def revoke_all(desk: OneDesk) -> Response:
    """Sign the user out everywhere."""
    await end_all_sessions(desk.session, desk.viewer, desk.user_id, now=desk.panel.clock())
    return desk.done(SESSIONS_ENDED)


@router.post(WAY + "/{user_id}/second-factor/reset")
async def reset_factor(desk: OneDesk) -> Response:
    """Take a second factor and passkeys away that somebody lost."""
    await reset_proofs(desk.session, desk.viewer, desk.user_id, now=desk.panel.clock())
    return desk.done(FACTOR_RESET)


@router.post(WAY + "/{user_id}/keys/{key_id}/revoke")
async def revoke_key(desk: OneDesk, key_id: RowId) -> Response:
    """End an API key for good."""
    await end_key(desk.session, desk.viewer, desk.user_id, key_id, now=desk.panel.clock())
    return desk.done(KEY_ENDED)


def _amount_in(request: Request, form: Mapping[str, str], field: str) -> Decimal:
    amount = amount_typed(formats_of(request), form.get(field, ""), field=field)
    if amount is None:
        raise InvalidInputError(field=field, reason=NEEDED)
    return amount


def _kind_in(form: Mapping[str, str]) -> AdjustmentKind:
    # A form without the choice, of a script, books what nobody said more of.
    chosen = form.get("kind") or AdjustmentKind.PLAIN.value
    if chosen not in list(AdjustmentKind):
        raise InvalidInputError(field="kind", reason=NEEDED)
    return AdjustmentKind(chosen)


def _chosen(form: Mapping[str, str]) -> int:
    service_id = row_id_in(form, "service_id")
    if service_id is None:
        raise InvalidInputError(field="service_id", reason=NO_SERVICE)
    return service_id


def _fault(request: Request, form: str, error: PanelError) -> _Fault:
    match error:
        case InvalidInputError():
            field = str(error.fields.get("field", ""))
            if (form, field) in WRONG:
                return _Fault(field, say(request, WRONG[form, field]))
        case InsufficientFundsError():
            return _Fault("amount", say(request, NOT_ENOUGH))
        case KeyReusedError():
            return _Fault("amount", say(request, SENT_BEFORE))
        case NotFoundError() if form == "rate":
            return _Fault("service_id", say(request, NO_SERVICE))
        case _:
            pass
    return _Fault("reason" if form == "state" else "", failure_of(request, error).message)
