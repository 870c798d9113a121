"""Real money: what users paid in, as against what the panel gave them.

What moved between a wallet and the accounts that stand for payments (deposits, and what staff booked by hand) is real.
Bonuses, vouchers and commissions come from accounts of their own and are not, whatever they are called. A deposit that is
reversed goes back to where it came from, and counts no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.ledger.models import AccountKind

REAL_SOURCES = (AccountKind.DEPOSITS, AccountKind.FEES, AccountKind.ADJUSTMENTS)
"""Of a deposit counts what is left after its fee."""

_PAID_IN = text(
    """
WITH sources AS (
    SELECT id FROM ledger_accounts
     WHERE owner_id IS NULL AND kind = ANY(CAST(:kinds AS text[])) AND currency = :currency
)
SELECT v.user_id, m.amount, m.up_to
  FROM unnest(CAST(:users AS bigint[]), CAST(:seen AS bigint[])) AS v(user_id, seen)
  JOIN ledger_accounts w ON w.owner_id = v.user_id AND w.kind = 'wallet' AND w.currency = :currency
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(s.amount) FILTER (WHERE s.other IN (SELECT id FROM sources)), 0) AS amount, max(s.id) AS up_to
      FROM (SELECT id, amount, debit_id AS other FROM ledger_transfers WHERE credit_id = w.id AND id > v.seen
            UNION ALL
            SELECT id, -amount, credit_id FROM ledger_transfers WHERE debit_id = w.id AND id > v.seen) s
 ) m
"""
)


@dataclass(frozen=True, slots=True)
class PaidIn:
    """What was paid in since a transfer, less what went back, and the last transfer that was looked at."""

    amount: Decimal
    up_to: int


async def paid_in(session: AsyncSession, seen: Mapping[int, int], currency: str) -> dict[int, PaidIn]:
    """Return what users paid in after the transfers that were seen of them; 0 stands for the beginning.

    The transfers of one wallet are written under its lock, so their ids are in the order of their commits: what is not
    visible yet comes after `up_to`.
    """
    if not seen:
        return {}
    asked = {
        "users": list(seen),
        "seen": list(seen.values()),
        "currency": currency,
        "kinds": [kind.value for kind in REAL_SOURCES],
    }
    rows = {row.user_id: row for row in await session.execute(_PAID_IN, asked)}
    return {
        user: PaidIn(rows[user].amount, rows[user].up_to or since) if user in rows else PaidIn(Decimal(0), since)
        for user, since in seen.items()
    }
