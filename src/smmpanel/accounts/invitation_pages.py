"""`/staff/users/invitations`: making codes for people who may join, and taking them back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.accounts.inviting import COUNT_WRONG, DAYS_WRONG, USES_WRONG, invite, list_invitations, withdraw
from smmpanel.accounts.sign_in_models import Invitation
from smmpanel.accounts.sign_up_gate import SignUpMode, sign_up_rules
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/users/invitations"
FRESH = {"count": "1", "max_uses": "1", "days": "30", "note": ""}
WITHDRAWN = marked("Invitation withdrawn")
_WRONG = {"count": COUNT_WRONG, "max_uses": USES_WRONG, "days": DAYS_WRONG}
_DIGITS_MAX = 9
Looking = Annotated[Viewer, Depends(staff_with(Permission.USERS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.USERS_EDIT))]


@dataclass(frozen=True, slots=True)
class InvitationsPage:
    """What accounts/invitations.html receives; the codes of new invitations are in it once."""

    rows: Sequence[Invitation]
    after: str | None
    now: datetime
    may_edit: bool
    mode: SignUpMode
    address: str
    """Where the panel is."""
    typed: Mapping[str, str] = field(default_factory=lambda: FRESH)
    wrong: Mapping[str, str] = field(default_factory=dict)
    codes: Sequence[str] = ()


@router.get(PATH)
async def show_invitations(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, after: CleanText = ""
) -> Response:
    """Show invitations, newest first."""
    shown = await _shown(session, viewer, panel.clock(), panel.settings.address, after=after)
    return page(request, "accounts/invitations.html", shown, fragment="rows")


@router.post(PATH)
async def make(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Make invitations and show their codes, or show the form again."""
    form, now = await read_form(request), panel.clock()
    typed = {name: form.get(name, "").strip() for name in FRESH}
    try:
        codes = await invite(
            session,
            panel.vault,
            viewer,
            count=_number(typed, "count"),
            max_uses=_number(typed, "max_uses"),
            days=_number(typed, "days") if typed["days"] else None,
            note=typed["note"],
            now=now,
        )
    except InvalidInputError as error:
        name = str(error.fields["field"])
        wrong = {name: say(request, _WRONG[name])}
        shown = await _shown(session, viewer, now, panel.settings.address, typed=typed, wrong=wrong)
        return page(request, "accounts/invitations.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    # Shown in the answer itself: the codes are kept nowhere.
    shown = await _shown(session, viewer, now, panel.settings.address, codes=codes)
    return page(request, "accounts/invitations.html", shown)


@router.post(PATH + "/{invitation_id}/withdraw")
async def take_back(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, invitation_id: RowId
) -> Response:
    """Have an invitation let nobody in any more."""
    await withdraw(session, viewer, invitation_id, now=panel.clock())
    return with_toast(see_other(PATH), Toast(say(request, WITHDRAWN)))


def _number(typed: Mapping[str, str], name: str) -> int:
    text = typed[name]
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise InvalidInputError(field=name, reason=_WRONG[name])
    return int(text)


async def _shown(
    session: AsyncSession,
    viewer: Viewer,
    now: datetime,
    address: str,
    *,
    after: str = "",
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    codes: Sequence[str] = (),
) -> InvitationsPage:
    found = await list_invitations(session, after=after or None)
    may_edit, rules = viewer.may(Permission.USERS_EDIT), await sign_up_rules(session)
    mode = rules.mode
    return InvitationsPage(found.rows, found.after, now, may_edit, mode, address, typed or FRESH, wrong or {}, codes)
