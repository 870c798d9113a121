"""The rule of two persons, and the pages and calls by which money goes back."""

import re
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import select

from making import make_user, staff
from payments.browsers import browser_of
from payments.conftest import Till
from payments.counters import Desk, S, desk_of
from payments.test_payment_api import caller
from payments.test_returning import alerts
from smmpanel.accounts.access import Actor, MissingPermissionError, Permission
from smmpanel.accounts.models import AuditEntry, User
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.options import write_option
from smmpanel.payments.confirming import confirm, withdraw
from smmpanel.payments.deciding import (
    AlreadyDecidedError,
    OwnDepositError,
    approve_deposit,
    assign_to_deposit,
    assign_to_user,
    reject_deposit,
)
from smmpanel.payments.models import Deposit, Receipt
from smmpanel.payments.protocol import Refunded
from smmpanel.payments.refunding import WantedRefund, ask_refund
from smmpanel.payments.return_models import Confirmation, PaymentReturn
from smmpanel.payments.second_looks import LIMIT_OPTION, AwaitsSecondError, SamePersonError
from smmpanel.payments.sending_refunds import send_refunds
from staff_browser import StaffBrowser, sign_in

P = Permission
ALL = (P.DEPOSITS_VIEW, P.DEPOSITS_SETTLE, P.DEPOSITS_REFUND)


async def limit(till: Till, amount: str | None = "50000") -> None:
    async with till.panel.db.transaction() as session:
        await write_option(session, LIMIT_OPTION, amount)


async def person(till: Till, *permissions: Permission) -> Actor:
    async with till.panel.db.transaction() as session:
        return staff(await make_user(session, funds=None), *(permissions or ALL))


async def approve(desk: Desk, actor: Actor, amount: int | None = None, key: str = "k") -> Deposit | Confirmation:
    async with desk.till.panel.db.transaction() as session:
        wanted = None if amount is None else Decimal(amount)
        now = desk.till.panel.clock()
        return await approve_deposit(session, desk.deposit.id, actor=actor, now=now, amount=wanted, key=key)


async def second(till: Till, row: Confirmation, actor: Actor) -> Confirmation:
    async with till.panel.db.transaction() as session:
        return await confirm(session, till.panel, row.id, actor=actor)


async def test_without_a_limit_one_person_does(till: Till) -> None:
    desk = await desk_of(till)
    assert isinstance(await approve(desk, await person(till)), Deposit)
    assert await till.balance() == 100_000


async def test_above_it_another_one_confirms_and_nobody_else_can(till: Till) -> None:
    await limit(till)
    desk, first, other = await desk_of(till), await person(till), await person(till)
    for _ in range(2):
        row = await approve(desk, first)
        assert isinstance(row, Confirmation)
    assert await till.balance() == 0
    assert await alerts(till) == ["payment_awaits_second"]
    with pytest.raises(AwaitsSecondError):
        await approve(desk, other)
    with pytest.raises(SamePersonError):
        await second(till, row, first)
    # Nor whoever is signed in as the customer or as the first one, nor the customer, nor who may not.
    with pytest.raises(SamePersonError):
        await second(till, row, replace(other, acted_by=first.user_id))
    with pytest.raises(OwnDepositError):
        await second(till, row, staff(till.user, *ALL))
    with pytest.raises(MissingPermissionError):
        await second(till, row, await person(till, P.DEPOSITS_VIEW))
    assert await till.balance() == 0

    await second(till, row, other)
    assert await till.balance() == 100_000
    assert await alerts(till) == []
    [receipt] = await till.receipts()
    assert (receipt.staff_id, (await desk.now()).decided_by) == (first.user_id, other.user_id)
    with pytest.raises(AlreadyDecidedError):
        await second(till, row, other)
    async with till.panel.db.transaction() as session:
        people = (await session.scalars(select(AuditEntry.actor_id).order_by(AuditEntry.id))).all()
    assert people[-2:] == [first.user_id, other.user_id]


async def test_parts_do_not_stay_below_it(till: Till) -> None:
    await limit(till)
    desk, first = await desk_of(till), await person(till)
    assert isinstance(await approve(desk, first, 40_000, "a"), Deposit)
    assert isinstance(await approve(desk, first, 40_000, "b"), Confirmation)
    assert await till.balance() == 40_000


async def test_what_is_withdrawn_is_not_done(till: Till) -> None:
    await limit(till)
    desk, first, other = await desk_of(till), await person(till), await person(till)
    row = await approve(desk, first)
    assert isinstance(row, Confirmation)
    with pytest.raises(AwaitsSecondError):
        async with till.panel.db.transaction() as session:
            await reject_deposit(session, desk.deposit.id, actor=other, reason="no", now=till.panel.clock())
    async with till.panel.db.transaction() as session:
        await withdraw(session, row.id, actor=first, now=till.panel.clock())
    with pytest.raises(AlreadyDecidedError):
        await second(till, row, other)
    assert (await till.balance(), await alerts(till)) == (0, [])
    assert isinstance(await approve(desk, other, 30_000), Deposit)


