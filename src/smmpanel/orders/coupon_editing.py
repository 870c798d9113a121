"""Making coupons and stopping them: by permission, on the record."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, round_down
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged
from smmpanel.orders.coupon_models import Coupon

USES_MAX, NOTE_MAX = 1_000_000, 500
PERCENT_STEP = Decimal("0.0001")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{2,39}", re.ASCII)
CODE_WRONG = marked("Enter 3 to 40 letters, digits and dashes.")
CODE_TAKEN = marked("There is a coupon of this name already.")
ONE_OF_BOTH = marked("Enter a percentage, or an amount: one of both.")
OFF_WRONG = marked("Enter a percentage above 0, up to 100.")
SUM_WRONG = marked("Enter an amount above zero, with six decimals at most.")
USES_WRONG = marked("Enter a number from 1 to 1,000,000.")
DAY_OVER = marked("Choose a time to come.")


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """A coupon as it is wanted. Raises `InvalidInputError` for what no coupon can be."""

    code: str
    percent: Decimal | None = None
    amount: Decimal | None = None
    maximum: Decimal | None = None
    min_charge: Decimal = Decimal(0)
    max_uses: int | None = None
    uses_per_user: int | None = None
    below_cost: bool = False
    valid_until: datetime | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise InvalidInputError(field="code", reason=CODE_WRONG)
        if (self.percent is None) == (self.amount is None):
            raise InvalidInputError(field="percent", reason=ONE_OF_BOTH)
        if self.percent is not None and not (
            self.percent.is_finite() and 0 < self.percent <= 100 and self.percent == self.percent.quantize(PERCENT_STEP)
        ):
            raise InvalidInputError(field="percent", reason=OFF_WRONG)
        for name, sum_ in (("amount", self.amount), ("maximum", self.maximum)):
            if sum_ is not None and not (_is_sum(sum_) and sum_ > 0):
                raise InvalidInputError(field=name, reason=SUM_WRONG)
        if not _is_sum(self.min_charge):
            raise InvalidInputError(field="min_charge", reason=SUM_WRONG)
        for name, uses in (("max_uses", self.max_uses), ("uses_per_user", self.uses_per_user)):
            if uses is not None and not 1 <= uses <= USES_MAX:
                raise InvalidInputError(field=name, reason=USES_WRONG)


def _is_sum(amount: Decimal) -> bool:
    return amount.is_finite() and 0 <= amount < LIMIT and amount == round_down(amount)


async def make_coupon(session: AsyncSession, terms: CouponTerms, *, actor: Actor, now: datetime) -> int:
    """Make a coupon and return its id. Raises `InvalidInputError`."""
    actor.require(Permission.VOUCHERS_EDIT)
    if terms.valid_until is not None and terms.valid_until <= now:
        raise InvalidInputError(field="valid_until", reason=DAY_OVER)
    row = insert(Coupon).values(**asdict(terms), made_by=actor.user_id, created_at=now)
    coupon_id: int | None = await session.scalar(row.on_conflict_do_nothing().returning(Coupon.id))
    if coupon_id is None:
        raise InvalidInputError(field="code", reason=CODE_TAKEN)
    await audit(session, actor, Permission.VOUCHERS_EDIT, f"coupon:{coupon_id}", after=asdict(terms))
    return coupon_id


async def stop_coupon(session: AsyncSession, coupon_id: int, *, actor: Actor, now: datetime) -> None:
    """Have a coupon count no more; orders that have it keep their price. Raises `NotFoundError` if there is no live one."""
    actor.require(Permission.VOUCHERS_EDIT)
    wanted = select(Coupon).where(Coupon.id == coupon_id, Coupon.stopped_at.is_(None))
    locked = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    coupon = await session.scalar(locked)
    if coupon is None:
        raise NotFoundError
    coupon.stopped_at = now
    after = {"stopped": True, "uses": coupon.uses}
    await audit(session, actor, Permission.VOUCHERS_EDIT, f"coupon:{coupon_id}", after=after)


async def coupons_page(session: AsyncSession, *, after: str | None = None, size: int = PAGE_SIZE) -> Paged[Coupon]:
    """Return a page of coupons, newest first."""
    wanted = select(Coupon).order_by(Coupon.id.desc()).limit(size + 1)
    if (key := key_from(after)) is not None:
        wanted = wanted.where(Coupon.id < key)
    rows: Sequence[Coupon] = (await session.scalars(wanted)).all()
    return paged(rows, size, [row.id for row in rows])


async def has_coupons(session: AsyncSession, now: datetime) -> bool:
    """Whether any coupon may count at present: only then are customers asked for one."""
    live = select(Coupon.id).where(
        Coupon.stopped_at.is_(None), or_(Coupon.valid_until.is_(None), Coupon.valid_until > now)
    )
    return await session.scalar(live.limit(1)) is not None
