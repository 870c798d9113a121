"""Signing in, and what wrong passwords lead to."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import bcrypt
import pytest
from sqlalchemy import func, select, update

from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import AttemptCounter, LoginHistory, LoginOutcome, LoginSession, User
from smmpanel.accounts.signing_in import ACCOUNT_LIMIT, ADDRESS_LIMIT, WrongPasswordError
from smmpanel.accounts.states import AccountBannedError, AccountSuspendedError
from smmpanel.accounts.suspending import ban_user, suspend_user
from smmpanel.accounts.throttling import TooManyAttemptsError

WRONG = "wrong horse battery"


@pytest.mark.parametrize("login", ["mai", "MAI", "mai@example.com", "Mai@Example.com", "  mai "])
async def test_name_and_address_in_any_case(a_user, try_sign_in, login):
    user = await a_user("mai")

    signed = await try_sign_in(login)

    assert signed.user.id == user.id


async def test_no_difference_between_a_wrong_password_and_nobody(a_user, try_sign_in, db):
    await a_user("mai")

    with pytest.raises(WrongPasswordError) as wrong:
        await try_sign_in("mai", WRONG)
    with pytest.raises(WrongPasswordError) as nobody:
        await try_sign_in("nobody", WRONG)

    assert str(wrong.value) == str(nobody.value)
    assert await count(db, LoginSession) == 0


async def test_every_try_is_remembered_although_it_was_answered_with_an_error(a_user, try_sign_in, db):
    user = await a_user("mai")
    for password in (WRONG, None):
        with suppress(WrongPasswordError):
            await try_sign_in("mai", *([password] if password else []))
    with pytest.raises(WrongPasswordError):
        await try_sign_in("nobody", WRONG)

    async with db.transaction() as session:
        rows = await session.execute(
            select(LoginHistory.user_id, LoginHistory.outcome, LoginHistory.ip).order_by(LoginHistory.id)
        )
        history = [tuple(row) for row in rows]
    assert history == [
        (user.id, LoginOutcome.WRONG_PASSWORD, "203.0.113.7"),
        (user.id, LoginOutcome.SIGNED_IN, "203.0.113.7"),
        (None, LoginOutcome.WRONG_PASSWORD, "203.0.113.7"),
    ]


async def test_a_hundred_guesses_at_once_get_no_more_tries_than_five_in_turn(a_user, try_sign_in, db):
    await a_user("mai")

    results = await asyncio.gather(
        *(try_sign_in("mai", f"guess number {n}", ip=f"198.51.100.{n}") for n in range(100)), return_exceptions=True
    )

    assert sum(isinstance(result, WrongPasswordError) for result in results) == ACCOUNT_LIMIT.free
    assert sum(isinstance(result, TooManyAttemptsError) for result in results) == 100 - ACCOUNT_LIMIT.free


async def test_one_address_cannot_try_many_accounts(try_sign_in):
    results = await asyncio.gather(
        *(try_sign_in(f"name{n}", WRONG, ip="198.51.100.1") for n in range(60)), return_exceptions=True
    )

    assert sum(isinstance(result, WrongPasswordError) for result in results) == ADDRESS_LIMIT.free
    assert sum(isinstance(result, TooManyAttemptsError) for result in results) == 60 - ADDRESS_LIMIT.free


async def test_a_whole_ipv6_line_is_one_address(try_sign_in):
    for n in range(ADDRESS_LIMIT.free):
        with pytest.raises(WrongPasswordError):
            await try_sign_in(f"name{n}", WRONG, ip=f"2001:db8:1:2::{n:x}")

    with pytest.raises(TooManyAttemptsError):
        await try_sign_in("other", WRONG, ip="2001:db8:1:2:ffff::1")
    with pytest.raises(WrongPasswordError):
        await try_sign_in("other", WRONG, ip="2001:db8:1:3::1")


async def lock_out(try_sign_in, now, login="mai"):
    for n in range(ACCOUNT_LIMIT.free):
        with pytest.raises(WrongPasswordError):
            await try_sign_in(login, WRONG, ip=f"198.51.100.{n}", now=now)


async def test_the_right_password_is_refused_during_a_lock_out(a_user, try_sign_in, now, db):
    await a_user("mai")
    await lock_out(try_sign_in, now)

    with pytest.raises(TooManyAttemptsError) as failure:
        await try_sign_in("mai", now=now + timedelta(seconds=29))

    assert failure.value.fields["retry_after_seconds"] == 1
    assert await count(db, LoginSession) == 0


async def test_name_and_address_lead_to_the_same_lock(a_user, try_sign_in, now):
    await a_user("mai")
    await lock_out(try_sign_in, now, "mai@example.com")

    with pytest.raises(TooManyAttemptsError):
        await try_sign_in("MAI", now=now)


async def test_names_that_nobody_has_are_locked_the_same_way(try_sign_in, now):
    await lock_out(try_sign_in, now, "nobody")

    with pytest.raises(TooManyAttemptsError) as failure:
        await try_sign_in("NOBODY", now=now)
    assert failure.value.fields["retry_after_seconds"] == 30


async def test_each_further_failure_doubles_the_wait_up_to_an_hour(a_user, try_sign_in, now):
    await a_user("mai")
    await lock_out(try_sign_in, now)
    waits = []
    for n in range(9):
        with pytest.raises(TooManyAttemptsError) as failure:
            await try_sign_in("mai", now=now)
        waits.append(failure.value.fields["retry_after_seconds"])
        now += timedelta(seconds=waits[-1])
        with pytest.raises(WrongPasswordError):
            await try_sign_in("mai", WRONG, ip=f"198.51.101.{n}", now=now)

    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_signing_in_after_the_wait_forgets_the_failures(a_user, try_sign_in, now, db):
    user = await a_user("mai")
    await lock_out(try_sign_in, now)

    await try_sign_in("mai", now=now + timedelta(seconds=30))

    async with db.transaction() as session:
        subjects = (await session.scalars(select(AttemptCounter.subject))).all()
    assert f"user:{user.id}" not in subjects


async def test_a_day_without_tries_forgets_the_failures(a_user, try_sign_in, now):
    await a_user("mai")
    await lock_out(try_sign_in, now)

    await lock_out(try_sign_in, now + timedelta(days=1, seconds=1))


async def test_signing_in_does_not_wash_an_address_clean(a_user, try_sign_in, now):
    await a_user("mai")
    for n in range(ADDRESS_LIMIT.free):
        with pytest.raises(WrongPasswordError):
            await try_sign_in(f"victim{n}", WRONG, now=now)
        if n < ADDRESS_LIMIT.free - 1:
            await try_sign_in("mai", now=now)

    with pytest.raises(TooManyAttemptsError):
        await try_sign_in("mai", now=now)


async def test_many_good_sign_ins_from_one_address_lock_nobody_out(a_user, try_sign_in, now):
    await a_user("mai")

    for _ in range(ADDRESS_LIMIT.free + 5):
        await try_sign_in("mai", now=now)


async def test_a_refused_try_counts_nowhere(a_user, try_sign_in, now, db):
    await a_user("mai")
    await lock_out(try_sign_in, now)
    before = await counters(db)

    with pytest.raises(TooManyAttemptsError):
        await try_sign_in("mai", WRONG, ip="192.0.2.99", now=now)

    assert await counters(db) == before


async def test_what_was_typed_as_a_name_is_not_kept(try_sign_in, db):
    with pytest.raises(WrongPasswordError):
        await try_sign_in("my secret password", WRONG)

    assert "my secret password" not in str(await counters(db))


async def test_an_old_bcrypt_hash_is_upgraded_when_its_owner_signs_in(a_user, try_sign_in, db):
    user = await a_user("mai")
    old = bcrypt.hashpw(b"from the old panel", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    async with db.transaction() as session:
        await session.execute(update(User).values(password_hash=old))

    with pytest.raises(WrongPasswordError):
        await try_sign_in("mai", WRONG)
    assert await password_hash(db, user) == old
    await try_sign_in("mai", "from the old panel")

    assert (await password_hash(db, user)).startswith("$argon2id$")
    await try_sign_in("mai", "from the old panel")


@pytest.mark.parametrize(("verb", "error"), [(suspend_user, AccountSuspendedError), (ban_user, AccountBannedError)])
async def test_only_the_right_password_learns_that_the_account_is_stopped(*, a_user, try_sign_in, db, now, verb, error):
    user = await a_user("mai")
    async with db.transaction() as session:
        await verb(session, Actor.cli(), user.id, reason="chargeback", now=now)

    with pytest.raises(WrongPasswordError):
        await try_sign_in("mai", WRONG)
    with pytest.raises(error):
        await try_sign_in("mai")

    assert await count(db, LoginSession) == 0


async def count(db, table):
    async with db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(table))


async def counters(db):
    async with db.transaction() as session:
        rows = await session.execute(
            select(AttemptCounter.kind, AttemptCounter.subject, AttemptCounter.failures).order_by(
                AttemptCounter.kind, AttemptCounter.subject
            )
        )
        return [tuple(row) for row in rows]


async def password_hash(db, user):
    async with db.transaction() as session:
        return await session.scalar(select(User.password_hash).where(User.id == user.id))
