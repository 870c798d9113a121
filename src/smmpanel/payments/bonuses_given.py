"""What deposits have brought on top of their money: read from the ledger, whoever posted it."""

from collections.abc import Iterable
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.ledger import Reason
from smmpanel.ledger.statements import sums_for


async def bonuses_given(session: AsyncSession, deposit_ids: Iterable[int]) -> dict[int, Decimal]:
    """Return the bonus of each of these deposits that has one, less what was taken back, in the wallet's currency."""
    subjects = {f"deposit:{number}": number for number in deposit_ids}
    found = await sums_for(session, subjects, Reason.BONUS)
    back = await sums_for(session, found, Reason.BONUS_BACK)
    left = {subject: amount - back.get(subject, Decimal(0)) for subject, amount in found.items()}
    return {subjects[subject]: amount for subject, amount in left.items() if amount > 0}


async def bonus_taken_back(session: AsyncSession, deposit_id: int) -> Decimal:
    """Return what was taken back of a deposit's bonus, in the wallet's currency."""
    subject = f"deposit:{deposit_id}"
    return (await sums_for(session, [subject], Reason.BONUS_BACK)).get(subject, Decimal(0))
