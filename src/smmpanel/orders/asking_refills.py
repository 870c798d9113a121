"""Asking providers for refills, and how they are going: claim, call, record.

A refill is claimed (`requesting`) before it is asked for. If the answer is lost, nobody knows whether the provider began
one, so it is not asked for again: it becomes an `error` that staff clear up. Looking at states can be repeated freely.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.jobs import Backoff, enqueue, job, wake
from smmpanel.kernel.live import tell
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.orders.models import RefillState
from smmpanel.orders.timeline import Event, add_events
from smmpanel.providers.asking import asking
from smmpanel.providers.connecting import adapter_for, provider_by
from smmpanel.providers.protocol import (
    NotSent,
    ProviderFailure,
    RefusedAccount,
    RefusedOrder,
    Rejected,
    TryLater,
    UpstreamRefillStatus,
)

SLICE_SECONDS = 20.0
CLAIM = timedelta(minutes=5)
"""Longer than the wait for a turn and any provider's time-out: after that the worker that claimed a refill must be dead."""
RETRY = timedelta(minutes=2)
LOOK_AGAIN = timedelta(minutes=5)
SOONEST, LATEST = timedelta(minutes=2), timedelta(hours=2)
AGE_SHARE = 12
"""A refill is looked at about this many times while its age doubles."""
SEND_GIVE_UP = timedelta(days=2)
FOLLOW_GIVE_UP = timedelta(days=60)
REASON_LENGTH_MAX = 500
BATCH_MAX = 100
LOST = "the answer was lost: nobody knows whether the provider began a refill"

log = get_logger()
R = RefillState


class RefillChanged(Fact):
    """A refill moved on at its provider."""

    fact = "refill_changed"
    refill_id: int
    order_id: int
    user_id: int
    state: str


@dataclass(frozen=True, slots=True)
class _Move:
    """What became known of one refill."""

    refill_id: int
    state: RefillState
    due_at: datetime
    reason: str | None = None
    external_id: str | None = None


def wake_refills(session: AsyncSession, provider_id: int) -> None:
    """Have a provider's due refills looked at soon after this transaction."""
    wake(session, work_refills.call(once=f"refills:{provider_id}", provider_id=provider_id))


_DUE_PROVIDERS = text(
    "SELECT DISTINCT r.provider_id FROM refills r JOIN providers p ON p.id = r.provider_id AND p.enabled"
    " WHERE r.state IN ('pending', 'requesting', 'in_progress') AND r.due_at <= :now"
)


@job(queue="chores", cron="* * * * * */20")
async def refill_whatever_is_due(panel: Panel) -> None:
    """Start the work at every provider that has refills to ask for or to look at. Idempotent."""
    async with panel.db.transaction() as session:
        due = (await session.scalars(_DUE_PROVIDERS, {"now": panel.clock()})).all()
        await enqueue(session, *(work_refills.call(once=f"refills:{one}", provider_id=one) for one in due))


@job(queue="tracking", retry=Backoff(tries=3))
async def work_refills(panel: Panel, *, provider_id: int) -> None:
    """Ask a provider for due refills and for the states of others, for one slice of time. Idempotent: each is claimed."""
    until = time.monotonic() + SLICE_SECONDS
    async with panel.db.transaction() as session:
        await _give_up_lost(session, provider_id, panel.clock())
    for step in (_send_one, _look_at_some):
        while not panel.stopping.is_set() and time.monotonic() < until:
            if not await step(panel, provider_id):
                break


_LAPSED = text(
    "SELECT id FROM refills WHERE provider_id = :provider AND state = 'requesting' AND due_at <= :now"
    " ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
)


async def _give_up_lost(session: AsyncSession, provider_id: int, now: datetime) -> None:
    lost = (await session.scalars(_LAPSED, {"provider": provider_id, "now": now})).all()
    await _record(session, [_Move(one, R.ERROR, now, LOST) for one in lost], now)


_CLAIM = text(
    "UPDATE refills r SET state = 'requesting', due_at = :until FROM orders o WHERE o.id = r.order_id AND r.id = ("
    " SELECT id FROM refills WHERE provider_id = :provider AND state = 'pending' AND due_at <= :now"
    " ORDER BY due_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)"
    " RETURNING r.id, o.external_id, r.created_at"
)


async def _send_one(panel: Panel, provider_id: int) -> bool:
    """Ask for the next refill; `False` if none is due or the provider may not be asked now."""
    now = panel.clock()
    async with panel.db.transaction() as session:
        asked = {"provider": provider_id, "now": now, "until": now + CLAIM}
        claimed = (await session.execute(_CLAIM, asked)).one_or_none()
    if claimed is None:
        return False
    go_on = True
    try:
        async with asking(panel, provider_id, "refill") as adapter:
            external_id = await adapter.refill(claimed.external_id)
        now = panel.clock()
        move = _Move(claimed.id, R.IN_PROGRESS, now + SOONEST, None, external_id)
    except PanelError as wait:  # no turn, no key: no call was made
        now, go_on = panel.clock(), False
        move = _again_later(claimed.id, claimed.created_at, str(wait), now)
    except ProviderFailure as failure:
        now = panel.clock()
        go_on = not isinstance(failure, TryLater | RefusedAccount)
        move = _after_failure(claimed.id, claimed.created_at, failure, now)
    except Exception:
        # An adapter's bug says nothing about what the provider did.
        log.exception("adapter_broke", refill_id=claimed.id, provider_id=provider_id)
        now = panel.clock()
        move = _Move(claimed.id, R.ERROR, now, "the answer could not be read")
    async with panel.db.transaction() as session:
        await _record(session, [move], now)
    return go_on


