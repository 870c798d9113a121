"""Reading deposits, the money that waits for somebody, and the whole story of one deposit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import User
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged
from smmpanel.payments.models import Deposit, GatewayEvent, PaymentMethod, Receipt, ReceiptState
from smmpanel.payments.states import OPEN, DepositState

SEARCH_MAX = 60
STORY_MAX = 100
CANDIDATES_MAX = 10
CANDIDATES_WITHIN = timedelta(days=3)
ID_DIGITS_MAX = 18
MANUAL = "manual"
"""The gateway of transfers that staff look up and approve."""


@dataclass(frozen=True, slots=True)
class DepositFilter:
    """Which deposits are wanted; nothing said is all of them."""

    user_id: int | None = None
    states: Sequence[DepositState] = ()
    method_id: int | None = None
    gateway: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Not including this moment."""
    search: str = ""
    """A number, a reference, a memo or its code, or a user name."""


@dataclass(frozen=True, slots=True)
class DepositLine:
    """A deposit with the names that go with it."""

    deposit: Deposit
    method: str
    username: str


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """Money that arrived, with the method that it came by."""

    receipt: Receipt
    method: str


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one deposit beside itself, oldest first."""

    events: Sequence[GatewayEvent]
    receipts: Sequence[Receipt]


async def deposits_page(
    session: AsyncSession,
    wanted: DepositFilter,
    *,
    after: str | None = None,
    size: int = PAGE_SIZE,
    skip: int = 0,
    oldest_first: bool = False,
) -> Paged[DepositLine]:
    """Return a page of deposits, newest first unless asked otherwise."""
    found = _lines(wanted).order_by(Deposit.id.asc() if oldest_first else Deposit.id.desc()).limit(size + 1)
    if (key := key_from(after)) is not None:
        found = found.where(Deposit.id > key if oldest_first else Deposit.id < key)
    elif skip:
        found = found.offset(skip)
    lines = [DepositLine(*row) for row in await session.execute(found)]
    return paged(lines, size, [line.deposit.id for line in lines])


async def count_deposits(session: AsyncSession, wanted: DepositFilter, *, most: int) -> int:
    """Return how many deposits there are, counted up to `most`."""
    few = _lines(wanted).with_only_columns(Deposit.id).limit(most).subquery()
    return int(await session.scalar(select(func.count()).select_from(few)) or 0)


async def count_by_state(session: AsyncSession, *, most: int) -> dict[str, int]:
    """Return how many deposits wait, for staff too, or are partly paid, and how much money is in review, up to `most` each."""
    counts = {"by_hand": await count_deposits(session, DepositFilter(states=OPEN, gateway=MANUAL), most=most)}
    for name, states in (("pending", OPEN), ("partial", (DepositState.PARTIAL,))):
        counts[name] = await count_deposits(session, DepositFilter(states=states), most=most)
    counts["review"] = await count_receipts(session, ReceiptState.REVIEW, most=most)
    return counts


async def count_receipts(session: AsyncSession, state: ReceiptState, *, most: int) -> int:
    """Return how much money is in this state, counted up to `most`."""
    few = select(Receipt.id).where(Receipt.state == state.value).limit(most).subquery()
    return int(await session.scalar(select(func.count()).select_from(few)) or 0)


async def deposit_line(session: AsyncSession, deposit_id: int, *, user_id: int | None = None) -> DepositLine:
    """Return one deposit, if it is this user's or nobody in particular asks; raises `NotFoundError`."""
    found = _lines(DepositFilter(user_id=user_id)).where(Deposit.id == deposit_id)
    row = (await session.execute(found.execution_options(populate_existing=True))).first()
    if row is None:
        raise NotFoundError
    return DepositLine(*row)


async def methods_used_by(session: AsyncSession, user_id: int) -> dict[int, str]:
    """Return the names of the methods that a user has begun deposits by, by number."""
    row = PaymentMethod
    used = select(Deposit.id).where(Deposit.user_id == user_id, Deposit.method_id == row.id).exists()
    found = await session.execute(select(row.id, row.name).where(used).order_by(row.position, row.id))
    return dict(found.all())


