"""Sessions and access tokens: what they are worth, and when they stop being worth it."""

import base64
import json
from datetime import timedelta

import jwt
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.admins import set_permissions, set_role
from smmpanel.accounts.changing_password import CurrentPasswordWrongError, change_password, set_password
from smmpanel.accounts.models import LoginSession
from smmpanel.accounts.sessions import (
    SignInNeededError,
    access_token,
    list_sessions,
    open_session,
    revoke_session,
    revoke_sessions,
    viewer_of_cookie,
    viewer_of_token,
)
from smmpanel.accounts.signing_in import ACCOUNT_LIMIT, WrongPasswordError
from smmpanel.accounts.states import AccountBannedError, AccountSuspendedError, Role
from smmpanel.accounts.suspending import ban_user, reactivate_user, suspend_user
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import NotFoundError

PASSWORD = "correct horse battery"
MONTH = timedelta(days=30)
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
def opened(db, now):
    async def make(user):
        async with db.transaction() as session:
            return await open_session(session, user.id, lifetime=MONTH, ip="203.0.113.7", user_agent="Test", now=now)

    return make


@pytest.fixture
def by_cookie(db, now):
    async def look(token, at=now):
        async with db.transaction() as session:
            return await viewer_of_cookie(session, token, ip="203.0.113.8", now=at)

    return look


@pytest.fixture
def by_token(db, vault, now):
    async def look(token, at=now):
        async with db.transaction() as session:
            return await viewer_of_token(session, vault, token, ip="203.0.113.8", now=at)

    return look


async def test_a_cookie_is_worth_its_session_to_the_second(a_user, opened, by_cookie, now):
    user = await a_user("mai", Role.ADMIN)
    token = (await opened(user)).token

    viewer = await by_cookie(token, now + MONTH - timedelta(seconds=1))

    assert (viewer.user_id, viewer.username, viewer.role, viewer.ip) == (user.id, "mai", Role.ADMIN, "203.0.113.8")
    with pytest.raises(SignInNeededError):
        await by_cookie(token, now + MONTH)


async def test_the_database_does_not_hold_the_token(a_user, opened, db):
    token = (await opened(await a_user())).token

    async with db.transaction() as session:
        stored = await session.scalar(select(LoginSession.token_hash))
    assert len(stored) == 32
    assert token.encode() not in stored


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "\ud800", "é" * 10])
async def test_other_cookies_are_worth_nothing(by_cookie, token):
    with pytest.raises(SignInNeededError):
        await by_cookie(token)


@pytest.fixture
def signed(a_user, opened, vault, now):
    async def make():
        user = await a_user()
        session_id = (await opened(user)).session_id
        return (
            user,
            session_id,
            access_token(vault, user_id=user.id, session_id=session_id, lifetime=HALF_HOUR, now=now),
        )

    return make


async def test_an_access_token_is_short_lived(signed, by_token, now):
    user, session_id, token = await signed()

    viewer = await by_token(token, now + HALF_HOUR - timedelta(seconds=1))

    assert (viewer.user_id, viewer.session_id) == (user.id, session_id)
    with pytest.raises(SignInNeededError):
        await by_token(token, now + HALF_HOUR)


async def test_a_revoked_session_ends_its_access_tokens_at_once(signed, by_token, db, now):
    user, session_id, token = await signed()
    async with db.transaction() as session:
        await revoke_session(session, user.id, session_id, now=now)

    with pytest.raises(SignInNeededError):
        await by_token(token)