async def test_money_that_is_assigned_takes_two(till: Till) -> None:
    await limit(till)
    first, other, deposit = await person(till), await person(till), await till.open()
    for _ in range(2):
        await till.told("thanks")
    now = till.panel.clock()
    async with till.panel.db.transaction() as session:
        one = await assign_to_deposit(session, 1, deposit.id, actor=first, now=now)
        two = await assign_to_user(session, till.panel, 2, till.user, actor=first, now=now)
    assert isinstance(one, Confirmation)
    assert isinstance(two, Confirmation)
    assert {receipt.state for receipt in await till.receipts()} == {"review"}
    done = [await second(till, row, other) for row in (one, two)]
    assert {receipt.state for receipt in await till.receipts()} == {"credited"}
    assert await till.balance() == 200_000
    assert [row.deposit_id for row in done] == [receipt.deposit_id for receipt in await till.receipts()]


async def test_refunds_take_two(till: Till) -> None:
    await limit(till)
    desk, first, other = await desk_of(till, refunding=True), await person(till), await person(till)
    await desk.told(S.PAID, 100_000)
    counter = till.panel.payment_gateways.get("refunding").counter

    async def want(amount: int, key: str) -> PaymentReturn | Confirmation:
        async with till.panel.db.transaction() as session:
            wanted = WantedRefund(desk.deposit.id, key, "asked for", Decimal(amount))
            return await ask_refund(session, till.panel, wanted, actor=first)

    assert isinstance(await want(30_000, "a"), PaymentReturn)
    row = await want(30_000, "b")
    assert isinstance(row, Confirmation)
    assert await till.balance() == 70_000
    await second(till, row, other)
    counter.refunds.extend([Refunded("r1", "done"), Refunded("r2", "done")])
    await send_refunds.function(till.panel)
    assert await till.balance() == 40_000
    assert [(one.state, one.requested_by, one.confirmed_by) for one in await desk.returns()] == [
        ("done", first.user_id, None),
        ("done", first.user_id, other.user_id),
    ]


async def two_browsers(till: Till) -> tuple[StaffBrowser, StaffBrowser]:
    return await sign_in(till.panel), await sign_in(till.panel)


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_pages_of_the_first_and_the_second_person(till: Till, language: str) -> None:
    await limit(till)
    desk = await desk_of(till, refunding=True)
    await desk.told(S.PAID, 100_000)
    first, other = await two_browsers(till)
    path = f"/staff/deposits/{desk.deposit.id}"
    shown = await first.get(path, params={"lang": language})
    key = re.findall(r'name="key" value="(\w+)"', shown.text)[-1]
    form = {"refund_amount": "60000", "refund_reason": "wrong <account>", "key": key}
    for _ in range(2):
        assert (await first.post(f"{path}/refund", form)).status_code == 303
    assert (">Waits for a second person<" in (await first.get("/staff/deposits")).text) == (language == "en")
    assert "/second/1/confirm" not in (await first.get(path)).text
    assert "/second/1/withdraw" in (await first.get(path)).text
    refused = await first.post("/staff/deposits/second/1/confirm")
    assert refused.headers["location"] == path
    assert await till.balance() == 100_000

    seen = await other.get(path, params={"lang": language})
    assert "/second/1/confirm" in seen.text
    assert "wrong &lt;account&gt;" in seen.text
    assert (await other.post("/staff/deposits/second/1/confirm")).headers["location"] == path
    assert await till.balance() == 40_000
    shown = await other.get(path, params={"lang": language})
    assert 'id="back-h"' in shown.text
    assert 'id="two-h"' in shown.text
    mine = f"/deposits/{desk.deposit.id}"
    async with browser_of(till, till.user) as customer:
        on_its_way = (await customer.get(mine, params={"lang": "en"})).text
    assert "Part of this deposit is being paid back to you." in on_its_way
    assert 'hx-trigger="panel:deposits from:body"' in on_its_way
    till.panel.payment_gateways.get("refunding").counter.refunds.append(Refunded("r1", "done"))
    await send_refunds.function(till.panel)
    async with browser_of(till, till.user) as customer:
        assert "Part of this deposit was paid back to you." in (await customer.get(mine)).text
    # What the gateway says in sum afterwards is no other refund.
    assert await desk.told(S.PARTIALLY_REFUNDED, 60_000, return_id="sum", is_total=True) == "duplicate"
    assert (await other.get(path)).text.count("<summary>") == shown.text.count("<summary>") + 1
    assert (await other.post("/staff/deposits/second/9/confirm")).status_code == 404


