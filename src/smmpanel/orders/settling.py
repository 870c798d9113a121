"""Settling orders: what was held for them becomes revenue or goes back, once, whatever is repeated or crashes.

Every change of an order's status goes through here. The order's row is locked, the move is checked against the declared
flow, the money that the new status means is posted under keys that name the cumulative result, and the row, the timeline
and the facts are written in the same transaction.

Money only ever moves towards the customer by itself: if a provider turns a Partial order back to Completed, what was paid
back stays paid back, and the timeline says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.pricing import refund_part
from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.live import tell
from smmpanel.kernel.states import IllegalMoveError
from smmpanel.ledger import AccountKind, Reason, Transfer, UserAccounts, lock_users, panel_account, post_fresh
from smmpanel.orders.models import FINISHED, ORDER_FLOW, OrderStatus
from smmpanel.orders.pacing import next_check_at
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.words import status_word
from smmpanel.orders.writing import OrderRow, OrderWrite, lock_orders, write_orders

ZERO = Decimal(0)


class OrderFinished(Fact):
    """An order reached Completed, Partial or Canceled, or its result was corrected. Amounts are cumulative."""

    fact = "order_finished"
    order_id: int
    user_id: int
    status: str
    earned: Decimal
    refunded: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Change:
    """A move of one order, and what became known with it; `None` leaves a column as it is."""

    order_id: int
    status: OrderStatus
    note: str = ""
    remains: int | None = None
    start_count: int | None = None
    provider_charge: Decimal | None = None
    external_id: str | None = None
    reason: str | None = None
    due_at: datetime | None = None
    provider_id: int | None = None
    route_id: int | None = None
    cost: Decimal | None = None
    earned_total: Decimal | None = None
    """How much of the charge was earned, where remains and quantity do not tell (subscriptions)."""
    actor_id: int | None = None


async def settle(
    session: AsyncSession, changes: Sequence[Change], *, now: datetime, watch: timedelta, strict: bool = True
) -> dict[int, bool]:
    """Move orders and their money. Says for each whether it moved.

    A move that the flow does not have raises `IllegalMoveError` if `strict`, and is skipped otherwise. Confirming, refunding
    and resending unconfirmed orders is for `orders.resolving` alone, which clears the flag by calling this.
    """
    if not changes:
        return {}
    rows = await lock_orders(session, [change.order_id for change in changes])
    moved: list[tuple[Change, OrderRow]] = []
    answers = {}
    for change in changes:
        row = rows[change.order_id]
        allowed = ORDER_FLOW.allows(OrderStatus(row["status"]), change.status)
        if not allowed and strict:
            raise IllegalMoveError(before=row["status"], after=change.status.value)
        answers[change.order_id] = allowed
        if allowed:
            moved.append((change, row))
    if moved:
        results = await _move_money(session, moved)
        await write_orders(session, [_write(change, row, results, now=now, watch=watch) for change, row in moved])
        await add_events(session, [_event(change, row, results) for change, row in moved])
        await record(session, *_facts(moved, results))
        await _tell_owners(session, moved, results)
    return answers


async def _tell_owners(
    session: AsyncSession, moved: Sequence[tuple[Change, OrderRow]], results: Mapping[int, "_Result"]
) -> None:
    """Have the owners' open pages look again, if there is anything new to see there."""
    paid = {row["user_id"] for change, row in moved if _paid_back(change, row, results)}
    seen = {
        row["user_id"]
        for change, row in moved
        if status_word(change.status, row["kind"]) != status_word(row["status"], row["kind"])
        or change.remains not in {None, row["remains"]}
    }
    await tell(session, "orders", seen | paid)
    await tell(session, "balance", paid)


def _paid_back(change: Change, row: OrderRow, results: Mapping[int, "_Result"]) -> bool:
    result = results.get(change.order_id)
    return result is not None and result.refunded != row["refunded"]


@dataclass(frozen=True, slots=True)
class _Result:
    """Where an order's money stands after the move, cumulative."""

    earned: Decimal
    refunded: Decimal


def result_of(
    status: OrderStatus,
    own: Decimal,
    refunded: Decimal,
    *,
    quantity: int,
    remains: int | None,
    earned_total: Decimal | None,
) -> tuple[Decimal, Decimal]:
    """Return (earned, refunded) of a finished order whose charge, less what runs took of it, is `own`.

    Refunds are rounded down and never shrink; what is not refunded is earned, so that the two always make the whole.
    """
    if earned_total is not None:
        due = own - min(max(earned_total, ZERO), own)
    elif status is OrderStatus.CANCELED:
        due = own
    elif status is OrderStatus.PARTIAL:
        assert remains is not None, "nothing is paid back on a guess: a Partial order needs its remains"
        due = refund_part(own, remains, quantity)
    else:
        due = ZERO
    total = max(due, refunded)
    return own - total, total


