"""Rate and concurrency, shared by workers that each have a connection of their own."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from sqlalchemy import event, func, select, update

from smmpanel.kernel.errors import NotFoundError
from smmpanel.providers.backing_off import back_off
from smmpanel.providers.models import Provider, ProviderLease, ProviderThrottle
from smmpanel.providers.pausing import pause_provider
from smmpanel.providers.protocol import RefusedOrder, TryLater
from smmpanel.providers.throttle import block_until, give_back, next_free_at, renew, take_calls

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def after(seconds):
    return T0 + timedelta(seconds=seconds)


async def take(panel, provider_id, *, wanted=1, urgent=True, now=T0, lease_seconds=60, **more):
    async with panel.db.transaction() as session:
        return await take_calls(
            session, provider_id, wanted=wanted, urgent=urgent, now=now, lease_seconds=lease_seconds, **more
        )


async def free_at(panel, provider_id, *, urgent=True, now=T0):
    async with panel.db.transaction() as session:
        return await next_free_at(session, provider_id, urgent=urgent, now=now)


async def back(panel, lease, calls=None):
    async with panel.db.transaction() as session:
        await give_back(session, lease.id, lease.calls if calls is None else calls)


async def test_parallel_workers_never_have_more_in_flight_than_allowed(panel, a_provider):
    provider = await a_provider(concurrency=7)
    in_flight, most, done = 0, 0, 0

    async def worker():
        nonlocal in_flight, most, done
        while done < 150:
            lease = await take(panel, provider.id, wanted=3, now=datetime.now(UTC))
            if lease is None:
                await asyncio.sleep(0.001)
                continue
            in_flight += lease.calls
            most, done = max(most, in_flight), done + lease.calls
            await asyncio.sleep(0.001)
            in_flight -= lease.calls
            await back(panel, lease)

    await asyncio.gather(*(worker() for _ in range(12)))

    assert 4 <= most <= 7
    assert done >= 150


async def test_workers_that_come_at_once_fill_all_places_and_no_more(panel, a_provider):
    provider = await a_provider(concurrency=7)

    leases = await asyncio.gather(*(take(panel, provider.id, wanted=3) for _ in range(12)))

    assert sorted(lease.calls for lease in leases if lease is not None) == [1, 3, 3]


async def test_parallel_workers_are_granted_no_more_than_the_rate(panel, a_provider):
    provider = await a_provider(rate_per_minute=60, concurrency=1000)
    grants = []
    for second in range(90):
        at = after(second)
        wishes = (take(panel, provider.id, wanted=5, urgent=number < 3, now=at) for number in range(6))
        grants += [(at, lease.calls) for lease in await asyncio.gather(*wishes) if lease is not None]

    for start, _ in grants:
        assert sum(calls for at, calls in grants if start <= at <= start + timedelta(seconds=60)) <= 60
    assert 70 <= sum(calls for _, calls in grants) <= 90


async def test_a_lease_holds_places_until_given_back(panel, a_provider):
    provider = await a_provider(concurrency=3)
    first = await take(panel, provider.id, wanted=2)

    second = await take(panel, provider.id, wanted=2)
    assert (first.calls, second.calls) == (2, 1)
    assert await take(panel, provider.id) is None
    assert await free_at(panel, provider.id) == after(0.25)

    await back(panel, first, 1)
    third = await take(panel, provider.id, wanted=9)
    assert third.calls == 1
    assert await take(panel, provider.id) is None


async def test_the_leases_of_the_dead_lapse_and_are_swept_up(panel, a_provider):
    provider = await a_provider(concurrency=2)
    await take(panel, provider.id, wanted=2, lease_seconds=30)

    assert await take(panel, provider.id, now=after(29.9)) is None
    lease = await take(panel, provider.id, wanted=2, now=after(30))

    assert lease.calls == 2
    async with panel.db.transaction() as session:
        assert (await session.scalars(select(ProviderLease.id))).all() == [lease.id]


async def test_a_lease_is_renewed_only_while_it_lasts(panel, a_provider):
    provider = await a_provider(concurrency=1)
    lease = await take(panel, provider.id, lease_seconds=30)

    async with panel.db.transaction() as session:
        assert await renew(session, lease.id, now=after(29), lease_seconds=30) is True
    assert await take(panel, provider.id, now=after(58)) is None
    async with panel.db.transaction() as session:
        assert await renew(session, lease.id, now=after(59), lease_seconds=30) is False
    assert (await take(panel, provider.id, now=after(59))).calls == 1


async def test_giving_back_while_others_take_does_not_lock_up(panel, a_provider):
    provider = await a_provider(concurrency=2)

    async def worker():
        for _ in range(15):
            lease = await take(panel, provider.id, now=after(0), lease_seconds=0.0001)
            async with panel.db.transaction() as session:
                if lease is not None:
                    await give_back(session, lease.id, 1)
                await asyncio.sleep(0.001)
                await take_calls(session, provider.id, wanted=1, urgent=True, now=after(1), lease_seconds=0.0001)

    async with asyncio.timeout(15):
        await asyncio.gather(*(worker() for _ in range(8)))


async def test_unused_calls_go_back_into_the_rate_with_their_place(panel, a_provider):
    provider = await a_provider(rate_per_minute=60)
    async with panel.db.transaction() as session:
        lease = await take_calls(session, provider.id, wanted=3, urgent=True, now=T0, lease_seconds=60)
        await give_back(session, lease.id, 2, unused=True)

    assert lease.calls == 3
    assert (await take(panel, provider.id, wanted=9)).calls == 2
    assert await take(panel, provider.id) is None
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.sum(ProviderLease.calls))) == 3


async def test_calls_that_can_wait_leave_half_for_orders(panel, a_provider):
    provider = await a_provider(rate_per_minute=60)

    polled = await take(panel, provider.id, wanted=9, urgent=False)
    refused = await take(panel, provider.id, wanted=9, urgent=False)
    added = await take(panel, provider.id, wanted=9)

    assert (polled.calls, refused, added.calls) == (1, None, 2)


async def test_calls_that_can_wait_leave_places_for_orders_where_the_rate_is_limited(panel, a_provider):
    limited = await a_provider(slug="limited", rate_per_minute=6000, concurrency=8)
    unlimited = await a_provider(slug="unlimited", concurrency=8)

    assert (await take(panel, limited.id, wanted=99, urgent=False)).calls == 6
    assert (await take(panel, limited.id, wanted=99)).calls == 2
    assert (await take(panel, unlimited.id, wanted=99, urgent=False)).calls == 8


async def test_a_long_queue_of_orders_does_not_starve_the_rest(panel, a_provider):
    provider = await a_provider(rate_per_minute=60, concurrency=1000)
    polled, added = [], 0
    for tenth in range(0, 1200, 2):
        now = after(tenth / 10)
        lease = await take(panel, provider.id, wanted=9, now=now)
        added += lease.calls if lease else 0
        if await take(panel, provider.id, urgent=False, now=now):
            polled.append(tenth / 10)

    waits = [later - earlier for earlier, later in pairwise(polled)]
    assert added >= 100
    assert 9 <= len(polled) <= 12
    assert max(waits) <= 12


async def test_whoever_waited_and_left_holds_nobody_up_for_long(panel, a_provider):
    provider = await a_provider(rate_per_minute=1)
    await take(panel, provider.id)
    assert await take(panel, provider.id, urgent=False, now=after(1)) is None

    assert await take(panel, provider.id, now=after(70)) is None
    assert await free_at(panel, provider.id, now=after(70)) == after(70.25)
    assert (await take(panel, provider.id, now=after(121))).calls == 1


async def test_a_worker_that_waits_finds_a_place_beside_held_ones(panel, a_provider):
    provider = await a_provider(concurrency=5)
    held = await take(panel, provider.id, wanted=5)
    assert await take(panel, provider.id, urgent=False) is None

    await back(panel, held)

    assert (await take(panel, provider.id, wanted=5)).calls == 4
    assert (await take(panel, provider.id, urgent=False)).calls == 1


@pytest.mark.parametrize("urgent", [True, False])
async def test_a_switched_off_provider_is_not_called(panel, a_provider, urgent):
    provider = await a_provider(enabled=False)

    assert await take(panel, provider.id, urgent=urgent) is None
    assert await free_at(panel, provider.id, urgent=urgent) is None
    assert (await take(panel, provider.id, urgent=urgent, probing=True)).calls == 1


async def test_a_paused_provider_takes_no_orders_but_may_be_asked_once_it_answers(panel, a_provider):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        await pause_provider(session, provider.id, "Not enough funds on balance", T0)

    assert await take(panel, provider.id) is None
    assert await take(panel, provider.id, urgent=False) is None
    assert await free_at(panel, provider.id) is None

    async with panel.db.transaction() as session:
        await session.execute(update(Provider).values(last_success_at=after(1)))
    assert await take(panel, provider.id, now=after(2)) is None
    assert (await take(panel, provider.id, urgent=False, now=after(2))).calls == 1


async def test_nobody_calls_before_the_provider_wants_it(panel, a_provider):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        await block_until(session, provider.id, after(20))
        await block_until(session, provider.id, after(10))

    assert await take(panel, provider.id, now=after(19.9)) is None
    assert await free_at(panel, provider.id, now=after(5)) == after(20)
    assert (await take(panel, provider.id, now=after(20))).calls == 1


async def test_too_many_requests_doubles_the_wait_each_time_but_once_per_wait(panel, a_provider):
    provider = await a_provider(rate_per_minute=60)
    refused = TryLater("Too many requests")

    async def wait_after(seconds):
        async with panel.db.transaction() as session:
            for _ in range(3):  # three calls were in flight
                await back_off(session, provider.id, refused, after(seconds))
            blocked_until = await session.scalar(select(ProviderThrottle.blocked_until))
        return (blocked_until - after(seconds)).total_seconds()

    assert [await wait_after(at) for at in (0, 6, 20, 50)] == [5, 10, 20, 40]
    assert await wait_after(1000) == 5
    waits = [await wait_after(2000 + step * 301) for step in range(9)]
    assert waits[0] == 5
    assert max(waits) <= 300


async def test_a_provider_is_heeded_when_it_names_the_wait_and_bounded(panel, a_provider):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        await back_off(session, provider.id, TryLater("slow", status=429, retry_after_seconds=40), T0)
    assert await free_at(panel, provider.id) == after(40)

    async with panel.db.transaction() as session:
        await back_off(session, provider.id, TryLater("slow", retry_after_seconds=90_000), T0)
    assert await free_at(panel, provider.id) == after(3600)


@pytest.mark.parametrize("answer", [TryLater("You have active order with this link"), RefusedOrder("Bad link")])
async def test_what_concerns_one_order_holds_nobody_up(panel, a_provider, answer):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        await back_off(session, provider.id, answer, T0)

    assert await free_at(panel, provider.id) == T0


async def test_a_limit_set_later_holds_at_once(panel, a_provider):
    provider = await a_provider()
    assert (await take(panel, provider.id, wanted=30)).calls == 30
    async with panel.db.transaction() as session:
        await session.execute(update(Provider).values(rate_per_minute=60))

    assert (await take(panel, provider.id, wanted=30, now=after(0))).calls == 3
    assert await free_at(panel, provider.id) > after(0.9)


async def test_taking_costs_two_statements(panel, a_provider):
    provider = await a_provider(rate_per_minute=60)
    await take(panel, provider.id)
    seen = []
    engine = panel.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *call: seen.append(call[2]))

    assert (await take(panel, provider.id, wanted=2)).calls == 2

    assert len(seen) == 2


async def test_there_are_no_calls_at_a_provider_that_does_not_exist(panel):
    with pytest.raises(NotFoundError):
        await take(panel, 404)


async def test_tokens_are_kept_exactly_enough(panel, a_provider):
    """Many small grants lose nothing noticeable to rounding."""
    provider = await a_provider(rate_per_minute=600, concurrency=1000)
    granted = 0
    for step in range(400):
        lease = await take(panel, provider.id, wanted=1, now=after(step * 0.11))
        granted += lease.calls if lease else 0

    assert granted >= 395
    async with panel.db.transaction() as session:
        assert await session.scalar(select(ProviderThrottle.tokens)) <= Decimal(30)
