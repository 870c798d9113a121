"""The ledger's promises, each through the interface that makes it."""

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import User
from smmpanel.kernel.db import Database
from smmpanel.kernel.money import CurrencyMismatchError, Money
from smmpanel.ledger import (
    AccountKind,
    InsufficientFundsError,
    KeyReusedError,
    Reason,
    Transfer,
    adjust_balance,
    balance_of,
    lock_users,
    panel_account,
    post,
    reverse,
    statement,
)
from smmpanel.ledger.models import LedgerAccount, LedgerTransfer
from smmpanel.ledger.proving import verify
from smmpanel.ledger.rollups import panel_balance


async def a_user(session: AsyncSession, name: str = "buyer") -> int:
    user = User(username=name, email=f"{name}@example.test", password_hash="-")
    session.add(user)
    await session.flush()
    return user.id


async def sides(session: AsyncSession, user_id: int) -> tuple[int, int, int]:
    both = (await lock_users(session, [user_id], "USD"))[user_id]
    return both.wallet.id, both.held.id, (await panel_account(session, AccountKind.REVENUE, "USD")).id


def move(key: str, debit: int, credit: int, amount: str) -> Transfer:
    return Transfer(key, Reason.ORDER_HOLD, debit, credit, Decimal(amount), "order:1")


async def count(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(LedgerTransfer)) or 0


async def test_a_movement_changes_both_balances_once(db: Database) -> None:
    async with db.transaction() as session:
        wallet, held, revenue = await sides(session, await a_user(session))
        assert await post(session, [move("k1", revenue, wallet, "10")]) == [True]
        assert await post(session, [move("k2", wallet, held, "4.000001")]) == [True]
        assert await post(session, [move("k2", wallet, held, "4.000001")]) == [False]
    async with db.transaction() as session:
        balances = dict((await session.execute(select(LedgerAccount.id, LedgerAccount.balance))).all())
        assert balances[wallet] == Decimal("5.999999")
        assert balances[held] == Decimal("4.000001")
        assert balances[revenue] is None
        assert await panel_balance(session, revenue) == Decimal(-10)
        assert await count(session) == 2


async def test_the_same_key_with_other_content_is_refused(db: Database) -> None:
    async with db.transaction() as session:
        wallet, held, revenue = await sides(session, await a_user(session))
        await post(session, [move("k1", revenue, wallet, "10")])
    for other in (move("k1", revenue, wallet, "9"), move("k1", revenue, held, "10")):
        with pytest.raises(KeyReusedError):
            async with db.transaction() as session:
                await post(session, [other])
    async with db.transaction() as session:
        assert await count(session) == 1


async def test_the_same_key_twice_in_one_call_moves_once(db: Database) -> None:
    async with db.transaction() as session:
        wallet, _, revenue = await sides(session, await a_user(session))
        assert await post(session, [move("k", revenue, wallet, "1"), move("k", revenue, wallet, "1")]) == [True, False]
        with pytest.raises(KeyReusedError):
            await post(session, [move("x", revenue, wallet, "1"), move("x", revenue, wallet, "2")])


async def test_a_wallet_cannot_be_overdrawn_and_nothing_of_the_call_remains(db: Database) -> None:
    async with db.transaction() as session:
        wallet, held, revenue = await sides(session, await a_user(session))
        await post(session, [move("fund", revenue, wallet, "1")])
    with pytest.raises(InsufficientFundsError) as failure:
        async with db.transaction() as session:
            await post(session, [move("a", wallet, held, "0.6"), move("b", wallet, held, "0.6")])
    assert failure.value.available == Money.of("0.4", "USD")
    assert failure.value.needed == Money.of("0.6", "USD")
    async with db.transaction() as session:
        assert await count(session) == 1
        assert (await session.get_one(LedgerAccount, wallet)).balance == Decimal(1)


async def test_parallel_spends_never_exceed_what_is_there(db: Database) -> None:
    async with db.transaction() as session:
        wallet, held, revenue = await sides(session, await a_user(session))
        await post(session, [move("fund", revenue, wallet, "5")])

    async def spend(number: int) -> bool:
        try:
            async with db.transaction() as session:
                await post(session, [move(f"spend:{number}", wallet, held, "1")])
        except InsufficientFundsError:
            return False
        return True

    accepted = await asyncio.gather(*(spend(number) for number in range(16)))
    assert sum(accepted) == 5
    async with db.transaction() as session:
        assert (await session.get_one(LedgerAccount, wallet)).balance == Decimal(0)
    async with db.snapshot() as session:
        assert (await verify(session)).differences == []


