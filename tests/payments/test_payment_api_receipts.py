"""What the JSON API adds to a deposit: its payments as a receipt tells of them, its bonus, and where it is paid."""

from datetime import timedelta
from decimal import Decimal

import httpx
from sqlalchemy import select, update

from making import make_user
from payments.conftest import Till
from payments.test_payment_api import Caller, caller, http, me, staff  # noqa: F401 - fixtures
from payments.test_two_persons import limit
from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.models import AuditEntry, User
from smmpanel.growth.deposit_bonuses import give_bonus
from smmpanel.payments.bonuses import RuleTerms, add_rule
from smmpanel.payments.models import Deposit


async def test_a_deposit_tells_of_its_payments_and_its_bonus(till: Till, me: Caller) -> None:  # noqa: F811
    now = till.panel.clock()
    async with till.panel.db.transaction() as session:
        await add_rule(session, RuleTerms(Decimal(10), now - timedelta(days=1)), actor=Actor.cli(), now=now)
    deposit, other = await till.open(), await till.open()
    await till.told(deposit.memo, 30_000)
    await till.told(deposit.memo, 70_000)
    async with till.panel.db.transaction() as session:
        await give_bonus(session, deposit.id, late_at=None, now=now)

    told = (await me.call("GET", f"/api/payment/deposits/{deposit.id}")).json()
    listed = (await me.call("GET", "/api/payment/deposits")).json()["data"]

    assert told["bonus"] == 10_000
    assert [(one["amount"], one["credited"], one["rate"]) for one in told["payments"]] == [
        (30_000, 30_000, 1),
        (70_000, 70_000, 1),
    ]
    assert told["pay_url"] is None
    assert {one["number"]: one["bonus"] for one in listed} == {deposit.id: 10_000, other.id: 0}
    assert (await me.call("GET", f"/api/payment/deposits/{other.id}")).json()["payments"] == []


async def test_where_a_deposit_is_paid(till: Till, me: Caller) -> None:  # noqa: F811
    deposit = await till.open()
    for shown, address in (
        ({"kind": "redirect", "redirect_url": "https://pay.example/7"}, "https://pay.example/7"),
        ({"kind": "redirect", "redirect_url": "javascript:alert(1)"}, None),
        (
            {"kind": "form", "url": "https://pay.example/form", "fields": [["a", "b"]]},
            f"{till.panel.settings.address}/deposits/{deposit.id}/pay",
        ),
    ):
        async with till.panel.db.transaction() as session:
            await session.execute(update(Deposit).where(Deposit.id == deposit.id).values(shown=shown))
        assert (await me.call("GET", f"/api/payment/deposits/{deposit.id}")).json()["pay_url"] == address


async def test_staff_say_whose_money_is(till: Till, staff: Caller, http: httpx.AsyncClient) -> None:  # noqa: F811
    deposit, path = await till.open(), "/api/admin/receipts"
    for text, amount in (("HOMEMMO ZZZZZZ", 100_000), ("thanks", 30_000), ("rent", 5_000), ("big", 90_000)):
        await till.told(text, amount)
    listed = (await staff.call("GET", path)).json()["data"]
    named, unnamed, foreign, big = (row["id"] for row in reversed(listed))
    shown = (await staff.call("GET", f"{path}/{named}")).json()
    assert [one["number"] for one in shown["candidates"]] == [deposit.id]
    for body in ({}, {"deposit_id": "1", "user": "x"}, {"deposit_id": "nothing"}):
        assert (await staff.call("PUT", f"{path}/{named}/assign", json=body)).status_code == 422
    for body in ({"user": "nobody"}, {"deposit_id": "999"}):
        assert (await staff.call("PUT", f"{path}/{named}/assign", json=body)).status_code == 404
    whose = {"deposit_id": shown["candidates"][0]["deposit_id"]}
    done = (await staff.call("PUT", f"{path}/{named}/assign", json=whose)).json()
    assert (done["state"], done["credited"], done["deposit_number"]) == ("credited", 100_000, deposit.id)
    assert (await staff.call("PUT", f"{path}/{named}/assign", json=whose)).json()["code"] == "already_decided"
    async with till.panel.db.transaction() as session:
        name = (await session.get_one(User, till.user)).username
    assert (await staff.call("PUT", f"{path}/{unnamed}/assign", json={"user": name})).json()["credited"] == 30_000
    gone = await staff.call("PUT", f"{path}/{foreign}/dismiss", json={"reason": "the landlord's"})
    assert gone.json()["state"] == "dismissed"

    await limit(till)
    waiting = (await staff.call("PUT", f"{path}/{big}/assign", json={"user": name})).json()
    assert (waiting["state"], waiting["confirmations"][0]["state"]) == ("review", "waiting")
    deed = f"confirmations/{waiting['confirmations'][0]['id']}"
    assert (await staff.call("PUT", f"{path}/{big}/{deed}/confirm")).json()["code"] == "same_person"
    async with till.panel.db.transaction() as session:
        another = await make_user(session, funds=None)
    second = await caller(till, http, another, Permission.DEPOSITS_SETTLE)
    assert (await second.call("PUT", f"{path}/{named}/{deed}/confirm")).status_code == 404
    assert (await second.call("PUT", f"{path}/{big}/{deed}/confirm")).json()["credited"] == 90_000
    assert await till.balance() == 220_000
    async with till.panel.db.transaction() as session:
        audited = (await session.scalars(select(AuditEntry.subject).order_by(AuditEntry.id))).all()
    assert audited[-5:] == [f"receipt:{one}" for one in (named, unnamed, foreign, big, big)]


async def test_an_approval_says_what_had_arrived(till: Till, staff: Caller) -> None:  # noqa: F811
    deposit = await till.open()
    path = f"/api/admin/deposits/{deposit.id}/approve"
    for key, answer in (("one", 200), ("two", 409)):
        said = await staff.call("PUT", path, json={"amount": 40_000, "key": key, "received": 0})
        assert said.status_code == answer
    assert said.json()["code"] == "deposit_changed"
    assert await till.balance() == 40_000
