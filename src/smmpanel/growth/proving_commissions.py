"""Proving that commissions, the orders that they come from, and the ledger tell the same story, order by order."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.proving import Difference, report_differences

SHOWN_MAX = 1000

_COMMISSIONS = text(f"""
WITH moved AS (
    SELECT CAST(substr(subject, 7) AS bigint) AS order_id,
           sum(CASE WHEN reason = 'commission' THEN amount ELSE -amount END) AS credited
      FROM ledger_transfers
     WHERE subject LIKE 'order:%' AND reason IN ('commission', 'commission_back') GROUP BY 1
)
SELECT coalesce(c.order_id, m.order_id) AS id, c.due, trunc(c.base * c.percent * 0.01, 6) AS expected,
       c.credited, coalesce(m.credited, 0) AS moved
  FROM commissions c FULL JOIN moved m ON m.order_id = c.order_id
 WHERE c.id IS NULL OR c.credited <> coalesce(m.credited, 0) OR c.due <> trunc(c.base * c.percent * 0.01, 6)
 ORDER BY 1 LIMIT {SHOWN_MAX}
""")
_REFERRALS = text(f"""
SELECT r.id, r.earned, r.base, r.due, r.credited, least(r.earned, greatest(r.paid_in, 0)) AS commissionable,
       s.earned AS s_earned, s.base AS s_base, s.due AS s_due, s.credited AS s_credited
  FROM referrals r CROSS JOIN LATERAL (
       SELECT coalesce(sum(earned), 0) AS earned, coalesce(sum(base), 0) AS base, coalesce(sum(due), 0) AS due,
              coalesce(sum(credited), 0) AS credited
         FROM commissions WHERE referral_id = r.id) s
 WHERE (r.earned, r.base, r.due, r.credited) IS DISTINCT FROM (s.earned, s.base, s.due, s.credited)
    OR r.base <> least(r.earned, greatest(r.paid_in, 0))
 ORDER BY r.id LIMIT {SHOWN_MAX}
""")
_REFERRERS = text(f"""
SELECT f.user_id, f.referrals, f.credited, f.waiting, count(r.id) AS s_referrals,
       coalesce(sum(r.credited), 0) AS s_credited,
       coalesce(sum(r.due - r.credited) FILTER (WHERE r.state = 'flagged'), 0) AS s_waiting
  FROM referrers f LEFT JOIN referrals r ON r.referrer_id = f.user_id GROUP BY f.user_id
HAVING (f.referrals, f.credited, f.waiting) IS DISTINCT FROM (count(r.id), coalesce(sum(r.credited), 0),
       coalesce(sum(r.due - r.credited) FILTER (WHERE r.state = 'flagged'), 0))
 ORDER BY f.user_id LIMIT {SHOWN_MAX}
""")
_PAYOUTS = text(f"""
SELECT p.id, p.amount, p.state, t.amount AS moved FROM payouts p
  FULL JOIN (SELECT CAST(substr(subject, 8) AS bigint) AS payout_id, amount FROM ledger_transfers
              WHERE subject LIKE 'payout:%' AND reason = 'payout') t ON t.payout_id = p.id
 WHERE p.id IS NULL OR CASE WHEN p.state = 'paid' THEN p.amount END IS DISTINCT FROM t.amount
 ORDER BY 1 LIMIT {SHOWN_MAX}
""")


async def verify_commissions(session: AsyncSession) -> list[Difference]:
    """Compare every commission with its rate and its transfers, all sums with what they sum up, and every payout.

    Run it in the same `Database.snapshot` as the ledger's own verification.
    """
    differences = [
        Difference(
            "commission", f"order:{row.id}", f"{row.expected}, books {row.moved}", f"{row.due}, credited {row.credited}"
        )
        for row in await session.execute(_COMMISSIONS)
    ]
    differences += [
        Difference(
            "earned/base/due/credited",
            f"referral:{row.id}",
            f"{row.s_earned}/{row.s_base}/{row.s_due}/{row.s_credited}, at most {row.commissionable}",
            f"{row.earned}/{row.base}/{row.due}/{row.credited}",
        )
        for row in await session.execute(_REFERRALS)
    ]
    differences += [
        Difference(
            "referrals/credited/waiting",
            f"user:{row.user_id}",
            f"{row.s_referrals}/{row.s_credited}/{row.s_waiting}",
            f"{row.referrals}/{row.credited}/{row.waiting}",
        )
        for row in await session.execute(_REFERRERS)
    ]
    differences += [
        Difference("payout", f"payout:{row.id}", f"{row.state} {row.amount}", str(row.moved))
        for row in await session.execute(_PAYOUTS)
    ]
    return differences


@job(queue="chores", cron="0 4 * * *")
async def verify_commissions_every_night(panel: Panel) -> None:
    """Compare all commissions with the ledger and raise an alert if they differ. Reads only; harmless to repeat."""
    async with panel.db.snapshot() as session:
        differences = await verify_commissions(session)
    await report_differences(panel, "commissions", differences)
