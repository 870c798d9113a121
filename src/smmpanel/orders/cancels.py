"""Canceling: at once what was not sent yet; of the rest, a request that the provider may grant.

A request is not a cancellation: money moves only when the order itself turns Canceled or Partial. Whether an order has been
sent is decided by its row lock, against the worker that claims it for sending.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.live import tell
from smmpanel.orders.models import FINISHED, CancelRequest, CancelState, OrderKind, OrderStatus
from smmpanel.orders.owning import is_order_id
from smmpanel.orders.sending_cancels import wake_cancels
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.steering_drips import DripStateError, end_drip
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.writing import OrderRow, lock_orders

REASON_LENGTH_MAX = 500
S = OrderStatus


class NoCancel(StrEnum):
    """Why an order cannot be canceled (now)."""

    FINISHED = "cancel_finished"
    UNCONFIRMED = "cancel_unconfirmed"
    WITH_STAFF = "cancel_with_staff"
    NOT_OFFERED = "cancel_not_offered"


TEXTS = {
    NoCancel.FINISHED: marked("This order has ended."),
    NoCancel.UNCONFIRMED: marked("We are finding out whether this order was taken; it can be canceled when we know."),
    NoCancel.WITH_STAFF: marked("This order is being looked into by staff."),
    NoCancel.NOT_OFFERED: marked("This order has been sent, and its service cannot be canceled then."),
}


class CannotCancelError(ConflictError):
    """The order is not canceled; `reason` is a `NoCancel`, the message says why."""

    code, message = "cancel_refused", "{text}"

    def __init__(self, reason: NoCancel) -> None:
        super().__init__(text=TEXTS[reason], reason=reason.value)
        self.reason = reason


class CancelRequested(Fact):
    """A customer asked to stop an order that has been sent. Requests for manual services wait for staff."""

    fact = "cancel_requested"
    order_id: int
    user_id: int


CancelAnswer = CancelRequest | PanelError


async def request_cancel(
    session: AsyncSession, user_id: int, order_ids: Sequence[int], now: datetime
) -> dict[int, CancelAnswer]:
    """Cancel a user's orders, or ask for it, each answered for itself, in the order given.

    What was not sent yet is canceled and paid back in full; of a drip-feed, what was not started. A request that is on its
    way already is answered with that one.
    """
    rows = await _own_orders(session, user_id, order_ids)
    known = await _known_requests(session, rows)
    answers: dict[int, CancelAnswer] = {}
    at_once: list[OrderRow] = []
    drips: list[OrderRow] = []
    to_ask: list[OrderRow] = []
    for order_id, row in rows.items():
        refusal = why_not(row)
        if refusal is not None:
            answers[order_id] = CannotCancelError(refusal)
        elif order_id in known:
            answers[order_id] = known[order_id]
        elif row["kind"] == OrderKind.DRIP:
            drips.append(row)
        else:
            (at_once if row["status"] == S.PENDING else to_ask).append(row)
    await _cancel_now(session, at_once, user_id, now)
    ended = [row for row in drips if await _end(session, row, user_id, answers, now)]
    answers |= await _keep(session, [*at_once, *ended], user_id, CancelState.ACCEPTED, now)
    answers |= await _keep(session, to_ask, user_id, CancelState.REQUESTED, now)
    await _send_on(session, to_ask, user_id)
    return {order_id: answers.get(order_id) or NotFoundError() for order_id in order_ids}


def why_not(order: Mapping[str, object]) -> NoCancel | None:
    """Return why a customer cannot cancel an order as it stands; `None` if that can be done or asked for."""
    status = OrderStatus(str(order["status"]))
    if status in FINISHED or order["kind"] == OrderKind.STOCK:
        return NoCancel.FINISHED
    if order["unconfirmed"]:
        return NoCancel.UNCONFIRMED
    if status is S.FAILED:
        return NoCancel.WITH_STAFF
    if status is S.PENDING or order["kind"] == OrderKind.DRIP:
        return None
    terms = order["terms"]
    assert isinstance(terms, Mapping)
    return None if terms.get("cancel") else NoCancel.NOT_OFFERED


_OWN = text("SELECT id FROM orders WHERE id = ANY(CAST(:ids AS bigint[])) AND user_id = :user")


async def _own_orders(session: AsyncSession, user_id: int, order_ids: Sequence[int]) -> dict[int, OrderRow]:
    asked = {"ids": [one for one in order_ids if is_order_id(one)], "user": user_id}
    own = (await session.scalars(_OWN, asked)).all()
    return await lock_orders(session, own) if own else {}


async def _known_requests(session: AsyncSession, order_ids: Iterable[int]) -> dict[int, CancelRequest]:
    """Return the latest request of each order, unless that was rejected: then another may be made."""
    ids = list(order_ids)
    if not ids:
        return {}
    wanted = (
        select(CancelRequest)
        .where(CancelRequest.order_id.in_(ids))
        .ext(distinct_on(CancelRequest.order_id))
        .order_by(CancelRequest.order_id, CancelRequest.id.desc())
        .execution_options(populate_existing=True)
    )
    latest = (await session.scalars(wanted)).all()
    return {one.order_id: one for one in latest if one.state != CancelState.REJECTED}


async def _cancel_now(session: AsyncSession, rows: Sequence[OrderRow], user_id: int, now: datetime) -> None:
    changes = [
        Change(row["id"], S.CANCELED, note="canceled before it was sent", remains=row["quantity"], actor_id=user_id)
        for row in rows
    ]
    await settle(session, changes, now=now, watch=timedelta(0))


async def _end(
    session: AsyncSession, row: OrderRow, user_id: int, answers: dict[int, CancelAnswer], now: datetime
) -> bool:
    try:
        await end_drip(session, row, actor_id=user_id, now=now)
    except DripStateError:
        # All its runs have started: there is no rest, and each run is canceled by itself.
        answers[row["id"]] = CannotCancelError(NoCancel.FINISHED)
        return False
    return True


async def _keep(
    session: AsyncSession, rows: Sequence[OrderRow], user_id: int, state: CancelState, now: datetime
) -> dict[int, CancelRequest]:
    done = state is CancelState.ACCEPTED
    made = {
        row["id"]: CancelRequest(
            order_id=row["id"],
            user_id=user_id,
            state=state.value,
            due_at=now,
            created_at=now,
            finished_at=now if done else None,
        )
        for row in rows
    }
    session.add_all(made.values())
    await session.flush()
    return made


async def _send_on(session: AsyncSession, rows: Sequence[OrderRow], user_id: int) -> None:
    asked = CancelState.REQUESTED.value
    await add_events(session, [Event(row["id"], "cancel", after=asked, actor_id=user_id) for row in rows])
    await record(session, *(CancelRequested(order_id=row["id"], user_id=user_id) for row in rows))
    for provider_id in {row["provider_id"] for row in rows if row["external_id"] is not None}:
        wake_cancels(session, provider_id)


async def reject_cancel(session: AsyncSession, actor: Actor, order_id: int, reason: str, now: datetime) -> None:
    """Turn a waiting cancel request down: of a manual service, or one that its provider never answers."""
    actor.require(Permission.ORDERS_EDIT)
    reason = reason.strip()
    if not reason or len(reason) > REASON_LENGTH_MAX:
        raise InvalidInputError(
            field="reason", reason=marked("is needed, at most {most} characters"), most=REASON_LENGTH_MAX
        )
    row = (await lock_orders(session, [order_id]))[order_id]
    if not await close_cancels(session, [order_id], CancelState.REJECTED, now, reason=reason, actor_id=actor.user_id):
        raise NotFoundError
    await tell(session, "orders", [row["user_id"]])
    after = {"cancel": CancelState.REJECTED.value, "reason": reason}
    await audit(session, actor, Permission.ORDERS_EDIT, f"order:{order_id}", after=after)


_CLOSE = text(
    "UPDATE cancel_requests SET state = :state, reason = :reason, finished_at = :now"
    " WHERE order_id = ANY(CAST(:ids AS bigint[])) AND state IN ('requested', 'sending') RETURNING order_id"
)


async def close_cancels(
    session: AsyncSession,
    order_ids: Sequence[int],
    state: CancelState,
    now: datetime,
    *,
    reason: str | None = None,
    actor_id: int | None = None,
) -> list[int]:
    """Close the open requests of orders that the caller has locked; returns which orders had one."""
    asked = {"ids": list(order_ids), "state": state.value, "reason": reason, "now": now}
    closed = list((await session.scalars(_CLOSE, asked)).all())
    before = CancelState.REQUESTED.value
    events = [Event(one, "cancel", before, state.value, reason or "", actor_id) for one in closed]
    await add_events(session, events)
    return closed
