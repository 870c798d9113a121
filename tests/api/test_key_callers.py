"""API keys at the JSON API: what they open, what they do not, and their limits."""

from dataclasses import replace
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import select

from making import make_provider, make_service
from smmpanel.accounts.access import Actor
from smmpanel.accounts.api_keys import issue_key, revoke_key
from smmpanel.accounts.models import ApiKey, User
from smmpanel.accounts.states import Role
from smmpanel.accounts.suspending import suspend_user
from smmpanel.entrypoints.web import build_app
from smmpanel.orders.models import Order

LINK = "https://www.instagram.com/someone"


@pytest.fixture
def key_for(db, panel):
    """Makes a key for somebody who is signed in."""

    async def make(member, *ip_list, cap=None):
        async with db.transaction() as session:
            user = await session.get_one(User, member.user_id)
            return await issue_key(session, panel.vault, user, "shop", ip_list, cap)

    return make


@pytest.fixture
async def service(db, panel):
    async with db.transaction() as session:
        return await make_service(session, await make_provider(session, panel), rate="1")


def bearer(text):
    return {"authorization": f"Bearer {text}"}


async def test_a_key_orders_and_reads_for_its_owner_and_no_more(db, http, me, key_for, service):
    async with db.transaction() as session:
        (await session.get_one(User, me.user_id)).role = Role.ADMIN
    key, text = await key_for(me)
    order = {"service_id": service, "link": LINK, "quantity": 1000}

    for headers in (bearer(text), {"x-api-key": text}):
        placed = await http.post("/api/orders", json=order, headers=headers)
        assert (placed.status_code, placed.json()["success"]) == (200, True)
    lists = ("/api/services", "/api/orders", "/api/orders/history", "/api/user/transactions", "/api/payment/deposits")
    for path in (*lists, "/api/user/balance", "/api/payment/methods"):
        assert (await http.get(path, headers=bearer(text))).status_code == 200, path

    for method, path in (
        ("GET", "/api/auth/me"),
        ("GET", "/api/auth/sessions"),
        ("POST", "/api/auth/password"),
        ("GET", "/api/keys"),
        ("POST", "/api/keys"),
        ("DELETE", "/api/keys/1"),
        ("GET", "/api/admin/orders"),
        ("POST", "/api/admin/orders/1/refund"),
    ):
        by_bearer = await http.request(method, path, json={}, headers=bearer(text))
        assert (by_bearer.status_code, by_bearer.json()["code"]) == (403, "key_not_enough"), path
        assert (await http.request(method, path, json={}, headers={"x-api-key": text})).status_code == 401, path

    async with db.transaction() as session:
        orders = (await session.scalars(select(Order))).all()
        assert {(one.user_id, one.api_key_id) for one in orders} == {(me.user_id, key.id)}
        assert (await session.get_one(ApiKey, key.id)).last_used_at is not None


async def test_somebody_elses_order_does_not_exist_for_a_key(http, me, other, key_for, service):
    theirs = (await other.post("/api/orders", service_id=service, link=LINK, quantity=10)).json()["order_id"]
    _, text = await key_for(me)

    assert (await http.get(f"/api/orders/{theirs}", headers=bearer(text))).status_code == 404


async def test_a_key_is_good_from_its_addresses_until_it_is_revoked(db, http, panel, me, key_for):
    _, elsewhere = await key_for(me, "198.51.100.0/24")
    key, here = await key_for(me, "203.0.113.0/24")

    refused = await http.get("/api/user/balance", headers=bearer(elsewhere))
    assert (refused.status_code, refused.json()["code"]) == (403, "address_not_allowed")
    assert (await http.get("/api/user/balance", headers=bearer(here))).status_code == 200

    async with db.transaction() as session:
        await revoke_key(session, me.user_id, key.id, now=panel.clock())
    for text in (here, here[:-1] + "x", "smm_", "nonsense"):
        answer = await http.get("/api/user/balance", headers={"x-api-key": text})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")


async def test_a_key_spends_no_more_than_its_daily_cap(http, me, key_for, service):
    _, text = await key_for(me, cap=Decimal("1.5"))
    order = {"service_id": service, "link": LINK, "quantity": 1000}

    first = await http.post("/api/orders", json=order, headers=bearer(text))
    second = await http.post("/api/orders", json=order, headers=bearer(text))
    mass = await http.post("/api/orders/mass", json={"text": f"{service} | {LINK} | 1000"}, headers=bearer(text))

    assert first.status_code == 200
    assert (second.status_code, second.json()["code"], second.json()["fields"]) == (
        402,
        "spend_cap_reached",
        {"cap": 1.5},
    )
    assert [line["error"]["code"] for line in mass.json()["lines"]] == ["spend_cap_reached"]


async def test_a_suspended_owner_is_refused(db, http, panel, me, key_for):
    _, text = await key_for(me)
    async with db.transaction() as session:
        await suspend_user(session, Actor.cli(), me.user_id, reason="x", now=panel.clock())

    assert (await http.get("/api/user/balance", headers=bearer(text))).status_code == 403


async def test_a_key_and_a_token_that_call_too_often_wait(panel, me, key_for):
    _, text = await key_for(me)
    slow = panel.settings.model_copy(update={"api_rate_per_minute": 1, "api_burst": 2})
    app = build_app(replace(panel, settings=slow))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://panel.example") as http:
        answers = [await http.get("/api/user/balance", headers=bearer(text)) for _ in range(3)]
        signed_in = [await http.get("/api/auth/me", headers=me.headers) for _ in range(3)]

    for told in (answers, signed_in):
        assert [answer.status_code for answer in told] == [200, 200, 429]
        assert told[2].json()["code"] == "too_many_calls"
        assert int(told[2].headers["retry-after"]) == told[2].json()["fields"]["retry_after_seconds"] >= 1
