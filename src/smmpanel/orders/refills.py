"""Refills: asked for within the window that the order was placed under, each followed to its end."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.live import tell
from smmpanel.kernel.states import Flow
from smmpanel.orders.asking_refills import wake_refills
from smmpanel.orders.models import OrderKind, Refill, RefillState
from smmpanel.orders.owning import is_order_id
from smmpanel.orders.refill_rules import Eligible, NotEligible, refill_eligibility
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.writing import OrderRow, lock_orders

REASON_LENGTH_MAX = 500
EXTERNAL_ID_MAX = 100
R = RefillState
STAFF_FLOW = Flow(
    {
        R.PENDING: {R.IN_PROGRESS, R.COMPLETED, R.REJECTED},
        # The call is on its way; when its answer is lost for good it becomes an error.
        R.REQUESTING: set(),
        R.IN_PROGRESS: {R.COMPLETED, R.REJECTED, R.ERROR},
        R.ERROR: {R.PENDING, R.IN_PROGRESS, R.COMPLETED, R.REJECTED},
        R.COMPLETED: set(),
        R.REJECTED: set(),
    }
)
"""What staff may make of a refill. From `error` to `pending` means: ask again."""


class NotEligibleError(ConflictError):
    """The order gets no refill; `reason` is a `NoRefill`, the message says why."""

    code, message = "refill_refused", "{text}"

    def __init__(self, refusal: NotEligible) -> None:
        super().__init__(text=refusal.text, reason=refusal.code.value, until=refusal.until)
        self.refusal = refusal


class RefillRequested(Fact):
    """A customer asked for a refill. Refills of manual services wait for staff."""

    fact = "refill_requested"
    refill_id: int
    order_id: int
    user_id: int


RefillAnswer = Refill | PanelError


async def request_refill(session: AsyncSession, user_id: int, order_id: int, now: datetime) -> Refill:
    """Ask for a refill of one of a user's orders; raises `NotFoundError`, or `NotEligibleError` with the reason."""
    answer = (await request_refills(session, user_id, [order_id], now))[order_id]
    if isinstance(answer, PanelError):
        raise answer
    return answer


async def request_refills(
    session: AsyncSession, user_id: int, order_ids: Sequence[int], now: datetime
) -> dict[int, RefillAnswer]:
    """Ask for refills of several of a user's orders, each answered for itself, in the order given."""
    own = await _own_orders(session, user_id, order_ids)
    # Under the orders' locks, so of two requests at once the second sees the first one's.
    outlook = await _outlook(session, own, now)
    made = {
        order_id: Refill(
            order_id=order_id,
            user_id=user_id,
            provider_id=None if row["kind"] == OrderKind.MANUAL else row["provider_id"],
            state=R.PENDING.value,
            due_at=now,
            created_at=now,
        )
        for order_id, row in own.items()
        if isinstance(outlook[order_id], Eligible)
    }
    session.add_all(made.values())
    await session.flush()
    await add_events(session, [Event(one, "refill", after=R.PENDING.value) for one in made])
    facts = [RefillRequested(refill_id=one.id, order_id=one.order_id, user_id=user_id) for one in made.values()]
    await record(session, *facts)
    for provider_id in {one.provider_id for one in made.values() if one.provider_id is not None}:
        wake_refills(session, provider_id)
    answers: dict[int, RefillAnswer] = {}
    for order_id in order_ids:
        refusal = outlook.get(order_id)
        if order_id in made:
            answers[order_id] = made[order_id]
        else:
            answers[order_id] = NotEligibleError(refusal) if isinstance(refusal, NotEligible) else NotFoundError()
    return answers


async def refill_outlook(
    session: AsyncSession, order_ids: Iterable[int], now: datetime
) -> dict[int, Eligible | NotEligible]:
    """Tell of each order whether a refill may be asked for, without locking anything: for lists and buttons."""
    rows = (await session.execute(_ORDERS, {"ids": list(order_ids)})).mappings()
    return await _outlook(session, {row["id"]: dict(row) for row in rows}, now)


