"""Placing mass orders: thousands of lines in one transaction, each with its own answer, or all of them or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import Money
from smmpanel.orders.drafting import KEY_RULE
from smmpanel.orders.mass import MASS_LINES_MAX, MassError, MassLine, MassTooLargeError
from smmpanel.orders.placing import NewOrder, Placed, place_orders

KEY_LENGTH_MAX = 150
NO_LINES = marked("has no orders in it")


class MassLineError(InvalidInputError):
    """A line is no order: `reason` says why."""

    code, status, message = "mass_line", 422, "{reason}"


@dataclass(frozen=True, slots=True)
class MassLineResult:
    """What became of one line. Without an error and an order id it could have been placed, and was not."""

    number: int
    order_id: int | None
    charge: Money | None
    error: PanelError | None
    repeated: bool = False
    """Whether this line had been placed by an earlier call with the same key."""


@dataclass(frozen=True, slots=True)
class MassResult:
    """What became of a mass order. `total` is what its good lines cost together."""

    lines: Sequence[MassLineResult]
    total: Money
    placed: int
    failed: int


async def place_mass(
    session: AsyncSession,
    user_id: int,
    lines: Sequence[MassLine | MassError],
    *,
    all_or_none: bool,
    dry_run: bool,
    key: str | None,
    currency: str,
    now: datetime,
    api_key_id: int | None = None,
    daily_cap: Decimal | None = None,
    coupon: str = "",
) -> MassResult:
    """Place the lines of a mass order that can be, or with `all_or_none` all of them or none, and say for each.

    A coupon is for each line, and each order placed is one use of it: a line for which it does not count, or not any more,
    is refused rather than placed at another price. With a key a repeat finds what it placed before and places only what
    failed then. A dry run has the same answers and writes nothing; only that goods in stock may run out is not foreseen.
    """
    if not lines:
        raise InvalidInputError(field="lines", reason=NO_LINES)
    if len(lines) > MASS_LINES_MAX:
        raise MassTooLargeError(limit=MASS_LINES_MAX)
    if key is not None and not (0 < len(key) <= KEY_LENGTH_MAX and key.isprintable()):
        raise InvalidInputError(field="key", reason=KEY_RULE, most=KEY_LENGTH_MAX)
    good = [line for line in lines if isinstance(line, MassLine)]
    orders = [
        NewOrder(
            user_id,
            line.service_id,
            line.fields,
            None if key is None else f"{key}:{line.number}",
            api_key_id,
            daily_cap,
            coupon,
        )
        for line in good
    ]
    broken = len(good) < len(lines)
    if dry_run or (all_or_none and broken):
        answers = await place_orders(session, orders, currency=currency, now=now, dry_run=True)
    elif all_or_none:
        answers = await _all_or_none(session, orders, currency, now)
    else:
        answers = await place_orders(session, orders, currency=currency, now=now)
    return _result(lines, dict(zip((line.number for line in good), answers, strict=True)), currency)


async def _all_or_none(
    session: AsyncSession, orders: Sequence[NewOrder], currency: str, now: datetime
) -> list[Placed | PanelError]:
    """Place everything inside a savepoint, and go back to it if one line fails: stock too shows only when it is taken."""
    savepoint = await session.begin_nested()
    answers = await place_orders(session, orders, currency=currency, now=now)
    if not any(isinstance(answer, PanelError) for answer in answers):
        await savepoint.commit()
        return answers
    await savepoint.rollback()
    return [
        Placed(0, answer.charge) if isinstance(answer, Placed) and not answer.repeated else answer for answer in answers
    ]


def _result(
    lines: Sequence[MassLine | MassError], answers: Mapping[int, Placed | PanelError], currency: str
) -> MassResult:
    results = []
    for line in lines:
        answer = _no_order(line) if isinstance(line, MassError) else answers[line.number]
        if isinstance(answer, Placed):
            result = MassLineResult(line.number, answer.order_id or None, answer.charge, None, answer.repeated)
        else:
            result = MassLineResult(line.number, None, None, answer)
        results.append(result)
    return MassResult(
        lines=results,
        total=sum((one.charge for one in results if one.charge is not None), Money(Decimal(0), currency)),
        placed=sum(one.order_id is not None for one in results),
        failed=sum(one.error is not None for one in results),
    )


def _no_order(line: MassError) -> MassLineError:
    return MassLineError(field="line", reason=line.template, **line.facts)
