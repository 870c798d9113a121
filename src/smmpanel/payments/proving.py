"""Proving that deposits, the money that arrived, and the ledger tell the same story."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.proving import Difference, report_differences

SHOWN_MAX = 1000

_DEPOSITS = text(f"""
WITH moved AS (
    SELECT CAST(substr(subject, 9) AS bigint) AS deposit_id,
           coalesce(sum(amount) FILTER (WHERE reason = 'deposit'), 0) AS gross,
           coalesce(sum(amount) FILTER (WHERE reason = 'deposit_fee'), 0) AS fees
      FROM ledger_transfers WHERE subject LIKE 'deposit:%' AND reason IN ('deposit', 'deposit_fee') GROUP BY 1
), arrived AS (
    SELECT deposit_id, sum(amount) AS received, sum(fee) AS fees, sum(credited) AS credited
      FROM payment_receipts WHERE state = 'credited' GROUP BY deposit_id
)
SELECT coalesce(d.id, m.deposit_id) AS id, d.received, d.fees, d.credited,
       coalesce(a.received, 0) AS a_received, coalesce(a.fees, 0) AS a_fees, coalesce(a.credited, 0) AS a_credited,
       coalesce(m.fees, 0) AS m_fees, coalesce(m.gross - m.fees, 0) AS m_credited
  FROM deposits d FULL JOIN moved m ON m.deposit_id = d.id LEFT JOIN arrived a ON a.deposit_id = d.id
 WHERE d.id IS NULL OR (d.received, d.fees, d.credited)
       IS DISTINCT FROM (coalesce(a.received, 0), coalesce(a.fees, 0), coalesce(a.credited, 0))
    OR (d.fees, d.credited) IS DISTINCT FROM (coalesce(m.fees, 0), coalesce(m.gross - m.fees, 0))
 ORDER BY 1 LIMIT {SHOWN_MAX}
""")
_RECEIPTS = text(f"""
SELECT r.id, r.credited + r.fee AS expected, t.amount AS found FROM payment_receipts r
  FULL JOIN (SELECT key, amount FROM ledger_transfers WHERE reason = 'deposit') t
    ON t.key = 'deposit:' || r.gateway || ':' || r.external_id
 WHERE (r.state = 'credited' AND r.credited + r.fee > 0 AND t.amount IS DISTINCT FROM r.credited + r.fee)
    OR (t.key IS NOT NULL AND (r.id IS NULL OR r.state <> 'credited'))
 ORDER BY 1 LIMIT {SHOWN_MAX}
""")


_RETURNS = text(f"""
WITH moved AS (
    SELECT CAST(substr(subject, 9) AS bigint) AS deposit_id,
           sum(CASE WHEN reason IN ('deposit_refund', 'deposit_reversal') THEN amount
                    WHEN reason = 'deposit_returned' AND w.kind = 'wallet' THEN -amount ELSE 0 END) AS taken
      FROM ledger_transfers t JOIN ledger_accounts w ON w.id = t.credit_id
     WHERE subject LIKE 'deposit:%' AND reason IN ('deposit_refund', 'deposit_reversal', 'deposit_returned') GROUP BY 1
), back AS (
    SELECT deposit_id, sum(amount) AS returned, sum(taken) AS taken FROM payment_returns
     WHERE receipt_id IS NOT NULL AND state IN ('pending', 'unknown', 'done') GROUP BY 1
), received AS (
    SELECT deposit_id, sum(returned) AS returned, sum(taken) AS taken FROM payment_receipts
     WHERE deposit_id IS NOT NULL GROUP BY 1
)
SELECT coalesce(d.id, m.deposit_id) AS id, d.returned, d.taken, coalesce(b.returned, 0) AS b_returned,
       coalesce(b.taken, 0) AS b_taken, coalesce(r.returned, 0) AS r_returned, coalesce(r.taken, 0) AS r_taken,
       coalesce(m.taken, 0) AS m_taken
  FROM deposits d FULL JOIN moved m ON m.deposit_id = d.id LEFT JOIN back b ON b.deposit_id = d.id
  LEFT JOIN received r ON r.deposit_id = d.id
 WHERE d.id IS NULL OR d.taken <> coalesce(m.taken, 0)
    OR (d.returned, d.taken) IS DISTINCT FROM (coalesce(b.returned, 0), coalesce(b.taken, 0))
    OR (d.returned, d.taken) IS DISTINCT FROM (coalesce(r.returned, 0), coalesce(r.taken, 0))
 ORDER BY 1 LIMIT {SHOWN_MAX}
""")


async def verify_deposits(session: AsyncSession) -> list[Difference]:
    """Compare every deposit with its receipts, its transfers and what went back of it, and every credited receipt with its
    one transfer.

    Run it in the same `Database.snapshot` as the ledger's own verification.
    """
    differences = [
        Difference(
            "received/fees/credited",
            f"deposit:{row.id}",
            f"{row.a_received}/{row.a_fees}/{row.a_credited}, books {row.m_fees}/{row.m_credited}",
            f"{row.received}/{row.fees}/{row.credited}",
        )
        for row in await session.execute(_DEPOSITS)
    ]
    differences += [
        Difference("credited for a receipt", f"receipt:{row.id}", str(row.expected), str(row.found))
        for row in await session.execute(_RECEIPTS)
    ]
    differences += [
        Difference(
            "returned/taken",
            f"deposit:{row.id}",
            f"{row.b_returned}/{row.b_taken}, receipts {row.r_returned}/{row.r_taken}, books {row.m_taken}",
            f"{row.returned}/{row.taken}",
        )
        for row in await session.execute(_RETURNS)
    ]
    return differences


@job(queue="chores", cron="55 3 * * *")
async def verify_deposits_every_night(panel: Panel) -> None:
    """Compare all deposits with the ledger and raise an alert if they differ. Reads only; harmless to repeat."""
    async with panel.db.snapshot() as session:
        differences = await verify_deposits(session)
    await report_differences(panel, "deposits", differences)
