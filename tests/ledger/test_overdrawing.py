"""Wallets below zero: only money that somebody else took back brings them there, and nothing else leaves them meanwhile."""

from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from making import assert_books, credit, make_user
from smmpanel.kernel.db import Database
from smmpanel.ledger import (
    AccountKind,
    InsufficientFundsError,
    Reason,
    Transfer,
    balance_of,
    lock_users,
    owners_below_zero,
    panel_account,
    post,
)


async def take(session: AsyncSession, user: int, amount: str, key: str, *, overdraws: bool) -> None:
    wallet = (await lock_users(session, [user], "USD"))[user].wallet
    deposits = await panel_account(session, AccountKind.DEPOSITS, "USD")
    why = Reason.DEPOSIT_REVERSAL if overdraws else Reason.ADJUSTMENT
    taken = Transfer(key, why, wallet.id, deposits.id, Decimal(amount), "test:1", overdraws=overdraws)
    await post(session, [taken])


async def flag_of(session: AsyncSession, user: int) -> bool:
    found = text("SELECT may_go_negative FROM ledger_accounts WHERE owner_id = :user AND kind = 'wallet'")
    return bool(await session.scalar(found, {"user": user}))


async def test_only_what_overdraws_takes_more_than_is_there_and_then_nothing_else_is_taken(db: Database) -> None:
    async with db.transaction() as session:
        user = await make_user(session, funds="10")
        with pytest.raises(InsufficientFundsError):
            await take(session, user, "11", "a", overdraws=False)
        await take(session, user, "30", "b", overdraws=True)
        assert (await balance_of(session, user, "USD")).amount == -20
        assert await owners_below_zero(session, {user}, "USD") == {user}
        assert await flag_of(session, user)
        with pytest.raises(InsufficientFundsError):
            await take(session, user, "1", "c", overdraws=False)
        await credit(session, user, "5")
        assert await flag_of(session, user)
    await assert_books(db)


async def test_a_wallet_that_comes_back_is_guarded_by_the_database_again(db: Database) -> None:
    async with db.transaction() as session:
        user = await make_user(session, funds="10")
        await take(session, user, "30", "b", overdraws=True)
        await credit(session, user, "20")
        assert not await flag_of(session, user)
        assert await owners_below_zero(session, {user}, "USD") == set()
        with pytest.raises(InsufficientFundsError):
            await take(session, user, "0.01", "c", overdraws=False)
    with pytest.raises(IntegrityError, match="not_overdrawn"):
        async with db.transaction() as session:
            await session.execute(
                text("UPDATE ledger_accounts SET balance = -1 WHERE owner_id = :user AND kind = 'wallet'"),
                {"user": user},
            )
    await assert_books(db)
