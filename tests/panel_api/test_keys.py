"""Who may call, how often, and how much may be spent in a day."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from making import assert_books, make_provider, make_service, staff
from smmpanel.accounts.access import Permission
from smmpanel.accounts.api_keys import list_keys, revoke_key
from smmpanel.accounts.suspending import ban_user, reactivate_user, suspend_user
from smmpanel.web.key_limiting import KeyLimiter

from .conftest import Client, Served

LINK = "https://www.instagram.com/someone"
STAFF = staff(None, Permission.USERS_SUSPEND)


@pytest.fixture
async def service(db, panel):
    async with db.transaction() as session:
        return await make_service(session, await make_provider(session, panel), rate="1")


async def every_action(call, who, service):
    return [
        await call(who, "balance"),
        await call(who, "services"),
        await call(who, "add", service=service, link=LINK, quantity=1000),
        await call(who, "status", order=1),
        await call(who, "refill", orders="1"),
        await call(who, "refill_status", refill=1),
        await call(who, "cancel", orders="1"),
        await call(who, "nonsense"),
        await call(who, ""),
    ]


def other_end(key):
    """The same key with another secret, of the right shape."""
    return key[:-1] + ("a" if key[-1] != "a" else "b")


DAMAGES = ["", "{key}a", "x{key}", "{key:.48}", "{prefix}"]


@pytest.mark.parametrize("damage", [*DAMAGES, None])
async def test_a_wrong_key_gets_nothing(*, call, reseller, service, damage):
    who = await reseller()
    wrong = other_end(who.key) if damage is None else damage.format(key=who.key, prefix=who.key[:16])
    assert wrong != who.key

    assert await every_action(call, wrong, service) == [{"error": "Invalid API key"}] * 9
    assert await who.balance() == "100.00"


async def test_a_key_with_blanks_around_it(call, reseller):
    who = await reseller()

    assert await call(f" {who.key}\r\n", "balance") == {"balance": "100.00", "currency": "USD"}


@pytest.mark.parametrize("verb", [suspend_user, ban_user])
async def test_an_account_that_is_stopped_is_stopped_at_once(*, call, reseller, service, db, verb):
    who = await reseller()
    assert "order" in await call(who, "add", service=service, link=LINK, quantity=1000)
    async with db.transaction() as session:
        await verb(session, STAFF, who.user_id, reason="test", now=datetime.now(UTC))

    assert await every_action(call, who, service) == [{"error": "Account suspended"}] * 9
    async with db.transaction() as session:
        await reactivate_user(session, STAFF, who.user_id, reason="test", now=datetime.now(UTC))
    assert "order" in await call(who, "add", service=service, link=LINK, quantity=1000)
    assert await who.balance() == "98.00"


async def test_a_revoked_key_is_unknown_at_once_and_others_go_on(call, reseller, service, db):
    who = await reseller()
    second = await reseller(of=who.user_id)
    await call(who, "balance")
    async with db.transaction() as session:
        key = (await list_keys(session, who.user_id))[0]
        await revoke_key(session, who.user_id, key.id, now=datetime.now(UTC))

    assert await every_action(call, who, service) == [{"error": "Invalid API key"}] * 9
    assert "balance" in await call(second, "balance")


@pytest.mark.parametrize(
    ("ip_list", "allowed"), [(("127.0.0.0/8",), True), (("127.0.0.1",), True), (("10.0.0.1",), False)]
)
async def test_the_list_of_addresses(*, call, reseller, service, ip_list, allowed):
    who = await reseller(ip_list=ip_list)

    answers = await every_action(call, who, service)

    assert (answers == [{"error": "IP address is not allowed"}] * 9) is not allowed


async def test_the_address_is_not_the_callers_to_choose(http, reseller):
    who = await reseller(ip_list=("10.0.0.1",))
    headers = {"X-Forwarded-For": "10.0.0.1", "X-Real-IP": "10.0.0.1", "Forwarded": "for=10.0.0.1"}

    answer = await http.post("/api/v2", data={"key": who.key, "action": "balance"}, headers=headers)

    assert answer.json() == {"error": "IP address is not allowed"}


async def test_the_daily_cap_holds_under_parallel_calls(call, reseller, service, db):
    who = await reseller(cap="5")
    uncapped = await reseller(of=who.user_id)

    answers = await asyncio.gather(
        *(call(who, "add", service=service, link=f"{LINK}{number}", quantity=1000) for number in range(16))
    )

    assert sum("order" in one for one in answers) == 5
    errors = [one["error"] for one in answers if "error" in one]
    assert errors == ["Daily spend limit of this API key reached"] * 11
    assert "order" in await call(uncapped, "add", service=service, link=LINK, quantity=1000)
    assert await who.balance() == "94.00"
    await assert_books(db)


# How often ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def strict(database_url, vault, tmp_path):
    """A panel that lets a key make two calls and then one every ten seconds."""
    with Served(database_url, vault, tmp_path, api_rate_per_minute=6, api_burst=2) as server:
        yield server


async def test_too_many_calls_are_refused_before_anything_ran(strict, reseller, service, db):
    who, other = await reseller(), await reseller()
    form = {"key": who.key, "action": "add", "service": service, "link": LINK, "quantity": 1000}
    async with httpx.AsyncClient(base_url=strict.address, trust_env=False, timeout=30) as http:
        call = Client(http)
        answers = [await http.post("/api/v2", data=form) for _ in range(5)]
        free = await call(other, "balance")
        shapeless = [await call("nonsense", "balance") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 429, 429]
    refused = answers[2]
    assert refused.json() == {"error": "Too many requests"}
    assert refused.headers["content-type"] == "application/json"
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert free == {"balance": "100.00", "currency": "USD"}
    assert shapeless == [{"error": "Invalid API key"}] * 5
    assert await who.balance() == "98.00"


async def test_guessing_the_rest_of_a_key_is_slowed_too(strict, reseller):
    who = await reseller()
    async with httpx.AsyncClient(base_url=strict.address, trust_env=False, timeout=30) as http:
        form = {"key": other_end(who.key), "action": "balance"}
        statuses = [(await http.post("/api/v2", data=form)).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]


def test_a_bucket_fills_again_in_time():
    now = 0.0
    limiter = KeyLimiter(60, 3, lambda: now)

    assert [limiter.wait_seconds("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    now = 0.5
    assert limiter.wait_seconds("a") == 0.5
    now = 1.0
    assert (limiter.wait_seconds("a"), limiter.wait_seconds("a")) == (0, 1)
    now = 1000.0
    assert [limiter.wait_seconds("a") for _ in range(4)] == [0, 0, 0, 1]


def test_keys_do_not_count_for_each_other_and_the_oldest_are_forgotten():
    limiter = KeyLimiter(60, 1, lambda: 0.0, keys_max=2)

    assert [limiter.wait_seconds(key) for key in "aab"] == [0, 1, 0]
    assert limiter.wait_seconds("c") == 0
    assert limiter.wait_seconds("a") == 0
