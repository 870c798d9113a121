"""What the JSON API adds to a deposit: its payments as a receipt tells of them, its bonus, and where it is paid."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import update

from payments.conftest import Till
from payments.test_payment_api import Caller, http, me  # noqa: F401 - fixtures
from smmpanel.accounts.access import Actor
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
