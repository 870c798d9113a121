"""What customers read: the field's own words for where an order, a refill or a cancel request stands, and its numbers."""

from decimal import Decimal

from smmpanel.orders.models import CancelState, DripState, OrderKind, OrderStatus, RefillState

S = OrderStatus
PENDING = "Pending"
ACTIVE, PAUSED = "Active", "Paused"

STATUS_WORDS = {
    S.PENDING: PENDING,
    S.SUBMITTING: PENDING,
    # Staff settle these: until then they are as good as waiting, and their money is held.
    S.FAILED: PENDING,
    S.PROCESSING: "Processing",
    S.IN_PROGRESS: "In progress",
    S.COMPLETED: "Completed",
    S.PARTIAL: "Partial",
    S.CANCELED: "Canceled",
}
TABS: dict[str, tuple[OrderStatus, ...]] = {
    "pending": (S.PENDING, S.SUBMITTING, S.FAILED),
    "processing": (S.PROCESSING,),
    "in_progress": (S.IN_PROGRESS,),
    "completed": (S.COMPLETED,),
    "partial": (S.PARTIAL,),
    "canceled": (S.CANCELED,),
}
"""The tabs of a customer's order list, and which statuses are behind each."""

_REFILL_WORDS = {
    RefillState.PENDING: PENDING,
    RefillState.REQUESTING: PENDING,
    # Its answer was lost, and staff are finding out.
    RefillState.ERROR: PENDING,
    RefillState.IN_PROGRESS: "In progress",
    RefillState.COMPLETED: "Completed",
    RefillState.REJECTED: "Rejected",
}
_CANCEL_WORDS = {
    CancelState.REQUESTED: "Requested",
    CancelState.SENDING: "Requested",
    CancelState.ACCEPTED: "Accepted",
    CancelState.REJECTED: "Rejected",
}


def status_word(status: str, kind: str = OrderKind.NORMAL, drip_state: str | None = None) -> str:
    """Return the word for an order's status; running drip-feeds and subscriptions are Active, or Paused."""
    here = OrderStatus(status)
    if kind == OrderKind.DRIP and here in {S.PENDING, S.IN_PROGRESS}:
        return PAUSED if drip_state == DripState.PAUSED else ACTIVE
    if kind == OrderKind.SUBSCRIPTION and here in {S.PROCESSING, S.IN_PROGRESS}:
        return ACTIVE
    return STATUS_WORDS[here]


def refill_word(state: str) -> str:
    """Return the word for a refill's state."""
    return _REFILL_WORDS[RefillState(state)]


def cancel_word(state: str) -> str:
    """Return the word for a cancel request's state."""
    return _CANCEL_WORDS[CancelState(state)]


def net_charge(charge: Decimal, *refunded: Decimal | None) -> Decimal:
    """Return what an order has cost its customer after all that was paid back."""
    return charge - sum((one for one in refunded if one is not None), Decimal(0))


def shown_remains(status: str, quantity: int, remains: int | None) -> int:
    """Return how much is still to be delivered; all of it until the provider has said something."""
    if remains is not None:
        return min(max(remains, 0), quantity)
    return 0 if status == S.COMPLETED else quantity
