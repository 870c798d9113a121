"""Recording what providers answered to handed-in orders: transaction 2 of claim, call, record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.facts import Fact, record
from smmpanel.notifications import AlertLevel, raise_alert
from smmpanel.orders.claiming import Claim
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.rerouting import Detour, reroute
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.timeline import Event, add_events
from smmpanel.providers.protocol import ProviderFailure, TryLater

ANSWER_LENGTH_MAX = 4000
ACCEPTED, UNKNOWN = "accepted", "unknown"
STRAY_ALERT = "order_accepted_late"


class OrderUnconfirmed(Fact):
    """Nobody knows whether a provider took an order."""

    fact = "order_unconfirmed"
    order_id: int
    provider_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended: `accepted` with an external id, or one of the five failures with what was said."""

    claim: Claim
    outcome: str
    text: str = ""
    answer: str | None = None
    external_id: str | None = None
    took_ms: int = 0
    failure: ProviderFailure | None = None


_CLOSE_ATTEMPTS = text(
    "UPDATE order_attempts a SET outcome = v.outcome, answer = v.answer, external_id = v.external_id, took_ms = v.took_ms,"
    " finished_at = :now"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:outcomes AS text[]), CAST(:answers AS text[]), CAST(:externals AS text[]),"
    " CAST(:took AS int[])) AS v(id, outcome, answer, external_id, took_ms) WHERE a.id = v.id"
)
_STILL_OURS = text(
    "SELECT o.id FROM orders o JOIN unnest(CAST(:ids AS bigint[]), CAST(:attempts AS bigint[])) AS v(id, attempt_id) ON v.id = o.id"
    " WHERE o.status = 'submitting'"
    " AND NOT EXISTS (SELECT FROM order_attempts later WHERE later.order_id = o.id AND later.id > v.attempt_id)"
    " ORDER BY o.id FOR NO KEY UPDATE OF o"
)
_TAKEN_IDS = text(
    "SELECT external_id FROM orders WHERE provider_id = :provider AND external_id = ANY(CAST(:externals AS text[]))"
)
_MARK_UNCONFIRMED = text(
    "UPDATE orders SET unconfirmed = true, reason = v.reason, claimed_until = NULL"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[])) AS v(id, reason)"
    " WHERE orders.id = v.id AND status = 'submitting'"
)


async def record_outcomes(
    session: AsyncSession,
    provider_id: int,
    outcomes: Sequence[Outcome],
    *,
    currency: str,
    now: datetime,
    watch: timedelta,
) -> None:
    """Complete the attempts and move their orders on: accepted, sent another way, or held as unconfirmed."""
    if not outcomes:
        return
    ours = await _still_ours(session, outcomes)
    outcomes = await _without_shared_ids(session, provider_id, outcomes)
    await _close_attempts(session, outcomes, now)
    live = [one for one in outcomes if one.claim.order_id in ours]
    accepted = [one for one in live if one.outcome == ACCEPTED]
    await settle(session, [_acceptance(one) for one in accepted], now=now, watch=watch)
    await mark_unconfirmed(
        session, provider_id, [(one.claim.order_id, one.text) for one in live if one.outcome == UNKNOWN]
    )
    detours = [
        Detour(one.claim.order_id, one.outcome, one.text, one.claim.route_id, _asked_wait(one.failure))
        for one in live
        if one.outcome not in {ACCEPTED, UNKNOWN}
    ]
    await reroute(session, detours, currency=currency, now=now)
    await _tell_of_strays(session, provider_id, [one for one in outcomes if one.claim.order_id not in ours])


async def _tell_of_strays(session: AsyncSession, provider_id: int, late: Sequence[Outcome]) -> None:
    """Tell staff of acceptances that came after somebody settled the order another way: it may now be there twice."""
    for one in late:
        if one.outcome == ACCEPTED:
            note = f"the provider accepted it as {one.external_id}, after it had been settled otherwise"
            await add_events(session, [Event(one.claim.order_id, "stray", note=note)])
            await raise_alert(
                session,
                STRAY_ALERT,
                f"order:{one.claim.order_id}",
                AlertLevel.CRITICAL,
                provider=provider_id,
                external_id=one.external_id,
            )


def _asked_wait(failure: ProviderFailure | None) -> int | None:
    return failure.retry_after_seconds if isinstance(failure, TryLater) else None


async def _still_ours(session: AsyncSession, outcomes: Sequence[Outcome]) -> set[int]:
    # Staff may have settled an order whose answer took longer than its claim; what they said stands.
    asked = {
        "ids": [one.claim.order_id for one in outcomes],
        "attempts": [one.claim.attempt_id for one in outcomes],
    }
    return set((await session.scalars(_STILL_OURS, asked)).all())


async def _without_shared_ids(session: AsyncSession, provider_id: int, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Turn acceptances under an id that another order has into unknowns: some providers merge what looks repeated."""
    externals = [one.external_id for one in outcomes if one.outcome == ACCEPTED]
    if not externals:
        return list(outcomes)
    taken = set((await session.scalars(_TAKEN_IDS, {"provider": provider_id, "externals": externals})).all())
    checked = []
    for one in outcomes:
        if one.outcome == ACCEPTED and one.external_id in taken:
            said = f"the provider answered with order {one.external_id}, which is another order's"
            checked.append(Outcome(one.claim, UNKNOWN, said, one.answer, one.external_id, one.took_ms))
            continue
        if one.external_id is not None:
            taken.add(one.external_id)
        checked.append(one)
    return checked


async def _close_attempts(session: AsyncSession, outcomes: Sequence[Outcome], now: datetime) -> None:
    await session.execute(
        _CLOSE_ATTEMPTS,
        {
            "ids": [one.claim.attempt_id for one in outcomes],
            "outcomes": [one.outcome for one in outcomes],
            "answers": [_storable(one.answer if one.answer is not None else one.text) for one in outcomes],
            "externals": [one.external_id for one in outcomes],
            "took": [one.took_ms for one in outcomes],
            "now": now,
        },
    )


def _storable(answer: str) -> str:
    # PostgreSQL's text cannot hold NUL, and providers send what they like.
    return answer.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:ANSWER_LENGTH_MAX]


def _acceptance(one: Outcome) -> Change:
    return Change(
        one.claim.order_id,
        OrderStatus.PROCESSING,
        note=f"accepted in {one.took_ms} ms",
        external_id=one.external_id,
    )


async def mark_unconfirmed(session: AsyncSession, provider_id: int, unclear: Sequence[tuple[int, str]]) -> None:
    """Hold orders of which nobody knows whether they were taken. They are neither sent again nor paid back on a guess."""
    if not unclear:
        return
    reasons = {order_id: _storable(reason) for order_id, reason in unclear}
    await session.execute(_MARK_UNCONFIRMED, {"ids": list(reasons), "reasons": list(reasons.values())})
    await add_events(session, [Event(order_id, "unconfirmed", note=reason) for order_id, reason in reasons.items()])
    await record(
        session,
        *(OrderUnconfirmed(order_id=order_id, provider_id=provider_id, text=why) for order_id, why in reasons.items()),
    )
