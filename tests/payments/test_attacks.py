"""Attempts to have money credited twice, lose it, or hold everybody up, that once succeeded."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import pytest
from sqlalchemy import update

from payments.conftest import NOW, Till
from payments.counters import Desk, S, desk_of
from payments.telling_gateway import TellingGateway, read, told
from payments.test_returning import alerts, set_usd
from payments.test_two_persons import ALL, approve, limit, person, second
from smmpanel.accounts.access import Actor, Permission
from smmpanel.entrypoints.panel_settings.changing import change_options
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.payments.asking import AT_ONCE, keep_answers
from smmpanel.payments.deciding import DepositChangedError, approve_deposit, assign_to_deposit, dismiss_receipt
from smmpanel.payments.inbox import LANES_MAX, ask_gateways
from smmpanel.payments.methods import method_by
from smmpanel.payments.models import Deposit, Receipt
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.protocol import Asked, Message
from smmpanel.payments.receiving import Door, Incoming, receive
from smmpanel.payments.return_models import Confirmation
from smmpanel.payments.second_looks import LIMIT_OPTION, AwaitsSecondError


async def entered(desk: Desk, amount: int) -> None:
    """Have staff say that so much has arrived."""
    async with desk.till.panel.db.transaction() as session:
        now = desk.till.panel.clock()
        await approve_deposit(session, desk.deposit.id, actor=Actor.cli(), now=now, amount=Decimal(amount))


async def assigned(desk: Desk, receipt: Receipt, actor: Actor) -> Deposit | Confirmation:
    """Have somebody say that money is the deposit's."""
    async with desk.till.panel.db.transaction() as session:
        now = desk.till.panel.clock()
        return await assign_to_deposit(session, receipt.id, desk.deposit.id, actor=actor, now=now)


async def test_confirming_and_deciding_at_once_end_without_a_deadlock(till: Till) -> None:
    await limit(till)
    desk, first, other, third = await desk_of(till), await person(till), await person(till), await person(till)
    row = await approve(desk, first)
    assert isinstance(row, Confirmation)
    with pytest.raises(AwaitsSecondError):
        async with till.panel.db.transaction() as session:
            await locked_deposit(session, desk.deposit.id)
            confirming = asyncio.create_task(second(till, row, other))
            await asyncio.sleep(0.2)
            await approve_deposit(session, desk.deposit.id, actor=third, now=till.panel.clock())
    await confirming
    assert await till.balance() == 100_000


async def test_two_who_enter_the_same_money_at_once_enter_it_once(till: Till) -> None:
    desk, looked = await desk_of(till), Decimal(0)
    for key, is_news in (("one", True), ("two", False)):
        async with till.panel.db.transaction() as session:
            deed = approve_deposit(
                session,
                desk.deposit.id,
                actor=Actor.cli(),
                now=till.panel.clock(),
                amount=Decimal(40_000),
                key=key,
                seen=looked,
            )
            if is_news:
                await deed
                continue
            with pytest.raises(DepositChangedError):
                await deed
    assert await till.balance() == 40_000


async def test_what_waits_for_a_second_person_is_not_done_when_money_has_arrived_meanwhile(till: Till) -> None:
    desk, first, other = await desk_of(till), await person(till), await person(till)
    await limit(till)
    row = await approve(desk, first)
    assert isinstance(row, Confirmation)
    await limit(till, None)
    await entered(desk, 40_000)
    with pytest.raises(DepositChangedError):
        await second(till, row, other)
    assert await till.balance() == 40_000


async def test_money_that_moved_after_staff_had_entered_theirs_is_neither_lost_nor_believed(till: Till) -> None:
    desk = await desk_of(till)
    await entered(desk, 50_000)
    later = NOW + timedelta(minutes=30)
    assert await desk.told(S.PAID, 50_000, occurred_at=later.isoformat(), external_id="new") == "review"
    assert await desk.told(S.PAID, 60_000, external_id="misread") == "review"
    assert await till.balance() == 50_000
    assert [one.reason for one in await till.receipts()] == ["", "staff_entered", "staff_entered"]
    await assigned(desk, (await till.receipts())[1], Actor.cli())
    assert await till.balance() == 100_000


async def test_money_that_confirmed_what_staff_entered_is_not_credited_with_another_amount(till: Till) -> None:
    desk = await desk_of(till)
    await entered(desk, 100_000)
    assert await desk.told(S.PAID, 100_000) == "duplicate"
    assert await desk.told(S.PAID, 90_000) == "review"
    assert await till.balance() == 100_000
    assert await alerts(till) == ["payment_amount_differs"]


@pytest.mark.parametrize("amount", ["0", "-5", "0.0000001"])
async def test_a_payment_of_nothing_is_settled_and_brings_nothing(till: Till, amount: str) -> None:
    desk = await desk_of(till)
    assert await desk.told(S.PAID, amount) == "ignored"
    assert (await till.receipts(), await till.balance()) == ([], 0)


