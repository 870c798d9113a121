"""Answers that were lost: found again where the provider's own list leaves no doubt, and left to staff otherwise."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from making import Shop, assert_books, at, attempts_of, open_shop, staff, submit
from smmpanel.accounts.access import MissingPermissionError, Permission
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.panel import Panel
from smmpanel.notifications import open_alerts
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.reconciling import UNCONFIRMED_ALERT, find_lost_calls, reconcile
from smmpanel.orders.resolving import (
    ExternalIdTakenError,
    NotFailedError,
    NotUnconfirmedError,
    resend_order,
    resolve_not_taken,
    resolve_taken,
)
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.tracking import track
from smmpanel.sandbox.process import SandboxProcess

S = OrderStatus
SETTLER = staff(None, Permission.ORDERS_SETTLE, Permission.ORDERS_RESEND)


@pytest.fixture
async def listing(panel: Panel, sandbox: SandboxProcess) -> Shop:
    """A shop whose provider lists our latest orders."""
    return await open_shop(panel, sandbox, options={"listing": True})


async def doubtful(shop: Shop, *links: str, taken: bool) -> list[int]:
    """Hand orders in whose answers are lost."""
    shop.sandbox.add_fault("garbage_after" if taken else "garbage_before", action="add")
    ids = await shop.order(*links)
    await submit(shop.panel, shop.provider)
    shop.sandbox.clear_faults()
    assert {(order.status, order.unconfirmed) for order in await shop.rows(ids)} == {("submitting", True)}
    return ids


async def look_into_it(shop: Shop) -> None:
    await reconcile.function(shop.panel, provider_id=shop.provider.id)


async def test_a_lost_order_is_found_in_the_providers_list(listing: Shop) -> None:
    others = await listing.order("before")
    await submit(listing.panel, listing.provider)
    [order_id] = await doubtful(listing, "lost", taken=True)
    theirs = next(row["order"] for row in listing.sandbox.orders() if row["link"].endswith("lost"))

    await look_into_it(listing)

    [order] = await listing.rows([order_id])
    assert (order.status, order.unconfirmed, order.external_id) == ("processing", False, theirs)
    assert order.check_at is not None
    assert [one.status for one in await listing.rows(others)] == ["processing"]
    assert len(listing.sandbox.log("add")) == 2
    listing.sandbox.finish([theirs], "partial", remains=500)
    await track(at(listing.panel, order.check_at + timedelta(minutes=9)), listing.provider.id, until=None)
    assert [(one.status, str(one.refunded)) for one in await listing.rows([order_id])] == [("partial", "0.500000")]
    await assert_books(listing.db)


@pytest.mark.parametrize("taken", [True, False])
async def test_two_alike_stay_for_staff_whatever_the_list_says(listing: Shop, taken: bool) -> None:
    ids = await doubtful(listing, "same", "same", taken=taken)

    await look_into_it(listing)

    assert [(one.status, one.unconfirmed) for one in await listing.rows(ids)] == [("submitting", True)] * 2
    async with listing.db.transaction() as session:
        [alert] = (await open_alerts(session)).rows
        notes = (await session.scalars(text("SELECT note FROM order_events WHERE kind = 'evidence'"))).all()
    assert (alert.kind, alert.fields["orders"]) == (UNCONFIRMED_ALERT, 2)
    assert len(notes) == 2
    assert len(listing.sandbox.log("add")) == 2
    assert {(await attempts_of(listing.db, one))[0].balance_after is not None for one in ids} == {True}


async def test_an_order_that_is_not_listed_is_neither_sent_again_nor_paid_back(listing: Shop) -> None:
    [order_id] = await doubtful(listing, "gone", taken=False)
    other = await listing.order("gone", quantity=999)  # nearly the same, and certainly another
    await submit(listing.panel, listing.provider)

    for _ in range(2):
        await look_into_it(listing)
        await submit(listing.panel, listing.provider)

    [order] = await listing.rows([order_id])
    assert (order.status, order.unconfirmed, order.refunded) == ("submitting", True, 0)
    assert [one.status for one in await listing.rows(other)] == ["processing"]
    assert len(listing.sandbox.orders()) == 1
    await assert_books(listing.db)


async def test_a_listed_order_that_is_anothers_proves_nothing(listing: Shop) -> None:
    first = await listing.order("same")
    await submit(listing.panel, listing.provider)
    [second] = await doubtful(listing, "same", taken=False)

    await look_into_it(listing)

    assert [one.external_id for one in await listing.rows([*first, second])] == [
        listing.sandbox.orders()[0]["order"], None,
    ]  # fmt: skip


async def test_without_a_list_the_balances_are_kept_for_staff(shop: Shop) -> None:
    async with shop.db.transaction() as session:
        await session.execute(text("UPDATE providers SET balance = 1000000"))
    [order_id] = await doubtful(shop, "lost", taken=True)

    await look_into_it(shop)

    [attempt] = await attempts_of(shop.db, order_id)
    assert (attempt.outcome, str(attempt.balance_before), str(attempt.balance_after)) == (
        "unknown", "1000000.000000", "999999.500000",
    )  # fmt: skip
    assert [one.unconfirmed for one in await shop.rows([order_id])] == [True]


async def test_a_provider_that_cannot_be_asked_is_asked_again_later(listing: Shop) -> None:
    [order_id] = await doubtful(listing, "lost", taken=True)
    listing.sandbox.add_fault("status_5xx", action="orders", times=1)

    await look_into_it(listing)
    assert [one.unconfirmed for one in await listing.rows([order_id])] == [True]
    await find_lost_calls.function(listing.panel)
    async with listing.db.transaction() as session:
        waiting = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'orders.reconciling.reconcile'"
        assert await session.scalar(text(waiting)) == 1
    await look_into_it(listing)

    assert [one.unconfirmed for one in await listing.rows([order_id])] == [False]


async def test_staff_settle_a_doubt_either_way_once(shop: Shop) -> None:
    taken, not_taken = await doubtful(shop, "a", taken=True) + await doubtful(shop, "b", taken=False)
    theirs = shop.sandbox.orders()[0]["order"]
    now = shop.panel.clock()

    async with shop.db.transaction() as session:
        await resolve_taken(session, shop.panel, SETTLER, taken, f" {theirs} ", now=now)
        await resolve_not_taken(session, shop.panel, SETTLER, not_taken, now=now)
    for again in (taken, not_taken):
        with pytest.raises(NotUnconfirmedError):
            async with shop.db.transaction() as session:
                await resolve_not_taken(session, shop.panel, SETTLER, again, now=now)
    await submit(shop.panel, shop.provider)

    orders = await shop.rows([taken, not_taken])
    assert [(one.status, one.external_id) for one in orders] == [
        ("processing", row["order"]) for row in shop.sandbox.orders()
    ]
    async with shop.db.transaction() as session:
        audited = (await session.execute(text("SELECT permission, subject FROM audit_log ORDER BY id"))).all()
    assert [tuple(row) for row in audited] == [("orders.settle", f"order:{one}") for one in (taken, not_taken)]
    await assert_books(shop.db)


async def test_who_may_not_settle_does_not_and_ids_are_checked(shop: Shop) -> None:
    known = await shop.order("known")
    await submit(shop.panel, shop.provider)
    [order] = await shop.rows(known)
    assert order.external_id is not None
    [order_id] = await doubtful(shop, "a", taken=True)
    now = shop.panel.clock()
    cases = [
        (staff(None), "5", MissingPermissionError),
        (SETTLER, " ", InvalidInputError),
        (SETTLER, "1\n2", InvalidInputError),
        (SETTLER, "9" * 101, InvalidInputError),
        (SETTLER, order.external_id, ExternalIdTakenError),
    ]
    for actor, external_id, refusal in cases:
        with pytest.raises(refusal):
            async with shop.db.transaction() as session:
                await resolve_taken(session, shop.panel, actor, order_id, external_id, now=now)
    with pytest.raises(MissingPermissionError):
        async with shop.db.transaction() as session:
            await resolve_not_taken(session, shop.panel, staff(None), order_id, now=now)
    assert [(one.status, one.unconfirmed) for one in await shop.rows([order_id])] == [("submitting", True)]


async def test_only_a_failed_order_is_sent_again_by_hand(shop: Shop) -> None:
    failed, open_one = await shop.order("a", "b")
    now = shop.panel.clock()
    async with shop.db.transaction() as session:
        await settle(session, [Change(failed, S.FAILED, reason="x")], now=now, watch=timedelta(0))
        with pytest.raises(NotFailedError):
            await resend_order(session, shop.panel, SETTLER, open_one, now=now)
        await resend_order(session, shop.panel, SETTLER, failed, now=now)
    await submit(shop.panel, shop.provider)

    assert [one.status for one in await shop.rows([failed, open_one])] == ["processing"] * 2
    assert len(shop.sandbox.orders()) == 2
    await assert_books(shop.db)