async def test_the_same_key_in_parallel_moves_once(db: Database) -> None:
    async with db.transaction() as session:
        wallet, _, revenue = await sides(session, await a_user(session))

    async def deposit() -> bool:
        async with db.transaction() as session:
            return (await post(session, [move("deposit:77", revenue, wallet, "3")]))[0]

    assert sorted(await asyncio.gather(*(deposit() for _ in range(8)))) == [False] * 7 + [True]
    async with db.transaction() as session:
        assert (await session.get_one(LedgerAccount, wallet)).balance == Decimal(3)


@pytest.mark.parametrize(
    "way",
    ["UPDATE ledger_transfers SET amount = 1", "DELETE FROM ledger_transfers", "TRUNCATE ledger_transfers CASCADE"],
)
async def test_history_cannot_be_edited(db: Database, way: str) -> None:
    async with db.transaction() as session:
        wallet, _, revenue = await sides(session, await a_user(session))
        await post(session, [move("k", revenue, wallet, "3")])
    with pytest.raises(DBAPIError, match="never edited"):
        async with db.transaction() as session:
            await session.execute(text(way))
    async with db.transaction() as session:
        assert await count(session) == 1


async def test_the_database_itself_refuses_a_negative_wallet(db: Database) -> None:
    async with db.transaction() as session:
        wallet, _, _ = await sides(session, await a_user(session))
    with pytest.raises(DBAPIError, match="not_overdrawn"):
        async with db.transaction() as session:
            await session.execute(text("UPDATE ledger_accounts SET balance = -0.000001 WHERE id = :id"), {"id": wallet})


async def test_a_transfer_is_reversed_once(db: Database) -> None:
    async with db.transaction() as session:
        wallet, _, revenue = await sides(session, await a_user(session))
        await post(session, [move("k", revenue, wallet, "3")])
        transfer = await session.scalar(select(LedgerTransfer.id))
        assert transfer is not None
        assert await reverse(session, transfer, note="wrong user") is True
        assert await reverse(session, transfer, note="wrong user") is False
        assert (await session.get_one(LedgerAccount, wallet, populate_existing=True)).balance == Decimal(0)
        assert await count(session) == 2


async def test_currencies_do_not_mix(db: Database) -> None:
    async with db.transaction() as session:
        wallet, _, _ = await sides(session, await a_user(session))
        elsewhere = await panel_account(session, AccountKind.REVENUE, "VND")
        with pytest.raises(CurrencyMismatchError):
            await post(session, [move("k", elsewhere.id, wallet, "3")])


async def test_verify_finds_a_balance_that_somebody_edited(db: Database) -> None:
    async with db.transaction() as session:
        wallet, _, revenue = await sides(session, await a_user(session))
        await post(session, [move("k", revenue, wallet, "3")])
    async with db.snapshot() as session:
        assert (await verify(session)).differences == []
    async with db.transaction() as session:
        await session.execute(text("UPDATE ledger_accounts SET balance = 4 WHERE id = :id"), {"id": wallet})
    async with db.snapshot() as session:
        found = (await verify(session)).differences
    assert [(one.what, one.subject, one.expected, one.found) for one in found] == [
        ("balance", f"account:{wallet}", "3.000000", "4.000000")
    ]


async def test_a_statement_shows_both_sides_newest_first_and_pages_by_key(db: Database) -> None:
    async with db.transaction() as session:
        user = await a_user(session)
        wallet, held, revenue = await sides(session, user)
        await post(session, [move("in", revenue, wallet, "5")])
        for number in range(3):
            await post(session, [move(f"out:{number}", wallet, held, "1")])
    async with db.transaction() as session:
        first = await statement(session, user, "USD", size=3)
        second = await statement(session, user, "USD", size=3, after=first.after)
        assert [str(line.amount) for line in first.rows] == ["-1.00 USD"] * 3
        assert [str(line.balance_before) for line in first.rows] == ["3.00 USD", "4.00 USD", "5.00 USD"]
        assert [str(line.amount) for line in second.rows] == ["5.00 USD"]
        assert second.after is None
        assert await balance_of(session, user, "USD") == Money.of("2", "USD")


async def test_an_adjustment_can_take_away_no_more_than_is_there(db: Database) -> None:
    async with db.transaction() as session:
        user = await a_user(session)
        assert await adjust_balance(session, user, Money.of("2.5", "USD"), reason="cash", key="a") is True
        assert await adjust_balance(session, user, Money.of("2.5", "USD"), reason="cash", key="a") is False
        with pytest.raises(InsufficientFundsError):
            await adjust_balance(session, user, Money.of("-3", "USD"), reason="mistake", key="b")
        assert await adjust_balance(session, user, Money.of("-2.5", "USD"), reason="mistake", key="c") is True
        assert await balance_of(session, user, "USD") == Money.of("0", "USD")
