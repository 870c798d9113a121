"""Refills: within the frozen window, one at a time, asked for once, followed to their end."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text

from making import (
    NOW,
    accept,
    at,
    make_provider,
    make_service,
    make_user,
    move,
    place,
    staff,
    upstream_of,
)
from smmpanel.accounts.access import Permission
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import ForbiddenError, InvalidInputError, NotFoundError
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.states import IllegalMoveError
from smmpanel.orders.asking_refills import work_refills
from smmpanel.orders.models import OrderStatus, Refill, RefillState
from smmpanel.orders.refill_rules import Eligible, NoRefill, refill_eligibility
from smmpanel.orders.refills import NotEligibleError, refill_outlook, request_refill, request_refills, set_refill
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import NotSent, RefusedAccount, RefusedOrder, TryLater, Unclear, UpstreamRefillStatus

S, R, U = OrderStatus, RefillState, UpstreamRefillStatus
EDITOR = staff(None, Permission.ORDERS_EDIT)


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session)


@pytest.fixture
async def provider(db: Database, panel: Panel) -> Provider:
    async with db.transaction() as session:
        return await make_provider(session, panel)


async def completed(db: Database, user: int, *providers: Provider, sent_as: str = "77", **service: object) -> int:
    """Make a completed order with a refill window of thirty days."""
    given = {"refill": True, "refill_days": 30, **service}
    async with db.transaction() as session:
        order = await place(session, user, await make_service(session, *providers, **given))
        if providers:
            await accept(session, order, sent_as)
        await move(session, order, S.COMPLETED)
        return order


async def ask(db: Database, user: int, order: int, now: object = NOW) -> Refill:
    async with db.transaction() as session:
        return await request_refill(session, user, order, now)


async def refusal(db: Database, user: int, order: int, now: object = NOW) -> NoRefill:
    with pytest.raises(NotEligibleError) as failure:
        await ask(db, user, order, now)
    return failure.value.refusal.code


async def refill(db: Database, refill_id: int) -> Refill:
    async with db.transaction() as session:
        return await session.get_one(Refill, refill_id)


async def work(panel: Panel, provider: Provider, now: datetime = NOW) -> None:
    await work_refills.function(at(panel, now), provider_id=provider.id)


def order(**more: object) -> dict[str, object]:
    terms = {"refill": True, "refill_days": 30}
    known = {"provider_id": 1, "external_id": "7", "finished_at": NOW, "status": "completed"}
    return {"kind": "normal", "terms": terms, **known, **more}


@pytest.mark.parametrize(
    ("given", "latest", "provider_refills", "code"),
    [
        ({"terms": {"refill": False}}, None, None, NoRefill.NOT_OFFERED),
        ({"kind": "drip"}, None, None, NoRefill.ASK_ITS_RUNS),
        ({"status": "partial"}, None, None, NoRefill.NOT_COMPLETED),
        ({"status": "canceled"}, None, None, NoRefill.NOT_COMPLETED),
        ({"status": "in_progress", "finished_at": None}, None, None, NoRefill.NOT_COMPLETED),
        ({"finished_at": NOW - timedelta(days=30, seconds=1)}, None, None, NoRefill.WINDOW_OVER),
        ({}, R.PENDING, None, NoRefill.ALREADY_OPEN),
        ({}, R.REQUESTING, None, NoRefill.ALREADY_OPEN),
        ({}, R.IN_PROGRESS, None, NoRefill.ALREADY_OPEN),
        ({}, R.ERROR, None, NoRefill.BEING_CLEARED),
        ({}, None, False, NoRefill.NOT_POSSIBLE),
        ({"external_id": None}, None, None, NoRefill.NOT_POSSIBLE),
        ({"kind": "subscription"}, None, None, NoRefill.NOT_POSSIBLE),
        ({"kind": "stock", "provider_id": None}, None, None, NoRefill.NOT_POSSIBLE),
    ],
)
def test_every_refusal_has_its_reason(given, latest, provider_refills, code) -> None:
    answer = refill_eligibility(order(**given), NOW, latest=latest, provider_refills=provider_refills)
    assert answer.code is code


@pytest.mark.parametrize(
    ("given", "latest", "until"),
    [
        ({}, None, NOW + timedelta(days=30)),
        ({}, R.COMPLETED, NOW + timedelta(days=30)),
        ({}, R.REJECTED, NOW + timedelta(days=30)),
        ({"finished_at": NOW - timedelta(days=30)}, None, NOW),
        ({"terms": {"refill": True, "refill_days": None}}, None, None),
        ({"kind": "manual", "provider_id": None, "external_id": None}, None, NOW + timedelta(days=30)),
    ],
)
def test_who_is_eligible_is_told_until_when(given, latest, until) -> None:
    assert refill_eligibility(order(**given), NOW, latest=latest, provider_refills=True) == Eligible(until)


async def test_the_window_is_the_one_that_was_frozen(db: Database, user: int, provider: Provider) -> None:
    done = await completed(db, user, provider)
    async with db.transaction() as session:
        await session.execute(text("UPDATE services SET refill_days = 1"))
    assert (await ask(db, user, done, NOW + timedelta(days=29))).state == "pending"
    other = await completed(db, user, provider, sent_as="78", refill_days=1)
    assert await refusal(db, user, other, NOW + timedelta(days=2)) is NoRefill.WINDOW_OVER


async def test_of_many_requests_at_once_one_makes_a_refill(db: Database, user: int, provider: Provider) -> None:
    done = await completed(db, user, provider)
    answers = await asyncio.gather(*(ask(db, user, done) for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(answer, Refill) for answer in answers) == 1
    refused = [answer for answer in answers if isinstance(answer, NotEligibleError)]
    assert {answer.refusal.code for answer in refused} == {NoRefill.ALREADY_OPEN}
    assert len(refused) == 4


async def test_each_of_several_is_answered_for_itself(db: Database, user: int, provider: Provider) -> None:
    first, second = await completed(db, user, provider), await completed(db, user, provider, sent_as="78", refill=False)
    async with db.transaction() as session:
        stranger = await make_user(session)
        answers = await request_refills(session, user, [second, 10**15, first, 2**70], NOW)
    assert [type(one) for one in answers.values()] == [NotEligibleError, NotFoundError, Refill, NotFoundError]
    with pytest.raises(NotFoundError):
        await ask(db, stranger, first)


async def test_a_refill_is_asked_for_and_followed_to_its_end(
    db: Database, panel: Panel, user: int, provider: Provider
) -> None:
    made = await ask(db, user, await completed(db, user, provider))
    upstream = upstream_of(provider)
    upstream.will("refill", "r1")
    upstream.will("refill_status", {"r1": U.IN_PROGRESS}, {}, {"r1": U.COMPLETED})

    await work(panel, provider)
    asked = await refill(db, made.id)
    assert (asked.state, asked.external_id) == ("in_progress", "r1")
    assert asked.due_at == NOW + timedelta(minutes=2)
    for minutes in (1, 2, 3, 10):
        await work(panel, provider, NOW + timedelta(minutes=minutes))
    await work(panel, provider, NOW + timedelta(minutes=20))

    ended = await refill(db, made.id)
    assert (ended.state, ended.finished_at is None) == ("completed", False)
    assert upstream.asked == [("refill", "77"), *[("refill_status", ["r1"])] * 3]
    async with db.transaction() as session:
        moves = await session.execute(text("SELECT before, after FROM order_events WHERE kind = 'refill' ORDER BY id"))
        assert [tuple(row) for row in moves] == [
            (None, "pending"),
            ("pending", "in_progress"),
            ("in_progress", "completed"),
        ]


async def test_two_workers_ask_for_each_refill_once(db: Database, panel: Panel, user: int, provider: Provider) -> None:
    for number in range(6):
        await ask(db, user, await completed(db, user, provider, sent_as=f"o{number}"))
    upstream = upstream_of(provider)
    upstream.will("refill", *(f"r{number}" for number in range(6)))

    await asyncio.gather(*(work(panel, provider) for _ in range(3)))

    assert sorted(asked for _, asked in upstream.asked) == [f"o{number}" for number in range(6)]


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (RefusedOrder("Order not eligible for refill."), "rejected"),
        (NotSent("connection refused"), "pending"),
        (TryLater("too many requests"), "pending"),
        (RefusedAccount("Invalid API key"), "pending"),
        (Unclear("timeout"), "error"),
        (ZeroDivisionError("a bug"), "error"),
    ],
)
async def test_what_becomes_of_a_refill_whose_call_fails(
    panel: Panel, user: int, provider: Provider, failure: Exception, state: str
) -> None:
    db = panel.db
    made = await ask(db, user, await completed(db, user, provider))
    upstream_of(provider).will("refill", failure)

    await work(panel, provider)
    await work(panel, provider)

    assert (await refill(db, made.id)).state == state
    assert len(upstream_of(provider).asked) == 1


async def test_a_refill_whose_worker_died_is_never_asked_for_again(
    db: Database, panel: Panel, user: int, provider: Provider
) -> None:
    done = await completed(db, user, provider)
    made = await ask(db, user, done)
    async with db.transaction() as session:
        await session.execute(text("UPDATE refills SET state = 'requesting'"))

    await work(panel, provider)

    assert (await refill(db, made.id)).state == "error"
    assert upstream_of(provider).asked == []
    assert await refusal(db, user, done) is NoRefill.BEING_CLEARED


async def test_staff_clear_up_a_lost_refill(db: Database, panel: Panel, user: int, provider: Provider) -> None:
    made = await ask(db, user, await completed(db, user, provider))
    upstream_of(provider).will("refill", Unclear("timeout"))
    await work(panel, provider)

    with pytest.raises(InvalidInputError):
        async with db.transaction() as session:
            await set_refill(session, EDITOR, made.id, R.IN_PROGRESS, now=NOW)
    async with db.transaction() as session:
        await set_refill(session, EDITOR, made.id, R.IN_PROGRESS, now=NOW, external_id="r9")
    upstream_of(provider).will("refill_status", {"r9": U.REJECTED})
    await work(panel, provider)

    assert (await refill(db, made.id)).state == "rejected"


async def test_staff_fulfil_refills_of_manual_services(db: Database, user: int) -> None:
    made = await ask(db, user, await completed(db, user, mode="manual"))
    for nobody in (staff(None), staff(None, Permission.ORDERS_VIEW)):
        with pytest.raises(ForbiddenError):
            async with db.transaction() as session:
                await set_refill(session, nobody, made.id, R.COMPLETED, now=NOW)
    async with db.transaction() as session:
        await set_refill(session, EDITOR, made.id, R.COMPLETED, now=NOW)
        audited = await session.scalar(text("SELECT count(*) FROM audit_log"))
    assert ((await refill(db, made.id)).state, audited) == ("completed", 1)
    with pytest.raises(IllegalMoveError):
        async with db.transaction() as session:
            await set_refill(session, EDITOR, made.id, R.REJECTED, now=NOW)


async def test_what_the_provider_says_of_the_route_counts(db: Database, user: int, provider: Provider) -> None:
    done = await completed(db, user, provider, upstream={"refill": False})
    assert await refusal(db, user, done) is NoRefill.NOT_POSSIBLE
    async with db.transaction() as session:
        assert (await refill_outlook(session, [done], NOW))[done].code is NoRefill.NOT_POSSIBLE
        assert list(await session.scalars(select(Refill))) == []
