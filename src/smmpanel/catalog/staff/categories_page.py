"""Categories for staff: adding, naming, switching, and their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import NamedTuple

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF
from smmpanel.catalog.editing import create_category, delete_category, edit_category
from smmpanel.catalog.platforms import PLATFORMS
from smmpanel.catalog.service_fields import CategoryFields
from smmpanel.catalog.staff.ordering import move_category
from smmpanel.catalog.staff.services_page import Editing, Looking
from smmpanel.catalog.staff.typed import amount_in, faults_of, whole_in, written
from smmpanel.catalog.switching_platforms import NONE, switch_platform
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/categories"
MADE = marked("Category added")
SAVED = marked("Category saved")
GONE = marked("Category taken away")
OPENED, CLOSED = marked("Categories opened: {n}"), marked("Categories closed: {n}")


class CategoryLine(NamedTuple):
    """A category with what is in it."""

    id: int
    name: str
    platform: str | None
    enabled: bool
    markup_percent: Decimal | None
    markup_fixed: Decimal | None
    rounding_step: Decimal | None
    services: int
    on_sale: int


class PlatformLine(NamedTuple):
    """A platform with its categories."""

    slug: str
    name: str
    categories: int
    open: int


@dataclass(frozen=True, slots=True)
class CategoriesPage:
    """What catalog/staff/categories.html receives."""

    categories: Sequence[CategoryLine]
    of_platforms: Sequence[PlatformLine]
    may_edit: bool
    typed: Mapping[str, str]
    faults: Mapping[str, str]
    platforms: Sequence[tuple[str, str]] = field(
        default_factory=lambda: [(one.slug, one.name) for one in PLATFORMS.values()]
    )


@dataclass(frozen=True, slots=True)
class CategoryPage:
    """What catalog/staff/category.html receives."""

    line: CategoryLine
    may_edit: bool
    typed: Mapping[str, str]
    faults: Mapping[str, str]
    platforms: Sequence[tuple[str, str]] = field(
        default_factory=lambda: [(one.slug, one.name) for one in PLATFORMS.values()]
    )


@router.get(WAY)
async def show_categories(request: Request, viewer: Looking, session: Session) -> Response:
    """Show all categories in order."""
    return await _page(request, viewer, session)


@router.post(WAY)
async def add_category(request: Request, viewer: Editing, session: Session) -> Response:
    """Add a category, last in line."""
    form = await read_form(request)
    fields: CategoryFields = {"name": form.get("name", ""), "platform": form.get("platform") or None}
    try:
        async with session.begin_nested():
            await create_category(session, fields, actor=viewer)
    except PanelError as wrong:
        return await _page(request, viewer, session, typed=form, faults=_named(faults_of(request, wrong)))
    return with_toast(see_other(WAY), Toast(say(request, MADE)))


@router.get(WAY + "/{category_id}")
async def show_category(request: Request, viewer: Looking, session: Session, category_id: RowId) -> Response:
    """Show one category."""
    line = await _one(session, category_id)
    typed = {
        "name": line.name,
        "platform": line.platform or "",
        "enabled": "1" if line.enabled else "",
        "markup_percent": written(line.markup_percent),
        "markup_fixed": written(line.markup_fixed),
        "rounding_step": written(line.rounding_step),
    }
    shown = CategoryPage(line, viewer.may(Permission.SERVICES_EDIT), typed, {})
    return page(request, "catalog/staff/category.html", shown)


@router.post(WAY + "/{category_id}")
async def save_category(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, category_id: RowId
) -> Response:
    """Take what was typed; the prices of the services in it follow."""
    form = await read_form(request)
    line = await _one(session, category_id)
    try:
        async with session.begin_nested():
            fields: CategoryFields = {
                "name": form.get("name", ""),
                "platform": form.get("platform") or None,
                "enabled": form.get("enabled") == "1",
                "markup_percent": amount_in(form, "markup_percent"),
                "markup_fixed": amount_in(form, "markup_fixed"),
                "rounding_step": amount_in(form, "rounding_step"),
            }
            await edit_category(session, category_id, fields, currency=panel.currency, actor=viewer, now=panel.clock())
    except PanelError as wrong:
        shown = CategoryPage(line, may_edit=True, typed=form, faults=_named(faults_of(request, wrong)))
        return page(request, "catalog/staff/category.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return with_toast(see_other(WAY), Toast(say(request, SAVED), str(fields["name"])))


@router.post(WAY + "/{category_id}/move")
async def move(request: Request, viewer: Editing, session: Session, category_id: RowId) -> Response:
    """Move a category up, down, or to a place."""
    form = await read_form(request)
    places = await _places(session)
    if category_id not in places:
        raise NotFoundError
    here = places.index(category_id)
    there = {"up": here - 1, "down": here + 1}.get(form.get("to", ""), _place_in(form, here))
    await move_category(session, category_id, there, actor=viewer)
    return see_other(f"{WAY}#category-{category_id}")


@router.post(WAY + "/{category_id}/switch")
async def switch(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, category_id: RowId
) -> Response:
    """Open or close a category."""
    fields: CategoryFields = {"enabled": (await read_form(request)).get("enabled") == "yes"}
    await edit_category(session, category_id, fields, currency=panel.currency, actor=viewer, now=panel.clock())
    return see_other(f"{WAY}#category-{category_id}")


@router.post(WAY + "/platforms/{platform}/switch")
async def switch_all(request: Request, viewer: Editing, session: Session, platform: CleanText) -> Response:
    """Open or close all categories of a platform."""
    is_on = (await read_form(request)).get("enabled") == "yes"
    count = await switch_platform(session, platform, enabled=is_on, actor=viewer)
    return with_toast(see_other(WAY), Toast(say(request, OPENED if is_on else CLOSED, n=count)))


@router.post(WAY + "/{category_id}/delete")
async def delete(request: Request, viewer: Editing, session: Session, category_id: RowId) -> Response:
    """Take an empty category away."""
    try:
        async with session.begin_nested():
            await delete_category(session, category_id, actor=viewer)
    except NotFoundError:
        raise
    except PanelError as wrong:
        return with_toast(see_other(WAY), Toast(failure_of(request, wrong).message, kind="is-bad"))
    return with_toast(see_other(WAY), Toast(say(request, GONE)))


def _place_in(form: Mapping[str, str], here: int) -> int:
    place = whole_in(form, "place")
    return here if place is None else place


async def _places(session: AsyncSession) -> list[int]:
    return list((await session.scalars(text("SELECT id FROM categories ORDER BY position, id"))).all())


async def _page(
    request: Request,
    viewer: Viewer,
    session: AsyncSession,
    *,
    typed: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    lines = [CategoryLine(*row) for row in await session.execute(_ALL, {"id": None})]
    shown = CategoriesPage(lines, _by_platform(lines), viewer.may(Permission.SERVICES_EDIT), typed or {}, faults or {})
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    return page(request, "catalog/staff/categories.html", shown, status=status)


def _by_platform(lines: Sequence[CategoryLine]) -> list[PlatformLine]:
    """Sum categories up by platform, in the order in which platforms are shown."""
    names = {slug: one.name for slug, one in PLATFORMS.items()} | {NONE: ""}
    of: dict[str, list[CategoryLine]] = {slug: [] for slug in names}
    for line in lines:
        of[line.platform if line.platform in names else NONE].append(line)
    return [
        PlatformLine(slug, names[slug], len(own), sum(one.enabled for one in own)) for slug, own in of.items() if own
    ]


async def _one(session: AsyncSession, category_id: int) -> CategoryLine:
    row = (await session.execute(_ALL, {"id": category_id})).one_or_none()
    if row is None:
        raise NotFoundError
    return CategoryLine(*row)


def _named(faults: Mapping[str, str]) -> Mapping[str, str]:
    """What belongs to no field is about the name: there is one like it."""
    return {field or "name": said for field, said in faults.items()}


_ALL = text(
    """
SELECT c.id, c.name, c.platform, c.enabled, c.markup_percent, c.markup_fixed, c.rounding_step, count(s.id),
       count(s.id) FILTER (WHERE s.enabled AND s.held_reason IS NULL)
  FROM categories c LEFT JOIN services s ON s.category_id = c.id
 WHERE CAST(:id AS bigint) IS NULL OR c.id = CAST(:id AS bigint)
 GROUP BY c.id ORDER BY c.position, c.id
"""
)