async def receipts_page(
    session: AsyncSession,
    state: ReceiptState,
    *,
    after: str | None = None,
    size: int = PAGE_SIZE,
    skip: int = 0,
    oldest_first: bool = False,
) -> Paged[ReceiptLine]:
    """Return a page of money that arrived and is in this state, newest first unless asked otherwise."""
    row = Receipt
    found = select(row, PaymentMethod.name).join(PaymentMethod, PaymentMethod.id == row.method_id)
    found = found.where(row.state == state.value).order_by(row.id.asc() if oldest_first else row.id.desc())
    found = found.limit(size + 1)
    if (key := key_from(after)) is not None:
        found = found.where(row.id > key if oldest_first else row.id < key)
    elif skip:
        found = found.offset(skip)
    lines = [ReceiptLine(*each) for each in await session.execute(found)]
    return paged(lines, size, [line.receipt.id for line in lines])


async def receipt_line(session: AsyncSession, receipt_id: int) -> ReceiptLine:
    """Return money that arrived; raises `NotFoundError`."""
    found = select(Receipt, PaymentMethod.name).join(PaymentMethod, PaymentMethod.id == Receipt.method_id)
    row = (await session.execute(found.where(Receipt.id == receipt_id))).first()
    if row is None:
        raise NotFoundError
    return ReceiptLine(*row)


async def candidates_for(session: AsyncSession, receipt: Receipt) -> list[DepositLine]:
    """Return deposits that money in review may belong to: the one it names, then those of the same amount at that time."""
    moment = receipt.occurred_at or receipt.arrived_at
    alike = (
        (Deposit.amount == receipt.amount)
        & (Deposit.currency == receipt.currency)
        & (Deposit.created_at > moment - CANDIDATES_WITHIN)
        & (Deposit.created_at < moment + CANDIDATES_WITHIN)
    )
    named = Deposit.id == receipt.deposit_id if receipt.deposit_id is not None else None
    found = _lines(DepositFilter()).where(alike if named is None else or_(named, alike)).order_by(Deposit.id.desc())
    lines = [DepositLine(*row) for row in await session.execute(found.limit(CANDIDATES_MAX))]
    return sorted(lines, key=lambda line: line.deposit.id != receipt.deposit_id)


async def story_of(session: AsyncSession, deposit_id: int) -> Story:
    """Return what gateways said of a deposit, and the money that arrived for it."""
    receipts = select(Receipt).where(Receipt.deposit_id == deposit_id).order_by(Receipt.id).limit(STORY_MAX)
    events = select(GatewayEvent).where(GatewayEvent.deposit_id == deposit_id).order_by(GatewayEvent.id)
    return Story(
        events=list((await session.scalars(events.limit(STORY_MAX))).all()),
        receipts=list((await session.scalars(receipts)).all()),
    )


def _lines(wanted: DepositFilter) -> Select[Deposit, str, str]:
    row = Deposit
    found = (
        select(row, PaymentMethod.name, User.username)
        .join(PaymentMethod, PaymentMethod.id == row.method_id)
        .join(User, User.id == row.user_id)
    )
    if wanted.user_id is not None:
        found = found.where(row.user_id == wanted.user_id)
    if wanted.states:
        found = found.where(row.state.in_([state.value for state in wanted.states]))
    if wanted.gateway is not None:
        found = found.where(row.gateway == wanted.gateway)
    if wanted.method_id is not None:
        found = found.where(row.method_id == wanted.method_id)
    if wanted.since is not None:
        found = found.where(row.created_at >= wanted.since)
    if wanted.until is not None:
        found = found.where(row.created_at < wanted.until)
    return found.where(_matching(wanted.search)) if wanted.search.strip() else found


def _matching(typed: str) -> Any:
    text = typed.strip()[:SEARCH_MAX]
    word = text.upper().split()[-1].removeprefix("#")
    # A subquery, so that each way has its index.
    owner = select(User.id).where(func.lower(User.username) == text.lower()).scalar_subquery()
    ways = [Deposit.reference == word, Deposit.memo_code == word, Deposit.user_id == owner]
    if word.isascii() and word.isdigit() and len(word) <= ID_DIGITS_MAX:
        ways.append(Deposit.id == int(word))
    return or_(*ways)
