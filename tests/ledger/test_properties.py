"""The ledger under any sequence of movements: sums hold, nobody is overdrawn, a key stands for one movement."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from making import make_user
from smmpanel.kernel.db import Database
from smmpanel.kernel.money import UNIT
from smmpanel.ledger import (
    AccountKind,
    InsufficientFundsError,
    KeyReusedError,
    Reason,
    Transfer,
    lock_users,
    panel_account,
    post,
    reverse,
)
from smmpanel.ledger.proving import verify
from smmpanel.ledger.rollups import panel_balance

PEOPLE = 3
ACCOUNTS = 2 * PEOPLE + 1  # each one's wallet and hold, and the panel's revenue, which may go below zero
REVENUE = ACCOUNTS - 1

amounts = st.one_of(
    st.integers(min_value=1, max_value=30).map(Decimal),
    st.integers(min_value=1, max_value=5_000_000).map(lambda n: n * UNIT),
)
sides = st.tuples(st.integers(0, REVENUE), st.integers(0, REVENUE)).filter(lambda pair: pair[0] != pair[1])
movements = st.tuples(st.integers(0, 30), sides, amounts)
groups = st.lists(st.lists(movements, min_size=1, max_size=4), min_size=1, max_size=12)
# Each example makes people of its own, so that one database does for all of a test.
patient = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def open_accounts(session: AsyncSession) -> list[int]:
    people = [await make_user(session, funds=None) for _ in range(PEOPLE)]
    both = await lock_users(session, people, "USD")
    revenue = await panel_account(session, AccountKind.REVENUE, "USD")
    return [side.id for one in people for side in (both[one].wallet, both[one].held)] + [revenue.id]


def transfer(ids: list[int], number: int, pair: tuple[int, int], amount: Decimal) -> Transfer:
    return Transfer(f"{ids[0]}:{number}", Reason.ADJUSTMENT, ids[pair[0]], ids[pair[1]], amount, "test:1")


async def balances(session: AsyncSession, ids: list[int], *, revenue: Decimal = Decimal(0)) -> list[Decimal]:
    """Return the balances, the panel's as it has changed since its revenue was this much: examples share it."""
    kept = "SELECT id, balance FROM ledger_accounts WHERE id = ANY(CAST(:ids AS bigint[])) AND balance IS NOT NULL"
    found = dict((await session.execute(text(kept), {"ids": ids})).all())
    return [*(found[one] for one in ids[:-1]), await panel_balance(session, ids[-1]) - revenue]


class Model:
    """The same in a few lines: what a group of movements does to balances and keys, all of it or nothing."""

    def __init__(self) -> None:
        self.balances = [Decimal(0)] * ACCOUNTS
        self.keys: dict[int, tuple[tuple[int, int], Decimal]] = {}

    def post(self, group: list[tuple[int, tuple[int, int], Decimal]]) -> list[bool] | type[Exception]:
        after, keys, answers = list(self.balances), dict(self.keys), []
        fresh = []
        for number, pair, amount in group:
            if keys.get(number, (pair, amount)) != (pair, amount):
                return KeyReusedError
            answers.append(number not in keys)
            if number not in keys:
                fresh.append((pair, amount))
            keys[number] = (pair, amount)
        for (debit, credit), amount in fresh:
            if debit != REVENUE and after[debit] < amount:
                return InsufficientFundsError
            after[debit] -= amount
            after[credit] += amount
        self.balances, self.keys = after, keys
        return answers


@patient
@given(groups=groups)
async def test_groups_of_movements_do_what_a_simple_model_does(
    db: Database, groups: list[list[tuple[int, tuple[int, int], Decimal]]]
) -> None:
    model = Model()
    async with db.transaction() as session:
        ids = await open_accounts(session)
        revenue = await panel_balance(session, ids[-1])
    for group in groups:
        expected = model.post(group)
        transfers = [transfer(ids, *one) for one in group]
        if isinstance(expected, type):
            with pytest.raises(expected):
                async with db.transaction() as session:
                    await post(session, transfers)
        else:
            async with db.transaction() as session:
                assert await post(session, transfers) == expected
    async with db.snapshot() as session:
        assert await balances(session, ids, revenue=revenue) == model.balances
        assert sum(model.balances) == 0
        assert (await verify(session)).differences == []


