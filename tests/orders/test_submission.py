"""Handing in: every way in which a provider can answer, or not, and what we may believe after it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from making import (
    Shop,
    assert_books,
    attempts_of,
    make_provider,
    make_service,
    make_user,
    order_row,
    submit,
    upstream_of,
)
from smmpanel.kernel.db import Database
from smmpanel.kernel.options import write_option
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of
from smmpanel.notifications import open_alerts
from smmpanel.orders.placing import NewOrder, Placed, place_orders
from smmpanel.orders.rerouting import REFUSED_OPTION
from smmpanel.orders.submission import submit_pending, submit_whatever_is_due
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import Accepted, NotSent, RefusedAccount, RefusedOrder, TryLater, Unclear
from smmpanel.sandbox.process import SandboxProcess

LINK = "https://example.com/"

# What is done to the call → (status, unconfirmed, outcome of the attempt). None of these concerns the account.
TAKEN = ("processing", False, "accepted")
IN_DOUBT = ("submitting", True, "unknown")
REFUSED = ("canceled", False, "refused_order")
PUT_OFF = ("pending", False, "try_later")
FAULTS: dict[str, tuple[dict[str, Any], tuple[str, bool, str]]] = {
    "fine": ({}, TAKEN),
    **{
        f"{kind}-{when}": ({"kind": f"{kind}_{when}"}, IN_DOUBT)
        for kind in ("timeout", "drop", "reset", "cut", "html_200", "garbage", "empty", "redirect", "huge")
        for when in ("before", "after")
    },
    **{
        f"{status}-{when}": ({"kind": f"status_5xx_{when}", "status": status}, IN_DOUBT)
        for status in (500, 502, 503, 504)
        for when in ("before", "after")
    },
    "bom": ({"kind": "bom"}, TAKEN),
    "slow": ({"kind": "slow", "ms": 300}, TAKEN),
    "too-slow": ({"kind": "slow", "ms": 7000}, IN_DOUBT),
    **{
        f"type-{name}": ({"kind": "wrong_type", "variant": name}, IN_DOUBT)
        for name in ("flip", "string", "number", "null")
    },
    "type-scalars": ({"kind": "wrong_type", "variant": "scalars"}, TAKEN),
    **{
        f"form-{name}": ({"kind": "variant", "variant": name}, TAKEN)
        for name in (
            "order_id", "order_text", "order_mongo", "id_with_status", "status_success", "with_msg", "with_money",
            "error_null",
        )
    },
    **{
        f"form-{name}": ({"kind": "variant", "variant": name}, IN_DOUBT)
        for name in (
            "id_only", "order_zero", "order_blank", "order_null", "order_false", "order_false_text", "no_order",
        )
    },
    **{
        f"no-{meaning}-{dialect}": ({"kind": "refuse", "meaning": meaning, "dialect": dialect}, REFUSED)
        for meaning in ("bad_service", "disabled", "min", "max", "link", "comments", "interval")
        for dialect in ("human", "keys", "smartpanel", "cmsnt", "cmsnt_new")
    },
    **{
        f"no-link-{shape}": ({"kind": "refuse", "meaning": "link", "shape": shape}, REFUSED)
        for shape in ("with_msg", "message", "object", "validation")
    },
    "no-in-words-nobody-knows": ({"kind": "refuse", "text": "Computer says no\x00 \u2028 💥"}, REFUSED),
    "no-very-long": ({"kind": "refuse", "text": "Bad link " * 2000}, REFUSED),
    "no-with-our-key": ({"kind": "refuse", "text": "Bad link for key sandbox-secret-7f3a9c"}, REFUSED),
    **{
        f"duplicate-{dialect}": ({"kind": "refuse", "meaning": "link_duplicate", "dialect": dialect}, PUT_OFF)
        for dialect in ("human", "keys")
    },
}  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)


async def an_order(db: Database, user: int, service: int, *links: str) -> list[int]:
    orders = [NewOrder(user, service, {"link": LINK + link, "quantity": "1000"}) for link in links]
    async with db.transaction() as session:
        answers = await place_orders(session, orders, currency="USD", now=now())
    return [answer.order_id for answer in answers if isinstance(answer, Placed)]


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """Everything that is logged, as it would be printed, down to the least important."""
    said = StringIO()
    printed = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(processors=printed, logger_factory=structlog.PrintLoggerFactory(said))
    yield said
    structlog.reset_defaults()


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session, funds="1000")


async def paused_reason(db: Database, provider: Provider) -> str | None:
    async with db.transaction() as session:
        return (await session.get_one(Provider, provider.id)).paused_reason


async def is_anywhere(db: Database, secret: str) -> list[str]:
    """Return the tables in which a text is stored, in whatever column."""
    async with db.transaction() as session:
        tables = (await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))).all()
        found = []
        for name in tables:
            wanted = text(f'SELECT count(*) FROM "{name}" AS rows WHERE rows::text LIKE :pattern')
            if await session.scalar(wanted, {"pattern": f"%{secret}%"}):
                found.append(name)
    return found


def expected_orders(sandbox: SandboxProcess) -> dict[str, list[str]]:
    """The truth: which external ids the provider has for each link."""
    found: dict[str, list[str]] = {}
    for row in sandbox.orders():
        found.setdefault(row["link"], []).append(row["order"])
    return found


async def test_whatever_the_provider_does_with_an_order_we_believe_no_more_than_we_know(
    shop: Shop, logged: StringIO
) -> None:
    db, sandbox = shop.db, shop.sandbox
    for name, (fault, _) in FAULTS.items():
        if fault:
            sandbox.add_fault(**{"action": "add", "link": f"/{name}.", **fault})
    ids = dict(zip(FAULTS, await shop.order(*(f"{name}.html" for name in FAULTS)), strict=True))

    await submit(shop.panel, shop.provider)

    believed, orders = {}, {}
    for name, order_id in ids.items():
        order = orders[name] = await order_row(db, order_id)
        [attempt] = await attempts_of(db, order_id)
        believed[name] = (order.status, order.unconfirmed, attempt.outcome)
        assert attempt.request == {"service": "1", "link": order.link, "quantity": "1000"}
        assert attempt.finished_at is not None
        held = Decimal(0) if order.status == "canceled" else Decimal(1)
        assert (order.charge - order.refunded, order.earned) == (held, 0)
    assert believed == {name: belief for name, (_, belief) in FAULTS.items()}

    truth = expected_orders(sandbox)
    assert {link: found for link, found in truth.items() if len(found) > 1} == {}
    for name, order in orders.items():
        theirs = truth.get(order.link, [])
        if believed[name] == TAKEN:
            assert [order.external_id] == theirs
        else:
            assert order.external_id is None
        if believed[name] in {REFUSED, PUT_OFF}:
            assert theirs == []
    assert len(sandbox.log("add")) == len(FAULTS), "each was sent exactly once"
    assert await paused_reason(db, shop.provider) is None
    assert await is_anywhere(db, sandbox.key) == []
    assert sandbox.key not in logged.getvalue()
    await assert_books(db)

    await submit(shop.panel, shop.provider)
    await submit_whatever_is_due.function(shop.panel)

    assert len(sandbox.log("add")) == len(FAULTS), "and nothing is sent again on a guess"


@pytest.mark.parametrize(
    "fault",
    [
        *({"kind": "no_funds", "dialect": dialect} for dialect in ("human", "keys", "smartpanel", "cmsnt")),
        *({"kind": "bad_key", "dialect": dialect} for dialect in ("human", "smartpanel", "cmsnt")),
    ],
    ids=lambda fault: f"{fault['kind']}-{fault['dialect']}",
)
async def test_a_refused_account_pauses_the_provider_and_keeps_its_orders_queued(
    shop: Shop, fault: dict[str, Any]
) -> None:
    shop.sandbox.add_fault(action="add", **fault)
    ids = await shop.order("a", "b", "c")

    await submit(shop.panel, shop.provider)
    shop.sandbox.clear_faults()
    await submit(shop.panel, shop.provider)

    orders = await shop.rows(ids)
    assert {(order.status, order.unconfirmed, order.refunded) for order in orders} == {("pending", False, 0)}
    assert shop.sandbox.orders() == []
    assert await paused_reason(shop.db, shop.provider) is not None
    async with shop.db.transaction() as session:
        [alert] = (await open_alerts(session)).rows
        assert (alert.kind, alert.subject) == ("provider_paused", f"provider:{shop.provider.id}")
        assert (await balance_of(session, shop.user, "USD")).amount == 997


async def test_too_many_requests_hold_everything_back_as_long_as_the_provider_asks(shop: Shop) -> None:
    shop.sandbox.add_fault("rate_limit", action="add", retry_after=120)
    [first] = await shop.order("a")
    await submit(shop.panel, shop.provider)
    shop.sandbox.clear_faults()
    [second] = await shop.order("b")
    await submit(shop.panel, shop.provider)

    orders = await shop.rows([first, second])
    assert [order.status for order in orders] == ["pending", "pending"]
    assert orders[0].due_at - now() > timedelta(seconds=60)
    assert shop.sandbox.orders() == []
    async with shop.db.transaction() as session:
        blocked = await session.scalar(text("SELECT blocked_until FROM provider_throttles"))
    assert blocked is not None
    assert blocked - now() > timedelta(seconds=60)


async def test_an_id_that_another_order_has_is_not_believed(db: Database, panel: Panel, user: int) -> None:
    """Some panels answer what looks repeated with the first order's id; ours may then be there once or twice."""
    async with db.transaction() as session:
        merging = await make_provider(session, panel)
        service = await make_service(session, merging)
    upstream_of(merging).will("add", Accepted("77", '{"order":77}'), Accepted("77", '{"order":77}'))
    ids = await an_order(db, user, service, "same")
    await submit(panel, merging)
    ids += await an_order(db, user, service, "same")
    await submit(panel, merging)

    first, second = [await order_row(db, order_id) for order_id in ids]
    assert (first.status, first.external_id, first.unconfirmed) == ("processing", "77", False)
    assert (second.status, second.external_id, second.unconfirmed) == ("submitting", None, True)
    assert "another order's" in (second.reason or "")
    [attempt] = await attempts_of(db, second.id)
    assert (attempt.outcome, attempt.external_id) == ("unknown", "77")


