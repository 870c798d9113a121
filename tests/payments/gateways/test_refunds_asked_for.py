"""Refunds that staff ask for, at every gateway that gives back when it is asked (the contract's rule 14)."""

import asyncio
from decimal import ROUND_DOWN, Decimal
from importlib.metadata import entry_points
from typing import Any

import pytest
from sqlalchemy import select

from making import make_user, staff
from payments.gateways.shop import Case, Shop
from payments.gateways.test_conformance import CASES
from smmpanel.accounts.access import Permission
from smmpanel.payments.models import Deposit
from smmpanel.payments.refunding import WantedRefund, ask_refund
from smmpanel.payments.return_models import PaymentReturn, ReturnState
from smmpanel.payments.sending_refunds import look_after_refunds, send_refunds
from smmpanel.payments.states import DepositState as S

GIVE_BACK = {one.name for one in entry_points(group="smmpanel.payment_gateways") if hasattr(one.load(), "refund")}
REFUNDERS = [case for case in CASES if case.gateway in GIVE_BACK and case.gives_back]
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("case", REFUNDERS, ids=str)]


async def paid(shop: Shop) -> Deposit:
    deposit = await shop.begin()
    await shop.did(deposit, "pay")
    return deposit


def some(case: Case) -> Decimal:
    """A part, where parts can be given back."""
    return (case.amount / 3).quantize(Decimal(1), ROUND_DOWN) if case.refunds_partly else case.amount


async def wanted(shop: Shop, deposit: Deposit, amount: Decimal) -> int:
    """Have a clerk ask for a refund."""
    async with shop.panel.db.transaction() as session:
        name = f"clerk{int(shop.clock().timestamp() * 1000)}"
        actor = staff(await make_user(session, name, funds=None), Permission.DEPOSITS_REFUND)
        asked = WantedRefund(deposit.id, key=f"refund-{deposit.id}", reason="wrong account", amount=amount)
        row = await ask_refund(session, shop.panel, asked, actor=actor)
        assert isinstance(row, PaymentReturn)
        return row.id


async def row_of(shop: Shop, row_id: int) -> PaymentReturn:
    async with shop.panel.db.transaction() as session:
        return (await session.scalars(select(PaymentReturn).where(PaymentReturn.id == row_id))).one()


async def given_back(shop: Shop, deposit: Deposit) -> list[dict[str, Any]]:
    """What the vendor's book says."""
    payment = await asyncio.to_thread(lambda: shop.sandbox.payment(shop.case.at_vendor, shop.name_of(deposit)))
    return [one for money in payment["moneys"] for one in money["given_back"]]


async def test_what_staff_pay_back_leaves_the_wallet_once(shop: Shop, case: Case) -> None:
    deposit, amount = await paid(shop), some(case)
    row_id = await wanted(shop, deposit, amount)
    await send_refunds.function(shop.panel)
    await shop.arrive()
    back = await shop.heard(deposit)
    for _ in range(2):
        back = await shop.asked(deposit)
        await shop.hear()
    assert back.state == (S.REFUNDED if amount == case.amount else S.PARTIALLY_REFUNDED)
    assert await shop.balance() == case.amount - amount
    assert (await row_of(shop, row_id)).state == ReturnState.DONE
    [given] = await given_back(shop, deposit)
    assert Decimal(given["amount"]) == amount


async def test_a_refund_whose_answer_is_lost_is_found_and_not_made_twice(shop: Shop, case: Case) -> None:
    deposit, amount = await paid(shop), some(case)
    shop.fault("drop", action="refund", when="after")
    row_id = await wanted(shop, deposit, amount)
    await send_refunds.function(shop.panel)
    assert await shop.balance() == case.amount - amount
    await shop.arrive()
    await shop.hear()
    await shop.pass_time(minutes=30)
    await look_after_refunds.function(shop.panel)
    await send_refunds.function(shop.panel)
    await shop.asked(deposit)
    assert (await row_of(shop, row_id)).state == ReturnState.DONE
    assert await shop.balance() == case.amount - amount
    assert len(await given_back(shop, deposit)) == 1


async def test_a_refund_that_is_refused_comes_back_into_the_wallet(shop: Shop, case: Case) -> None:
    deposit = await paid(shop)
    # Somebody has given it back at the gateway, and we have not heard of it.
    shop.fault("lose", times=None)
    await shop.do(deposit, "refund")
    shop.sandbox.clear_faults()
    row_id = await wanted(shop, deposit, some(case))
    await send_refunds.function(shop.panel)
    if case.refunds_partly:
        assert (await row_of(shop, row_id)).state == ReturnState.FAILED
        assert ((await shop.read(deposit)).state, await shop.balance()) == (S.PAID, case.amount)
    else:
        # All or nothing: that it was given back before is what was asked for.
        assert (await row_of(shop, row_id)).state in {ReturnState.DONE, ReturnState.FAILED}
    assert len(await given_back(shop, deposit)) == 1
    back = await shop.asked(deposit)
    assert (back.state, await shop.balance()) == (S.REFUNDED, 0)
