"""What staff can do to an order on its page: each deed with its permission, when it makes sense, and what it takes.

The verbs decide; what stands here only keeps buttons away that would be refused, and reads forms.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.orders.cancels import reject_cancel
from smmpanel.orders.fulfilling import (
    COUNT_MAX,
    REASON_LENGTH_MAX,
    cancel_and_refund,
    mark_completed,
    partial_manual,
    set_partial,
    set_start_count,
    start_manual,
)
from smmpanel.orders.models import (
    ORDER_FLOW,
    CancelRequest,
    CancelState,
    DripState,
    OrderKind,
    OrderStatus,
    Refill,
    RefillState,
)
from smmpanel.orders.queries import OrderView
from smmpanel.orders.refills import STAFF_FLOW, set_refill
from smmpanel.orders.resolving import EXTERNAL_ID_MAX, resend_order, resolve_not_taken, resolve_taken
from smmpanel.orders.setting_remains import RUNNING, set_remains
from smmpanel.orders.steering_drips import pause_drip, resume_drip

# icons: send circle-check circle-x circle-help circle-play circle-pause pencil scissors refresh-ccw rotate-cw ban
S = OrderStatus
WHOLE_NUMBER = marked("Enter a whole number from {low} to {high}.")
TEXT_NEEDED = marked("Enter 1 to {most} characters.")
STATE_NEEDED = marked("Choose what became of it.")
REFILL_NAMES = {
    RefillState.PENDING: marked("Ask the provider again"),
    RefillState.IN_PROGRESS: marked("It is under way"),
    RefillState.COMPLETED: marked("It is done"),
    RefillState.REJECTED: marked("It is turned down"),
    RefillState.ERROR: marked("It is unclear"),
}


class WrongFieldError(Exception):
    """A field of a deed's form is wrong; the sentence is translated where it is shown."""

    def __init__(self, name: str, sentence: str, **fields: object) -> None:
        super().__init__(name)
        self.name, self.sentence, self.fields = name, sentence, fields


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order with what decides about its deeds."""

    order: OrderView
    held: Decimal
    """What is still held for it; of a drip-feed, for the runs to come."""
    refills: tuple[Refill, ...] = ()
    """The latest first."""
    cancel: CancelRequest | None = None
    """The request that waits for an answer."""

    @property
    def own_refunded(self) -> Decimal:
        """What can still be paid back by canceling it."""
        return self.held if self.order.kind == OrderKind.DRIP else self.order.charge - self.order.refunded

    @property
    def refill_moves(self) -> list[tuple[str, str]]:
        """What staff may make of its latest refill: pairs of a state and its name."""
        if not self.refills:
            return []
        before = RefillState(self.refills[0].state)
        return [(state.value, name) for state, name in REFILL_NAMES.items() if STAFF_FLOW.allows(before, state)]

    def may_become(self, status: OrderStatus) -> bool:
        """Whether staff may move it there: the flow has the move, and it is in no doubt."""
        here = S(self.order.status)
        in_doubt = self.order.unconfirmed or here is S.SUBMITTING
        return not in_doubt and ORDER_FLOW.allows(here, status)


_HELD = text("SELECT charge - refunded - earned - allocated FROM orders WHERE id = :id")


async def state_of(session: AsyncSession, order: OrderView) -> OrderState:
    """Read what decides about an order's deeds."""
    held = await session.scalar(_HELD, {"id": order.id})
    refills = await session.scalars(
        select(Refill).where(Refill.order_id == order.id).order_by(Refill.id.desc()).limit(20)
    )
    cancel = await session.scalar(
        select(CancelRequest).where(
            CancelRequest.order_id == order.id, CancelRequest.state.in_((CancelState.REQUESTED, CancelState.SENDING))
        )
    )
    return OrderState(order, Decimal(held or 0), tuple(refills.all()), cancel)


