"""Money of deposits that goes back (the contract's rules 4, 10 and 13): told in any order, any number of times."""

import asyncio
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from making import assert_books, credit, make_user, staff
from payments.browsers import browser_of
from payments.conftest import Till
from payments.counters import Desk, S, desk_of
from payments.telling_gateway import told
from smmpanel.accounts.access import Actor, Permission
from smmpanel.catalog.fx import set_rate
from smmpanel.growth.deposit_bonuses import give_bonuses, give_bonuses_again, take_bonuses_back
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.money import Money
from smmpanel.ledger import InsufficientFundsError, adjust_balance
from smmpanel.ledger.statements import statement, transfers_for
from smmpanel.notifications.models import Alert, Notification
from smmpanel.payments.bonuses import RuleTerms, add_rule
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.protocol import GatewayFailedError, GatewayUnknownError, Message, Refunded
from smmpanel.payments.proving import verify_deposits
from smmpanel.payments.receiving import receive
from smmpanel.payments.refunding import WantedRefund, ask_refund
from smmpanel.payments.sending_refunds import look_after_refunds, send_refunds
from smmpanel.payments.taking import DepositReinstated, DepositReturned
from smmpanel.payments.telling import tell_of_money_that_is_there_again, tell_of_returns


async def spend(till: Till, amount: int, key: str = "spent") -> None:
    async with till.panel.db.transaction() as session:
        await adjust_balance(session, till.user, Money(Decimal(-amount), "VND"), reason="spent", key=key)


async def set_usd(session: AsyncSession, till: Till, rate: int) -> None:
    now = till.panel.clock()
    await set_rate(session, "USD", "VND", Decimal(rate), currency="VND", actor=Actor.cli(), now=now)


async def alerts(till: Till) -> list[str]:
    async with till.panel.db.transaction() as session:
        wanted = select(Alert.kind).where(Alert.cleared_at.is_(None)).order_by(Alert.id)
        return list((await session.scalars(wanted)).all())


async def test_rule_13_a_refund_takes_from_the_wallet_what_it_had_gained(till: Till) -> None:
    desk = await desk_of(till, fee_percent=Decimal(2))
    await desk.told(S.PAID, 100_000)
    assert await till.balance() == 98_000

    assert await desk.told(S.PARTIALLY_REFUNDED, 25_000, return_id="r1") == "settled"

    deposit = await desk.now()
    assert (deposit.state, deposit.returned, deposit.taken) == ("partially_refunded", 25_000, 24_500)
    assert await till.balance() == 73_500
    async with till.panel.db.transaction() as session:
        lines = await transfers_for(session, f"deposit:{deposit.id}")
    assert [(one.reason, one.debit, one.credit, one.amount.amount) for one in lines[2:]] == [
        ("deposit_refund", "wallet", "deposits", 24_500),
        ("deposit_fee_back", "fees", "deposits", 500),
    ]
    assert lines[2].key == f"reversal:telling:{desk.money}:r1"

    await desk.told(S.REFUNDED, 75_000, return_id="r2")
    deposit = await desk.now()
    assert (deposit.state, deposit.returned, deposit.taken) == ("refunded", 100_000, 98_000)
    assert await till.balance() == 0


