"""What every gateway must do, run against the fake of its vendor: the numbers are those of the contract's section 10.

Each gateway adds one file, `cases/<name>.py`, with its `CASES`; see `shop.Case` for what can be said of a vendor.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import update

from payments.gateways.shop import HELD, MINUTES, Case, Shop
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.payments.models import EventOutcome, PaymentMethod, ReceiptState
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import Account, GatewayFailedError
from smmpanel.payments.states import DepositState as S

FOLDER = Path(__file__).parent / "cases"
CASES: list[Case] = [
    case
    for path in sorted(FOLDER.glob("*.py"))
    if path.stem != "__init__"
    for case in import_module(f"payments.gateways.cases.{path.stem}").CASES
]
pytestmark = pytest.mark.asyncio(loop_scope="session")


def every(where: Callable[[Case], object] = str) -> pytest.MarkDecorator:
    """Run a test for every gateway whose vendor knows what the test is about."""
    return pytest.mark.parametrize("case", [case for case in CASES if where(case)], ids=str)


def telling(case: Case) -> bool:
    """Whether its vendor sends messages."""
    return case.tells_paid


def asking(case: Case) -> bool:
    """Whether it can be asked."""
    return case.can_be_asked


def hostile(case: Case) -> list[str]:
    """Return the ways in which its messages can be spoilt so that they prove nothing."""
    kinds = {"forge": True, "cut": True, "huge": True}
    kinds |= {"odd_headers": case.proof_in_headers, "other_environment": case.has_environment}
    return [kind for kind, can_be in kinds.items() if can_be]


# Setting up, and beginning.


@every()
async def test_names_the_setting_that_is_missing(shop: Shop, case: Case) -> None:
    whole = shop.settings()
    for name in case.required:
        options, secrets = shop.split({one: value for one, value in whole.items() if one != name})
        account = Account(case.currency, options, {one: (value,) for one, value in secrets.items()})
        with pytest.raises(InvalidInputError) as complaint:
            shop.adapter_kind()(account, shop.panel.http).check()
        assert complaint.value.fields["field"] == name


@every(telling)
async def test_an_empty_secret_verifies_nothing(shop: Shop, case: Case) -> None:  # rule 16
    deposit = await shop.begin()
    await shop.do(deposit, "pay")
    (message,) = shop.deliveries()
    async with shop.panel.db.transaction() as session:
        await session.execute(update(PaymentMethod).values(secrets_sealed=None))
    shop.methods.clear()
    assert (await shop.send(message)).status_code == case.refused


@every()
async def test_begins_and_shows_where_to_pay(shop: Shop, case: Case) -> None:
    deposit = await shop.begin()
    assert (deposit.state, deposit.shown and deposit.shown["kind"]) == (S.PENDING, case.shown)
    page = await shop.http.get(shop.pages[deposit.id])
    assert f"{case.amount.normalize():f}" in page.text
    assert "unsafe" not in page.headers["content-security-policy"]
    assert await shop.balance() == 0


@every()
async def test_paid_on_the_page_is_credited_once(shop: Shop, case: Case) -> None:  # rules 1 and 2
    deposit = await shop.begin()
    page = await shop.press(deposit, "pay")
    assert "Done: pay" in page.text
    await shop.arrive()
    if case.tells_paid:
        (message,) = shop.deliveries()
        assert (message["done"], message["status"]) == (True, 200), message["tries"]
    paid = await shop.heard(deposit)
    assert (paid.state, paid.received) == (S.PAID, case.amount)
    assert (await shop.balance(), await shop.credits()) == (case.amount, 1)
    if case.unproved:
        assert shop.calls("query"), "credited on the word of a message that proves nothing"
        assert next(one.outcome for one in await shop.events()) == EventOutcome.HINT


@every()
async def test_coming_back_proves_nothing(shop: Shop, case: Case) -> None:  # rule 15
    deposit = await shop.begin()
    claim = "status=successful&status_code=200&transaction_status=settlement&amount=1"
    await shop.come_back(f"{shop.address}/deposits/return/{deposit.reference}?{claim}")
    left = await shop.heard(deposit)
    assert (left.state, await shop.balance()) == (S.PENDING, 0)


@every(lambda case: case.can_be_asked and case.shown != "transfer")
async def test_coming_back_has_it_asked(shop: Shop, case: Case) -> None:  # rule 15
    deposit = await shop.begin()
    shop.fault("lose")
    page = await shop.press(deposit, "pay")
    await shop.come_back(shop.way_back(deposit, page))
    paid = await shop.heard(deposit)
    assert (paid.state, await shop.balance(), await shop.credits()) == (S.PAID, case.amount, 1)


# Messages that come often, late, in another order, or never.


@every(telling)
async def test_the_same_message_many_times_is_one_credit(shop: Shop, case: Case) -> None:  # rule 1
    deposit = await shop.begin()
    shop.fault("duplicate", copies=20)
    await shop.do(deposit, "pay")
    await asyncio.gather(shop.hear(), shop.hear())
    await shop.told(deposit, "send_again")
    assert {one["status"] for one in shop.deliveries()} == {200}
    assert (await shop.balance(), await shop.credits()) == (case.amount, 1)


@every(telling)
async def test_a_late_message_is_credited_when_it_comes(shop: Shop, case: Case) -> None:
    deposit = await shop.begin()
    shop.fault("delay", seconds=0.2)
    paid = await shop.did(deposit, "pay")
    assert (paid.state, await shop.balance()) == (S.PAID, case.amount)


@every()
async def test_messages_in_another_order_never_move_it_back(shop: Shop, case: Case) -> None:  # rule 4
    deposit = await shop.begin()
    shop.fault("reorder", event="pending", seconds=5)
    # Carried, and held back until the next one has been taken.
    await shop.begin_there(deposit)
    await shop.do(deposit, "pay")
    paid = await shop.heard(deposit)
    assert (paid.state, await shop.balance(), await shop.credits()) == (S.PAID, case.amount, 1)


@every(asking)
async def test_a_lost_message_is_found_by_asking(shop: Shop, case: Case) -> None:  # rule 12
    deposit = await shop.begin()
    shop.fault("lose")
    await shop.do(deposit, "pay")
    await shop.hear()
    assert await shop.balance() == 0
    await shop.pass_time(minutes=2)
    paid = await shop.heard(deposit)
    assert (paid.state, await shop.balance()) == (S.PAID, case.amount)
    await shop.told(deposit, "send_again")
    assert (await shop.balance(), await shop.credits()) == (case.amount, 1)


@every(telling)
async def test_a_panel_that_was_away_is_told_again(shop: Shop, case: Case) -> None:  # rule 2
    deposit = await shop.begin()
    away = shop.sandbox.control("GET", "settings")["notify_base"]
    shop.sandbox.configure(retry_seconds=[0.1])
    shop.fault("forge", payment=shop.name_of(deposit))
    await shop.do(deposit, "pay")
    tries = shop.deliveries()[0]["tries"]
    shop.sandbox.configure(retry_seconds=[], notify_base=away)
    assert len(tries) == 2, "a refusal is no success for the vendor, which tries again"
    assert (await shop.told(deposit, "send_again")).state == S.PAID


# Messages that are none.


@every(telling)
async def test_messages_that_prove_nothing_are_refused(shop: Shop, case: Case) -> None:  # rules 2 and 16
    deposit = await shop.begin()
    for kind in hostile(case):
        before = len(await shop.events())
        await shop.do(deposit, "forge", kind=kind)
        message = shop.deliveries()[-1]
        unread = 400 if kind == "cut" and not case.binds_body else case.refused
        assert message["status"] == (413 if kind == "huge" else unread), (kind, message["tries"])
        if unread != 400:
            assert len(await shop.events()) == before, f"{kind}: what proves nothing is not kept"
    left = await shop.heard(deposit)
    assert (left.state, await shop.balance()) == (S.PENDING, 0)


@every(telling)
async def test_an_old_message_brings_nothing_again(shop: Shop, case: Case) -> None:
    deposit = await shop.begin()
    await shop.did(deposit, "pay")
    (message, *_) = shop.deliveries()
    await shop.pass_time(minutes=10)
    again = await shop.send(message)
    assert again.status_code == (401 if case.has_time else 200)
    await shop.hear()
    assert (await shop.balance(), await shop.credits()) == (case.amount, 1)


# Money that is not as it was asked for.


@every(lambda case: case.varies)
async def test_too_little_is_held_or_credited_as_the_method_says(shop: Shop, case: Case) -> None:  # rule 6
    for policy in (HELD, Policy()):
        await shop.open(policy)
        deposit = await shop.begin()
        less = Decimal((await shop.do(deposit, "pay_less"))["moneys"][0]["amount"])
        part = await shop.heard(deposit)
        (receipt,) = await shop.receipts()
        assert (receipt.reason, receipt.amount) == ("underpaid", less)
        held = policy is HELD
        assert part.state == (S.PENDING if held else S.PARTIAL)
        assert receipt.state == (ReceiptState.REVIEW if held else ReceiptState.CREDITED)
        assert await shop.balance() == (0 if held else less)


@every()
async def test_paying_twice_is_never_lost_and_never_doubled(shop: Shop, case: Case) -> None:  # rule 7
    deposit = await shop.begin()
    paid = await shop.told(deposit, "pay_twice")
    assert paid.state == S.PAID
    assert await shop.credits() == case.payments
    assert await shop.balance() == case.amount * case.payments
    assert [one.reason for one in await shop.receipts()] == ["", "repeated"][: case.payments]


@every()
async def test_paying_late_is_credited_and_said(shop: Shop, case: Case) -> None:  # rule 8
    deposit = await shop.begin()
    await shop.pass_time(minutes=MINUTES + 5)
    await shop.arrive()
    await shop.hear()
    paid = await shop.told(deposit, "pay_late")
    (receipt,) = await shop.receipts()
    assert (paid.state, receipt.reason, await shop.balance()) == (S.PAID, "late", case.amount)


@every(lambda case: case.tells_currency)
async def test_another_currency_is_looked_at(shop: Shop, case: Case) -> None:  # rule 5
    deposit = await shop.begin()
    shop.fault("wrong_currency")
    left = await shop.did(deposit, "pay")
    assert (left.state, await shop.balance()) == (S.PENDING, 0)
    assert [(one.state, one.reason) for one in await shop.receipts()] == [(ReceiptState.REVIEW, "wrong_currency")]


# Payments that come to nothing, and money that goes back.


@every(lambda case: case.creates or case.shown == "form")
@pytest.mark.parametrize("deed", ["cancel", "expire"])
async def test_not_paid_ends_without_money(shop: Shop, case: Case, deed: str) -> None:  # rule 4
    deposit = await shop.begin()
    await shop.told(deposit, deed)
    await shop.pass_time(minutes=MINUTES + 5)
    ended = await shop.asked(deposit) if case.can_be_asked else await shop.heard(deposit)
    if case.can_be_asked:
        assert ended.state in {S.FAILED, S.EXPIRED}
    assert (await shop.balance(), await shop.credits()) == (0, 0)


@every(lambda case: case.refunds)
async def test_a_refund_at_the_vendor_takes_it_out_of_the_wallet(shop: Shop, case: Case) -> None:  # rule 13
    deposit = await shop.begin()
    await shop.did(deposit, "pay")
    if case.refunds_partly:
        back = await shop.told(deposit, "refund_half")
        half = await shop.balance()
        assert (back.state, half < case.amount, half > 0) == (S.PARTIALLY_REFUNDED, True, True)
    back = await shop.told(deposit, "refund")
    assert (back.state, await shop.balance()) == (S.REFUNDED, 0)
    await shop.told(deposit, "send_again")
    assert await shop.balance() == 0


@every(lambda case: case.charges_back)
async def test_a_charge_back_takes_it_and_a_won_dispute_gives_it_again(shop: Shop, case: Case) -> None:  # rule 13
    deposit = await shop.begin()
    await shop.did(deposit, "pay")
    back = await shop.told(deposit, "charge_back")
    assert (back.state, await shop.balance()) == (S.REVERSED, 0)
    if case.wins:
        won = await shop.told(deposit, "win_dispute")
        assert (won.state, await shop.balance()) == (S.PAID, case.amount)


# A gateway that is down.


@every(lambda case: case.creates)
async def test_a_gateway_that_fails_to_begin_can_be_tried_again(shop: Shop, case: Case) -> None:  # rule 2
    for kind, when in (("status_5xx", "before"), ("timeout", "before"), ("garbage", "before"), ("drop", "after")):
        shop.fault(kind, when=when, action="create", times=None)
        with pytest.raises(GatewayFailedError):
            await shop.begin(key="once")
        shop.sandbox.clear_faults()
    assert await shop.balance() == 0
    deposit = await shop.begin(key="once")
    assert deposit.state == S.PENDING
    await shop.did(deposit, "pay")
    assert (await shop.balance(), await shop.credits()) == (case.amount, 1)


@every(asking)
async def test_a_gateway_that_cannot_be_asked_now_is_asked_later(shop: Shop, case: Case) -> None:  # rule 12
    deposit = await shop.begin()
    shop.fault("lose")
    await shop.do(deposit, "pay")
    for kind in ("status_5xx", "timeout", "garbage"):
        shop.fault(kind, action="query", times=None)
        left = await shop.asked(deposit)
        assert (left.state, await shop.balance()) == (S.PENDING, 0), kind
        shop.sandbox.clear_faults()
    paid = await shop.asked(deposit)
    assert (paid.state, await shop.balance(), await shop.credits()) == (S.PAID, case.amount, 1)
