"""Following orders: what providers say becomes status and money, once, and nothing is made of what nobody understands."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from making import NOW, Shop, assert_books, at, make_provider, make_service, submit, upstream_of
from smmpanel.ledger import balance_of, held_of
from smmpanel.notifications import open_alerts
from smmpanel.orders.models import Order, OrderStatus
from smmpanel.orders.pacing import FINISHED_EVERY, LATEST, SOONEST, next_check_at
from smmpanel.orders.reporting import ODD_REPORTS
from smmpanel.orders.submission import submit_pending
from smmpanel.orders.tracking import track, update_orders
from smmpanel.providers.protocol import Accepted, UpstreamReport, UpstreamStatus

S = OrderStatus


async def handed_in(shop: Shop, *links: str) -> list[int]:
    ids = await shop.order(*links)
    await submit(shop.panel, shop.provider)
    assert {order.status for order in await shop.rows(ids)} == {"processing"}
    return ids


def later(minutes: int) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


async def look(shop: Shop, minutes: int, ids: list[int]) -> list[Order]:
    """Look at what is due so many minutes from now, and return the orders as they are then."""
    await track(at(shop.panel, later(minutes)), shop.provider.id, until=None)
    return await shop.rows(ids)


def money(order: Order) -> tuple[str, str, str]:
    return order.status, str(order.earned.normalize()), str(order.refunded.normalize())


async def alerts(shop: Shop) -> list[str]:
    async with shop.db.transaction() as session:
        return [alert.kind for alert in (await open_alerts(session)).rows]


# The order is of 1,000 for one dollar. What it is made to become → status, earned, refunded.
ENDINGS: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "pending": ({}, ("processing", "0", "0")),
    "processing": ({}, ("processing", "0", "0")),
    "in_progress": ({"remains": 40}, ("in_progress", "0", "0")),
    "completed": ({}, ("completed", "1", "0")),
    "partial": ({"remains": 157}, ("partial", "0.843", "0.157")),
    "canceled": ({}, ("canceled", "0", "1")),
    "refunded": ({}, ("canceled", "0", "1")),
    "overdelivered": ({}, ("completed", "1", "0")),
    "partial_negative_remains": ({}, ("partial", "1", "0")),
    "partial_excess_remains": ({}, ("partial", "0", "1")),
    "partial_null_remains": ({}, ("processing", "0", "0")),
    "partial_blank_remains": ({}, ("processing", "0", "0")),
    "partial_missing_remains": ({}, ("processing", "0", "0")),
    "unknown_word": ({"word": "Teleported"}, ("processing", "0", "0")),
    "no_status": ({}, ("processing", "0", "0")),
    "lost": ({}, ("processing", "0", "0")),
    "no_start_count": ({}, ("in_progress", "0", "0")),
}


async def test_each_ending_moves_exactly_the_money_that_it_means(shop: Shop) -> None:
    ids = await handed_in(shop, *ENDINGS)
    rows = await shop.rows(ids)
    for (outcome, (fields, _)), order in zip(ENDINGS.items(), rows, strict=True):
        assert order.external_id is not None
        shop.sandbox.finish([order.external_id], outcome, **fields)

    once = await look(shop, 10, ids)
    twice = await look(shop, 20, ids)

    expected = [ending for _, ending in ENDINGS.values()]
    assert dict(zip(ENDINGS, map(money, once), strict=True)) == dict(zip(ENDINGS, expected, strict=True))
    assert [money(order) for order in twice] == expected
    remains = {name: order.remains for name, order in zip(ENDINGS, twice, strict=True)}
    assert (remains["partial"], remains["overdelivered"], remains["in_progress"]) == (157, 0, 40)
    async with shop.db.transaction() as session:
        back = sum(Decimal(refunded) for _, _, refunded in expected)
        assert (await balance_of(session, shop.user, "USD")).amount == 1000 - len(ENDINGS) + back
        open_ones = sum(status in {"processing", "in_progress"} for status, _, _ in expected)
        assert (await held_of(session, shop.user, "USD")).amount == open_ones
    assert await alerts(shop) == [ODD_REPORTS]
    await assert_books(shop.db)


async def test_completed_then_partial_is_paid_back_from_what_was_earned(shop: Shop) -> None:
    ids = await handed_in(shop, "a", "b")
    shop.sandbox.finish("all", "completed_then_partial", remains=400)

    first = await look(shop, 10, ids)
    later = await look(shop, 10 + 7 * 60, ids)

    assert [money(order) for order in first] == [("completed", "1", "0")] * 2
    assert [money(order) for order in later] == [("partial", "0.6", "0.4")] * 2
    await assert_books(shop.db)


async def test_what_was_paid_back_stays_paid_back_if_the_order_is_completed_after_all(shop: Shop) -> None:
    ids = await handed_in(shop, "a")
    shop.sandbox.script(
        "all",
        {"status": "Partial", "remains": "400", "polls": 1},
        {"status": "In progress", "remains": "100", "polls": 1},
        {"status": "Completed", "remains": "0"},
    )

    seen = [money((await look(shop, minutes, ids))[0]) for minutes in (10, 400, 800)]

    assert seen == [("partial", "0.6", "0.4"), ("in_progress", "0.6", "0.4"), ("completed", "0.6", "0.4")]
    await assert_books(shop.db)


async def test_an_order_canceled_after_it_was_partial_is_paid_back_to_the_whole_and_no_further(shop: Shop) -> None:
    ids = await handed_in(shop, "a")
    shop.sandbox.script(
        "all",
        {"status": "Partial", "remains": "400", "polls": 1},
        {"status": "Canceled", "remains": "1000", "polls": 1},
        {"status": "Completed", "remains": "0"},
    )

    seen = [money((await look(shop, minutes, ids))[0]) for minutes in (10, 400, 800)]

    assert seen == [("partial", "0.6", "0.4"), ("canceled", "0", "1"), ("canceled", "0", "1")]
    await assert_books(shop.db)


@pytest.mark.parametrize(
    "variant", ["bare_errors", "omit_unknown", "list_with_ids", "numbers", "start_counter", "lower_words", "with_order"]
)
async def test_every_form_of_a_batch_is_understood(shop: Shop, variant: str) -> None:
    ids = await handed_in(shop, *(f"{number}" for number in range(4)))
    lost, *others = [order.external_id for order in await shop.rows(ids)]
    shop.sandbox.finish("all", "partial", remains=250)
    assert lost is not None
    shop.sandbox.finish([lost], "lost")
    shop.sandbox.add_fault("variant", variant=variant, action="status")

    orders = await look(shop, 10, ids)

    assert [money(order) for order in orders] == [("processing", "0", "0"), *[("partial", "0.75", "0.25")] * 3]
    assert len(others) == 3
    await assert_books(shop.db)


NOT_UNDERSTOOD: list[dict[str, Any]] = [
    *({"kind": f"{kind}_before"} for kind in ("drop", "reset", "cut", "html_200", "garbage", "empty", "redirect")),
    {"kind": "cut_after"},
    {"kind": "status_5xx", "status": 502},
    {"kind": "timeout_before"},
    {"kind": "variant", "variant": "list"},
    {"kind": "variant", "variant": "empty_list"},
    *({"kind": "wrong_type", "variant": variant} for variant in ("string", "number", "null")),
]


async def test_what_is_no_answer_changes_nothing_and_the_next_answer_counts(shop: Shop) -> None:
    """An answer that is lost, spoilt, or does not say which order it is about."""
    async with shop.db.transaction() as session:
        (await session.merge(shop.provider)).timeout_seconds = 1
    ids = await handed_in(shop, "a", "b")
    shop.sandbox.finish("all", "canceled")
    minutes = 0
    for fault in NOT_UNDERSTOOD:
        minutes += 10
        shop.sandbox.clear_faults()
        shop.sandbox.add_fault(action="status", **fault)
        orders = await look(shop, minutes, ids)
        assert [money(order) for order in orders] == [("processing", "0", "0")] * 2, fault
        assert {order.check_at is not None for order in orders} == {True}
    shop.sandbox.clear_faults()

    orders = await look(shop, minutes + 10, ids)

    assert [money(order) for order in orders] == [("canceled", "0", "1")] * 2
    await assert_books(shop.db)


async def test_unknown_words_raise_one_alert_for_all_orders_and_change_nothing(shop: Shop) -> None:
    ids = await handed_in(shop, *(f"{number}" for number in range(5)))
    shop.sandbox.finish("all", "unknown_word", word="Fail")

    for minutes in (10, 20):
        orders = await look(shop, minutes, ids)

    assert {money(order) for order in orders} == {("processing", "0", "0")}
    async with shop.db.transaction() as session:
        [alert] = (await open_alerts(session)).rows
    assert (alert.kind, alert.times, alert.fields["word"], alert.fields["orders"]) == (ODD_REPORTS, 2, "Fail", 5)


async def test_more_than_a_hundred_orders_are_asked_for_a_hundred_at_a_time(shop: Shop) -> None:
    ids = await handed_in(shop, *(f"{number}" for number in range(230)))
    shop.sandbox.finish("all", "completed")

    summary = await update_orders(at(shop.panel, later(10)))

    assert (summary.asked, summary.moved, summary.failures) == (230, 230, 0)
    assert {order.status for order in await shop.rows(ids)} == {"completed"}
    stats = shop.sandbox.stats()
    assert (stats["requests"]["status"], stats["largest_status_batch"], stats["status_ids_asked"]) == (3, 100, 230)


async def test_an_adapter_that_breaks_is_a_failed_call_and_no_more(shop: Shop) -> None:
    """Its lease is given back, its orders are asked for again, nothing is made of it."""
    async with shop.db.transaction() as session:
        odd = await make_provider(session, shop.panel)
        service = await make_service(session, odd)
    upstream = upstream_of(odd)
    upstream.will("add", Accepted("1"))
    done = UpstreamReport(UpstreamStatus.COMPLETED, "Completed", remains=0)
    upstream.will("status", KeyError("surprise"), {"1": done})
    other = Shop(shop.db, shop.panel, shop.sandbox, odd, service, shop.user)
    ids = await other.order("a")
    await submit_pending.function(shop.panel, provider_id=odd.id)

    [first] = await look(other, 10, ids)
    [second] = await look(other, 20, ids)

    assert (first.status, second.status) == ("processing", "completed")


async def test_a_finished_order_is_looked_at_for_some_days_and_then_no_more(shop: Shop) -> None:
    ids = await handed_in(shop, "a")
    shop.sandbox.finish("all", "completed")
    [order] = await look(shop, 10, ids)
    assert order.finished_at is not None
    looked = 0
    while order.check_at is not None:
        assert order.check_at <= order.finished_at + timedelta(days=3)
        looked += 1
        [order] = await look(shop, 10 + looked * 6 * 60 + 1, ids)
    assert looked == 11  # every six hours of three days

    shop.sandbox.finish("all", "canceled")
    [order] = await look(shop, 60 * 24 * 10, ids)
    assert money(order) == ("completed", "1", "0")


@given(
    age=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)),
    status=st.sampled_from([S.PROCESSING, S.IN_PROGRESS]),
)
def test_no_open_order_waits_longer_than_five_minutes_and_old_ones_wait_longer(
    age: timedelta, status: OrderStatus
) -> None:
    days = timedelta(days=3)
    due = next_check_at(status, submitted_at=NOW - age, finished_at=None, now=NOW, watch=days)
    older = next_check_at(status, submitted_at=NOW - age * 2, finished_at=None, now=NOW, watch=days)

    assert due is not None
    assert older is not None
    assert SOONEST <= due - NOW <= older - NOW <= LATEST == timedelta(minutes=5)


@given(
    since=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)),
    watch=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10)),
)
def test_a_finished_order_is_watched_exactly_as_long_as_the_panel_says(since: timedelta, watch: timedelta) -> None:
    for status in (S.COMPLETED, S.PARTIAL):
        due = next_check_at(status, submitted_at=NOW, finished_at=NOW - since, now=NOW, watch=watch)
        assert due == (NOW + FINISHED_EVERY if since + FINISHED_EVERY < watch else None)
    assert next_check_at(S.CANCELED, submitted_at=NOW, finished_at=NOW, now=NOW, watch=watch) is None


async def test_an_order_in_doubt_is_left_to_those_who_settle_it(shop: Shop) -> None:
    doubted, other = await handed_in(shop, "doubted", "other")
    async with shop.db.transaction() as session:
        await session.execute(update(Order).where(Order.id == doubted).values(unconfirmed=True))

    summary = await update_orders(at(shop.panel, later(10)))

    assert summary.asked == 1
    assert [order.id for order in await shop.rows([doubted, other]) if order.check_at is not None] == [doubted, other]