@patient
@given(groups=groups)
async def test_groups_posted_at_the_same_time_are_each_done_or_not_done_at_all(
    db: Database, groups: list[list[tuple[int, tuple[int, int], Decimal]]]
) -> None:
    """Whatever their order was: sums hold, nobody is below zero, and what is there is what was said to be done."""
    async with db.transaction() as session:
        ids = await open_accounts(session)
        revenue = await panel_balance(session, ids[-1])
        start = [
            Transfer(f"{ids[0]}:start:{one}", Reason.ADJUSTMENT, ids[-1], one, Decimal(20), "t:1") for one in ids[:-1]
        ]
        await post(session, start)

    async def attempt(number: int, group: list[tuple[int, tuple[int, int], Decimal]]) -> list[tuple[int, int, Decimal]]:
        # Keys of their own: two groups with one key would race for it, which a test of its own looks at.
        transfers = [transfer(ids, 100 * number + place, *rest) for place, (_, *rest) in enumerate(group)]
        try:
            async with db.transaction() as session:
                await post(session, transfers)
        except InsufficientFundsError:
            return []
        return [(*pair, amount) for _, pair, amount in group]

    done = await asyncio.gather(*(attempt(number, group) for number, group in enumerate(groups)))

    expected = [Decimal(20)] * (ACCOUNTS - 1) + [Decimal(-20 * (ACCOUNTS - 1))]
    for debit, credit, amount in (one for group in done for one in group):
        expected[debit] -= amount
        expected[credit] += amount
    async with db.snapshot() as session:
        found = await balances(session, ids, revenue=revenue)
        assert found == expected
        assert min(found[:-1]) >= 0
        assert (await verify(session)).differences == []


@patient
@given(
    moves=st.lists(st.tuples(sides, amounts), min_size=1, max_size=8),
    turns=st.lists(st.integers(0, 7), min_size=1, max_size=16),
)
async def test_reversals_at_the_same_time_undo_each_movement_once(
    db: Database, moves: list[tuple[tuple[int, int], Decimal]], turns: list[int]
) -> None:
    async with db.transaction() as session:
        ids = await open_accounts(session)
        rich = [
            Transfer(f"{ids[0]}:start:{one}", Reason.ADJUSTMENT, ids[-1], one, Decimal(1000), "t:1") for one in ids[:-1]
        ]
        await post(session, rich)
        before = await balances(session, ids)
        await post(session, [transfer(ids, number, *move) for number, move in enumerate(moves)])
        wanted = "SELECT key, id FROM ledger_transfers WHERE key LIKE :mine AND key NOT LIKE '%start%'"
        found = dict((await session.execute(text(wanted), {"mine": f"{ids[0]}:%"})).all())
    chosen = [turn for turn in turns if turn < len(moves)]

    async def back(number: int) -> bool:
        async with db.transaction() as session:
            return await reverse(session, found[f"{ids[0]}:{number}"], note="undone")

    answers = await asyncio.gather(*(back(number) for number in chosen))

    assert sum(answers) == len(set(chosen))
    expected = list(before)
    for number, ((debit, credit), amount) in enumerate(moves):
        if number not in chosen:
            expected[debit] -= amount
            expected[credit] += amount
    async with db.snapshot() as session:
        assert await balances(session, ids) == expected
        assert (await verify(session)).differences == []


async def test_one_key_posted_from_all_sides_moves_once(db: Database) -> None:
    async with db.transaction() as session:
        ids = await open_accounts(session)

    async def once() -> bool:
        async with db.transaction() as session:
            return (await post(session, [transfer(ids, 1, (REVENUE, 0), Decimal(5))]))[0]

    assert sorted(await asyncio.gather(*(once() for _ in range(12)))) == [False] * 11 + [True]
    async with db.snapshot() as session:
        assert (await balances(session, ids))[0] == 5
        assert (await verify(session)).differences == []
