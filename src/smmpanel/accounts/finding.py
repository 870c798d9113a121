"""Finding users, for the panel itself and for staff."""

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import User
from smmpanel.accounts.states import AccountState, Role
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged


class UserNotFoundError(NotFoundError):
    """There is no such user."""

    code, message = "user_not_found", "There is no such user."


async def find_user(session: AsyncSession, name: str) -> User | None:
    """Return whoever has this user name or e-mail address, in any case."""
    lowered = name.strip().lower()
    column = func.lower(User.email) if "@" in lowered else func.lower(User.username)
    return await session.scalar(select(User).where(column == lowered))


async def user_named(session: AsyncSession, name: str) -> User:
    """Return whoever has this user name or e-mail address. Raises `UserNotFoundError`."""
    user = await find_user(session, name)
    if user is None:
        raise UserNotFoundError
    return user


async def usernames_of(session: AsyncSession, user_ids: Iterable[int | None]) -> dict[int, str]:
    """Return the user names of these users, by id."""
    wanted = {one for one in user_ids if one is not None}
    if not wanted:
        return {}
    return dict((await session.execute(select(User.id, User.username).where(User.id.in_(wanted)))).all())


async def locked_user(session: AsyncSession, user_id: int) -> User:
    """Return a user, read afresh and locked against changes by others. Raises `UserNotFoundError`."""
    # NO KEY UPDATE, so that inserts pointing at the user need not wait.
    wanted = select(User).where(User.id == user_id).with_for_update(key_share=True)
    user = await session.scalar(wanted.execution_options(populate_existing=True))
    if user is None:
        raise UserNotFoundError
    return user


async def list_users(
    session: AsyncSession,
    *,
    role: Role | None = None,
    state: AccountState | None = None,
    after: str | None = None,
    size: int = PAGE_SIZE,
) -> Paged[User]:
    """Return users by id, all or of one role or state."""
    wanted = select(User).order_by(User.id).limit(size + 1)
    if role is not None:
        wanted = wanted.where(User.role == role)
    if state is not None:
        wanted = wanted.where(User.state == state)
    if (key := key_from(after)) is not None:
        wanted = wanted.where(User.id > key)
    rows: Sequence[User] = (await session.scalars(wanted)).all()
    return paged(rows, size, [row.id for row in rows])