async def test_more_decimals_than_can_be_kept_are_cut_off(till: Till) -> None:
    desk = await desk_of(till)
    assert await desk.told(S.PAID, "100000.0000009") == "settled"
    assert await till.balance() == 100_000


async def test_a_gateway_credits_nothing_that_another_one_was_asked_for(till: Till) -> None:
    desk, other = await desk_of(till), await till.open(gateway="sepay")
    for status in (S.FAILED, S.PAID):
        assert await desk.told(status, 100_000, reference=other.reference) == "review"
    assert (await till.deposit(other.id)).state == "pending"
    assert [one.reason for one in await till.receipts()] == ["unmatched"]


async def test_words_that_somebody_has_to_look_at_are_told(till: Till) -> None:
    desk = await desk_of(till)
    assert await desk.told(S.REVIEW, 100_000) == "review"
    assert await alerts(till) == ["payment_message_unclear"]


async def test_a_message_of_several_things_is_what_there_is_most_to_do_about(till: Till) -> None:
    desk = await desk_of(till)
    notices = [desk.notice(S.PAID, 100_000, currency="USD"), desk.notice(S.PENDING, 0)]
    TellingGateway.counter.answer = told("answer", *notices)
    async with till.panel.db.transaction() as session:
        await session.execute(update(Deposit).values(ask_at=NOW))
    await ask_gateways.function(till.panel)
    assert [(one.outcome, one.note) for one in await till.events()] == [("review", "wrong_currency")]


async def test_assigned_money_counts_at_the_rate_that_it_is_credited_at(till: Till) -> None:
    await limit(till, "3000000")
    async with till.panel.db.transaction() as session:
        await set_usd(session, till, 20_000)
    desk = await desk_of(till, 100, currency="USD", minimum=Decimal(1))
    async with till.panel.db.transaction() as session:
        await set_usd(session, till, 40_000)
    late = till.at(days=30)
    desk = Desk(late, desk.deposit, desk.gateway)
    assert await desk.told(S.PAID, 100) == "review"
    assert isinstance(await assigned(desk, (await till.receipts())[0], await person(till)), Confirmation)


async def test_what_was_taken_from_what_staff_entered_is_not_asked_for_again(till: Till) -> None:
    desk = await desk_of(till)
    await entered(desk, 60_000)
    assert await desk.told(S.REFUNDED, 60_000, is_total=True) == "settled"
    assert await desk.told(S.PAID, 30_000, external_id="another") == "review"
    await assigned(desk, (await till.receipts())[1], Actor.cli())
    assert await desk.told(S.REFUNDED, 60_000, is_total=True) == "duplicate"
    assert await till.balance() == 30_000


async def test_money_that_waits_for_a_second_person_is_not_dismissed_meanwhile(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 90_000)
    await limit(till)
    [receipt] = await till.receipts()
    row = await assigned(desk, receipt, await person(till))
    assert isinstance(row, Confirmation)
    with pytest.raises(AwaitsSecondError):
        async with till.panel.db.transaction() as session:
            await dismiss_receipt(session, receipt.id, actor=Actor.cli(), reason="rent", now=NOW)
    await second(till, row, await person(till))
    assert await till.balance() == 90_000


async def test_a_message_and_an_answer_at_once_are_one_payment_and_no_failure(till: Till) -> None:
    desk = await desk_of(till)
    answer = told("answer", desk.notice(S.PAID, 100_000))
    await receive(till.panel, desk.gateway, Message({}, told("event", desk.notice(S.PAID, 100_000))), ip=None)
    async with till.panel.db.transaction() as session:
        method = await method_by(session, desk.deposit.method_id)
        await locked_deposit(session, desk.deposit.id)
        first = asyncio.create_task(till.settle())
        await asyncio.sleep(0.2)
        await keep_answers(till.panel, method, [(answer, read(answer))], deposit_id=desk.deposit.id)
        other = asyncio.create_task(till.settle())
        await asyncio.sleep(0.2)
    await asyncio.gather(first, other)
    assert sorted((one.outcome, one.tries) for one in await till.events()) == [("duplicate", 0), ("settled", 0)]
    assert await till.balance() == 100_000


async def test_nobody_sets_the_rule_of_two_persons_aside_for_themselves(till: Till) -> None:
    await limit(till)
    desk, crook, other = await desk_of(till), await person(till, *ALL, Permission.SETTINGS_EDIT), await person(till)
    async with till.panel.db.transaction() as session:
        await change_options(session, crook, "payments", {LIMIT_OPTION: None})
    assert isinstance(await approve(desk, crook, key="a"), Confirmation)
    desk = await desk_of(till)
    assert isinstance(await approve(desk, other, key="a"), Deposit)


