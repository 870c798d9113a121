"""Messages that prove too little about deposits that nobody would ask about any more: they are asked about until answered."""

import pytest

from payments.gateways.cases import flutterwave
from payments.gateways.shop import Shop
from smmpanel.payments.states import DepositState as S

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("case", flutterwave.CASES[:1], ids=str),
]


async def test_a_refund_of_long_ago_is_asked_about_until_its_gateway_answers(shop: Shop) -> None:
    deposit = await shop.begin()
    paid = await shop.did(deposit, "pay")
    await shop.pass_time(days=20)
    assert (await shop.asked(deposit)).ask_at is None
    assert paid.state == S.PAID
    shop.fault("status_5xx", action="query", times=None)
    unanswered = await shop.did(deposit, "refund")
    assert (unanswered.state, await shop.balance()) == (S.PAID, shop.case.amount)
    shop.sandbox.clear_faults()
    assert (await shop.heard(deposit)).state == S.PAID  # not before its time
    await shop.pass_time(minutes=31)
    back = await shop.heard(deposit)
    assert (back.state, await shop.balance()) == (S.REFUNDED, 0)
    assert (await shop.asked(deposit)).ask_at is None


async def test_it_is_not_asked_about_for_ever(shop: Shop) -> None:
    deposit = await shop.begin()
    await shop.did(deposit, "pay")
    await shop.pass_time(days=20)
    shop.fault("status_5xx", action="query", times=None)
    assert (await shop.did(deposit, "refund")).ask_at is not None
    await shop.pass_time(days=4)
    assert (await shop.heard(deposit)).ask_at is None
