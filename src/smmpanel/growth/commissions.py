"""Commission: what the orders of referred users bring to whoever brought them, once each order is final.

Facts say which orders came to a result, or to another one. What that is now is read from the orders themselves, under the
lock of the referral, so facts may come twice, late and in any order. The keys of the money name what it moved to.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.growth.commission_rules import (
    ZERO,
    Move,
    commission_on,
    commissionable,
    cover,
    moves_into,
    target_of,
    uncover,
)
from smmpanel.growth.referral_locks import lock_referrals, lock_referrers
from smmpanel.growth.referral_models import Commission, Referral, ReferralState, Referrer
from smmpanel.growth.referral_terms import referral_terms
from smmpanel.growth.shared_payers import flag_shared_payers
from smmpanel.kernel.facts import on_many
from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.live import tell
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import AccountKind, lock_purses, paid_in, panel_account, post_fresh
from smmpanel.ledger.adjusting import BalanceAdjusted
from smmpanel.orders.models import FINISHED, Order
from smmpanel.orders.settling import OrderFinished
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.taking import DepositReinstated, DepositReturned

ROWS_AT_ONCE = 500


@on_many(OrderFinished)
async def reckon_finished_orders(panel: Panel, facts: Sequence[OrderFinished]) -> None:
    """Credit commission for orders that ended, or correct it. Told twice, late or out of order, the result is the same."""
    async with panel.db.transaction() as session:
        orders = {fact.order_id for fact in facts}
        await reckon(session, {fact.user_id for fact in facts}, orders, currency=panel.currency, now=panel.clock())


@on_many(BalanceAdjusted)
async def reckon_adjusted_balances(panel: Panel, facts: Sequence[BalanceAdjusted]) -> None:
    """Look again at users whose balance staff changed: real money decides how much commission orders bring."""
    async with panel.db.transaction() as session:
        await reckon(session, {fact.user_id for fact in facts}, (), currency=panel.currency, now=panel.clock())


@on_many(DepositCredited)
async def reckon_deposits(panel: Panel, facts: Sequence[DepositCredited]) -> None:
    """Look again at users who paid in, and at where their money came from."""
    async with panel.db.transaction() as session:
        await flag_shared_payers(session, {fact.receipt_id for fact in facts})
        await reckon(session, {fact.user_id for fact in facts}, (), currency=panel.currency, now=panel.clock())


@on_many(DepositReturned)
async def reckon_returned_deposits(panel: Panel, facts: Sequence[DepositReturned]) -> None:
    """Look again at users whose deposits went back: what is not paid in any more brings no commission."""
    async with panel.db.transaction() as session:
        await reckon(session, {fact.user_id for fact in facts}, (), currency=panel.currency, now=panel.clock())


@on_many(DepositReinstated)
async def reckon_reinstated_deposits(panel: Panel, facts: Sequence[DepositReinstated]) -> None:
    """Look again at users whose deposits are there again."""
    async with panel.db.transaction() as session:
        await reckon(session, {fact.user_id for fact in facts}, (), currency=panel.currency, now=panel.clock())


@job(queue="facts", retry=Backoff(tries=8))
async def go_on_settling(panel: Panel, *, referral_id: int) -> None:
    """Move the money of a referral that staff decided on, a part at a time. Idempotent: what is settled stays so."""
    async with panel.db.transaction() as session:
        user = await session.scalar(select(Referral.referred_id).where(Referral.id == referral_id))
        if user is not None:
            await reckon(session, [user], (), currency=panel.currency, now=panel.clock())


async def reckon_user(session: AsyncSession, user_id: int, *, currency: str, now: datetime) -> None:
    """Look at all orders of a referred user that are not counted as they ended."""
    wanted = (
        select(Order.id)
        .outerjoin(Commission, Commission.order_id == Order.id)
        .where(
            Order.user_id == user_id,
            Order.status.in_([status.value for status in FINISHED]),
            Order.earned != func.coalesce(Commission.earned, ZERO),
        )
    )
    orders = (await session.scalars(wanted)).all()
    await reckon(session, [user_id], orders, currency=currency, now=now)


async def reckon(
    session: AsyncSession, user_ids: Iterable[int], order_ids: Collection[int], *, currency: str, now: datetime
) -> None:
    """Bring the commission of some of these referred users' orders to what it should be, and move the money."""
    referrals = await lock_referrals(session, user_ids)
    if not referrals:
        return
    referrers = await lock_referrers(session, referrals)
    waited = {one.id: waiting_of(one) for one in referrals}
    terms = await referral_terms(session)
    percents = {one.id: _or(referrers[one.referrer_id].percent, terms.percent) for one in referrals}
    touched = await _count_orders(session, referrals, percents, order_ids, now=now)
    paid = await paid_in(session, {one.referred_id: one.paid_in_up_to for one in referrals}, currency)
    for referral in referrals:
        rows = touched[referral.id]
        more = paid[referral.referred_id]
        referral.paid_in += more.amount
        referral.paid_in_up_to = more.up_to
        await _spread(session, referral, rows)
        _make_due(referral, rows.values())
        if await _add_unsettled(session, referral, rows):
            await enqueue(session, go_on_settling.call(referral_id=referral.id, once=f"commissions:{referral.id}"))
    moves = _settle(referrals, touched, now=now)
    await _move_money(session, moves, referrers, currency=currency, approval=terms.approval)
    for referral in referrals:
        referrers[referral.referrer_id].waiting += waiting_of(referral) - waited[referral.id]


