"""The people who run the panel: the first admin, further ones, roles and permissions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission, known_permissions
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import User
from smmpanel.accounts.passwords import hash_password
from smmpanel.accounts.signing_up import add_user, check_username, normal_email
from smmpanel.accounts.states import AccountState, Role
from smmpanel.accounts.suspending import NotYourselfError, keep_one_master_admin
from smmpanel.kernel.errors import ConflictError, ForbiddenError
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.options import read_option
from smmpanel.kernel.settings import Settings

FIRST_ADMIN_LOCK = 0x5A11_0001
FIRST_USERNAME = "admin"
NO_MAIL_DOMAIN = "panel.invalid"
"""Where the first admin's mail goes if no address was given: nowhere, by definition."""
PASSWORD_LENGTH = 20


class OnlyStaffHavePermissionsError(ConflictError):
    """Customers have none, and admins hold all of them."""

    code, message = "only_staff_have_permissions", "Only staff are given single permissions."


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The admin that a first start made. `password` is set only if it was generated: print it once."""

    user_id: int
    username: str
    password: str | None


async def ensure_first_admin(session: AsyncSession, settings: Settings) -> FirstAdmin | None:
    """Make a master admin if the panel has none; `None` if it has. Of processes that start together one makes it."""
    await session.execute(select(func.pg_advisory_xact_lock(FIRST_ADMIN_LOCK)))
    if await session.scalar(select(User.id).where(User.role == Role.MASTER_ADMIN).limit(1)) is not None:
        return None
    username = settings.admin_username or FIRST_USERNAME
    check_username(username)
    email = normal_email(settings.admin_email) if settings.admin_email else f"{username.lower()}@{NO_MAIL_DOMAIN}"
    given = settings.admin_password.get_secret_value() if settings.admin_password else None
    password = given or random_text(PASSWORD_LENGTH)
    user = await add_user(
        session,
        username=username,
        email=email,
        password_hash=await hash_password(password),
        role=Role.MASTER_ADMIN,
        **await _customs(session),
    )
    await audit(session, Actor.system(), Permission.STAFF_EDIT, f"user:{user.id}", after={"role": user.role})
    return FirstAdmin(user.id, user.username, None if given else password)


async def create_admin(
    session: AsyncSession, actor: Actor, *, username: str, email: str, password: str, role: Role = Role.ADMIN
) -> User:
    """Make an account of staff, an admin or a master admin."""
    actor.require(Permission.STAFF_EDIT)
    _require_may_give(actor, role)
    check_username(username)
    address = normal_email(email)
    user = await add_user(
        session,
        username=username,
        email=address,
        password_hash=await hash_password(password),
        role=role,
        **await _customs(session),
    )
    await audit(session, actor, Permission.STAFF_EDIT, f"user:{user.id}", after={"username": username, "role": role})
    return user


async def _customs(session: AsyncSession) -> Mapping[str, str]:
    """Return the panel's own language and time zone, which who runs it begins with."""
    found = {name: await read_option(session, name) for name in ("language", "time_zone")}
    return {name: value for name, value in found.items() if value}


async def set_role(session: AsyncSession, actor: Actor, user_id: int, role: Role) -> User:
    """Make somebody a customer, staff or an admin. Single permissions do not survive it."""
    actor.require(Permission.STAFF_EDIT)
    _require_may_give(actor, role)
    if actor.user_id == user_id:
        raise NotYourselfError
    user = await locked_user(session, user_id)
    actor.require_over(user.role)
    if user.role is Role.MASTER_ADMIN and role is not Role.MASTER_ADMIN and user.state is AccountState.ACTIVE:
        await keep_one_master_admin(session, user)
    before = {"role": user.role, "permissions": list(user.permissions)}
    user.role, user.permissions = role, []
    await audit(
        session, actor, Permission.STAFF_EDIT, f"user:{user.id}", before=before, after={"role": role, "permissions": []}
    )
    return user


async def set_permissions(session: AsyncSession, actor: Actor, user_id: int, permissions: Iterable[Permission]) -> User:
    """Say what a member of staff may do. Nobody changes a permission that they do not hold themselves."""
    actor.require(Permission.STAFF_EDIT)
    if actor.user_id == user_id:
        raise NotYourselfError
    user = await locked_user(session, user_id)
    actor.require_over(user.role)
    if user.role is not Role.STAFF:
        raise OnlyStaffHavePermissionsError
    wanted, held = frozenset(permissions), known_permissions(user.permissions)
    for changed in wanted ^ held:
        actor.require(changed)
    before = sorted(user.permissions)
    user.permissions = sorted(permission.value for permission in wanted)
    await audit(
        session,
        actor,
        Permission.STAFF_EDIT,
        f"user:{user.id}",
        before={"permissions": before},
        after={"permissions": list(user.permissions)},
    )
    return user


def _require_may_give(actor: Actor, role: Role) -> None:
    if role.holds_all and actor.role is not Role.MASTER_ADMIN:
        raise ForbiddenError
