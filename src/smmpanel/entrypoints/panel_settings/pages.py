"""`/staff/settings`: one card for each section, and one save for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.repricing import EVERYTHING, reprice
from smmpanel.entrypoints.panel_settings.changing import (
    CURRENCY,
    CurrencyInUseError,
    change_currency,
    change_options,
    is_currency_settled,
)
from smmpanel.entrypoints.panel_settings.sections import (
    COMMON_ZONES,
    LINK_ROWS,
    READERS,
    WrongFieldsError,
    read_two_persons,
    typed_from,
)
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.i18n import LANGUAGES, marked
from smmpanel.kernel.options import read_option, read_options
from smmpanel.kernel.panel import Panel
from smmpanel.web.brand import IS_HEX, WornAccent, worn_accent
from smmpanel.web.formats import SYMBOLS
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/settings"
TWO_PERSONS = "two_persons"
HOUSE_ACCENT = "#2f63e0"
"""Where choosing a colour begins."""
SAVED = marked("Settings saved")
SAME = marked("Nothing was different")
PRICES_FOLLOW = marked("{n} services changed")
RESTART = marked("Restart the panel: until then it goes on in {currency}.")
UNKNOWN_CURRENCY = marked("Choose one from the list.")
HIDDEN = frozenset({"brand_logo_content", "figures_by_day", "figures_counted", "books_proof", "public_id_key"})
"""Options that no field shows, some of them large."""
Looking = Annotated[Viewer, Depends(staff_with(Permission.SETTINGS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.SETTINGS_EDIT))]


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """What entrypoints/settings.html receives."""

    typed: Mapping[str, str]
    errors: Mapping[str, str]
    section: str
    """The one that was refused; empty if none was."""
    accent: WornAccent | None
    currency: str
    chosen_currency: str
    """What it will be once the panel is started again."""
    may_choose_currency: bool
    may_edit: bool
    mails_kept: bool
    """Whether mails are kept in a folder, for development."""
    currencies: Sequence[str] = tuple(SYMBOLS)
    offered: Mapping[str, str] = field(default_factory=lambda: LANGUAGES)
    zones: Sequence[str] = COMMON_ZONES
    link_rows: Sequence[int] = tuple(range(LINK_ROWS))
    house_accent: str = HOUSE_ACCENT


@dataclass(frozen=True, slots=True)
class AccentPart:
    """What entrypoints/accent_picked.html receives."""

    accent: WornAccent | None


@router.get(PATH)
async def show_settings(request: Request, panel: CurrentPanel, viewer: Looking, session: Session) -> Response:
    """Show all sections as they are."""
    return page(request, "entrypoints/settings.html", await _shown(request, panel, viewer, session))


@router.get(PATH + "/accent")
async def show_accent(request: Request, _viewer: Looking, brand_accent: CleanText = "") -> Response:
    """Show how a colour would be worn."""
    return page(request, "entrypoints/accent_picked.html", AccentPart(_worn(brand_accent)))


@router.post(PATH + "/currency")
async def save_currency(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Choose the currency, for as long as nothing has a price."""
    typed = (await read_form(request)).get(CURRENCY, "")
    if typed not in SYMBOLS and typed != panel.currency:
        errors = {CURRENCY: say(request, UNKNOWN_CURRENCY)}
        return await refused(request, panel, viewer, session, "currency", {CURRENCY: typed}, errors)
    try:
        async with session.begin_nested():
            changed = await change_currency(session, viewer, typed)
    except CurrencyInUseError as late:
        errors = {CURRENCY: say(request, late.message)}
        return await refused(request, panel, viewer, session, "currency", {CURRENCY: typed}, errors)
    text = say(request, RESTART, currency=panel.currency) if changed and typed != panel.currency else ""
    return saved(request, "currency", changed=changed, text=text)


@router.post(PATH + "/{section}")
async def save_section(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, section: CleanText
) -> Response:
    """Save one section, or show its form again with what is wrong. The colour can be looked at without saving it."""
    if section not in {*READERS, TWO_PERSONS}:
        raise NotFoundError
    form = await read_form(request)
    if section == "brand" and form.get("deed") == "preview":
        return page(request, "entrypoints/settings.html", await _shown(request, panel, viewer, session, typed=form))
    try:
        wanted = read_two_persons(form, formats_of(request)) if section == TWO_PERSONS else READERS[section](form)
    except WrongFieldsError as wrong:
        errors = {name: say(request, reason) for name, reason in wrong.errors.items()}
        return await refused(request, panel, viewer, session, section, form, errors)
    changed = await change_options(session, viewer, section, wanted)
    text = ""
    if changed and section == "markup":
        number = await reprice(session, EVERYTHING, currency=panel.currency, cause="markup", now=panel.clock())
        text = say(request, PRICES_FOLLOW, n=number)
    return saved(request, section, changed=changed, text=text)


def saved(request: Request, section: str, *, changed: bool, text: str = "") -> Response:
    """Lead back to the section and say that it is saved."""
    toast = Toast(say(request, SAVED if changed else SAME), text, kind="is-ok" if changed else "is-info")
    return with_toast(see_other(f"{PATH}#{section}"), toast)


async def refused(  # noqa: PLR0917 - what was typed, where, and what is wrong with it
    request: Request,
    panel: Panel,
    viewer: Viewer,
    session: AsyncSession,
    section: str,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
) -> Response:
    """Show the page again with what was typed and what is wrong with it."""
    shown = await _shown(request, panel, viewer, session, typed=typed, errors=errors, section=section)
    return page(request, "entrypoints/settings.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)


async def _shown(
    request: Request,
    panel: Panel,
    viewer: Viewer,
    session: AsyncSession,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    section: str = "",
) -> SettingsPage:
    options: Mapping[str, Any] = await read_options(session, without=HIDDEN)
    kept = typed_from(options)
    kept["brand_name"] = kept["brand_name"] or request.app.state.brand.name
    known = {**kept, **_form_as_typed(typed, kept)} if typed else kept
    may_edit = viewer.may(Permission.SETTINGS_EDIT)
    return SettingsPage(
        typed=known,
        errors=errors or {},
        section=section,
        accent=None if known["own_colour"] == "yes" else _worn(known["brand_accent"]),
        currency=panel.currency,
        chosen_currency=str(await read_option(session, CURRENCY, panel.currency)),
        may_choose_currency=may_edit and not await is_currency_settled(session),
        may_edit=may_edit,
        mails_kept=panel.settings.mails_go_to_folder and may_edit,
    )


def _form_as_typed(form: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a form; boxes of it that were not ticked are empty, not as they were."""
    boxes = {
        "brand_name": ("own_colour",),
        "time_zone": tuple(f"offer_{code}" for code in LANGUAGES),
    }
    unticked = {box: "" for sign, names in boxes.items() if sign in form for box in names}
    return {**unticked, **{name: value for name, value in form.items() if name in kept}}


def _worn(accent: str) -> WornAccent | None:
    typed = accent.strip()
    return worn_accent(typed) if IS_HEX.match(typed) else None