async def test_a_rate_is_not_kept_for_who_pays_when_it_has_become_better(till: Till) -> None:
    async with till.panel.db.transaction() as session:
        await set_usd(session, till, 20_000)
    desk = await desk_of(till, 100, currency="USD", minimum=Decimal(1), fee_percent=Decimal(2))
    await desk.told(S.EXPIRED, 0)
    async with till.panel.db.transaction() as session:
        await set_usd(session, till, 10_000)
    await entered(desk, 40)
    assert await till.balance() == 400_000 - 8_000
    # A later part at another rate pays its own fee, and none again for what came before.
    async with till.panel.db.transaction() as session:
        await set_usd(session, till, 30_000)
    late = till.at(hours=3)
    assert await Desk(late, desk.deposit, desk.gateway).told(S.PAID, 60) == "review"
    await assigned(Desk(late, desk.deposit, desk.gateway), (await till.receipts())[1], Actor.cli())
    assert await till.balance() == 392_000 + 1_800_000 - 36_000


async def test_nothing_is_begun_or_entered_that_no_wallet_can_hold(till: Till) -> None:
    async with till.panel.db.transaction() as session:
        await set_usd(session, till, 25_000)
    desk = await desk_of(till, 100, currency="USD", minimum=Decimal(1))
    huge = 10**16
    with pytest.raises(InvalidInputError, match="amount"):
        await till.open(huge, gateway=desk.gateway)
    with pytest.raises(InvalidInputError, match="amount"):
        await entered(desk, huge)
    assert await desk.told(S.PAID, huge) == "review"
    with pytest.raises(InvalidInputError, match="amount"):
        await assigned(desk, (await till.receipts())[0], Actor.cli())
    assert await till.balance() == 0


class HangingGateway(TellingGateway):
    """One that does not answer before a test is done."""

    slug: ClassVar[str] = "hanging"
    asked: ClassVar[int] = 0
    done: ClassVar[asyncio.Event]

    async def ask(self, payment: Asked) -> bytes:  # noqa: ARG002
        """Wait."""
        HangingGateway.asked += 1
        await self.done.wait()
        return told("nothing")


@pytest.fixture
async def hanging(till: Till) -> AsyncIterator[type[HangingGateway]]:
    """A gateway that hangs, set up."""
    till.panel.payment_gateways.put(HangingGateway.slug, HangingGateway)
    HangingGateway.asked, HangingGateway.done = 0, asyncio.Event()
    await till.add(HangingGateway.slug)
    yield HangingGateway
    HangingGateway.done.set()


async def test_a_gateway_that_hangs_holds_up_nobody_elses_customers(till: Till, hanging: type[HangingGateway]) -> None:
    for _ in range(3):
        await till.open(gateway=hanging.slug)
    desk = await desk_of(till)
    TellingGateway.counter.answer = told("answer", desk.notice(S.PAID, 100_000))
    async with till.panel.db.transaction() as session:
        await session.execute(update(Deposit).values(ask_at=NOW))

    async def ask() -> None:
        await ask_gateways.function(till.panel)

    jobs = [asyncio.create_task(ask())]
    async with asyncio.timeout(10):
        while await till.balance() == 0:  # noqa: ASYNC110 - it is another transaction that is waited for
            await asyncio.sleep(0.01)
    assert not jobs[0].done()
    assert hanging.asked == 3
    # However often it is asked for: only so many jobs wait for it.
    for _ in range(LANES_MAX + 2):
        async with till.panel.db.transaction() as session:
            await session.execute(update(Deposit).where(Deposit.gateway == hanging.slug).values(ask_at=NOW))
        jobs.append(asyncio.create_task(ask()))
        await asyncio.sleep(0.05)
    assert sum(not job.done() for job in jobs) == LANES_MAX
    assert hanging.asked == 3 * LANES_MAX < AT_ONCE
    hanging.done.set()
    await asyncio.gather(*jobs)


class SigningGateway(TellingGateway):
    """One whose keys cannot be had before a test is done."""

    slug: ClassVar[str] = "signing"
    asked: ClassVar[int] = 0
    done: ClassVar[asyncio.Event]

    def key_named(self, message: Message) -> str:  # noqa: ARG002
        """Name one that nobody knows."""
        return "unheard-of"

    async def fetch_public_keys(self, now: datetime) -> Mapping[str, str]:  # noqa: ARG002
        """Wait."""
        SigningGateway.asked += 1
        await self.done.wait()
        return {}


async def test_a_gateway_whose_keys_cannot_be_had_keeps_no_other_message_out(till: Till) -> None:
    till.panel.payment_gateways.put(SigningGateway.slug, SigningGateway)
    SigningGateway.asked, SigningGateway.done = 0, asyncio.Event()
    await till.add(SigningGateway.slug)
    deposit, door = await till.open(), Door(till.panel)
    waiting = asyncio.create_task(door.take(Incoming(SigningGateway.slug, Message({}, told("forged")), None)))
    async with asyncio.timeout(10):
        while not SigningGateway.asked:  # noqa: ASYNC110 - it is another task that is waited for
            await asyncio.sleep(0.01)
        await door.take(Incoming("sepay", till.signed(till.transfer(deposit.memo)), None))
    assert not waiting.done()
    await till.settle()
    assert await till.balance() == 100_000
    SigningGateway.done.set()
    await waiting