async def test_pages_of_refunds(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    browser = await sign_in(till.panel)
    path = f"/staff/deposits/{desk.deposit.id}"
    wrong = await browser.post(f"{path}/refund", {"refund_amount": "200000", "refund_reason": "why", "bank_ref": "F"})
    assert wrong.status_code == 422
    assert 'value="200000"' in wrong.text
    assert (await browser.post(f"{path}/refund", {"refund_amount": "5", "refund_reason": "x"})).status_code == 409
    form = {"refund_amount": "40000", "refund_reason": "asked", "by_hand": "yes", "bank_ref": "FT1", "key": "k1"}
    for _ in range(2):
        assert (await browser.post(f"{path}/refund", form)).status_code == 303
    assert await till.balance() == 60_000
    assert "FT1" in (await browser.get(path)).text
    late = await browser.post(f"{path}/refunds/1", {"became": "failed", "note": "no"})
    assert late.headers["location"] == path
    assert (await browser.post(f"{path}/refunds/99", {"became": "failed", "note": "no"})).status_code == 404


async def test_pages_of_money_that_is_assigned(till: Till) -> None:
    await limit(till)
    first, other = await two_browsers(till)
    deposit = await till.open()
    await till.told("thanks")
    sent = await first.post("/staff/deposits/money/1/assign", {"deposit": deposit.id})
    assert sent.headers["location"] == "/staff/deposits/money/1"
    seen = await other.get("/staff/deposits/money/1")
    assert "/second/1/confirm" in seen.text
    async with till.panel.db.transaction() as session:
        owner = (await session.get_one(User, till.user)).username
    assert f'{owner} · <a href="/staff/deposits/{deposit.id}">' in seen.text, "to whom it goes"
    assert (await other.post("/staff/deposits/second/1/confirm")).headers["location"] == f"/staff/deposits/{deposit.id}"
    assert await till.balance() == 100_000


async def test_the_json_api_pays_back_and_confirms(till: Till) -> None:
    await limit(till)
    desk = await desk_of(till, refunding=True)
    await desk.told(S.PAID, 100_000)
    async with till.panel.db.transaction() as session:
        ids = [await make_user(session, funds=None) for _ in range(3)]
    transport = httpx.ASGITransport(build_app(till.panel), client=("203.0.113.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as http:
        first, other = [await caller(till, http, one, *ALL) for one in ids[:2]]
        viewer = await caller(till, http, ids[2], P.DEPOSITS_VIEW)
        path = f"/api/admin/deposits/{desk.deposit.id}"
        headers = {"Idempotency-Key": "once"}
        body = {"amount": 60_000, "reason": "asked"}
        for _ in range(2):
            said = (await first.call("POST", f"{path}/refund", json=body, headers=headers)).json()
        assert said["returns"] == []
        [waiting] = said["confirmations"]
        assert (waiting["deed"], waiting["state"], waiting["amount"]) == ("refund", "waiting", 60_000)
        confirmation = f"{path}/confirmations/{waiting['id']}/confirm"
        assert (await first.call("PUT", confirmation)).status_code == 403
        assert (await viewer.call("PUT", confirmation)).status_code == 403
        assert (await other.call("PUT", confirmation.replace(f"/{desk.deposit.id}/", "/999/"))).status_code == 404
        said = (await other.call("PUT", confirmation)).json()
        [row] = said["returns"]
        assert (row["state"], row["amount"], said["returned"], said["taken"]) == ("pending", 60_000, 60_000, 60_000)
        assert row["requested_by"] != row["confirmed_by"]

        till.panel.payment_gateways.get("refunding").counter.refunds.append(TimeoutError("lost"))
        await send_refunds.function(till.panel)
        resolved = await other.call(
            "PUT", f"{path}/refunds/{row['id']}", json={"became": "failed", "note": "never arrived"}
        )
        assert resolved.json()["returns"][0]["state"] == "failed"
        assert resolved.json()["returned"] == 0
        assert (await first.call("POST", f"{path}/refund", json={"reason": " "})).status_code == 422
    assert await till.balance() == 100_000


async def test_the_limit_is_a_setting(till: Till) -> None:
    browser = await sign_in(till.panel)
    assert 'id="two_persons"' in (await browser.get("/staff/settings")).text
    wrong = await browser.post("/staff/settings/two_persons", {LIMIT_OPTION: "-5"})
    assert wrong.status_code == 422
    assert (await browser.post("/staff/settings/two_persons", {LIMIT_OPTION: "1.000"})).status_code == 303
    assert isinstance(await approve(await desk_of(till), await person(till)), Confirmation)
    assert (await browser.post("/staff/settings/two_persons", {LIMIT_OPTION: ""})).status_code == 303
    async with till.panel.db.transaction() as session:
        assert (await session.scalars(select(Receipt))).all() == []