async def test_rule_13_money_that_was_spent_is_owed_and_freezes_the_wallet(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    await spend(till, 70_000)

    assert await desk.told(S.REVERSED, 100_000, return_id="d1") == "settled"

    assert (await desk.now()).state == "reversed"
    assert await till.balance() == -70_000
    assert await alerts(till) == ["deposit_charged_back"]
    async with till.panel.db.transaction() as session:
        [line] = (await statement(session, till.user, "VND", size=1)).rows
        assert (line.reason, line.balance_after.amount) == ("deposit_reversal", -70_000)
        with pytest.raises(InsufficientFundsError):
            await adjust_balance(session, till.user, Money(Decimal(-1), "VND"), reason="more", key="more")

    # What is paid in next makes up for it, its fee and all.
    other = await desk_of(till, 50_000)
    await other.told(S.PAID, 50_000)
    assert await till.balance() == -20_000

    assert await desk.told(S.REINSTATED, 100_000, return_id="d1") == "settled"
    assert ((await desk.now()).state, await till.balance()) == ("paid", 80_000)
    assert await alerts(till) == []


async def test_rule_4_what_is_told_twice_late_or_backwards_moves_nothing(till: Till) -> None:
    desk = await desk_of(till)
    assert await desk.told(S.REINSTATED, 100_000, return_id="d1") == "ignored"
    assert await desk.told(S.REVERSED, 100_000, return_id="d1") == "duplicate"
    await desk.told(S.PAID, 100_000)
    assert await desk.told(S.REVERSED, 100_000, return_id="d1") == "duplicate"
    assert await till.balance() == 100_000

    for expected in ("settled", "duplicate"):
        assert await desk.told(S.PARTIALLY_REFUNDED, 40_000, return_id="r1") == expected
    for expected in ("settled", "duplicate"):
        assert await desk.told(S.REFUND_FAILED, 40_000, return_id="r1") == expected
    assert await desk.told(S.PARTIALLY_REFUNDED, 40_000, return_id="r1") == "duplicate"
    assert await desk.told(S.PENDING, 100_000) == "ignored"
    assert ((await desk.now()).state, await till.balance()) == ("paid", 100_000)


async def test_rule_4_what_goes_back_before_it_came_waits_for_it(till: Till) -> None:
    desk = await desk_of(till)
    assert await desk.told(S.PARTIALLY_REFUNDED, 30_000, return_id="r1") == "review"
    assert await desk.told(S.PARTIALLY_REFUNDED, 30_000, return_id="r1") == "duplicate"
    assert await till.balance() == 0

    await desk.told(S.PAID, 100_000)

    assert ((await desk.now()).state, await till.balance()) == ("partially_refunded", 70_000)
    assert [one.state for one in await desk.returns()] == ["done"]


async def test_totals_take_what_is_not_accounted_for_yet(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    assert await desk.told(S.PARTIALLY_REFUNDED, 30_000, is_total=True) == "settled"
    assert await desk.told(S.PARTIALLY_REFUNDED, 30_000, is_total=True) == "duplicate"
    # The same refund told by itself.
    await desk.told(S.PARTIALLY_REFUNDED, 30_000, return_id="r1")
    assert await desk.told(S.PARTIALLY_REFUNDED, 50_000, return_id="r2", is_total=True) == "settled"
    assert await desk.told(S.PARTIALLY_REFUNDED, 40_000, is_total=True) == "duplicate"
    assert (await desk.now()).returned == 50_000
    assert await desk.told(S.REFUNDED, 100_000, is_total=True) == "settled"
    assert ((await desk.now()).state, await till.balance()) == ("refunded", 0)


async def test_totals_told_before_the_payment_count_once(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PARTIALLY_REFUNDED, 50_000, is_total=True)
    await desk.told(S.PARTIALLY_REFUNDED, 30_000, is_total=True)
    await desk.told(S.PAID, 100_000)
    assert ((await desk.now()).returned, await till.balance()) == (50_000, 50_000)


async def test_a_total_that_does_not_fit_what_came_to_nothing_is_looked_at(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    await desk.told(S.PARTIALLY_REFUNDED, 50_000, return_id="r1", is_total=True)
    await desk.told(S.REFUND_FAILED, 50_000, return_id="r1")
    assert await desk.told(S.PARTIALLY_REFUNDED, 50_000, return_id="r1", is_total=True) == "duplicate"
    assert await desk.told(S.PARTIALLY_REFUNDED, 20_000, is_total=True) == "review"
    assert await till.balance() == 100_000


async def test_never_more_is_taken_than_was_credited(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    await desk.told(S.REFUNDED, 80_000, return_id="r1")
    assert await desk.told(S.REVERSED, 100_000, return_id="d1") == "review"
    assert await alerts(till) == ["deposit_charged_back", "return_exceeds_payment"]
    deposit = await desk.now()
    assert (deposit.returned, deposit.taken, await till.balance()) == (100_000, 100_000, 0)
    assert await desk.told(S.REINSTATED, 100_000, return_id="d1") == "settled"
    assert await till.balance() == 20_000


async def test_other_currencies_and_amounts_of_nothing_are_looked_at(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    assert await desk.told(S.REFUNDED, 100_000, return_id="r1", currency="USD") == "review"
    assert await desk.told(S.REFUNDED, 0, return_id="r2") == "review"
    assert await desk.told(S.REFUNDED, 100_000, return_id="r3", external_id="nobody", reference=None) == "review"
    assert await till.balance() == 100_000


async def test_rule_11_the_rate_is_that_of_the_credit(till: Till) -> None:
    async with till.panel.db.transaction() as session:
        await set_usd(session, till, 25_000)
    desk = await desk_of(till, 10, currency="USD", minimum=Decimal(1))
    await desk.told(S.PAID, "10")
    async with till.panel.db.transaction() as session:
        await set_usd(session, till, 30_000)
    await desk.told(S.REFUNDED, "2.5", return_id="r1")
    assert ((await desk.now()).taken, await till.balance()) == (62_500, 187_500)


async def test_rule_10_the_bonus_goes_back_in_proportion_and_comes_again(till: Till) -> None:
    async with till.panel.db.transaction() as session:
        terms = RuleTerms(Decimal(10), till.panel.clock())
        await add_rule(session, terms, actor=Actor.cli(), now=till.panel.clock())
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    [credited] = await till.facts()
    await give_bonuses(till.panel, [DepositCredited.model_validate(credited)])
    await spend(till, 100_000)
    assert await till.balance() == 10_000

    await desk.told(S.REVERSED, 50_000, return_id="d1")
    [fact] = await till.facts("deposit_returned")
    for _ in range(2):
        await take_bonuses_back(till.panel, [DepositReturned.model_validate(fact)])
    assert await till.balance() == -45_000
    async with browser_of(till, till.user) as browser:
        receipt = (await browser.get(f"/deposits/{desk.deposit.id}/receipt", params={"lang": "en"})).text
    # What was added stays, and what went back stands below it.
    for part in (">₫110,000<", ">\N{MINUS SIGN}₫50,000<", 'Bonus taken back</dt><dd class="num">\N{MINUS SIGN}₫5,000<'):
        assert part in receipt
    # Told late: the bonus is given once, and its share stays taken.
    await give_bonuses(till.panel, [DepositCredited.model_validate(credited)])
    assert await till.balance() == -45_000

    await desk.told(S.REINSTATED, 50_000, return_id="d1")
    [fact] = await till.facts("deposit_reinstated")
    for _ in range(2):
        await give_bonuses_again(till.panel, [DepositReinstated.model_validate(fact)])
    assert await till.balance() == 10_000


async def test_customers_are_told_once(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    await desk.told(S.REVERSED, 100_000, return_id="d1")
    await desk.told(S.REINSTATED, 100_000, return_id="d1")
    [back], [again] = await till.facts("deposit_returned"), await till.facts("deposit_reinstated")
    short = {**back, "balance": "-5000", "return_id": 99}
    for _ in range(2):
        await tell_of_returns(till.panel, [DepositReturned.model_validate(one) for one in (back, short)])
        await tell_of_money_that_is_there_again(till.panel, [DepositReinstated.model_validate(again)])
    async with till.panel.db.transaction() as session:
        shown = (await session.scalars(select(Notification).order_by(Notification.id))).all()
    kinds = [one.kind for one in shown]
    assert kinds == ["deposit_charged_back", "deposit_charged_back_below", "deposit_reinstated"]


async def test_an_unproved_word_only_has_the_gateway_asked(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    assert await desk.told(S.REFUNDED, 100_000, return_id="r1", unproved=True) == "hint"
    assert await till.balance() == 100_000
    assert (await desk.now()).ask_at == till.panel.clock()


async def test_many_messages_at_once_take_once(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    for number in range(8):
        body = told(f"same-{number}", desk.notice(S.REVERSED, 60_000, return_id="d1"))
        await receive(till.panel, desk.gateway, Message({}, body), ip=None)
    await asyncio.gather(*(till.settle() for _ in range(4)))
    assert sorted(event.outcome for event in await till.events()) == ["duplicate"] * 7 + ["settled"] * 2
    assert ((await desk.now()).taken, await till.balance()) == (60_000, 40_000)


async def test_payment_and_return_at_once_come_to_nothing(till: Till) -> None:
    desks = [await desk_of(till) for _ in range(6)]
    for desk in desks:
        words = [desk.notice(S.REVERSED, 100_000, return_id=f"d{desk.deposit.id}"), desk.notice(S.PAID, 100_000)]
        for number, word in enumerate(words):
            body = told(f"{desk.deposit.id}-{number}", word)
            await receive(till.panel, desk.gateway, Message({}, body), ip=None)
    await asyncio.gather(*(till.settle() for _ in range(4)))
    for _ in range(2):
        await look_after_refunds.function(till.panel)
    assert await till.balance() == 0
    assert {(await desk.now()).state for desk in desks} == {"reversed"}


async def test_the_proof_finds_what_was_meddled_with(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    await desk.told(S.PARTIALLY_REFUNDED, 40_000, return_id="r1")
    for table in ("payment_returns", "payment_receipts", "deposits"):
        change = "UPDATE {} SET taken = taken {} 1"
        async with till.panel.db.transaction() as session:
            await session.execute(text(change.format(table, "+")))
        async with till.panel.db.snapshot() as session:
            assert [found.what for found in await verify_deposits(session)] == ["returned/taken"]
        async with till.panel.db.transaction() as session:
            await session.execute(text(change.format(table, "-")))
    async with till.panel.db.transaction() as session:
        with pytest.raises(IntegrityError, match="never_more_back"):
            await session.execute(text("UPDATE payment_receipts SET taken = credited + 1"))
        await session.rollback()


WORDS = st.sampled_from(
    [
        ("paid", 0),
        *[("refund", number) for number in range(3)],
        *[("charge", number) for number in range(2)],
        *[("won", number) for number in range(2)],
        *[("failed", number) for number in range(3)],
        ("total", 1),
        ("total", 2),
        ("staff", 0),
        ("staff", 1),
        *[("send", number) for number in range(4)],
    ]
)
REFUNDS, DISPUTES, TOTALS = (
    (Decimal("33333.33"), Decimal(20_000), Decimal(60_000)),
    (70_000, 45_000),
    (0, 40_000, 90_000),
)


async def pay_back(desk: Desk, number: int) -> None:
    """Have staff pay back: what a refund of the gateway's own comes to, too."""
    wanted = WantedRefund(desk.deposit.id, f"k{number}", "asked for", (Decimal(15_000), REFUNDS[1])[number])
    boss = staff(None, Permission.DEPOSITS_REFUND, Permission.DEPOSITS_REFUND_OVER)
    with suppress(PanelError):
        async with desk.till.panel.db.transaction() as session:
            await ask_refund(session, desk.till.panel, wanted, actor=boss)


async def send(desk: Desk, number: int) -> None:
    """Have refunds sent, to a gateway that does, refuses, does not answer, or takes its time."""
    said = (Refunded(f"{desk.money}-r1", "done"), GatewayFailedError(), GatewayUnknownError(), Refunded("", "pending"))
    desk.till.panel.payment_gateways.get(desk.gateway).counter.refunds.extend([said[number]] * 4)
    await send_refunds.function(desk.till.panel)


async def say(desk: Desk, word: tuple[str, int]) -> None:
    what, number = word
    if what in {"staff", "send"}:
        await {"staff": pay_back, "send": send}[what](desk, number)
    elif what == "paid":
        await desk.told(S.PAID, 100_000)
    elif what == "refund":
        await desk.told(S.PARTIALLY_REFUNDED, REFUNDS[number], return_id=f"{desk.money}-r{number}")
    elif what == "charge":
        await desk.told(S.REVERSED, DISPUTES[number], return_id=f"{desk.money}-d{number}")
    elif what == "won":
        await desk.told(S.REINSTATED, DISPUTES[number], return_id=f"{desk.money}-d{number}")
    elif what == "failed":
        await desk.told(S.REFUND_FAILED, REFUNDS[number], return_id=f"{desk.money}-r{number}")
    else:
        await desk.told(S.PARTIALLY_REFUNDED, TOTALS[number], is_total=True)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, min_size=3, max_size=10), repeats=st.lists(WORDS, max_size=4))
async def test_any_order_any_number_of_times(
    till: Till, words: list[tuple[str, int]], repeats: list[tuple[str, int]]
) -> None:
    async with till.panel.db.transaction() as session:
        user = await make_user(session, funds=None)
        await credit(session, user, "1", "VND")
    till.user = user
    desk = await desk_of(till, refunding=True, fee_percent=Decimal("1.5"), fee_fixed=Decimal(7))
    for word in [*words, *repeats, *words]:
        await say(desk, word)
        deposit = await desk.now()
        assert 0 <= deposit.taken <= deposit.credited
        assert 0 <= deposit.returned <= deposit.received
        assert await till.balance() == 1 + deposit.credited - deposit.taken
    if ("paid", 0) in words:
        assert deposit.received == 100_000
        in_force = [one for one in await desk.returns() if one.deposit_id == deposit.id and one.is_in_force]
        assert sum(one.amount for one in in_force) == deposit.returned
        assert all(one.state == "done" for one in in_force if one.key is None)
    await assert_books(till.panel.db)
