"""Balances of the panel's own accounts: sums of transfers, begun at the last roll-up."""

from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel

_ROLL_UP = text(
    # An hour back: ids are not handed out in the order of commits, and no transaction of ours lives that long.
    "WITH horizon AS (SELECT coalesce(max(id), 0) AS up_to FROM ledger_transfers WHERE created_at < now() - interval '1 hour'),"
    " own AS (SELECT a.id, coalesce(r.up_to, 0) AS since, coalesce(r.balance, 0) AS balance FROM ledger_accounts a"
    "  LEFT JOIN ledger_rollups r ON r.account_id = a.id WHERE a.balance IS NULL)"
    " INSERT INTO ledger_rollups (account_id, up_to, balance)"
    " SELECT own.id, horizon.up_to, own.balance"
    "  + coalesce((SELECT sum(amount) FROM ledger_transfers WHERE credit_id = own.id AND id > own.since AND id <= horizon.up_to), 0)"
    "  - coalesce((SELECT sum(amount) FROM ledger_transfers WHERE debit_id = own.id AND id > own.since AND id <= horizon.up_to), 0)"
    " FROM own, horizon WHERE horizon.up_to > own.since"
    " ON CONFLICT (account_id) DO UPDATE SET up_to = excluded.up_to, balance = excluded.balance"
)
_BALANCE = text(
    "SELECT coalesce(r.balance, 0)"
    "  + coalesce((SELECT sum(amount) FROM ledger_transfers WHERE credit_id = a.id AND id > coalesce(r.up_to, 0)), 0)"
    "  - coalesce((SELECT sum(amount) FROM ledger_transfers WHERE debit_id = a.id AND id > coalesce(r.up_to, 0)), 0)"
    " FROM ledger_accounts a LEFT JOIN ledger_rollups r ON r.account_id = a.id WHERE a.id = :account"
)


async def panel_balance(session: AsyncSession, account_id: int) -> Decimal:
    """Return the balance of one of the panel's own accounts, in its currency."""
    found = await session.scalar(_BALANCE, {"account": account_id})
    assert isinstance(found, Decimal)
    return found


@job(queue="chores", cron="7 * * * *")
async def roll_up(panel: Panel) -> None:
    """Move each panel account's roll-up forward. Idempotent: a second run finds nothing new."""
    async with panel.db.transaction() as session:
        await session.execute(_ROLL_UP)
