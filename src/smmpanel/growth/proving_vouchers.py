"""Proving that vouchers, bonuses and coupons, what counts their uses, and the ledger tell the same story."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.proving import Difference, report_differences

SHOWN_MAX = 1000

_REDEMPTIONS = text(f"""
SELECT coalesce(r.key, t.key) AS key, r.amount AS expected, t.amount AS found
  FROM (SELECT 'voucher:' || id AS key, amount FROM voucher_redemptions) r
  FULL JOIN (SELECT key, amount FROM ledger_transfers WHERE reason = 'voucher') t ON t.key = r.key
 WHERE r.amount IS DISTINCT FROM t.amount ORDER BY 1 LIMIT {SHOWN_MAX}
""")
_BATCHES = text(f"""
SELECT b.id, b.used, r.n AS redeemed, v.uses, h.uses AS held FROM voucher_batches b
 CROSS JOIN LATERAL (SELECT count(*) AS n FROM voucher_redemptions WHERE batch_id = b.id) r
 CROSS JOIN LATERAL (SELECT coalesce(sum(uses), 0) AS uses FROM vouchers WHERE batch_id = b.id) v
 CROSS JOIN LATERAL (SELECT coalesce(sum(uses), 0) AS uses FROM voucher_holders WHERE batch_id = b.id) h
 WHERE NOT (b.used = r.n AND b.used = v.uses AND b.used = h.uses) ORDER BY b.id LIMIT {SHOWN_MAX}
""")
_BONUSES = text(f"""
SELECT coalesce(d.deposit_id, t.deposit_id) AS id, coalesce(d.amount - d.taken, 0) AS expected,
       coalesce(t.amount, 0) AS found
  FROM deposit_bonuses d
  FULL JOIN (SELECT CAST(substr(subject, 9) AS bigint) AS deposit_id,
                    sum(CASE WHEN reason = 'bonus' THEN amount ELSE -amount END) AS amount
               FROM ledger_transfers WHERE subject LIKE 'deposit:%' AND reason IN ('bonus', 'bonus_back') GROUP BY 1) t
    ON t.deposit_id = d.deposit_id
 WHERE coalesce(d.amount - d.taken, 0) <> coalesce(t.amount, 0) ORDER BY 1 LIMIT {SHOWN_MAX}
""")
_COUPONS = text(f"""
SELECT c.id, c.uses, u.n AS orders, h.uses AS held FROM coupons c
 CROSS JOIN LATERAL (SELECT count(*) AS n FROM coupon_uses WHERE coupon_id = c.id) u
 CROSS JOIN LATERAL (SELECT coalesce(sum(uses), 0) AS uses FROM coupon_holders WHERE coupon_id = c.id) h
 WHERE NOT (c.uses = u.n AND c.uses = h.uses) ORDER BY c.id LIMIT {SHOWN_MAX}
""")


async def verify_vouchers(session: AsyncSession) -> list[Difference]:
    """Compare every redemption and every bonus with its transfers, and every batch and coupon with its uses.

    Run it in the same `Database.snapshot` as the ledger's own verification.
    """
    differences = [
        Difference("voucher", row.key, str(row.expected), str(row.found)) for row in await session.execute(_REDEMPTIONS)
    ]
    differences += [
        Difference("uses", f"voucher_batch:{row.id}", f"{row.redeemed}/{row.uses}/{row.held}", str(row.used))
        for row in await session.execute(_BATCHES)
    ]
    differences += [
        Difference("bonus", f"deposit:{row.id}", str(row.expected), str(row.found))
        for row in await session.execute(_BONUSES)
    ]
    differences += [
        Difference("uses", f"coupon:{row.id}", f"{row.orders}/{row.held}", str(row.uses))
        for row in await session.execute(_COUPONS)
    ]
    return differences


@job(queue="chores", cron="5 4 * * *")
async def verify_vouchers_every_night(panel: Panel) -> None:
    """Compare all vouchers, bonuses and coupons with the ledger and raise an alert if they differ. Harmless to repeat."""
    async with panel.db.snapshot() as session:
        differences = await verify_vouchers(session)
    await report_differences(panel, "vouchers", differences)