async def test_one_id_for_two_orders_of_one_batch_is_believed_once(db: Database, panel: Panel, user: int) -> None:
    async with db.transaction() as session:
        merging = await make_provider(session, panel)
        service = await make_service(session, merging)
    upstream_of(merging).will("add", *[Accepted("5")] * 3)
    ids = await an_order(db, user, service, "a", "a", "a")

    await submit(panel, merging)

    orders = [await order_row(db, order_id) for order_id in ids]
    assert sorted((order.status, order.external_id or "") for order in orders) == [
        ("processing", "5"), ("submitting", ""), ("submitting", ""),
    ]  # fmt: skip


async def test_an_adapter_that_breaks_leaves_its_order_in_doubt_and_the_others_alone(
    db: Database, panel: Panel, user: int, logged: StringIO
) -> None:
    async with db.transaction() as session:
        odd = await make_provider(session, panel, concurrency=1)
        service = await make_service(session, odd)
    upstream_of(odd).will("add", Accepted("1"), KeyError("surprise"), Accepted("3"))
    ids = await an_order(db, user, service, "a", "b", "c")

    await submit(panel, odd)

    orders = [await order_row(db, order_id) for order_id in ids]
    assert [(order.status, order.unconfirmed) for order in orders] == [
        ("processing", False), ("submitting", True), ("processing", False),
    ]  # fmt: skip


