"""Staff end sessions and keys of users: at once, on the record, and only of accounts that they may change."""

import pytest

from making import staff
from smmpanel.accounts.access import MissingPermissionError, Permission
from smmpanel.accounts.api_keys import issue_key, list_keys
from smmpanel.accounts.audit import audit_trail
from smmpanel.accounts.ending_access import end_all_sessions, end_key, end_session
from smmpanel.accounts.sessions import list_sessions
from smmpanel.accounts.states import Role
from smmpanel.kernel.errors import ForbiddenError, NotFoundError


async def test_sessions_end_one_by_one_or_all(db, a_user, try_sign_in, now):
    admin, mai = await a_user("boss", Role.ADMIN), await a_user()
    actor = staff(admin.id, Permission.USERS_EDIT)
    first = (await try_sign_in()).session
    for _ in range(2):
        await try_sign_in()

    async with db.transaction() as session:
        await end_session(session, actor, mai.id, first.session_id, now=now)
        assert len(await list_sessions(session, mai.id, now=now)) == 2
        with pytest.raises(NotFoundError):
            await end_session(session, actor, mai.id, first.session_id, now=now)
        assert await end_all_sessions(session, actor, mai.id, now=now) == 2
        assert await end_all_sessions(session, actor, mai.id, now=now) == 0
        lines = (await audit_trail(session, subject=f"user:{mai.id}")).rows

    assert [line.after for line in lines] == [
        {"sessions_ended": 2},
        {"sessions_ended": 1, "session": first.session_id},
    ]
    assert {line.actor_id for line in lines} == {admin.id}


async def test_a_key_ends_for_good(db, vault, a_user, now):
    admin, mai, nam = await a_user("boss", Role.ADMIN), await a_user(), await a_user("nam")
    actor = staff(admin.id, Permission.USERS_EDIT)

    async with db.transaction() as session:
        key, _ = await issue_key(session, vault, mai, "shop")
        with pytest.raises(NotFoundError):
            await end_key(session, actor, nam.id, key.id, now=now)
        await end_key(session, actor, mai.id, key.id, now=now)
        assert await list_keys(session, mai.id) == []
        (line,) = (await audit_trail(session, subject=f"user:{mai.id}")).rows

    assert line.after == {"api_key_revoked": key.id}


async def test_it_takes_the_permission_and_power_over_the_account(db, a_user, try_sign_in, now):
    admin, mai = await a_user("boss", Role.ADMIN), await a_user()
    await try_sign_in()

    async with db.transaction() as session:
        with pytest.raises(MissingPermissionError):
            await end_all_sessions(session, staff(admin.id, Permission.USERS_VIEW), mai.id, now=now)
        with pytest.raises(ForbiddenError):
            await end_all_sessions(session, staff(mai.id, Permission.USERS_EDIT), admin.id, now=now)
        assert len(await list_sessions(session, mai.id, now=now)) == 1