def _after_failure(refill_id: int, created_at: datetime, failure: ProviderFailure, now: datetime) -> _Move:
    if isinstance(failure, RefusedOrder):
        return _Move(refill_id, R.REJECTED, now, failure.text)
    if isinstance(failure, NotSent | TryLater | RefusedAccount):
        return _again_later(refill_id, created_at, failure.text, now)
    return _Move(refill_id, R.ERROR, now, f"{LOST} ({failure.text})")


def _again_later(refill_id: int, created_at: datetime, why: str, now: datetime) -> _Move:
    if now - created_at > SEND_GIVE_UP:
        return _Move(refill_id, R.ERROR, now, f"it could not be asked for: {why}")
    return _Move(refill_id, R.PENDING, now + max(RETRY, (now - created_at) / AGE_SHARE), why)


_CLAIM_LOOKS = text(
    "UPDATE refills SET due_at = :until WHERE id IN ("
    " SELECT id FROM refills WHERE provider_id = :provider AND state = 'in_progress' AND due_at <= :now"
    " ORDER BY due_at, id LIMIT :number FOR NO KEY UPDATE SKIP LOCKED)"
    " RETURNING id, external_id, created_at"
)


@dataclass(frozen=True, slots=True)
class _Followed:
    """A refill that a provider has."""

    id: int
    external_id: str
    created_at: datetime


async def _look_at_some(panel: Panel, provider_id: int) -> bool:
    """Ask for the states of the next due refills; `False` if none is due or the provider did not say."""
    now = panel.clock()
    async with panel.db.transaction() as session:
        number = min(adapter_for(panel, await provider_by(session, provider_id)).status_batch_max, BATCH_MAX)
        asked = {"provider": provider_id, "now": now, "until": now + LOOK_AGAIN, "number": number}
        rows = [_Followed(*row) for row in (await session.execute(_CLAIM_LOOKS, asked))]
    if not rows:
        return False
    try:
        async with asking(panel, provider_id, "refill_status") as adapter:
            states = await adapter.refill_status([row.external_id for row in rows])
    except (ProviderFailure, PanelError) as failure:
        log.info("refills_not_looked_at", provider_id=provider_id, why=str(failure))
        return False
    now = panel.clock()
    async with panel.db.transaction() as session:
        await _record(session, _moves(rows, states, now), now)
    return True


def _moves(
    rows: Sequence[_Followed], states: Mapping[str, UpstreamRefillStatus | Rejected], now: datetime
) -> list[_Move]:
    moves = []
    for row in rows:
        said = states.get(row.external_id)
        age = now - row.created_at
        due_at = now + min(max(age / AGE_SHARE, SOONEST), LATEST)
        if said in {UpstreamRefillStatus.COMPLETED, UpstreamRefillStatus.REJECTED, UpstreamRefillStatus.ERROR}:
            reason = None if said is UpstreamRefillStatus.COMPLETED else f"the provider says {said}"
            moves.append(_Move(row.id, RefillState(str(said)), now, reason))
        elif age > FOLLOW_GIVE_UP:
            moves.append(_Move(row.id, R.ERROR, now, "the provider never finished it"))
        else:
            reason = said.text if isinstance(said, Rejected) else None
            moves.append(_Move(row.id, R.IN_PROGRESS, due_at, reason))
    return moves


_LOCK = text(
    "SELECT id, order_id, user_id, state FROM refills WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE"
)
_WRITE = text(
    "UPDATE refills r SET state = v.state, due_at = v.due_at, reason = v.reason,"
    " external_id = coalesce(v.external_id, r.external_id),"
    " finished_at = CASE WHEN v.state IN ('completed', 'rejected', 'error') THEN CAST(:now AS timestamptz) END"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:dues AS timestamptz[]), CAST(:reasons AS text[]),"
    " CAST(:externals AS text[])) AS v(id, state, due_at, reason, external_id) WHERE r.id = v.id"
)


async def _record(session: AsyncSession, moves: Sequence[_Move], now: datetime) -> None:
    """Write what became known; what staff have settled in the meantime stands."""
    if not moves:
        return
    rows = {row.id: row for row in await session.execute(_LOCK, {"ids": [move.refill_id for move in moves]})}
    open_states = {R.PENDING, R.REQUESTING, R.IN_PROGRESS}
    moves = [move for move in moves if rows[move.refill_id].state in open_states]
    if not moves:
        return
    columns = {
        "ids": [move.refill_id for move in moves],
        "states": [move.state.value for move in moves],
        "dues": [move.due_at for move in moves],
        "reasons": [None if move.reason is None else _storable(move.reason) for move in moves],
        "externals": [move.external_id for move in moves],
    }
    await session.execute(_WRITE, {**columns, "now": now})
    # Being claimed and put back is no news for a timeline.
    shown = [move for move in moves if move.state != rows[move.refill_id].state and move.state is not R.PENDING]
    events = []
    for move in shown:
        row = rows[move.refill_id]
        before = R.PENDING.value if row.state == R.REQUESTING else row.state
        events.append(Event(row.order_id, "refill", before, move.state.value, _storable(move.reason or "")))
    await add_events(session, events)
    await tell(session, "orders", {rows[move.refill_id].user_id for move in shown})
    await record(
        session,
        *(
            RefillChanged(
                refill_id=move.refill_id,
                order_id=rows[move.refill_id].order_id,
                user_id=rows[move.refill_id].user_id,
                state=move.state.value,
            )
            for move in shown
        ),
    )


def _storable(said: str) -> str:
    return said.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:REASON_LENGTH_MAX]
