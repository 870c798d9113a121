"""The bonus on deposits: credited once for each, when its money is in the wallet.

Facts say that money of a deposit was credited. What the deposit has brought by then is read from the deposit itself, under a
lock, so facts may come twice, late and in any order; a deposit that is paid in parts gets the bonus of the whole.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.growth.bonus_models import DepositBonus
from smmpanel.kernel.facts import on_many
from smmpanel.kernel.live import tell
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import AccountKind, Reason, Transfer, lock_users, panel_account, post
from smmpanel.payments.bonuses import Bonus, best_bonus, rules_since
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.models import Deposit
from smmpanel.payments.opening import locked_deposit


@on_many(DepositCredited)
async def give_bonuses(panel: Panel, facts: Sequence[DepositCredited]) -> None:
    """Credit the bonus of deposits whose money arrived. Told twice, it is credited once."""
    late = {fact.deposit_id: fact.at for fact in facts if not fact.in_time}
    for deposit_id in sorted({fact.deposit_id for fact in facts}):
        async with panel.db.transaction() as session:
            await give_bonus(session, deposit_id, late_at=late.get(deposit_id), now=panel.clock())


async def give_bonus(session: AsyncSession, deposit_id: int, *, late_at: datetime | None, now: datetime) -> Decimal:
    """Bring the bonus of a deposit up to what it should be by now; returns what was added.

    The rules count that were in force when the deposit was begun, as its customer was told; for money that came after the
    deposit had expired, those of when it came.
    """
    deposit = await locked_deposit(session, deposit_id)
    begun = late_at or deposit.created_at
    bonus = best_bonus(
        await rules_since(session, begun),
        method_id=deposit.method_id,
        paid=deposit.credited + deposit.fees,
        credited=deposit.credited,
        at=begun,
    )
    if bonus is None:
        return Decimal(0)
    row = insert(DepositBonus).values(deposit_id=deposit.id, amount=Decimal(0), changed_at=now)
    await session.execute(row.on_conflict_do_nothing())
    given = await session.get_one(DepositBonus, deposit.id, with_for_update=True, populate_existing=True)
    more = bonus.amount - given.amount
    if more <= 0:
        return Decimal(0)
    given.moves += 1
    given.amount, given.rule_id, given.changed_at = bonus.amount, bonus.rule_id, now
    await _post(session, deposit, given, more, bonus)
    await tell(session, "balance", [deposit.user_id])
    return more


async def _post(session: AsyncSession, deposit: Deposit, given: DepositBonus, more: Decimal, bonus: Bonus) -> None:
    currency = deposit.wallet_currency
    source = (await panel_account(session, AccountKind.BONUSES, currency)).id
    wallet = (await lock_users(session, [deposit.user_id], currency))[deposit.user_id].wallet.id
    transfer = Transfer(
        # Paid in parts, a deposit has a bonus for each part that raised it.
        key=f"deposit:{deposit.id}:bonus" + ("" if given.moves == 1 else f":{given.moves}"),
        reason=Reason.BONUS,
        debit=source,
        credit=wallet,
        amount=more,
        subject=f"deposit:{deposit.id}",
        note=f"{bonus.percent.normalize():f}%",
    )
    await post(session, [transfer])
