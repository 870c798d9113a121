"""What the viewer wants to be told of, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.accounts.models import User
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.notifications.events import EVENTS, Event, EventTerms, Wish, choose, wishes_of
from smmpanel.notifications.low_balances import watch_balance, watched_amount
from smmpanel.web.amounts import amount_typed, amount_written
from smmpanel.web.formats import Formats
from smmpanel.web.forms import read_form
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/account/notifications"
SAVED = marked("Saved")
AMOUNT_WRONG = marked("Enter an amount above zero, or leave it empty.")
TYPED_MAX = 40


@dataclass(frozen=True, slots=True)
class Choice:
    """One event and what is wished for it."""

    event: Event
    terms: EventTerms
    wish: Wish


@dataclass(frozen=True, slots=True)
class ChoicesPage:
    """What notifications/choices.html receives."""

    choices: Sequence[Choice]
    below: str
    currency: str
    email: str
    is_confirmed: bool
    can_mail: bool
    wrong: str = ""


@router.get(PATH)
async def show_choices(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show what the viewer is told of."""
    kept = await wishes_of(session, [viewer.user_id])
    wishes = {event: kept.get((viewer.user_id, event), terms.default) for event, terms in EVENTS.items()}
    amount = await watched_amount(session, viewer.user_id)
    user = await session.get_one(User, viewer.user_id)
    shown = _page(request, user, wishes, "" if amount is None else amount_written(formats_of(request), amount))
    return page(request, "notifications/choices.html", shown)


@router.post(PATH)
async def save_choices(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Keep what is wished, or show what is wrong."""
    form = await read_form(request)
    typed = form.get("below", "").strip()[:TYPED_MAX]
    wishes = {event: Wish(f"panel-{event}" in form, f"mail-{event}" in form) for event in EVENTS}
    try:
        below = _amount(formats_of(request), typed)
    except InvalidInputError:
        user = await session.get_one(User, viewer.user_id)
        shown = _page(request, user, wishes, typed, say(request, AMOUNT_WRONG))
        return page(request, "notifications/choices.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    await choose(session, viewer.user_id, wishes)
    await watch_balance(session, viewer.user_id, below)
    return with_toast(see_other(PATH), Toast(say(request, SAVED)))


def _amount(formats: Formats, typed: str) -> Decimal | None:
    amount = amount_typed(formats, typed, field="below")
    if amount is not None and amount <= 0:
        raise InvalidInputError(field="below", reason=marked("must be above zero"))
    return amount


def _page(request: Request, user: User, wishes: dict[Event, Wish], below: str, wrong: str = "") -> ChoicesPage:
    panel = request.app.state.panel
    return ChoicesPage(
        choices=[Choice(event, terms, wishes[event]) for event, terms in EVENTS.items()],
        below=below,
        currency=panel.currency,
        email=user.email,
        is_confirmed=user.email_verified_at is not None,
        can_mail=panel.settings.can_mail,
        wrong=wrong,
    )
