"""Going to another site to sign in there, coming back, and connecting it with the own account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.arrivals import arrival_of, device_of
from smmpanel.accounts.arriving import arrive, keep_step, lead_to_second_step
from smmpanel.accounts.current import FOR_EVERYBODY, FOR_MEMBERS, CurrentViewer, MaybeViewer, RequestOrigin
from smmpanel.accounts.entering import Origin, SecondFactorNeededError
from smmpanel.accounts.openid.going_out import WayOut, read_answer, send_out
from smmpanel.accounts.openid.issuers import Issuers
from smmpanel.accounts.openid.linking import (
    Newcomer,
    connect,
    disconnect,
    list_identities,
    sign_in_by_claims,
)
from smmpanel.accounts.openid.settings import OpenIdSettings, openid_settings
from smmpanel.accounts.openid.tokens import Claims, TokenRefusedError
from smmpanel.accounts.passwords import TYPED_MAX
from smmpanel.accounts.proving_again import prove_again
from smmpanel.accounts.second_step_pages import begin_again
from smmpanel.accounts.sign_in_models import OutsideIdentity
from smmpanel.accounts.sign_up_gate import Gate
from smmpanel.accounts.sign_up_pages import ZONES
from smmpanel.accounts.signing_in import count_address_try, count_step
from smmpanel.accounts.steps import StepKind, take_step
from smmpanel.accounts.throttling import forgive
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.web.cookies import step_cookie
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import language_of, say
from smmpanel.web.origins import site_of
from smmpanel.web.pages import page
from smmpanel.web.redirects import SIGN_IN_PATH, safe_target, see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session, panel_of

visitors = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)
members = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)
ROUTERS = (visitors, members)

OUT_PATH, BACK_PATH = f"{SIGN_IN_PATH}/openid", f"{SIGN_IN_PATH}/openid/back"
PATH = "/account/security/other-sites"
CONNECTED, DISCONNECTED = marked("Connected"), marked("Disconnected")


@dataclass(frozen=True, slots=True)
class OtherSitesPage:
    """What accounts/other_sites.html receives."""

    identities: Sequence[OutsideIdentity]
    issuer: str
    label: str
    is_connected: bool
    go_to: str = ""
    """Where the other site is, once somebody has shown that it is them."""
    wrong: str = ""


@visitors.get(OUT_PATH)
async def go_out(request: Request, panel: CurrentPanel, viewer: MaybeViewer, origin: RequestOrigin) -> Response:
    """Send a visitor to the other site."""
    target = safe_target(request.query_params.get("next", "/"))
    if viewer is not None:
        return see_other(target)
    try:
        await count_step(panel.db, origin.ip, now=panel.clock())
        way = await _way_out(request, panel, target=target, user_id=None)
    except PanelError as wrong:
        return begin_again(request, wrong)
    response = see_other(way.url)
    keep_step(request, response, StepKind.OPENID, way.token)
    return response


@visitors.get(BACK_PATH)
async def come_back(request: Request, panel: CurrentPanel, viewer: MaybeViewer, origin: RequestOrigin) -> Response:
    """Take what a browser brings back from the other site: sign in, or connect."""
    now = panel.clock()
    connecting = False
    try:
        async with panel.db.transaction() as session:
            ours = await _ours(session, panel)
            step = await take_step(
                session, panel.vault, StepKind.OPENID, step_cookie(request, StepKind.OPENID), now=now
            )
        connecting = step.user_id is not None
        tried = await count_address_try(panel.db, origin.ip, now=now)
        asked = {name: request.query_params.get(name, "") for name in ("state", "code", "iss")}
        claims = await read_answer(_issuers(request), ours, step, **asked, now=now)
        async with panel.db.transaction() as session:
            await forgive(session, tried, everything=False, now=now)
        if connecting:
            return await _connect(request, panel, viewer, claims, step.user_id)
        return await _enter(request, panel, claims, origin, safe_target(step.body["target"]))
    except PanelError as wrong:
        if connecting and viewer is not None:
            return with_toast(see_other(PATH), Toast(failure_of(request, wrong).message, kind="is-bad"))
        return begin_again(request, wrong)


@members.get(PATH)
async def show_sites(request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session) -> Response:
    """Show which sites the own account is connected with."""
    return page(request, "accounts/other_sites.html", await _shown(session, panel, viewer))


@members.post(PATH)
async def begin_connecting(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Show the way to the other site, once somebody has shown that it is them."""
    proof = (await read_form(request)).get("proof", "")[:TYPED_MAX]
    try:
        await prove_again(panel.db, panel.vault, viewer, proof, now=panel.clock())
        way = await _way_out(request, panel, target=PATH, user_id=viewer.user_id)
    except PanelError as wrong:
        return await _refused(request, panel, viewer, wrong)
    async with panel.db.transaction() as session:
        shown = await _shown(session, panel, viewer, go_to=way.url)
    # A link and not a redirect: the page's policy lets no form lead elsewhere.
    response = page(request, "accounts/other_sites.html", shown)
    keep_step(request, response, StepKind.OPENID, way.token)
    return response


