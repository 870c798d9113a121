"""`/staff/settings/sign-in`: who may join, what staff must bring along, and which other site people may sign in with."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF
from smmpanel.accounts.openid.pages import BACK_PATH
from smmpanel.accounts.openid.settings import change_openid, openid_settings
from smmpanel.accounts.sign_up_gate import SignUpMode, SignUpRules, change_sign_up, sign_up_rules
from smmpanel.accounts.staff_door import OPTION as DOOR_OPTION
from smmpanel.accounts.staff_door import DoorRules, change_door, read_networks
from smmpanel.entrypoints.panel_settings.pages import PATH as SETTINGS_PATH
from smmpanel.entrypoints.panel_settings.pages import SAME, SAVED, Editing, Looking
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.options import read_option
from smmpanel.kernel.panel import Panel
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText
from smmpanel.web.languages import say
from smmpanel.web.origins import address_of, site_of
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = f"{SETTINGS_PATH}/sign-in"
TYPED_MAX = 5_000
_LIMIT_DIGITS = 7
_FIELDS = {
    "sign_up": ("sign_up_mode", "sign_up_limit"),
    "staff_door": ("second_factor", "networks"),
    "openid": ("openid_issuer", "openid_client_id", "openid_label"),
}


@dataclass(frozen=True, slots=True)
class SignInSettingsPage:
    """What entrypoints/sign_in_settings.html receives."""

    typed: Mapping[str, str]
    errors: Mapping[str, str]
    may_edit: bool
    may_edit_doors: bool
    own_address: str
    back_address: str
    """Where the other site has to lead back to."""
    has_secret: bool
    is_fixed: bool
    """Whether the environment says which site it is."""


@router.get(PATH)
async def show(request: Request, panel: CurrentPanel, viewer: Looking, session: Session) -> Response:
    """Show the three sections."""
    return page(request, "entrypoints/sign_in_settings.html", await _shown(request, panel, viewer, session))


@router.post(PATH + "/{section}")
async def save(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, section: CleanText
) -> Response:
    """Save one section, or show its form again with what is wrong."""
    if section not in _FIELDS:
        raise NotFoundError
    form = {name: value[:TYPED_MAX] for name, value in (await read_form(request)).items()}
    try:
        async with session.begin_nested():
            changed = await _save(session, panel, viewer, section, form, ip=address_of(request))
    except InvalidInputError as wrong:
        field = str(wrong.fields["field"])
        errors = {field: say(request, wrong.template, **wrong.facts)}
        typed = {name: form.get(name, "") for name in _FIELDS[section]}
        shown = await _shown(request, panel, viewer, session, typed=typed, errors=errors)
        return page(request, "entrypoints/sign_in_settings.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    toast = Toast(say(request, SAVED if changed else SAME), kind="is-ok" if changed else "is-info")
    return with_toast(see_other(f"{PATH}#{section}"), toast)


async def _save(
    session: AsyncSession, panel: Panel, viewer: Viewer, section: str, form: Mapping[str, str], *, ip: str
) -> bool:
    if section == "sign_up":
        mode, limit = form.get("sign_up_mode", ""), form.get("sign_up_limit", "").strip()
        is_number = limit.isascii() and limit.isdigit() and len(limit) <= _LIMIT_DIGITS
        known = SignUpMode(mode) if mode in list(SignUpMode) else SignUpMode.OPEN
        return await change_sign_up(session, viewer, SignUpRules(known, int(limit) if is_number else 0))
    if section == "staff_door":
        networks = read_networks(form.get("networks", ""), ip=ip)
        rules = DoorRules(form.get("second_factor") == "yes", networks)
        return await change_door(session, viewer, rules)
    typed = {name: form.get(f"openid_{name}", "").strip() for name in ("issuer", "client_id", "secret", "label")}
    return await change_openid(session, viewer, panel.vault, **typed)


async def _shown(
    request: Request,
    panel: Panel,
    viewer: Viewer,
    session: AsyncSession,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> SignInSettingsPage:
    rules, other = await sign_up_rules(session), await openid_settings(session, panel)
    door = DoorRules.read(await read_option(session, DOOR_OPTION))
    kept = {
        "sign_up_mode": rules.mode.value,
        "sign_up_limit": str(rules.limit) if rules.limit else "",
        "second_factor": "yes" if door.second_factor else "",
        "networks": "\n".join(door.networks),
        "openid_issuer": other.issuer if other else "",
        "openid_client_id": other.client_id if other else "",
        "openid_label": other.label if other else "",
    }
    may_edit = viewer.may(Permission.SETTINGS_EDIT)
    return SignInSettingsPage(
        typed={**kept, **(typed or {})},
        errors=errors or {},
        may_edit=may_edit,
        may_edit_doors=may_edit and viewer.may(Permission.STAFF_EDIT),
        own_address=address_of(request),
        back_address=f"{panel.settings.public_url.rstrip('/') or site_of(request)}{BACK_PATH}",
        has_secret=bool(other and other.client_secret),
        is_fixed=bool(other and other.is_fixed),
    )