async def _move_money(session: AsyncSession, moved: Sequence[tuple[Change, OrderRow]]) -> dict[int, _Result]:
    final = [(change, row) for change, row in moved if change.status in FINISHED]
    if not final:
        return {}
    currency = final[0][1]["currency"]
    assert all(row["currency"] == currency for _, row in final), "a panel has one currency"
    results = {}
    for change, row in final:
        remains = change.remains if change.remains is not None else row["remains"]
        earned, refunded = result_of(
            change.status,
            row["charge"] - row["allocated"],
            row["refunded"],
            quantity=row["quantity"],
            remains=remains,
            earned_total=change.earned_total,
        )
        results[change.order_id] = _Result(earned, refunded)
    accounts = await lock_users(session, {row["user_id"] for _, row in final}, currency)
    revenue = await panel_account(session, AccountKind.REVENUE, currency)
    locked = {side.id: side for both in accounts.values() for side in (both.wallet, both.held)} | {revenue.id: revenue}
    transfers = [
        transfer
        for change, row in final
        for transfer in _transfers(row, results[change.order_id], accounts[row["user_id"]], revenue.id)
    ]
    await post_fresh(session, locked, transfers)
    return results


def _transfers(row: OrderRow, result: _Result, sides: UserAccounts, revenue: int) -> list[Transfer]:
    """Return what has to move for an order to stand at `result`. The keys name cumulative results, so none can repeat."""
    key, subject = f"order:{row['id']}", f"order:{row['id']}"
    held = row["charge"] - row["allocated"] - row["earned"] - row["refunded"]
    to_wallet = result.refunded - row["refunded"]
    to_revenue = result.earned - row["earned"]
    from_revenue = max(-to_revenue, ZERO)
    planned = (
        (f"{key}:refund:{result.refunded}", Reason.ORDER_REFUND, sides.held.id, sides.wallet.id, min(to_wallet, held)),
        (f"{key}:correction:{result.refunded}", Reason.ORDER_CORRECTION, revenue, sides.wallet.id, from_revenue),
        (f"{key}:earned:{result.earned}", Reason.ORDER_EARNED, sides.held.id, revenue, max(to_revenue, ZERO)),
    )
    return [
        Transfer(name, why, debit, credit, amount, subject)
        for name, why, debit, credit, amount in planned
        if amount > 0
    ]


def _write(
    change: Change, row: OrderRow, results: Mapping[int, _Result], *, now: datetime, watch: timedelta
) -> OrderWrite:
    finished = change.status in FINISHED
    result = results.get(change.order_id, _Result(row["earned"], row["refunded"]))
    finished_at = (row["finished_at"] or now) if finished else None
    external_id = change.external_id or row["external_id"]
    accepted = change.external_id is not None
    submitted_at = now if accepted else row["submitted_at"]
    watched = external_id is not None and change.status not in {OrderStatus.PENDING, OrderStatus.FAILED}
    return OrderWrite(
        id=change.order_id,
        status=change.status.value,
        earned=result.earned,
        refunded=result.refunded,
        remains=_remains(change, row),
        start_count=change.start_count if change.start_count is not None else row["start_count"],
        provider_charge=change.provider_charge if change.provider_charge is not None else row["provider_charge"],
        external_id=external_id,
        reason=change.reason,
        due_at=change.due_at or row["due_at"],
        provider_id=change.provider_id or row["provider_id"],
        route_id=change.route_id or row["route_id"],
        cost=change.cost if change.cost is not None else row["cost"],
        guard_key=None if finished else row["guard_key"],
        submitted_at=submitted_at,
        finished_at=finished_at,
        check_at=next_check_at(
            change.status, submitted_at=submitted_at or now, finished_at=finished_at, now=now, watch=watch
        )
        if watched
        else None,
    )


def _remains(change: Change, row: OrderRow) -> int | None:
    if change.remains is None and change.status is OrderStatus.COMPLETED:
        return 0
    return change.remains if change.remains is not None else row["remains"]


def _event(change: Change, row: OrderRow, results: Mapping[int, _Result]) -> Event:
    note = change.note
    result = results.get(change.order_id)
    if result is not None and change.status is OrderStatus.COMPLETED and result.refunded > 0:
        note = f"{note} {result.refunded} {row['currency']} paid back before stay paid back.".strip()
    return Event(change.order_id, "status", row["status"], change.status.value, note, change.actor_id)


def _facts(moved: Sequence[tuple[Change, OrderRow]], results: Mapping[int, _Result]) -> list[Fact]:
    return [
        OrderFinished(
            order_id=change.order_id,
            user_id=row["user_id"],
            status=change.status.value,
            earned=results[change.order_id].earned,
            refunded=results[change.order_id].refunded,
            currency=row["currency"],
        )
        for change, row in moved
        if change.order_id in results
    ]
