"""eSewa's customers come back with a signed message: it has eSewa asked, once and again, and credits nothing by itself."""

import re
from html import unescape

import pytest

from payments.gateways.cases.esewa import CASES
from payments.gateways.shop import Case, Shop
from smmpanel.payments.models import Deposit, EventOutcome
from smmpanel.payments.states import DepositState

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("case", CASES, ids=str)]


async def way_back(shop: Shop, deposit: Deposit) -> str:
    """Return where the page leads back to."""
    page = await shop.http.get(shop.pages[deposit.id])
    found = re.search(r'href="([^"]+)">Back to the shop', page.text)
    assert found is not None
    return unescape(found[1])


async def test_coming_back_has_it_asked_at_once(shop: Shop, case: Case) -> None:
    deposit = await shop.begin()
    await shop.press(deposit, "pay")
    address = await way_back(shop, deposit)
    assert address.startswith(f"{shop.address}/deposits/return/{deposit.reference}?data=")
    for _ in range(3):
        assert (await shop.http.get(address)).status_code == 200
    assert await shop.balance() == 0
    await shop.hear()
    paid = await shop.read(deposit)
    assert (paid.state, await shop.balance(), await shop.credits()) == (DepositState.PAID, case.amount, 1)
    carried, answer = await shop.events()
    assert (carried.outcome, carried.verdict, carried.repeats) == (EventOutcome.HINT, "signature", 2)
    assert (answer.source, answer.outcome) == ("poll", EventOutcome.SETTLED)


async def test_what_a_customer_writes_alone_is_worth_nothing(shop: Shop, case: Case) -> None:
    assert case.unproved is False
    deposit = await shop.begin()
    await shop.press(deposit, "pay")
    address = await way_back(shop, deposit)
    other = await shop.begin()
    # Another's message, and one with other letters in it.
    for wrong in (address.replace("data=ey", "data=eX"), address[:-8]):
        assert (await shop.http.get(wrong)).status_code == 200
    assert await shop.events() == []
    # One that is right, brought to another deposit of the same customer: it still speaks of its own.
    await shop.http.get(address.replace(deposit.reference, other.reference, 1))
    await shop.hear()
    assert (await shop.read(deposit)).state == DepositState.PAID
    assert (await shop.read(other)).state == DepositState.PENDING
    assert await shop.credits() == 1


async def test_going_back_without_paying_says_nothing(shop: Shop, case: Case) -> None:
    deposit = await shop.begin()
    await shop.press(deposit, "cancel")
    assert await way_back(shop, deposit) == f"{shop.address}/deposits/return/{deposit.reference}"
    await shop.hear()
    assert (await shop.read(deposit)).state == DepositState.PENDING
    ended = await shop.asked(deposit)
    assert (ended.state, await shop.balance()) == (DepositState.FAILED, 0 * case.amount)
