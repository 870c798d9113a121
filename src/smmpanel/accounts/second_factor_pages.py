"""The own second factor: setting it up with an app, new recovery codes, another app, doing without."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.accounts.passwords import TYPED_MAX
from smmpanel.accounts.proving_again import SignInAgainError, WrongProofError, prove_again
from smmpanel.accounts.second_factor import (
    FactorState,
    NothingToConfirmError,
    WrongCodeError,
    begin_setup,
    cancel_setup,
    confirm_setup,
    factor_state,
    renew_codes,
    setup_address,
    switch_off,
)
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.shell import shell_of
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/account/security/second-factor"
SECURITY_PATH = "/account/security"
IS_OFF = marked("Second factor switched off")
_REFUSALS = (WrongCodeError, WrongProofError, SignInAgainError, TooManyAttemptsError, NothingToConfirmError)


@dataclass(frozen=True, slots=True)
class FactorPage:
    """What accounts/second_factor.html receives; new recovery codes are in it once."""

    confirmed_at: datetime | None
    codes_left: int
    picture: Markup | None
    """What the app reads, while a first code is due."""
    secret: str
    is_required: bool
    new_codes: Sequence[str] = ()
    wrong_field: str = ""
    wrong: str = ""


@router.get(PATH)
async def show_factor(request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session) -> Response:
    """Show how it stands, and what the app needs while it is being set up."""
    return page(request, "accounts/second_factor.html", await _shown(request, session, panel, viewer))


@router.post(PATH)
async def change_factor(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Do what one of the page's buttons says, or show the page again with what is wrong."""
    form = await read_form(request)
    deed, field = form.get("deed", ""), "code" if "code" in form else "proof"
    try:
        codes = await _done(panel, viewer, deed, form.get(field, "")[:TYPED_MAX])
    except _REFUSALS as wrong:
        return await _refused(request, panel, viewer, field, wrong)
    if codes:
        # Shown in the answer itself: the codes are kept nowhere.
        async with panel.db.transaction() as session:
            shown = await _shown(request, session, panel, viewer, new_codes=codes)
        return page(request, "accounts/second_factor.html", shown)
    if deed == "off":
        return with_toast(see_other(SECURITY_PATH), Toast(say(request, IS_OFF)))
    return see_other(PATH)


async def _done(panel: Panel, viewer: Viewer, deed: str, given: str) -> list[str]:
    """Do a deed; returns new recovery codes if it made any."""
    db, vault, now = panel.db, panel.vault, panel.clock()
    if deed == "confirm":
        return await confirm_setup(db, vault, viewer, given, now=now)
    if deed == "cancel":
        async with db.transaction() as session:
            await cancel_setup(session, viewer)
        return []
    async with db.transaction() as session:
        is_on = (await factor_state(session, vault, viewer.user_id)).is_on
    if is_on:
        await prove_again(db, vault, viewer, given, now=now)
    async with db.transaction() as session:
        if deed == "codes":
            return await renew_codes(session, vault, viewer)
        if deed == "off":
            await switch_off(session, viewer)
        elif deed == "begin":
            await begin_setup(session, vault, viewer)
    return []


async def _refused(request: Request, panel: Panel, viewer: Viewer, field: str, wrong: PanelError) -> Response:
    failure = failure_of(request, wrong)
    async with panel.db.transaction() as session:
        shown = await _shown(request, session, panel, viewer, wrong_field=field, wrong=failure.message)
    status = failure.status if isinstance(wrong, TooManyAttemptsError) else HTTPStatus.UNPROCESSABLE_ENTITY
    headers = {name: value for name, value in failure.headers.items() if name == "Retry-After"}
    return page(request, "accounts/second_factor.html", shown, status=status, headers=headers)


async def _shown(
    request: Request,
    session: AsyncSession,
    panel: Panel,
    viewer: Viewer,
    *,
    new_codes: Sequence[str] = (),
    wrong_field: str = "",
    wrong: str = "",
) -> FactorPage:
    state: FactorState = await factor_state(session, panel.vault, viewer.user_id)
    # Whoever of the staff is signed in as this user has no business with the secret.
    secret = (state.waiting_secret or "") if viewer.acted_by is None else ""
    site = shell_of(request).brand.name
    return FactorPage(
        confirmed_at=state.confirmed_at,
        codes_left=state.codes_left,
        picture=_picture(setup_address(secret, account=viewer.username, site=site)) if secret else None,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        is_required=viewer.held_back is not None,
        new_codes=new_codes,
        wrong_field=wrong_field,
        wrong=wrong,
    )


def _picture(text: str) -> Markup:
    """Draw a QR code as SVG: plain attributes only, which the page's policy lets through."""
    import segno

    drawn: str = segno.make(text, error="m").svg_inline(omitsize=True, dark="#000", light="#fff", border=2)
    return Markup(drawn)  # noqa: S704 - drawn from a secret of our own making, by numbers alone