async def test_an_answer_that_cannot_be_stored_takes_no_other_order_down(
    db: Database, panel: Panel, user: int, logged: StringIO
) -> None:
    """An id with a broken character, from an adapter that did not look: nobody knows what became of that one order."""
    async with db.transaction() as session:
        odd = await make_provider(session, panel)
        service = await make_service(session, odd)
    answers = {f"{LINK}a": "1", f"{LINK}b": "\ud800", f"{LINK}c": "a\x00b", f"{LINK}d": "4"}
    upstream_of(odd).will("add", *[lambda asked: Accepted(answers[asked.fields["link"]])] * 4)
    ids = await an_order(db, user, service, "a", "b", "c", "d")

    await submit(panel, odd)

    orders = [await order_row(db, order_id) for order_id in ids]
    assert [(order.status, order.external_id) for order in orders] == [
        ("processing", "1"), ("submitting", None), ("submitting", None), ("processing", "4"),
    ]  # fmt: skip
    assert [order.unconfirmed for order in orders] == [False, True, True, False]
    async with db.transaction() as session:
        assert await session.scalar(text("SELECT coalesce(sum(calls), 0) FROM provider_leases")) == 0
    await assert_books(db)


@pytest.mark.parametrize(
    ("failure", "goes_on"),
    [
        (NotSent("connection refused"), True),
        (RefusedOrder("Bad link"), True),
        (RefusedAccount("Not enough funds on balance"), True),
        (TryLater("active order with this link"), False),
        (Unclear("no answer within 30 s"), False),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_the_next_in_line_is_asked_exactly_when_the_first_certainly_did_not_take_it(
    db: Database, panel: Panel, user: int, failure: Exception, goes_on: bool
) -> None:
    async with db.transaction() as session:
        first, second = [await make_provider(session, panel) for _ in range(2)]
        service = await make_service(session, first, second)
    upstream_of(first).will("add", failure)
    upstream_of(second).will("add", Accepted("2001"))
    [order_id] = await an_order(db, user, service, "a")

    await submit(panel, first)
    await submit(panel, second)

    order = await order_row(db, order_id)
    if goes_on:
        assert (order.status, order.provider_id, order.external_id) == ("processing", second.id, "2001")
        assert [one.outcome for one in await attempts_of(db, order_id)] == [failure.outcome, "accepted"]  # type: ignore[attr-defined]
    else:
        assert order.provider_id == first.id
        assert upstream_of(second).asked == []
    assert (await paused_reason(db, first) is not None) == isinstance(failure, RefusedAccount)
    await assert_books(db)


async def test_a_paused_provider_in_the_middle_of_the_line_is_skipped(db: Database, panel: Panel, user: int) -> None:
    async with db.transaction() as session:
        first, second, third = [await make_provider(session, panel) for _ in range(3)]
        service = await make_service(session, first, second, third)
        await session.execute(text("UPDATE providers SET paused_at = now() WHERE id = :id"), {"id": second.id})
    upstream_of(first).will("add", NotSent("connection refused"))
    upstream_of(third).will("add", Accepted("3001"))
    [order_id] = await an_order(db, user, service, "a")

    await submit(panel, first)
    await submit(panel, third)

    order = await order_row(db, order_id)
    assert (order.status, order.provider_id, order.external_id) == ("processing", third.id, "3001")


@pytest.mark.parametrize("case", [("refund", "canceled", 1), ("hold", "failed", 0)], ids=lambda case: case[0])
async def test_an_order_that_all_refuse_is_paid_back_or_held_as_the_panel_says(
    db: Database, panel: Panel, user: int, case: tuple[str, str, int]
) -> None:
    policy, status, refunded = case
    async with db.transaction() as session:
        await write_option(session, REFUSED_OPTION, policy)
        first, second = [await make_provider(session, panel) for _ in range(2)]
        service = await make_service(session, first, second)
    upstream_of(first).will("add", RefusedOrder("Bad link"))
    upstream_of(second).will("add", RefusedOrder("Incorrect link"))
    [order_id] = await an_order(db, user, service, "a")

    for provider in (first, second, first, second):
        await submit(panel, provider)

    order = await order_row(db, order_id)
    assert (order.status, order.refunded, order.reason) == (status, refunded, "Incorrect link")
    assert [len(upstream_of(one).asked) for one in (first, second)] == [1, 1]
    await assert_books(db)


async def test_an_order_whose_cost_rose_above_its_price_waits_instead_of_being_sold_at_a_loss(shop: Shop) -> None:
    ids = await shop.order("a")
    async with shop.db.transaction() as session:
        await session.execute(text("UPDATE provider_services SET rate = 1.5"))

    await submit(shop.panel, shop.provider)

    [order] = await shop.rows(ids)
    assert (order.status, order.reason) == ("pending", "its cost has risen above what was paid")
    assert order.due_at > now()
    assert shop.sandbox.log("add") == []


async def test_an_order_that_nobody_takes_for_a_day_fails_and_keeps_its_money_held(
    db: Database, panel: Panel, user: int
) -> None:
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider)
    upstream_of(provider).will("add", NotSent("connection refused"))
    [order_id] = await an_order(db, user, service, "a")
    async with db.transaction() as session:
        await session.execute(text("UPDATE orders SET created_at = now() - interval '25 hours'"))

    await submit(panel, provider)

    order = await order_row(db, order_id)
    assert (order.status, order.refunded, order.earned) == ("failed", 0, 0)
    await assert_books(db)


async def test_what_arrives_while_a_worker_is_at_it_is_handed_in_by_it(db: Database, panel: Panel, user: int) -> None:
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider)
    upstream = upstream_of(provider)
    upstream.will("add", *(Accepted(str(number)) for number in range(1, 4)))
    ids = await an_order(db, user, service, "a")
    began, go_on = asyncio.Event(), asyncio.Event()

    async def during(_action: str) -> None:
        if len(upstream.asked) == 1:
            began.set()
            await go_on.wait()

    upstream.during = during
    working = asyncio.create_task(submit(panel, provider))
    await asyncio.wait_for(began.wait(), 10)
    ids += await an_order(db, user, service, "b", "c")
    await submit_pending.function(panel, provider_id=provider.id)  # finds the loop running, and tells it
    go_on.set()
    await asyncio.wait_for(working, 20)

    assert [(await order_row(db, one)).status for one in ids] == ["processing"] * 3


async def test_an_answer_is_recorded_although_the_worker_is_asked_to_stop_meanwhile(shop: Shop) -> None:
    shop.sandbox.configure(latency_ms=300)
    ids = await shop.order(*(f"{number}" for number in range(5)))
    working = asyncio.create_task(submit(shop.panel, shop.provider))
    async with asyncio.timeout(20):
        while shop.sandbox.stats()["requests"].get("add", 0) < 5:  # noqa: ASYNC110 - another process's counter
            await asyncio.sleep(0.02)
        shop.panel.stopping.set()
        await working

    orders = await shop.rows(ids)
    assert {order.status for order in orders} == {"processing"}
    assert sorted(order.external_id or "" for order in orders) == sorted(row["order"] for row in shop.sandbox.orders())
