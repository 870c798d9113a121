"""A customer's API keys: listed, made, shown once, revoked."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.api_keys import TooManyKeysError, issue_key, list_keys, revoke_key
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import ApiKey
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import parse_amount
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/api-keys"
TYPED_MAX = 4000
TOO_MANY = marked("You have as many keys as one may have. Revoke one first.")
WRONG = {
    "name": marked("Enter a name of up to 80 characters."),
    "ip_list": marked("Enter addresses such as 203.0.113.7 or networks such as 203.0.113.0/24, one a line."),
    "daily_spend_cap": marked("Enter an amount above zero, or leave it empty."),
}
REVOKED = marked("Key revoked")


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed into the form of a new key."""

    name: str = ""
    ip_list: str = ""
    daily_spend_cap: str = ""


@dataclass(frozen=True, slots=True)
class ApiKeysPage:
    """What accounts/api_keys.html receives; the text of a new key is in it once."""

    keys: Sequence[ApiKey]
    typed: Typed
    wrong_field: str = ""
    wrong: str = ""
    new_key: str = ""


@router.get(PATH)
async def show_keys(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show the live keys."""
    return page(request, "accounts/api_keys.html", ApiKeysPage(await list_keys(session, viewer.user_id), Typed()))


@router.post(PATH)
async def make_key(request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session) -> Response:
    """Make a key and show its text, or show the form again."""
    form = await read_form(request)
    typed = Typed(*(form.get(name, "").strip()[:TYPED_MAX] for name in ("name", "ip_list", "daily_spend_cap")))
    try:
        cap = parse_amount(typed.daily_spend_cap, field="daily_spend_cap") if typed.daily_spend_cap else None
        user = await locked_user(session, viewer.user_id)
        networks = typed.ip_list.replace(",", " ").split()
        _, text = await issue_key(session, panel.vault, user, typed.name, networks, cap, actor=viewer)
    except (InvalidInputError, TooManyKeysError) as error:
        field = str(error.fields.get("field", "name"))
        told = TOO_MANY if isinstance(error, TooManyKeysError) else WRONG[field]
        shown = ApiKeysPage(await list_keys(session, viewer.user_id), typed, field, say(request, told))
        return page(request, "accounts/api_keys.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    # Shown in the answer itself: the text of a key is kept nowhere, not even in a cookie for the next page.
    return page(
        request, "accounts/api_keys.html", ApiKeysPage(await list_keys(session, viewer.user_id), Typed(), new_key=text)
    )


@router.post(PATH + "/{key_id}/revoke")
async def end_key(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, key_id: RowId
) -> Response:
    """End a key for good."""
    await revoke_key(session, viewer.user_id, key_id, now=panel.clock(), actor=viewer)
    return with_toast(see_other(PATH), Toast(say(request, REVOKED)))
