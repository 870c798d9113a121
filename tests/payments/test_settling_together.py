"""Messages that are settled together end as they would one by one, and those that come together are stored as if alone."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from payments.conftest import Till
from smmpanel.payments.models import GatewayEvent
from smmpanel.payments.protocol import Message, Reply, UnreadableMessageError
from smmpanel.payments.receiving import Door, Incoming, MessageRefusedError, MessageTooLargeError
from smmpanel.payments.settling import settle_event
from smmpanel.payments.settling_many import settle_plain


@dataclass(frozen=True)
class Outcome:
    """What became of some messages, without the numbers that differ from run to run."""

    events: list[tuple[str, str]]
    receipts: list[tuple[str, str, Decimal, Decimal]]
    deposits: list[tuple[str, Decimal, Decimal, bool]]
    facts: int


async def send_all_sorts(till: Till) -> list[int]:
    """Have the bank tell of everything that happens, and return the deposits that it happened to."""
    deposits = [await till.open(100_000 + 1000 * number) for number in range(8)]
    memo = [deposit.memo for deposit in deposits]
    same = till.transfer(memo[3], 103_000)
    told: list[dict[str, Any]] = [
        till.transfer(memo[0], 100_000),
        till.transfer(memo[1], 50_000),  # less
        till.transfer(memo[1], 51_000),  # and the rest, in the same batch
        till.transfer(memo[2], 200_000),  # more
        same,
        {**same, "id": same["id"] + 500},  # told twice under two numbers
        till.transfer("RENT", 5_000),
        till.transfer(f"{memo[4]} {memo[5]}", 104_000),  # names two
        till.transfer(memo[6], 106_000, accountNumber="987654321"),  # another account
        till.transfer(memo[7], 107_000, transferType="out"),
        till.transfer(memo[7], 107_000, transactionDate="2026-11-21 23:00:00"),  # hours late
        till.transfer(memo[0], 100_000),  # once more
    ]
    door = Door(till.panel)
    await asyncio.gather(*(door.take(Incoming("sepay", till.signed(one), None)) for one in told))
    return [deposit.id for deposit in deposits]


async def outcome_of(till: Till, deposits: list[int]) -> Outcome:
    """Read what is on record."""
    found = [await till.deposit(one) for one in deposits]
    return Outcome(
        sorted(
            (event.outcome, event.note if not event.note.startswith("receipt") else "") for event in await till.events()
        ),
        sorted((one.state, one.reason, one.amount, one.credited) for one in await till.receipts()),
        [(one.state, one.received, one.credited, one.late) for one in found],
        len(await till.facts()),
    )


async def test_together_is_as_one_by_one(till: Till) -> None:
    later = till.at(hours=10)
    deposits = await send_all_sorts(till)
    await later.settle()
    together = await outcome_of(till, deposits)
    again = await send_all_sorts(till)
    async with till.panel.db.transaction() as session:
        ids = (await session.scalars(select(GatewayEvent.id).where(GatewayEvent.outcome == "waiting"))).all()
    for one in sorted(ids):
        async with later.panel.db.transaction() as session:
            await settle_event(session, later.panel, await session.get_one(GatewayEvent, one, with_for_update=True))
    both = await outcome_of(till, [*deposits, *again])
    assert both.events == sorted(together.events * 2)
    assert both.receipts == sorted(together.receipts * 2)
    assert both.deposits == together.deposits * 2
    assert both.facts == together.facts * 2
    assert together.deposits[0][:2] == ("paid", 200_000)
    assert together.facts == 7


async def test_messages_that_come_together_have_each_its_own_answer(till: Till) -> None:
    deposit = await till.open(100_000)
    good = till.transfer(deposit.memo)
    other = {**good, "transferAmount": 900_000}
    door = Door(till.panel)
    sent = [
        till.signed(good),
        till.signed(good),
        till.signed(other),
        till.signed({"id": 1}),
        till.signed(good, secret="wrong"),
        Message({}, b"x" * 70_000),
    ]
    answers = await asyncio.gather(*(door.take(Incoming("sepay", one, None)) for one in sent), return_exceptions=True)
    kinds = [type(answer) for answer in answers]
    assert kinds == [Reply, Reply, Reply, UnreadableMessageError, MessageRefusedError, MessageTooLargeError]
    await till.settle()
    assert await till.balance() == 100_000
    first, unreadable = sorted(await till.events(), key=lambda event: event.outcome)
    assert (first.outcome, first.repeats, unreadable.outcome) == ("settled", 2, "unreadable")


async def test_plain_messages_are_settled_in_one_transaction(till: Till) -> None:
    deposits = [await till.open(100_000) for _ in range(5)]
    for deposit in deposits:
        await Door(till.panel).take(Incoming("sepay", till.signed(till.transfer(deposit.memo)), None))
    async with till.panel.db.transaction() as session:
        events = (await session.scalars(select(GatewayEvent).with_for_update())).all()
        await settle_plain(session, till.panel, events)
        assert [event.outcome for event in events] == ["settled"] * 5
    assert await till.balance() == 500_000
    assert sorted(one.deposit_id or 0 for one in await till.receipts()) == [deposit.id for deposit in deposits]