@members.post(PATH + "/{identity_id}/disconnect")
async def stop(request: Request, panel: CurrentPanel, viewer: CurrentViewer, identity_id: RowId) -> Response:
    """Forget the other site."""
    proof = (await read_form(request)).get("proof", "")[:TYPED_MAX]
    try:
        await prove_again(panel.db, panel.vault, viewer, proof, now=panel.clock())
        async with panel.db.transaction() as session:
            await disconnect(session, viewer, identity_id)
    except NotFoundError:
        raise
    except PanelError as wrong:
        return await _refused(request, panel, viewer, wrong)
    return with_toast(see_other(PATH), Toast(say(request, DISCONNECTED)))


async def _enter(request: Request, panel: Panel, claims: Claims, origin: Origin, target: str) -> Response:
    now, language, device = panel.clock(), language_of(request), device_of(request)
    zone = ZONES.get(language, str(getattr(request.state, "panel_time_zone", "UTC")))
    arrival = arrival_of(request, now=now, device=device)
    newcomer = Newcomer(Gate(panel.vault, now), arrival, language, zone)
    lifetime = timedelta(days=panel.settings.session_days)
    try:
        signed = await sign_in_by_claims(panel.db, claims, newcomer=newcomer, origin=origin, lifetime=lifetime, now=now)
    except SecondFactorNeededError as due:
        return await lead_to_second_step(request, panel, due.half, target, now=now)
    response = await arrive(request, panel, signed.session, target, now=now)
    device.keep(request, response)
    return response


async def _connect(
    request: Request, panel: Panel, viewer: Viewer | None, claims: Claims, user_id: int | None
) -> Response:
    if viewer is None or viewer.user_id != user_id:
        raise TokenRefusedError
    async with panel.db.transaction() as session:
        await connect(session, viewer, claims, now=panel.clock())
    return with_toast(see_other(PATH), Toast(say(request, CONNECTED), claims.email))


async def _way_out(request: Request, panel: Panel, *, target: str, user_id: int | None) -> WayOut:
    now = panel.clock()
    async with panel.db.transaction() as session:
        ours = await _ours(session, panel)
    issuer = await _issuers(request).describe(ours.issuer, now=now)
    site = panel_of(request).settings.public_url.rstrip("/") or site_of(request)
    async with panel.db.transaction() as session:
        return await send_out(
            session,
            panel.vault,
            ours,
            issuer,
            redirect_uri=f"{site}{BACK_PATH}",
            target=target,
            user_id=user_id,
            now=now,
        )


async def _ours(session: AsyncSession, panel: Panel) -> OpenIdSettings:
    ours = await openid_settings(session, panel)
    if ours is None:
        raise NotFoundError
    return ours


def _issuers(request: Request) -> Issuers:
    issuers = request.app.state.issuers
    assert isinstance(issuers, Issuers)
    return issuers


async def _refused(request: Request, panel: Panel, viewer: Viewer, wrong: PanelError) -> Response:
    failure = failure_of(request, wrong)
    async with panel.db.transaction() as session:
        shown = await _shown(session, panel, viewer, wrong=failure.message)
    status = failure.status if failure.status == HTTPStatus.TOO_MANY_REQUESTS else HTTPStatus.UNPROCESSABLE_ENTITY
    headers = {name: value for name, value in failure.headers.items() if name == "Retry-After"}
    return page(request, "accounts/other_sites.html", shown, status=status, headers=headers)


async def _shown(
    session: AsyncSession, panel: Panel, viewer: Viewer, *, go_to: str = "", wrong: str = ""
) -> OtherSitesPage:
    ours, known = await openid_settings(session, panel), await list_identities(session, viewer.user_id)
    issuer = ours.issuer if ours else ""
    is_connected = any(one.issuer.rstrip("/") == issuer.rstrip("/") for one in known)
    return OtherSitesPage(known, issuer, ours.label if ours else "", is_connected, go_to, wrong)
