"""Redeeming a voucher: one statement takes one use of the code and one of its customer's, or nothing at all.

Whatever is wrong with a code, the same words say so after the same work: one statement that finds nothing. Tries are
counted before they are made, by customer and by address. Nobody redeems what they made themselves.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.throttling import Attempt, Limit, count_attempt, forgive
from smmpanel.growth.voucher_codes import code_hash
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.live import tell
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import AccountKind, Reason, Transfer, lock_users, panel_account, post
from smmpanel.web.addresses import neighbourhood

USER_LIMIT = Limit(
    kind="voucher:user",
    free=10,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(hours=1),
    forgotten_after=timedelta(days=1),
)
ADDRESS_LIMIT = Limit(
    kind="voucher:address",
    free=40,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(hours=1),
    forgotten_after=timedelta(days=1),
)


class VoucherWorthlessError(PanelError):
    """The code was never ours, is used up, over, stopped or of one's own making, or one has had enough of it: no difference is told."""

    code, status, message = "voucher_worthless", 422, marked("This code cannot be redeemed.")


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a code was good for."""

    id: int
    batch_id: int
    name: str
    amount: Money


# The customer's own row is locked first, then the code's, then the batch's, by everybody: nobody waits in a circle. A code
# whose last use is taken between being found and being used leaves `taken` empty; the caller then undoes the whole.
_TAKE = text(
    """
WITH found AS (
    SELECT v.id, v.batch_id, b.uses_each, b.uses_per_user
      FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id
     WHERE v.code_hash = :hash AND v.uses < b.uses_each AND b.currency = :currency
       AND b.stopped_at IS NULL AND (b.valid_until IS NULL OR b.valid_until > :now)
       AND b.made_by IS DISTINCT FROM :user
), held AS (
    INSERT INTO voucher_holders AS h (batch_id, user_id, uses) SELECT batch_id, :user, 1 FROM found
        ON CONFLICT (batch_id, user_id) DO UPDATE SET uses = h.uses + 1
     WHERE h.uses < COALESCE((SELECT uses_per_user FROM found), h.uses + 1)
    RETURNING h.batch_id
), used AS (
    UPDATE vouchers v SET uses = v.uses + 1 FROM found f, held h
     WHERE v.id = f.id AND h.batch_id = f.batch_id AND v.uses < f.uses_each
    RETURNING v.id, v.batch_id
), counted AS (
    UPDATE voucher_batches b SET used = b.used + 1 FROM used u
     WHERE b.id = u.batch_id AND b.stopped_at IS NULL
    RETURNING b.id, b.amount, b.name, u.id AS voucher_id
), taken AS (
    INSERT INTO voucher_redemptions (batch_id, voucher_id, user_id, amount, redeemed_at)
    SELECT id, voucher_id, :user, amount, :now FROM counted
    RETURNING id, batch_id, amount
)
SELECT t.id, t.batch_id, t.amount, c.name FROM taken t JOIN counted c ON c.id = t.batch_id
"""
)


async def redeem(panel: Panel, user_id: int, typed: str, *, ip: str) -> Redeemed:
    """Redeem a code and credit its customer once. Raises `VoucherWorthlessError` or `TooManyAttemptsError`.

    Takes the panel and not a session: the try is counted and stays so, however it ends.
    """
    now = panel.clock()
    async with panel.db.transaction() as session:
        # Addresses before users, always: two tries cannot wait for each other in a circle.
        address = await count_attempt(session, ADDRESS_LIMIT, neighbourhood(ip), now=now)
        user = await count_attempt(session, USER_LIMIT, f"user:{user_id}", now=now)
    async with panel.db.transaction() as session:
        redeemed = await _take(session, panel, user_id, typed, now)
        await _forgive(session, address, user, now=now)
    return redeemed


async def _take(session: AsyncSession, panel: Panel, user_id: int, typed: str, now: datetime) -> Redeemed:
    asked = {"hash": code_hash(panel.vault, typed), "user": user_id, "currency": panel.currency, "now": now}
    row = (await session.execute(_TAKE, asked)).one_or_none()
    if row is None:
        raise VoucherWorthlessError(field="code")
    redeemed = Redeemed(row.id, row.batch_id, row.name, Money(Decimal(row.amount), panel.currency))
    source = (await panel_account(session, AccountKind.BONUSES, panel.currency)).id
    wallet = (await lock_users(session, [user_id], panel.currency))[user_id].wallet.id
    transfer = Transfer(
        key=f"voucher:{redeemed.id}",
        reason=Reason.VOUCHER,
        debit=source,
        credit=wallet,
        amount=redeemed.amount.amount,
        subject=f"voucher_batch:{redeemed.batch_id}",
        note=redeemed.name,
    )
    [is_new] = await post(session, [transfer])
    assert is_new, "each redemption has a number of its own"
    await tell(session, "balance", [user_id])
    return redeemed


async def _forgive(session: AsyncSession, *tries: Attempt, now: datetime) -> None:
    for one in tries:
        await forgive(session, one, everything=False, now=now)
