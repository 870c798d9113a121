"""`/staff/people`: who runs the panel, what each may do, and who joins or leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer, known_permissions
from smmpanel.accounts.admins import set_permissions, set_role
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.accounts.finding import UserNotFoundError, user_named
from smmpanel.accounts.models import LoginSession, User
from smmpanel.accounts.pages import ROLE_NAMES
from smmpanel.accounts.permission_words import PERMISSION_GROUPS, PERMISSION_WORDS
from smmpanel.accounts.states import Role
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.paging import Paged, key_from, paged
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/people"
ROWS = 50
TYPED_MAX = 254
IS_STAFF_ALREADY = marked("{name} is one of the staff already.")
JOINED = marked("{name} is one of the staff now")
JOINED_TEXT = marked("Choose what they may do.")
SAVED = marked("Permissions saved")
ROLE_CHANGED = marked("{name} is now: {role}")
Looking = Annotated[Viewer, Depends(staff_with(Permission.STAFF_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.STAFF_EDIT))]


@dataclass(frozen=True, slots=True)
class StaffLine:
    """One of the staff."""

    id: int
    username: str
    email: str
    role: Role
    state: str
    permissions: frozenset[Permission]
    seen_at: object
    """When one of their sessions was last used; `None` if they have none."""

    def holds(self, permission: Permission) -> bool:
        """Whether they may, by role or by name."""
        return self.role.holds_all or permission in self.permissions


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """What accounts/people.html receives."""

    people: Sequence[StaffLine]
    after: str | None
    own_id: int
    may_edit: bool
    roles: Sequence[Role]
    """Those that the viewer may give to somebody new."""
    typed: str = ""
    typed_role: str = Role.STAFF.value
    error: str = ""
    groups: Sequence[tuple[str, Sequence[Permission]]] = field(default_factory=lambda: PERMISSION_GROUPS)
    words: Mapping[str, str] = field(default_factory=lambda: PERMISSION_WORDS)
    role_names: Mapping[Role, str] = field(default_factory=lambda: ROLE_NAMES)


@dataclass(frozen=True, slots=True)
class PersonPage:
    """What accounts/person.html receives."""

    person: StaffLine
    is_self: bool
    may_edit: bool
    """Whether the viewer may change this person at all."""
    roles: Sequence[Role]
    own: frozenset[Permission]
    """What the viewer holds: nobody gives or takes more."""
    error: str = ""
    groups: Sequence[tuple[str, Sequence[Permission]]] = field(default_factory=lambda: PERMISSION_GROUPS)
    words: Mapping[str, str] = field(default_factory=lambda: PERMISSION_WORDS)
    role_names: Mapping[Role, str] = field(default_factory=lambda: ROLE_NAMES)


@router.get(PATH)
async def show_people(request: Request, viewer: Looking, session: Session, after: CleanText = "") -> Response:
    """Show all staff, and who may do what."""
    return page(request, "accounts/people.html", await _people(session, viewer, after=after))


@router.post(PATH)
async def add_person(request: Request, viewer: Editing, session: Session) -> Response:
    """Make a user one of the staff."""
    form = await read_form(request)
    name = form.get("name", "").strip()[:TYPED_MAX]
    role = _role_in(form, _roles_to_give(viewer))
    try:
        user = await user_named(session, name)
        if user.role is not Role.CUSTOMER:
            return await _refused(request, viewer, session, name, role, say(request, IS_STAFF_ALREADY, name=name))
        async with session.begin_nested():
            await set_role(session, viewer, user.id, role)
    except PanelError as wrong:
        return await _refused(request, viewer, session, name, role, failure_of(request, wrong).message)
    text = say(request, JOINED_TEXT) if role is Role.STAFF else ""
    toast = Toast(say(request, JOINED, name=user.username), text)
    return with_toast(see_other(f"{PATH}/{user.id}"), toast)


@router.get(PATH + "/{user_id}")
async def show_person(request: Request, viewer: Looking, session: Session, user_id: RowId) -> Response:
    """Show one of the staff: role and permissions."""
    return page(request, "accounts/person.html", await _person(session, viewer, user_id))


@router.post(PATH + "/{user_id}/role")
async def change_role(request: Request, viewer: Editing, session: Session, user_id: RowId) -> Response:
    """Give one of the staff another role, or make them a customer."""
    person = await _person(session, viewer, user_id)
    role = _role_in(await read_form(request), person.roles)
    try:
        async with session.begin_nested():
            await set_role(session, viewer, user_id, role)
    except PanelError as wrong:
        return await _refused_person(request, viewer, session, user_id, wrong)
    name = person.person.username
    toast = Toast(say(request, ROLE_CHANGED, name=name, role=say(request, ROLE_NAMES[role])))
    return with_toast(see_other(PATH if role is Role.CUSTOMER else f"{PATH}/{user_id}"), toast)


@router.post(PATH + "/{user_id}/permissions")
async def change_permissions(request: Request, viewer: Editing, session: Session, user_id: RowId) -> Response:
    """Say what one of the staff may do. What the viewer does not hold stays as it is."""
    person = (await _person(session, viewer, user_id)).person
    form = await read_form(request)
    kept = {one for one in person.permissions if not viewer.may(one)}
    wanted = {one for one in Permission if viewer.may(one) and form.get(one.value) == "yes"} | kept
    try:
        async with session.begin_nested():
            await set_permissions(session, viewer, user_id, wanted)
    except PanelError as wrong:
        return await _refused_person(request, viewer, session, user_id, wrong)
    return with_toast(see_other(f"{PATH}/{user_id}"), Toast(say(request, SAVED), person.username))


def _roles_to_give(viewer: Viewer) -> list[Role]:
    return [Role.STAFF, Role.ADMIN, Role.MASTER_ADMIN] if viewer.role is Role.MASTER_ADMIN else [Role.STAFF]


def _role_in(form: Mapping[str, str], known: Sequence[Role]) -> Role:
    """Read the chosen role; nonsense is the first that may be chosen, never a higher one."""
    asked = form.get("role", "")
    return next((role for role in known if role.value == asked), known[0])


async def _people(session: AsyncSession, viewer: Viewer, after: str = "") -> PeoplePage:
    found = await _lines(session, after=after)
    may_edit = viewer.may(Permission.STAFF_EDIT)
    return PeoplePage(found.rows, found.after, viewer.user_id, may_edit, _roles_to_give(viewer))


async def _person(session: AsyncSession, viewer: Viewer, user_id: int, error: str = "") -> PersonPage:
    found = (await _lines(session, user_id=user_id)).rows
    if not found:
        raise UserNotFoundError
    person, is_self = found[0], user_id == viewer.user_id
    is_above = person.role.holds_all and viewer.role is not Role.MASTER_ADMIN
    own = frozenset(one for one in Permission if viewer.may(one))
    may_edit = viewer.may(Permission.STAFF_EDIT) and not is_self and not is_above
    return PersonPage(person, is_self, may_edit, [*_roles_to_give(viewer), Role.CUSTOMER], own, error)


async def _lines(session: AsyncSession, *, user_id: int | None = None, after: str = "") -> Paged[StaffLine]:
    seen = (
        select(func.max(LoginSession.last_seen_at))
        .where(LoginSession.user_id == User.id, LoginSession.acted_by.is_(None))
        .scalar_subquery()
    )
    columns = (User.id, User.username, User.email, User.role, User.state, User.permissions, seen)
    wanted = select(*columns).where(User.role != Role.CUSTOMER).order_by(User.id).limit(ROWS + 1)
    if user_id is not None:
        wanted = wanted.where(User.id == user_id)
    if (key := key_from(after or None)) is not None:
        wanted = wanted.where(User.id > key)
    rows = [
        StaffLine(number, username, email, role, state.value, known_permissions(permissions), seen_at)
        for number, username, email, role, state, permissions, seen_at in await session.execute(wanted)
    ]
    return paged(rows, ROWS, [row.id for row in rows])


async def _refused(  # noqa: PLR0917 - what was typed, and why not
    request: Request, viewer: Viewer, session: AsyncSession, typed: str, role: Role, error: str
) -> Response:
    shown = replace(await _people(session, viewer), typed=typed, typed_role=role.value, error=error)
    return page(request, "accounts/people.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)


async def _refused_person(
    request: Request, viewer: Viewer, session: AsyncSession, user_id: int, wrong: PanelError
) -> Response:
    failure = failure_of(request, wrong)
    shown = await _person(session, viewer, user_id, failure.message)
    return page(request, "accounts/person.html", shown, status=failure.status)
