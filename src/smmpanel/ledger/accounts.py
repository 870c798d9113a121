"""Finding, and making on first use, the accounts that money moves between."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.ledger.models import AccountKind, LedgerAccount
from smmpanel.ledger.posting import LockedAccount


@dataclass(frozen=True, slots=True)
class UserAccounts:
    """A user's wallet, and what is held for open orders, under lock."""

    wallet: LockedAccount
    held: LockedAccount


_LOCK_OF_USERS = text(
    "SELECT id, owner_id, kind, currency, balance, may_go_negative FROM ledger_accounts"
    " WHERE owner_id = ANY(CAST(:users AS bigint[])) AND currency = :currency"
    " ORDER BY id FOR NO KEY UPDATE"
)


async def lock_users(session: AsyncSession, user_ids: Iterable[int], currency: str) -> dict[int, UserAccounts]:
    """Lock the wallets and holds of users, in account order; those who have none yet are given theirs."""
    users = sorted(set(user_ids))
    by_owner = await _lock(session, users, currency)
    missing = [user for user in users if AccountKind.HELD not in by_owner.get(user, {})]
    if missing:
        await open_user_accounts(session, missing, currency)
        by_owner = await _lock(session, users, currency)
    return {user: UserAccounts(by_owner[user][AccountKind.WALLET], by_owner[user][AccountKind.HELD]) for user in users}


async def _lock(session: AsyncSession, users: list[int], currency: str) -> dict[int, dict[str, LockedAccount]]:
    by_owner: dict[int, dict[str, LockedAccount]] = {}
    for row in await session.execute(_LOCK_OF_USERS, {"users": users, "currency": currency}):
        by_owner.setdefault(row.owner_id, {})[row.kind] = LockedAccount(*row)
    return by_owner


async def open_user_accounts(session: AsyncSession, user_ids: Iterable[int], currency: str) -> None:
    """Give users their wallet and their hold; harmless if they have them."""
    rows = [
        {"owner_id": user, "kind": kind.value, "currency": currency, "balance": Decimal(0)}
        for user in user_ids
        for kind in (AccountKind.WALLET, AccountKind.HELD)
    ]
    await session.execute(insert(LedgerAccount).on_conflict_do_nothing(), rows)


@dataclass(frozen=True, slots=True)
class Purse:
    """A user's wallet, and the commission that is not in it yet, under lock."""

    wallet: LockedAccount
    earnings: LockedAccount


async def lock_purses(session: AsyncSession, user_ids: Iterable[int], currency: str) -> dict[int, Purse]:
    """Lock the wallets and earnings of users, in account order; those who have none yet are given theirs."""
    users = sorted(set(user_ids))
    by_owner = await _lock(session, users, currency)
    missing = [user for user in users if AccountKind.EARNINGS not in by_owner.get(user, {})]
    if missing:
        await open_user_accounts(session, missing, currency)
        row = {"kind": AccountKind.EARNINGS.value, "currency": currency, "balance": Decimal(0), "may_go_negative": True}
        await session.execute(
            insert(LedgerAccount).on_conflict_do_nothing(), [{"owner_id": user, **row} for user in missing]
        )
        by_owner = await _lock(session, users, currency)
    return {user: Purse(by_owner[user][AccountKind.WALLET], by_owner[user][AccountKind.EARNINGS]) for user in users}


async def panel_account(session: AsyncSession, kind: AccountKind, currency: str) -> LockedAccount:
    """Return one of the panel's own accounts, making it on first use. It has no running balance, so nobody waits for it."""
    assert not kind.of_users
    found = select(LedgerAccount.id).where(
        LedgerAccount.owner_id.is_(None), LedgerAccount.kind == kind.value, LedgerAccount.currency == currency
    )
    account_id = await session.scalar(found)
    if account_id is None:
        row = {"kind": kind.value, "currency": currency, "may_go_negative": True}
        await session.execute(insert(LedgerAccount).values(row).on_conflict_do_nothing())
        account_id = await session.scalar(found)
    assert account_id is not None
    return LockedAccount(account_id, None, kind.value, currency, None, may_go_negative=True)