@dataclass(frozen=True, slots=True)
class Doing:
    """A deed under way: who does it to which order, and what was typed."""

    session: AsyncSession
    panel: Panel
    actor: Actor
    state: OrderState
    form: Mapping[str, str]
    now: datetime

    @property
    def order_id(self) -> int:
        """The order's id."""
        return self.state.order.id

    def number(self, name: str, low: int, high: int) -> int:
        """Read a whole number, with whatever separators; raises `WrongFieldError`."""
        digits = self.form.get(name, "").strip().translate(_SEPARATORS)
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and low <= int(digits) <= high):
            raise WrongFieldError(name, WHOLE_NUMBER, low=low, high=high)
        return int(digits)

    def words(self, name: str, most: int) -> str:
        """Read a text that is needed; raises `WrongFieldError`."""
        typed = self.form.get(name, "").strip()
        if not 0 < len(typed) <= most or not typed.replace("\n", " ").replace("\r", "").isprintable():
            raise WrongFieldError(name, TEXT_NEEDED, most=most)
        return typed


_SEPARATORS = str.maketrans("", "", " .,\u00a0\u202f")
Verb = Callable[[Doing], Awaitable[Money | None]]
"""Does it, and returns what was paid back, if anything was."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that staff can do: its name in addresses, its words, who may, when, and what its form asks for."""

    name: str
    label: str
    icon: str
    permissions: tuple[Permission, ...]
    fits: Callable[[OrderState], bool]
    verb: Verb = field(repr=False)
    fields: tuple[str, ...] = ()
    danger: bool = False

    def is_for(self, actor: Actor) -> bool:
        """Whether somebody may do this at all."""
        return all(actor.may(permission) for permission in self.permissions)


async def _resend(do: Doing) -> None:
    await resend_order(do.session, do.panel, do.actor, do.order_id, now=do.now)


async def _taken(do: Doing) -> None:
    external_id = do.words("external_id", EXTERNAL_ID_MAX)
    await resolve_taken(do.session, do.panel, do.actor, do.order_id, external_id, now=do.now)


async def _not_taken(do: Doing) -> None:
    await resolve_not_taken(do.session, do.panel, do.actor, do.order_id, now=do.now)


async def _start(do: Doing) -> None:
    count = do.number("start_count", 0, COUNT_MAX) if do.form.get("start_count", "").strip() else None
    await start_manual(do.session, do.actor, do.order_id, start_count=count, now=do.now)


async def _complete(do: Doing) -> None:
    await mark_completed(do.session, do.actor, do.order_id, now=do.now)


async def _partial(do: Doing) -> Money:
    remains = do.number("remains", 1, max(do.state.order.quantity - 1, 1))
    by_hand = do.state.order.kind == OrderKind.MANUAL and do.state.order.status == S.PENDING
    verb = partial_manual if by_hand else set_partial
    return await verb(do.session, do.actor, do.order_id, remains, now=do.now)


async def _refund(do: Doing) -> Money:
    reason = do.words("reason", REASON_LENGTH_MAX)
    return await cancel_and_refund(do.session, do.actor, do.order_id, reason, now=do.now)


async def _start_count(do: Doing) -> None:
    await set_start_count(do.session, do.actor, do.order_id, do.number("start_count", 0, COUNT_MAX))


async def _remains(do: Doing) -> None:
    await set_remains(do.session, do.actor, do.order_id, do.number("remains", 0, do.state.order.quantity))


async def _pause(do: Doing) -> None:
    await pause_drip(do.session, do.actor, do.order_id)


async def _resume(do: Doing) -> None:
    await resume_drip(do.session, do.actor, do.order_id, now=do.now)


async def _refill(do: Doing) -> None:
    wanted = do.form.get("state", "")
    if wanted not in {state for state, _ in do.state.refill_moves}:
        raise WrongFieldError("state", STATE_NEEDED)
    reason = do.words("note", REASON_LENGTH_MAX) if do.form.get("note", "").strip() else ""
    external_id = do.words("external_id", EXTERNAL_ID_MAX) if do.form.get("external_id", "").strip() else None
    refill_id = do.state.refills[0].id
    state = RefillState(wanted)
    await set_refill(do.session, do.actor, refill_id, state, now=do.now, reason=reason, external_id=external_id)


async def _reject_cancel(do: Doing) -> None:
    await reject_cancel(do.session, do.actor, do.order_id, do.words("reason", REASON_LENGTH_MAX), do.now)


def _is_drip(state: OrderState, *drip_states: DripState) -> bool:
    return state.order.kind == OrderKind.DRIP and state.order.drip_state in drip_states