def _segment(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_forged_access_tokens_are_refused(signed, by_token, vault, now):
    user, session_id, good = await signed()
    header, body, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    key = vault.derive("access-token")
    other_vault = Vault([Fernet.generate_key().decode()])

    def signed_with(changed, **options):
        return jwt.encode(changed, options.pop("key", key), **{"algorithm": "HS256", **options})

    forged = {
        "alg none": f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "alg none, signature kept": f"{_segment({'alg': 'none'})}.{body}.{signature}",
        "other key": access_token(other_vault, user_id=user.id, session_id=session_id, lifetime=HALF_HOUR, now=now),
        "key for another purpose": signed_with(claims, key=vault.derive("csrf")),
        "other algorithm": signed_with(claims, key=key * 2, algorithm="HS512"),
        "body exchanged": f"{header}.{_segment({**claims, 'sub': str(user.id + 1)})}.{signature}",
        "signature cut": good[:-4],
        "somebody else's session": signed_with({**claims, "sub": str(user.id + 1)}),
        "no session": signed_with({name: value for name, value in claims.items() if name != "sid"}),
        "no end": signed_with({name: value for name, value in claims.items() if name != "exp"}),
        "no user": signed_with({name: value for name, value in claims.items() if name != "sub"}),
        "expired": signed_with({**claims, "exp": int(now.timestamp()) - 1}),
        "huge session": signed_with({**claims, "sid": 2**80}),
        "session that is no number": signed_with({**claims, "sid": "x"}),
        "session that is a list": signed_with({**claims, "sid": [1]}),
        "user that is no number": signed_with({**claims, "sub": "x"}),
        "end that is no number": signed_with({**claims, "exp": "soon"}),
        "empty": "",
        "nonsense": "a.b.c",
        "not ASCII": "é.é.é",
    }
    await by_token(good)
    for why, token in forged.items():
        assert await is_refused(by_token(token)), why


async def is_refused(looking):
    try:
        await looking
    except SignInNeededError:
        return True
    return False


@pytest.mark.parametrize(("verb", "error"), [(suspend_user, AccountSuspendedError), (ban_user, AccountBannedError)])
async def test_stopping_an_account_holds_for_every_session_at_once(
    *, a_user, opened, by_cookie, by_token, vault, db, now, verb, error
):
    user = await a_user()
    first, second = await opened(user), await opened(user)
    token = access_token(vault, user_id=user.id, session_id=second.session_id, lifetime=HALF_HOUR, now=now)
    async with db.transaction() as session:
        await verb(session, Actor.cli(), user.id, reason="chargeback", now=now)

    for look in (by_cookie(first.token), by_cookie(second.token), by_token(token)):
        with pytest.raises(error):
            await look

    async with db.transaction() as session:
        await reactivate_user(session, Actor.cli(), user.id, reason="settled", now=now)
    with pytest.raises(SignInNeededError):
        await by_cookie(first.token)


async def test_roles_and_permissions_hold_from_the_next_request_on(a_user, opened, by_cookie, db):
    user = await a_user()
    token = (await opened(user)).token
    assert (await by_cookie(token)).may(Permission.ORDERS_VIEW) is False

    async with db.transaction() as session:
        await set_role(session, Actor.cli(), user.id, Role.STAFF)
        await set_permissions(session, Actor.cli(), user.id, [Permission.ORDERS_VIEW])

    viewer = await by_cookie(token)
    assert (viewer.may(Permission.ORDERS_VIEW), viewer.may(Permission.ORDERS_EDIT)) == (True, False)


async def test_sessions_are_listed_and_ended_one_by_one_or_all_but_one(a_user, opened, db, now):
    user, other = await a_user(), await a_user("linh")
    first, second, third = [await opened(user) for _ in range(3)]
    strange = await opened(other)
    async with db.transaction() as session:
        await revoke_session(session, user.id, first.session_id, now=now)
        with pytest.raises(NotFoundError):
            await revoke_session(session, user.id, first.session_id, now=now)
        with pytest.raises(NotFoundError):
            await revoke_session(session, user.id, strange.session_id, now=now)
        alive = [row.id for row in await list_sessions(session, user.id, now=now)]
        ended = await revoke_sessions(session, user.id, but=third.session_id, now=now)
        left = [row.id for row in await list_sessions(session, user.id, now=now)]
        theirs = [row.id for row in await list_sessions(session, other.id, now=now)]

    assert alive == [third.session_id, second.session_id]
    assert ended == 1
    assert left == [third.session_id]
    assert theirs == [strange.session_id]


async def test_where_a_session_was_seen_is_noted_at_most_every_five_minutes(a_user, opened, by_cookie, db, now):
    token = (await opened(await a_user())).token

    async def seen():
        async with db.transaction() as session:
            return (await session.execute(select(LoginSession.last_seen_at, LoginSession.ip))).one()

    await by_cookie(token, now + timedelta(minutes=4))
    assert tuple(await seen()) == (now, "203.0.113.7")
    await by_cookie(token, now + timedelta(minutes=6))
    assert tuple(await seen()) == (now + timedelta(minutes=6), "203.0.113.8")


async def test_a_new_password_ends_the_other_sessions(*, a_user, opened, by_cookie, try_sign_in, db, now):
    user = await a_user()
    mine, stolen = await opened(user), await opened(user)

    ended = await change_password(db, await by_cookie(mine.token), current=PASSWORD, new="another horse", now=now)

    assert ended == 1
    assert (await by_cookie(mine.token)).user_id == user.id
    with pytest.raises(SignInNeededError):
        await by_cookie(stolen.token)
    with pytest.raises(WrongPasswordError):
        await try_sign_in("mai", PASSWORD)
    await try_sign_in("mai", "another horse")


async def test_guessing_the_present_password_is_no_way_around_the_lock_out(
    *, a_user, opened, by_cookie, try_sign_in, db, now
):
    viewer = await by_cookie((await opened(await a_user())).token)
    for _ in range(ACCOUNT_LIMIT.free):
        with pytest.raises(CurrentPasswordWrongError):
            await change_password(db, viewer, current="wrong horse", new="another horse", now=now)

    with pytest.raises(TooManyAttemptsError):
        await change_password(db, viewer, current=PASSWORD, new="another horse", now=now)
    with pytest.raises(TooManyAttemptsError):
        await try_sign_in("mai")


async def test_a_password_that_staff_set_ends_all_sessions(*, a_user, opened, by_cookie, try_sign_in, db, now):
    user = await a_user()
    token = (await opened(user)).token
    async with db.transaction() as session:
        await set_password(session, Actor.cli(), user.id, "set by support", now=now)

    with pytest.raises(SignInNeededError):
        await by_cookie(token)
    await try_sign_in("mai", "set by support")
