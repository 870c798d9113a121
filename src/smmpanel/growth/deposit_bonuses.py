"""The bonus on deposits: credited once for each, when its money is in the wallet.

Facts say that money of a deposit was credited. What the deposit has brought by then is read from the deposit itself, under a
lock, so facts may come twice, late and in any order; a deposit that is paid in parts gets the bonus of the whole.

Of a deposit whose money went back, the same share of the bonus goes back, spent or not; if the money comes again, it does too.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.growth.bonus_models import DepositBonus
from smmpanel.kernel.facts import on_many
from smmpanel.kernel.live import tell
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import AccountKind, Reason, Transfer, lock_users, panel_account, post
from smmpanel.payments.bonuses import best_bonus, rules_since
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.models import Deposit, Receipt, ReceiptState
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.taking import DepositReinstated, DepositReturned, share


@on_many(DepositCredited)
async def give_bonuses(panel: Panel, facts: Sequence[DepositCredited]) -> None:
    """Credit the bonus of deposits whose money arrived. Told twice, it is credited once."""
    late = {fact.deposit_id: fact.at for fact in facts if not fact.in_time}
    soon = {fact.deposit_id: fact.at for fact in sorted(facts, key=lambda fact: fact.at) if fact.in_time}
    deposits = sorted({fact.deposit_id for fact in facts})
    async with panel.db.transaction() as session:
        begun = await session.scalar(select(func.min(Deposit.created_at)).where(Deposit.id.in_(deposits)))
        if begun is None or not await rules_since(session, begun):
            return
    for deposit_id in deposits:
        async with panel.db.transaction() as session:
            # What came in time first, and alone: what was promised for it does not hold for what came late.
            if deposit_id in soon:
                await give_bonus(session, deposit_id, late_at=None, until=soon[deposit_id], now=panel.clock())
            if deposit_id in late:
                await give_bonus(session, deposit_id, late_at=late[deposit_id], now=panel.clock())


@on_many(DepositReturned)
async def take_bonuses_back(panel: Panel, facts: Sequence[DepositReturned]) -> None:
    """Take back the share of bonuses whose deposits went back. Told twice, it is taken once."""
    await _bring_to_share(panel, {fact.deposit_id for fact in facts})


@on_many(DepositReinstated)
async def give_bonuses_again(panel: Panel, facts: Sequence[DepositReinstated]) -> None:
    """Give the share of bonuses again whose deposits are there again. Told twice, it is given once."""
    await _bring_to_share(panel, {fact.deposit_id for fact in facts})


async def _bring_to_share(panel: Panel, deposit_ids: Collection[int]) -> None:
    for deposit_id in sorted(deposit_ids):
        async with panel.db.transaction() as session:
            deposit = await locked_deposit(session, deposit_id)
            wanted = select(DepositBonus).where(DepositBonus.deposit_id == deposit_id).with_for_update()
            given = await session.scalar(wanted.execution_options(populate_existing=True))
            if given is not None:
                await _take_share(session, deposit, given, now=panel.clock())


async def give_bonus(
    session: AsyncSession, deposit_id: int, *, late_at: datetime | None, now: datetime, until: datetime | None = None
) -> Decimal:
    """Bring the bonus of a deposit up to what it should be by now, or for what was credited until then; returns what was added.

    The rules count that were in force when the deposit was begun, as its customer was told; for money that came after the
    deposit had expired, those of when it came.
    """
    deposit = await locked_deposit(session, deposit_id)
    begun = late_at or deposit.created_at
    paid, credited = deposit.credited + deposit.fees, deposit.credited
    if until is not None:
        paid, credited = await _credited_until(session, deposit_id, until)
    bonus = best_bonus(
        await rules_since(session, begun),
        method_id=deposit.method_id,
        paid=paid,
        credited=credited,
        at=begun,
    )
    if bonus is None:
        return Decimal(0)
    row = insert(DepositBonus).values(deposit_id=deposit.id, amount=Decimal(0), changed_at=now)
    await session.execute(row.on_conflict_do_nothing())
    given = await session.get_one(DepositBonus, deposit.id, with_for_update=True, populate_existing=True)
    more = max(bonus.amount - given.amount, Decimal(0))
    if more:
        given.amount, given.rule_id = bonus.amount, bonus.rule_id
        await _post(session, deposit, given, more, f"{bonus.percent.normalize():f}%", now=now)
    await _take_share(session, deposit, given, now=now)
    return more


async def _credited_until(session: AsyncSession, deposit_id: int, until: datetime) -> tuple[Decimal, Decimal]:
    """Return what was paid for a deposit up to a moment, and what was credited of it."""
    row = Receipt
    sums = select(func.coalesce(func.sum(row.credited + row.fee), 0), func.coalesce(func.sum(row.credited), 0)).where(
        row.deposit_id == deposit_id, row.state == ReceiptState.CREDITED.value, row.decided_at <= until
    )
    paid, credited = (await session.execute(sums)).one()
    return Decimal(paid), Decimal(credited)


async def _take_share(session: AsyncSession, deposit: Deposit, given: DepositBonus, *, now: datetime) -> None:
    """Have as much of the bonus taken back as of the deposit."""
    due = share(given.amount, deposit.taken, deposit.credited) if deposit.taken else Decimal(0)
    change = given.taken - due
    if change:
        given.taken = due
        await _post(session, deposit, given, change, deposit.memo or deposit.reference, now=now)


async def _post(
    session: AsyncSession, deposit: Deposit, given: DepositBonus, amount: Decimal, note: str, *, now: datetime
) -> None:
    """Move the bonus up, or down if the amount is negative."""
    currency = deposit.wallet_currency
    given.moves += 1
    given.changed_at = now
    source = (await panel_account(session, AccountKind.BONUSES, currency)).id
    wallet = (await lock_users(session, [deposit.user_id], currency))[deposit.user_id].wallet.id
    debit, credit = (source, wallet) if amount > 0 else (wallet, source)
    transfer = Transfer(
        # Each change of a deposit's bonus has a name of its own.
        key=f"deposit:{deposit.id}:bonus" + ("" if given.moves == 1 else f":{given.moves}"),
        reason=Reason.BONUS if amount > 0 else Reason.BONUS_BACK,
        debit=debit,
        credit=credit,
        amount=abs(amount),
        subject=f"deposit:{deposit.id}",
        note=note,
        overdraws=amount < 0,
    )
    await post(session, [transfer])
    await tell(session, "balance", [deposit.user_id])
