"""How often an order is looked at: fresh ones often, old ones seldom, finished ones for some days more."""

from datetime import datetime, timedelta

from smmpanel.orders.models import FINISHED, OrderStatus

SOONEST = timedelta(seconds=20)
LATEST = timedelta(minutes=5)
"""No open order waits longer than this for news (requirement E5)."""
AGE_SHARE = 12
"""An order is looked at about this many times while its age doubles."""
FINISHED_EVERY = timedelta(hours=6)


def next_check_at(
    status: OrderStatus, *, submitted_at: datetime, finished_at: datetime | None, now: datetime, watch: timedelta
) -> datetime | None:
    """Return when an order that a provider has is to be looked at next; `None` for never again."""
    if status is OrderStatus.CANCELED:
        return None
    if status in FINISHED:
        assert finished_at is not None
        return now + FINISHED_EVERY if now + FINISHED_EVERY < finished_at + watch else None
    pause = (now - submitted_at) / AGE_SHARE
    return now + min(max(pause, SOONEST), LATEST)


NEXT_CHECK = f"""CASE
    WHEN o.status = '{OrderStatus.CANCELED}' THEN NULL
    WHEN o.status IN ({", ".join(f"'{status}'" for status in FINISHED)})
    THEN CASE WHEN CAST(:now AS timestamptz) + CAST(:finished_every AS interval) < o.finished_at + CAST(:watch AS interval)
              THEN CAST(:now AS timestamptz) + CAST(:finished_every AS interval) END
    ELSE CAST(:now AS timestamptz) + least(
        greatest((CAST(:now AS timestamptz) - coalesce(o.submitted_at, o.created_at)) / {AGE_SHARE}, CAST(:soonest AS interval)),
        CAST(:latest AS interval))
END"""
"""`next_check_at` in SQL, of orders `o` that have been submitted, with the values of `next_check_values`."""


def next_check_values(*, now: datetime, watch: timedelta) -> dict[str, datetime | timedelta]:
    """Return what `NEXT_CHECK` is asked with."""
    return {"now": now, "watch": watch, "finished_every": FINISHED_EVERY, "soonest": SOONEST, "latest": LATEST}
