"""API keys: how they look, how they are found, and whom they are refused to."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, text

from smmpanel.accounts.access import Actor
from smmpanel.accounts.api_keys import (
    KEYS_PER_USER_MAX,
    AddressNotAllowedError,
    InvalidApiKeyError,
    KeyHasher,
    TooManyKeysError,
    find_keys,
    holder_for,
    issue_key,
    list_keys,
    revoke_key,
    touch_keys,
)
from smmpanel.accounts.models import ApiKey, AuditEntry
from smmpanel.accounts.states import AccountBannedError, AccountState, AccountSuspendedError
from smmpanel.accounts.suspending import ban_user, reactivate_user, suspend_user
from smmpanel.kernel.errors import InvalidInputError, NotFoundError


@pytest.fixture
def a_key(db, vault):
    async def make(user, name="shop", ip_list=(), cap=None):
        async with db.transaction() as session:
            return await issue_key(session, vault, user, name, ip_list, cap)

    return make


@pytest.fixture
def present(db, vault):
    hasher = KeyHasher(vault)

    async def look(text_, ip="203.0.113.7"):
        claim = hasher.claim(text_)
        async with db.transaction() as session:
            holders = await find_keys(session, [claim.prefix] if claim else [])
        return holder_for(holders, claim, ip)

    return look


async def test_a_key_is_plain_ascii_shown_once_and_kept_as_a_keyed_hash(a_user, a_key, vault, db):
    key, shown = await a_key(await a_user())

    assert shown.isascii()
    assert shown.replace("_", "").isalnum()
    assert len(shown) == 49
    assert shown.startswith(f"smm_{key.prefix}_")
    assert key.key_hash == vault.keyed_hash("api-key", shown)
    async with db.transaction() as session:
        row = await session.scalar(select(text("k::text")).select_from(text("api_keys k")))
    assert shown.rpartition("_")[2] not in row


async def test_the_right_key_finds_its_holder(a_user, a_key, present):
    user = await a_user()
    key, shown = await a_key(user, cap=Decimal("12.500000"))

    holder = await present(shown)

    assert (holder.key_id, holder.user_id, holder.username) == (key.id, user.id, "mai")
    assert (holder.daily_spend_cap, holder.ip_list, holder.state) == (Decimal("12.500000"), (), AccountState.ACTIVE)


async def test_many_keys_are_found_in_one_statement_through_the_index(a_user, a_key, vault, db):
    keys = [await a_key(await a_user(f"user{n}")) for n in range(3)]
    statements = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    async with db.transaction() as session:
        holders = await find_keys(session, [*(key.prefix for key, _ in keys), "nobodyhasit1"])
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        finding = [statement for statement in statements if "prefix" in statement]
        connection = await session.connection()
        plan = await connection.exec_driver_sql(f"EXPLAIN {finding[0]}", {"prefixes": ["a", "b"]})
        lines = "\n".join(plan.scalars())

    assert len(finding) == 1
    assert {prefix: holder.username for prefix, holder in holders.items()} == {
        key.prefix: f"user{n}" for n, (key, _) in enumerate(keys)
    }
    assert "uq_api_keys_prefix" in lines


async def test_wrong_keys_are_all_refused_alike(a_user, a_key, present):
    _, shown = await a_key(await a_user())
    _, other = await a_key(await a_user("linh"))
    wrong = [
        "",
        "x" * 49,
        shown[:-1],
        shown + "x",
        shown[:-1] + ("a" if shown[-1] != "a" else "b"),
        shown[:17] + other[17:],
        shown.swapcase(),
        " " + shown,
        shown + "\n",
        shown.replace("_", "-"),
        shown[:-1] + "é",
        "smm_" + "é" * 12 + "_" + "a" * 32,
        "smm_nobodyhasit1_" + "a" * 32,
    ]
    for text_ in wrong:
        with pytest.raises(InvalidApiKeyError) as failure:
            await present(text_)
        assert str(failure.value) == "Invalid API key"


async def test_a_revoked_key_is_refused_at_once_and_stays_revoked(a_user, a_key, present, db, now):
    user, other = await a_user(), await a_user("linh")
    key, shown = await a_key(user)
    kept, kept_text = await a_key(user, "other")
    async with db.transaction() as session:
        with pytest.raises(NotFoundError):
            await revoke_key(session, other.id, key.id, now=now)
        await revoke_key(session, user.id, key.id, now=now, actor=Actor.cli())
        with pytest.raises(NotFoundError):
            await revoke_key(session, user.id, key.id, now=now)
        names = [row.name for row in await list_keys(session, user.id)]
        audited = (await session.scalars(select(AuditEntry.subject))).all()

    with pytest.raises(InvalidApiKeyError):
        await present(shown)
    assert (await present(kept_text)).key_id == kept.id
    assert names == ["other"]
    assert audited == [f"api_key:{key.id}"]


@pytest.mark.parametrize(("verb", "error"), [(suspend_user, AccountSuspendedError), (ban_user, AccountBannedError)])
async def test_keys_of_stopped_accounts_are_refused_at_once(*, a_user, a_key, present, db, now, verb, error):
    user = await a_user()
    _, shown = await a_key(user)
    async with db.transaction() as session:
        await verb(session, Actor.cli(), user.id, reason="chargeback", now=now)

    with pytest.raises(error):
        await present(shown)
    with pytest.raises(InvalidApiKeyError):
        await present(shown[:-1] + ("a" if shown[-1] != "a" else "b"))

    async with db.transaction() as session:
        await reactivate_user(session, Actor.cli(), user.id, reason="settled", now=now)
    assert (await present(shown)).user_id == user.id


@pytest.mark.parametrize(
    ("ip_list", "ip", "allowed"),
    [
        ((), "203.0.113.7", True),
        (("203.0.113.7",), "203.0.113.7", True),
        (("203.0.113.7",), "203.0.113.8", False),
        (("203.0.113.0/24",), "203.0.113.200", True),
        (("203.0.113.9/24",), "203.0.113.200", True),
        (("203.0.113.0/24",), "::ffff:203.0.113.200", True),
        (("::ffff:203.0.113.0/120",), "203.0.113.200", True),
        (("2001:db8::/32",), "2001:0DB8::1", True),
        (("2001:db8::/32",), "2001:db9::1", False),
        (("2001:db8::/32", "203.0.113.7"), "203.0.113.7", True),
        (("0.0.0.0/0",), "2001:db8::1", False),
        (("203.0.113.7",), "", False),
        (("203.0.113.7",), "nonsense", False),
    ],
)
async def test_a_key_with_a_list_of_addresses_works_from_there_only(*, a_user, a_key, present, ip_list, ip, allowed):
    _, shown = await a_key(await a_user(), ip_list=ip_list)

    if allowed:
        assert (await present(shown, ip)).username == "mai"
    else:
        with pytest.raises(AddressNotAllowedError):
            await present(shown, ip)


@pytest.mark.parametrize(
    "entry", ["", "nonsense", "203.0.113.7/33", "203.0.113", "203.0.113.7; drop", "a" * 500, "1" * 20]
)
async def test_lists_hold_networks_only(a_user, a_key, entry):
    user = await a_user()
    with pytest.raises(InvalidInputError) as failure:
        await a_key(user, ip_list=[entry])
    assert failure.value.fields["field"] == "ip_list"


@pytest.mark.parametrize("cap", ["0", "-1", "NaN", "Infinity", "0.0000001", "1e30", "1e-400"])
async def test_caps_are_amounts(a_user, a_key, cap):
    user = await a_user()
    with pytest.raises(InvalidInputError) as failure:
        await a_key(user, cap=Decimal(cap))
    assert failure.value.fields["field"] == "daily_spend_cap"


async def test_nobody_gets_more_keys_than_the_limit_even_at_once(a_user, a_key, db):
    user = await a_user()
    for n in range(KEYS_PER_USER_MAX - 1):
        await a_key(user, f"key {n}")

    results = await asyncio.gather(*(a_key(user) for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(result, TooManyKeysError) for result in results) == 4
    async with db.transaction() as session:
        assert len(await list_keys(session, user.id)) == KEYS_PER_USER_MAX


async def test_use_is_noted_once_a_minute(a_user, a_key, db, now):
    key, _ = await a_key(await a_user())
    untouched, _ = await a_key(await a_user("linh"))

    async def used():
        async with db.transaction() as session:
            rows = await session.execute(select(ApiKey.id, ApiKey.last_used_at))
            return dict(map(tuple, rows))

    for seconds, noted in [(0, 0), (59, 0), (61, 61)]:
        async with db.transaction() as session:
            await touch_keys(session, [key.id, key.id], now + timedelta(seconds=seconds))
        assert await used() == {key.id: now + timedelta(seconds=noted), untouched.id: None}


async def test_noting_use_waits_for_nobody(a_user, a_key, db, now):
    key, _ = await a_key(await a_user())

    async with db.transaction() as first:
        await touch_keys(first, [key.id], now)
        async with db.transaction() as second:
            await asyncio.wait_for(touch_keys(second, [key.id], now), 5)
            await asyncio.wait_for(touch_keys(second, [], now), 5)


@given(st.text(max_size=80))
def test_no_text_is_taken_for_a_key(text_):
    assert SOME_HASHER.claim(text_) is None


class _Vault:
    def derive(self, _purpose):
        return b"k" * 32


SOME_HASHER = KeyHasher(_Vault())
