"""Proving that orders and the ledger tell the same story: charged, earned, paid back and held, order by order."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.proving import Difference, report_differences

SHOWN_MAX = 1000


# Runs of a drip-feed are paid from their parent's hold: theirs is no transfer, but the parent's `allocated`.
_DIFFERENT = text(f"""
WITH moved AS (
    SELECT CAST(substr(subject, 7) AS bigint) AS order_id,
           coalesce(sum(amount) FILTER (WHERE reason = 'order_hold'), 0) AS charged,
           coalesce(sum(amount) FILTER (WHERE reason IN ('order_refund', 'order_correction')), 0) AS refunded,
           coalesce(sum(amount) FILTER (WHERE reason = 'order_earned'), 0)
             - coalesce(sum(amount) FILTER (WHERE reason = 'order_correction'), 0) AS earned
      FROM ledger_transfers WHERE subject LIKE 'order:%' GROUP BY 1
)
SELECT coalesce(o.id, m.order_id) AS id,
       CASE WHEN o.parent_id IS NULL THEN o.charge ELSE 0 END AS charge, o.refunded, o.earned,
       coalesce(m.charged, 0) AS m_charged, coalesce(m.refunded, 0) AS m_refunded, coalesce(m.earned, 0) AS m_earned
  FROM orders o FULL JOIN moved m ON m.order_id = o.id
 WHERE o.id IS NULL OR (CASE WHEN o.parent_id IS NULL THEN o.charge ELSE 0 END, o.refunded, o.earned)
       IS DISTINCT FROM (coalesce(m.charged, 0), coalesce(m.refunded, 0), coalesce(m.earned, 0))
 ORDER BY 1 LIMIT {SHOWN_MAX}
""")
_HOLDS = text(f"""
WITH owed AS (
    SELECT user_id, currency, sum(charge - allocated - earned - refunded) AS held FROM orders GROUP BY user_id, currency
)
SELECT a.owner_id AS user_id, a.balance, coalesce(w.held, 0) AS held FROM ledger_accounts a
  LEFT JOIN owed w ON w.user_id = a.owner_id AND w.currency = a.currency
 WHERE a.kind = 'held' AND a.balance <> coalesce(w.held, 0) ORDER BY 1 LIMIT {SHOWN_MAX}
""")
_ALLOCATED = text(f"""
SELECT p.id, p.allocated, coalesce(sum(c.charge), 0) AS runs FROM orders p LEFT JOIN orders c ON c.parent_id = p.id
 WHERE p.kind = 'drip' GROUP BY p.id, p.allocated HAVING p.allocated <> coalesce(sum(c.charge), 0) ORDER BY p.id LIMIT {SHOWN_MAX}
""")
_OPEN_MONEY = text(f"""
SELECT id, status, charge - allocated - earned - refunded AS held FROM orders
 WHERE status IN ('completed', 'partial', 'canceled') AND charge - allocated - earned - refunded <> 0 ORDER BY id LIMIT {SHOWN_MAX}
""")


async def verify_orders(session: AsyncSession) -> list[Difference]:
    """Compare every order's money with the ledger's, every user's hold with their open orders, drip-feeds with their runs.

    Run it in the same `Database.snapshot` as the ledger's own verification.
    """
    differences = [
        Difference(
            "charged/paid back/earned",
            f"order:{row.id}",
            f"{row.m_charged}/{row.m_refunded}/{row.m_earned}",
            f"{row.charge}/{row.refunded}/{row.earned}",
        )
        for row in await session.execute(_DIFFERENT)
    ]
    differences += [
        Difference("held for open orders", f"user:{row.user_id}", str(row.held), str(row.balance))
        for row in await session.execute(_HOLDS)
    ]
    differences += [
        Difference("allocated to runs", f"order:{row.id}", str(row.runs), str(row.allocated))
        for row in await session.execute(_ALLOCATED)
    ]
    differences += [
        Difference("held by a finished order", f"order:{row.id}", "0", str(row.held))
        for row in await session.execute(_OPEN_MONEY)
    ]
    return differences


@job(queue="chores", cron="50 3 * * *")
async def verify_orders_every_night(panel: Panel) -> None:
    """Compare all orders with the ledger and raise an alert if they differ. Reads only; harmless to repeat."""
    async with panel.db.snapshot() as session:
        differences = await verify_orders(session)
    await report_differences(panel, "orders", differences)