def waiting_of(referral: Referral) -> Decimal:
    """Return the commission that waits until staff have looked at a referral."""
    return referral.due - referral.credited if referral.state == ReferralState.FLAGGED else ZERO


Touched = Mapping[int, dict[int, Commission]]
"""By referral: the commissions that may have changed, by order."""


async def _count_orders(
    session: AsyncSession,
    referrals: Sequence[Referral],
    percents: Mapping[int, Decimal],
    order_ids: Collection[int],
    *,
    now: datetime,
) -> Touched:
    """Write down what orders have earned by now."""
    touched: Touched = {one.id: {} for one in referrals}
    if not order_ids:
        return touched
    by_user = {one.referred_id: one for one in referrals}
    wanted = select(Order.id, Order.user_id, Order.earned).where(
        Order.id.in_(order_ids),
        Order.user_id.in_(by_user),
        Order.status.in_([status.value for status in FINISHED]),
    )
    ended = (await session.execute(wanted.order_by(Order.id))).all()
    counted = select(Commission).where(Commission.order_id.in_([row.id for row in ended]))
    known = {row.order_id: row for row in await session.scalars(counted.execution_options(populate_existing=True))}
    for order in ended:
        referral, row = by_user[order.user_id], known.get(order.id)
        if row is None:
            if order.earned == ZERO:
                continue
            row = _new_row(referral, order.id, percents[referral.id], now)
            session.add(row)
        referral.earned += order.earned - row.earned
        row.earned = order.earned
        referral.base -= max(row.base - row.earned, ZERO)
        row.base = min(row.base, row.earned)
        touched[referral.id][order.id] = row
    return touched


def _new_row(referral: Referral, order_id: int, percent: Decimal, now: datetime) -> Commission:
    return Commission(
        order_id=order_id,
        referral_id=referral.id,
        referrer_id=referral.referrer_id,
        percent=percent,
        earned=ZERO,
        base=ZERO,
        due=ZERO,
        credited=ZERO,
        moves=0,
        changed_at=now,
    )


async def _spread(session: AsyncSession, referral: Referral, rows: dict[int, Commission]) -> None:
    """Lay what brings commission upon orders: these first, then those that are not covered yet. Or take some away again."""
    target = commissionable(referral.earned, referral.paid_in)
    gap, referral.base = target - referral.base, target
    if gap > 0:
        gap = cover(rows.values(), gap)
    own = select(Commission).where(Commission.referral_id == referral.id).limit(ROWS_AT_ONCE)
    uncovered = own.where(Commission.base < Commission.earned).order_by(Commission.id)
    covered = own.where(Commission.base > 0).order_by(Commission.id.desc())
    while gap != 0:
        # What was changed above is written before this reads, so it is never met twice.
        found = (await session.scalars(uncovered if gap > 0 else covered)).all()
        assert found, "the sums of a referral are those of its commissions"
        gap = cover(found, gap) if gap > 0 else -uncover(found, -gap)
        rows.update({row.order_id: row for row in found})


def _make_due(referral: Referral, rows: Iterable[Commission]) -> None:
    for row in rows:
        due = commission_on(row.base, row.percent)
        referral.due += due - row.due
        row.due = due


async def _add_unsettled(session: AsyncSession, referral: Referral, rows: dict[int, Commission]) -> bool:
    """Add those whose money has not followed what staff decided; says whether there may be more of them."""
    if referral.state == ReferralState.FLAGGED:
        return False
    wrong = (
        Commission.credited > 0 if referral.state == ReferralState.REFUSED else Commission.credited != Commission.due
    )
    wanted = select(Commission).where(Commission.referral_id == referral.id, wrong).limit(ROWS_AT_ONCE)
    found = (await session.scalars(wanted)).all()
    rows.update({row.order_id: row for row in found})
    return len(found) == ROWS_AT_ONCE


def _settle(referrals: Sequence[Referral], touched: Touched, *, now: datetime) -> dict[int, list[Move]]:
    """Set what is credited for each order to what should be, and return what moves for whom."""
    moves: dict[int, list[Move]] = {}
    for referral in referrals:
        for row in touched[referral.id].values():
            target = target_of(referral.state, row)
            if (change := target - row.credited) == 0:
                continue
            row.moves += 1
            row.credited, row.changed_at = target, now
            referral.credited += change
            name = f"order:{row.order_id}:commission:{row.moves}:{target}"
            moves.setdefault(referral.referrer_id, []).append(Move(row.order_id, change, name))
    return moves


async def _move_money(
    session: AsyncSession,
    moves: Mapping[int, Sequence[Move]],
    referrers: Mapping[int, Referrer],
    *,
    currency: str,
    approval: bool,
) -> None:
    if not moves:
        return
    costs = await panel_account(session, AccountKind.COMMISSIONS, currency)
    purses = await lock_purses(session, moves, currency)
    locked = {side.id: side for purse in purses.values() for side in (purse.wallet, purse.earnings)} | {costs.id: costs}
    transfers = []
    for user_id, own in moves.items():
        transfers += moves_into(own, purses[user_id], costs.id, approval=approval)
        change = sum((move.change for move in own), ZERO)
        referrers[user_id].credited += change
        referrers[user_id].untold += change
        referrers[user_id].untold_orders += len(own)
    await post_fresh(session, locked, transfers)
    await tell(session, "balance", moves)


def _or(own: Decimal | None, usual: Decimal) -> Decimal:
    return usual if own is None else own
