"""`/staff/tiers`: the table of tiers, changed only after what a change does to users has been read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.staff.typed import amount_in, faults_of, written
from smmpanel.growth.tier_consequences import Consequences, consequences_of, with_tier
from smmpanel.growth.tier_editing import (
    BENEFIT_MAX,
    BENEFITS_MAX,
    ICON_MAX,
    NAME_MAX,
    TierTerms,
    add_tier,
    check_table,
    edit_tier,
    remove_tier,
    terms_of,
    tier_in,
)
from smmpanel.growth.tiers import COUNTED_MAX, DISCOUNT_MARK, TierView, all_tiers, members_of_tiers
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/tiers"
NEW = 0
"""Stands for the id of a tier that is not there yet."""
ADDED, SAVED, REMOVED = marked("Tier added"), marked("Tier saved"), marked("Tier removed")
USERS_FOLLOW = marked("Users follow within moments.")
NEEDED = marked("is missing")
Looking = Annotated[Viewer, Depends(staff_with(Permission.SETTINGS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.SETTINGS_EDIT))]


@dataclass(frozen=True, slots=True)
class TierList:
    """What growth/staff/tiers.html receives."""

    tiers: Sequence[TierView]
    members: Mapping[int, int]
    may_edit: bool
    counted_max: int = COUNTED_MAX


@dataclass(frozen=True, slots=True)
class TierForm:
    """What growth/staff/tier.html receives. `tier` is `None` for a new one."""

    tier: TierView | None
    typed: Mapping[str, str]
    may_edit: bool = True
    may_remove: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
    consequences: Consequences | None = None
    """What saving would do: shown before it is done."""
    sure: str = ""
    """What is sent along once the consequences were read: they belong to these very values."""
    name_max: int = NAME_MAX
    icon_max: int = ICON_MAX
    benefits_max: int = (BENEFIT_MAX + 2) * BENEFITS_MAX
    mark: str = DISCOUNT_MARK


@dataclass(frozen=True, slots=True)
class Removing:
    """What growth/staff/tier_remove.html receives."""

    tier: TierView
    below: TierView | None
    consequences: Consequences


@router.get(WAY)
async def show_tiers(request: Request, viewer: Looking, session: Session) -> Response:
    """Show the table of tiers."""
    tiers = await all_tiers(session)
    shown = TierList(tiers, await members_of_tiers(session), viewer.may(Permission.SETTINGS_EDIT))
    return page(request, "growth/staff/tiers.html", shown)


@router.get(WAY + "/new")
async def show_new_tier(request: Request, _viewer: Editing, session: Session) -> Response:
    """Show the form for a new tier; the first one begins at zero."""
    typed = {} if await all_tiers(session) else {"min_spent": "0", "discount": "0"}
    return page(request, "growth/staff/tier.html", TierForm(None, typed))


@router.post(WAY + "/new")
async def take_new_tier(request: Request, viewer: Editing, session: Session) -> Response:
    """Add a tier, once what that does was read."""
    form = await read_form(request)
    try:
        wanted = _wanted(form)
        asked = await _consequences(session, NEW, wanted)
        if _is_read(form, wanted, asked):
            await add_tier(session, wanted, actor=viewer)
            return with_toast(see_other(WAY), Toast(say(request, ADDED), say(request, USERS_FOLLOW)))
    except InvalidInputError as wrong:
        return _again(request, TierForm(None, form, faults=faults_of(request, wrong)))
    return page(request, "growth/staff/tier.html", TierForm(None, form, consequences=asked, sure=_signed(wanted)))


@router.get(WAY + "/{tier_id}")
async def show_tier(request: Request, viewer: Looking, session: Session, tier_id: RowId) -> Response:
    """Show one tier."""
    tiers = await all_tiers(session)
    tier = tier_in(tiers, tier_id)
    typed = {
        "name": tier.name,
        "icon": tier.icon,
        "min_spent": written(tier.min_spent),
        "discount": written(tier.discount),
        "benefits": "\n".join(tier.benefits),
    }
    return page(request, "growth/staff/tier.html", _form(viewer, tiers, tier, typed))


@router.post(WAY + "/{tier_id}")
async def save_tier(request: Request, viewer: Editing, session: Session, tier_id: RowId) -> Response:
    """Change a tier, once what that does was read."""
    form = await read_form(request)
    tiers = await all_tiers(session)
    tier = tier_in(tiers, tier_id)
    try:
        wanted = _wanted(form)
        asked = await _consequences(session, tier_id, wanted)
        if _is_read(form, wanted, asked):
            await edit_tier(session, tier_id, wanted, actor=viewer)
            return with_toast(see_other(WAY), Toast(say(request, SAVED), say(request, USERS_FOLLOW)))
    except InvalidInputError as wrong:
        return _again(request, _form(viewer, tiers, tier, form, faults=faults_of(request, wrong)))
    shown = _form(viewer, tiers, tier, form, consequences=asked, sure=_signed(wanted))
    return page(request, "growth/staff/tier.html", shown)


@router.get(WAY + "/{tier_id}/remove")
async def ask_about_removing(request: Request, _viewer: Editing, session: Session, tier_id: RowId) -> Response:
    """Say what would become of the users of a tier."""
    tiers = await all_tiers(session)
    tier = tier_in(tiers, tier_id)
    below = next((one for one in tiers if one.level == tier.level - 1), None)
    asked = await consequences_of(session, tiers, with_tier(tiers, tier_id, None))
    return page(request, "growth/staff/tier_remove.html", Removing(tier, below, asked))


@router.post(WAY + "/{tier_id}/remove")
async def remove(request: Request, viewer: Editing, session: Session, tier_id: RowId) -> Response:
    """Remove a tier, unless it is the lowest of several."""
    try:
        await remove_tier(session, tier_id, actor=viewer)
    except InvalidInputError as wrong:
        said = next(iter(faults_of(request, wrong).values()))
        return with_toast(see_other(f"{WAY}/{tier_id}"), Toast(said, kind="is-bad"))
    return with_toast(see_other(WAY), Toast(say(request, REMOVED), say(request, USERS_FOLLOW)))


def _form(
    viewer: Viewer,
    tiers: Sequence[TierView],
    tier: TierView,
    typed: Mapping[str, str],
    *,
    faults: Mapping[str, str] | None = None,
    consequences: Consequences | None = None,
    sure: str = "",
) -> TierForm:
    may_edit = viewer.may(Permission.SETTINGS_EDIT)
    may_remove = may_edit and (tier.level > 0 or len(tiers) == 1)
    return TierForm(tier, typed, may_edit, may_remove, faults or {}, consequences, sure)


async def _consequences(session: AsyncSession, tier_id: int, wanted: TierTerms) -> Consequences:
    before = await all_tiers(session)
    after = with_tier(before, tier_id, wanted)
    check_table([terms_of(one) for one in after])
    return await consequences_of(session, before, after)


def _is_read(form: Mapping[str, str], wanted: TierTerms, asked: Consequences) -> bool:
    return not asked.total or form.get("sure") == _signed(wanted)


def _signed(wanted: TierTerms) -> str:
    return f"{written(wanted.min_spent)}/{written(wanted.discount)}"


def _wanted(form: Mapping[str, str]) -> TierTerms:
    lines = (line.strip() for line in form.get("benefits", "").splitlines())
    return TierTerms(
        name=form.get("name", "").strip(),
        min_spent=_amount(form, "min_spent"),
        discount=_amount(form, "discount"),
        icon=form.get("icon", "").strip(),
        benefits=tuple(line for line in lines if line),
    )


def _amount(form: Mapping[str, str], name: str) -> Decimal:
    amount = amount_in(form, name)
    if amount is None:
        raise InvalidInputError(field=name, reason=NEEDED)
    return amount


def _again(request: Request, shown: TierForm) -> Response:
    return page(request, "growth/staff/tier.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