_OWN = text("SELECT id FROM orders WHERE id = ANY(CAST(:ids AS bigint[])) AND user_id = :user")
_ORDERS = text(
    "SELECT id, kind, status, terms, finished_at, provider_id, external_id FROM orders"
    " WHERE id = ANY(CAST(:ids AS bigint[]))"
)
_LATEST = text(
    "SELECT o.id, r.state, ps.refill FROM orders o"
    " LEFT JOIN LATERAL (SELECT state FROM refills WHERE order_id = o.id ORDER BY id DESC LIMIT 1) r ON true"
    " LEFT JOIN service_routes sr ON sr.id = o.route_id"
    " LEFT JOIN provider_services ps ON ps.id = sr.provider_service_id"
    " WHERE o.id = ANY(CAST(:ids AS bigint[]))"
)


async def _own_orders(session: AsyncSession, user_id: int, order_ids: Sequence[int]) -> dict[int, OrderRow]:
    asked = {"ids": [one for one in order_ids if is_order_id(one)], "user": user_id}
    own = (await session.scalars(_OWN, asked)).all()
    return await lock_orders(session, own) if own else {}


async def _outlook(
    session: AsyncSession, orders: dict[int, OrderRow], now: datetime
) -> dict[int, Eligible | NotEligible]:
    if not orders:
        return {}
    known = {row.id: row for row in await session.execute(_LATEST, {"ids": list(orders)})}
    return {
        order_id: refill_eligibility(
            order,
            now,
            latest=None if known[order_id].state is None else RefillState(known[order_id].state),
            provider_refills=known[order_id].refill,
        )
        for order_id, order in orders.items()
    }


async def set_refill(
    session: AsyncSession,
    actor: Actor,
    refill_id: int,
    state: RefillState,
    *,
    now: datetime,
    reason: str = "",
    external_id: str | None = None,
) -> Refill:
    """Say what became of a refill: of a manual service's, or of one that the provider left unclear.

    One set to `in_progress` at a provider needs its external id there; one set to `pending` is asked for again.
    """
    actor.require(Permission.ORDERS_EDIT)
    if len(reason) > REASON_LENGTH_MAX:
        raise InvalidInputError(
            field="reason", reason=marked("must have at most {most} characters"), most=REASON_LENGTH_MAX
        )
    wanted = select(Refill).where(Refill.id == refill_id).with_for_update(key_share=True)
    refill = await session.scalar(wanted.execution_options(populate_existing=True))
    if refill is None:
        raise NotFoundError
    before = RefillState(refill.state)
    STAFF_FLOW.check(before, state)
    _check_external_id(refill, state, external_id)
    refill.state = state.value
    refill.reason = reason or None
    refill.external_id = external_id or refill.external_id
    refill.due_at = now
    refill.finished_at = now if state in {R.COMPLETED, R.REJECTED, R.ERROR} else None
    await session.flush()
    event = Event(refill.order_id, "refill", before.value, state.value, reason, actor.user_id)
    await add_events(session, [event])
    await tell(session, "orders", [refill.user_id])
    after: dict[str, Any] = {"refill": refill.id, "state": state.value, "reason": reason}
    subject = f"order:{refill.order_id}"
    await audit(session, actor, Permission.ORDERS_EDIT, subject, before={"state": before.value}, after=after)
    if refill.provider_id is not None and state in {R.PENDING, R.IN_PROGRESS}:
        wake_refills(session, refill.provider_id)
    return refill


def _check_external_id(refill: Refill, state: RefillState, external_id: str | None) -> None:
    if external_id is not None and not (external_id.isprintable() and 0 < len(external_id) <= EXTERNAL_ID_MAX):
        raise InvalidInputError(
            field="external_id", reason=marked("must have 1 to {most} printable characters"), most=EXTERNAL_ID_MAX
        )
    followed = state is R.IN_PROGRESS and refill.provider_id is not None
    if followed and external_id is None and refill.external_id is None:
        raise InvalidInputError(field="external_id", reason=marked("is needed to follow the refill at its provider"))
