"""Reading batches of vouchers, and who redeemed out of them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import User
from smmpanel.growth.voucher_models import Redemption, Voucher, VoucherBatch
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged


@dataclass(frozen=True, slots=True)
class RedemptionLine:
    """One use of a code: by whom, when, and how the code ends."""

    id: int
    user_id: int
    username: str
    ending: str
    amount: Decimal
    at: datetime


async def batch_by(session: AsyncSession, batch_id: int) -> VoucherBatch:
    """Return a batch; raises `NotFoundError`."""
    found = await session.get(VoucherBatch, batch_id)
    if found is None:
        raise NotFoundError
    return found


async def batches_page(
    session: AsyncSession, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[VoucherBatch]:
    """Return a page of batches, newest first."""
    wanted = select(VoucherBatch).order_by(VoucherBatch.id.desc()).limit(size + 1)
    if (key := key_from(after)) is not None:
        wanted = wanted.where(VoucherBatch.id < key)
    rows = (await session.scalars(wanted)).all()
    return paged(rows, size, [row.id for row in rows])


async def redemptions_page(
    session: AsyncSession, batch_id: int, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[RedemptionLine]:
    """Return a page of the uses of a batch, newest first."""
    row = Redemption
    wanted = (
        select(row.id, row.user_id, User.username, Voucher.ending, row.amount, row.redeemed_at)
        .join(User, User.id == row.user_id)
        .join(Voucher, Voucher.id == row.voucher_id)
        .where(row.batch_id == batch_id)
        .order_by(row.id.desc())
        .limit(size + 1)
    )
    if (key := key_from(after)) is not None:
        wanted = wanted.where(row.id < key)
    lines = [RedemptionLine(*found) for found in await session.execute(wanted)]
    return paged(lines, size, [line.id for line in lines])