def _fits_refund(state: OrderState) -> bool:
    if state.order.kind == OrderKind.DRIP:
        return _is_drip(state, DripState.ACTIVE, DripState.PAUSED)
    return state.may_become(S.CANCELED)


def _fits_partial(state: OrderState) -> bool:
    order = state.order
    by_hand = order.kind == OrderKind.MANUAL and order.status == S.PENDING
    return order.kind != OrderKind.DRIP and order.quantity > 1 and (by_hand or state.may_become(S.PARTIAL))


def _fits_complete(state: OrderState) -> bool:
    return state.order.kind not in {OrderKind.DRIP, OrderKind.SUBSCRIPTION} and state.may_become(S.COMPLETED)


P = Permission
RESEND = Deed(
    "resend", marked("Send again"), "send", (P.ORDERS_RESEND,), lambda state: state.order.status == S.FAILED, _resend
)
NOT_TAKEN = Deed(
    "not-taken",
    marked("It was not taken: send again"),
    "rotate-cw",
    (P.ORDERS_SETTLE,),
    lambda state: state.order.unconfirmed,
    _not_taken,
)
COMPLETE = Deed("complete", marked("Mark completed"), "circle-check", (P.ORDERS_EDIT,), _fits_complete, _complete)
REFUND = Deed(
    "refund",
    marked("Cancel and refund"),
    "circle-x",
    (P.ORDERS_REFUND,),
    _fits_refund,
    _refund,
    fields=("reason",),
    danger=True,
)
DEEDS: Mapping[str, Deed] = {
    deed.name: deed
    for deed in (
        Deed(
            "taken",
            marked("It was taken"),
            "circle-help",
            (P.ORDERS_SETTLE,),
            lambda state: state.order.unconfirmed,
            _taken,
            fields=("external_id",),
        ),
        NOT_TAKEN,
        RESEND,
        Deed(
            "start",
            marked("Begin"),
            "circle-play",
            (P.ORDERS_EDIT,),
            lambda state: state.order.kind == OrderKind.MANUAL and state.order.status == S.PENDING,
            _start,
            fields=("start_count?",),
        ),
        COMPLETE,
        Deed(
            "partial",
            marked("Delivered in part"),
            "scissors",
            (P.ORDERS_REFUND,),
            _fits_partial,
            _partial,
            fields=("remains",),
            danger=True,
        ),
        REFUND,
        Deed(
            "reject-cancel",
            marked("Turn the cancel request down"),
            "ban",
            (P.ORDERS_EDIT,),
            lambda state: state.cancel is not None,
            _reject_cancel,
            fields=("reason",),
        ),
        Deed(
            "refill",
            marked("Answer the refill"),
            "refresh-ccw",
            (P.ORDERS_EDIT,),
            lambda state: bool(state.refill_moves),
            _refill,
            fields=("state", "external_id?", "note?"),
        ),
        Deed(
            "pause",
            marked("Pause"),
            "circle-pause",
            (P.ORDERS_EDIT,),
            lambda state: _is_drip(state, DripState.ACTIVE),
            _pause,
        ),
        Deed(
            "resume",
            marked("Go on"),
            "circle-play",
            (P.ORDERS_EDIT,),
            lambda state: _is_drip(state, DripState.PAUSED),
            _resume,
        ),
        Deed(
            "start-count",
            marked("Set start count"),
            "pencil",
            (P.ORDERS_EDIT,),
            lambda _: True,
            _start_count,
            fields=("start_count",),
        ),
        Deed(
            "remains",
            marked("Set remains"),
            "pencil",
            (P.ORDERS_EDIT,),
            lambda state: state.order.status in RUNNING and state.order.kind != OrderKind.DRIP,
            _remains,
            fields=("remains",),
        ),
    )
}
"""All deeds by name, in the order in which a page offers them."""
BULK_DEEDS = (RESEND, NOT_TAKEN, COMPLETE, REFUND)
"""What can be done to many orders at once."""


def deeds_for(actor: Actor, state: OrderState) -> list[Deed]:
    """Return what somebody may do to an order as it stands."""
    return [deed for deed in DEEDS.values() if deed.is_for(actor) and deed.fits(state)]
