"""Telling users: once, in one insert for all, where they want it, and with a hint to their open pages."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, select, text

from making import credit, make_user
from notifications.conftest import mails_of
from smmpanel.accounts.signing_in import Origin, sign_in
from smmpanel.kernel.jobs import JOBS
from smmpanel.kernel.money import Money
from smmpanel.ledger import adjust_balance
from smmpanel.notifications.events import Event, Wish, choose, wishes_of
from smmpanel.notifications.low_balances import look_at_balances, watch_balance
from smmpanel.notifications.models import Notification
from smmpanel.notifications.telling import Notice, notify


def completed(user, number):
    return Notice(user, f"order:{number}:completed", "order_completed", {"order_id": number}, f"/orders/{number}")


async def told(panel, user=None):
    async with panel.db.transaction() as session:
        wanted = select(Notification).order_by(Notification.id)
        if user is not None:
            wanted = wanted.where(Notification.user_id == user)
        return (await session.scalars(wanted)).all()


async def tell(panel, *notices):
    async with panel.db.transaction() as session:
        return await notify(session, notices, now=panel.clock())


async def run_jobs_named(panel, ending):
    """Run the queued jobs whose name ends so, twice, as a queue that retries would."""
    async with panel.db.transaction() as session:
        rows = (await session.execute(text("SELECT task_name, args FROM procrastinate_jobs ORDER BY id"))).all()
    for name, arguments in rows:
        if name.endswith(ending):
            await JOBS[name].function(panel, **arguments)
            await JOBS[name].function(panel, **arguments)


@pytest.fixture
async def user(panel):
    async with panel.db.transaction() as session:
        return await make_user(session, funds=None)


async def test_what_is_told_twice_is_one_notification(panel, user):
    assert await tell(panel, completed(user, 7), completed(user, 8)) == 2
    assert await tell(panel, completed(user, 8), completed(user, 9)) == 1

    assert [(row.kind, row.fields["order_id"], row.href) for row in await told(panel)] == [
        ("order_completed", 7, "/orders/7"),
        ("order_completed", 8, "/orders/8"),
        ("order_completed", 9, "/orders/9"),
    ]


async def test_the_number_of_statements_does_not_grow_with_what_is_told(panel):
    async with panel.db.transaction() as session:
        users = [await make_user(session, funds=None) for _ in range(5)]
    counted = []
    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", lambda *call: counted.append(call[2]))

    await tell(panel, completed(users[0], 1))
    few = len(counted)
    await tell(panel, *(completed(one, number) for one in users for number in range(100, 150)))

    assert len(counted) == 2 * few
    assert len(await told(panel)) == 251


async def test_wishes_decide_what_is_shown_and_what_is_kept_for_mail(panel, user):
    async with panel.db.transaction() as session:
        await choose(session, user, {Event.ORDERS: Wish(in_panel=False, by_mail=True)})
    await tell(panel, completed(user, 1))
    async with panel.db.transaction() as session:
        await choose(session, user, {Event.ORDERS: Wish(in_panel=False, by_mail=False)})
    await tell(panel, completed(user, 2))

    [row] = await told(panel)
    assert (row.fields["order_id"], row.hidden, row.read_at is not None) == (1, True, True)


async def test_events_leave_only_the_choice_they_have(panel, user):
    off = Wish(in_panel=False, by_mail=False)
    async with panel.db.transaction() as session:
        await choose(session, user, {Event.SIGN_IN: off, Event.REFILLS: Wish(in_panel=True, by_mail=True)})
        wishes = await wishes_of(session, [user])

    assert wishes == {
        (user, Event.SIGN_IN): Wish(in_panel=False, by_mail=True),
        (user, Event.REFILLS): Wish(in_panel=True, by_mail=False),
    }


async def test_a_change_of_the_balance_by_hand_is_told(panel, user):
    async with panel.db.transaction() as session:
        await adjust_balance(session, user, Money.of("12.5", "USD"), reason="bank transfer 77", key="a")
        await adjust_balance(session, user, Money.of("-2.5", "USD"), reason="mistake", key="b")

    await run_jobs_named(panel, "tell_of_adjustments")

    assert [(row.kind, row.fields["amount"], row.fields["reason"]) for row in await told(panel)] == [
        ("balance_credited", "12.5", "bank transfer 77"),
        ("balance_debited", "2.5", "mistake"),
    ]


async def test_only_sign_ins_from_a_new_place_are_told(panel, mai):
    async def enter(ip):
        await sign_in(
            panel.db,
            login="mai",
            password="correct horse battery",
            origin=Origin(ip, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
            lifetime=timedelta(days=1),
            now=panel.clock(),
        )

    for ip in ("203.0.113.7", "203.0.113.7", "198.51.100.9", "203.0.113.7"):
        await enter(ip)
    await run_jobs_named(panel, "tell_of_sign_in")

    assert [(row.kind, row.fields["ip"]) for row in await told(panel)] == [("new_sign_in", "198.51.100.9")]
    [mail] = [mail for mail in await mails_of(panel) if mail.kind == "new_sign_in"]
    assert (mail.address, mail.state) == ("mai@example.com", "waiting")


async def test_a_low_balance_is_told_once_until_it_was_above_again(panel, user):
    async with panel.db.transaction() as session:
        await watch_balance(session, user, Decimal(5))
        await credit(session, user, "8")

    async def looked_after(change):
        async with panel.db.transaction() as session:
            if change:
                await credit(session, user, change)
        later = replace(panel, clock=lambda: panel.clock() + timedelta(minutes=len(change)))
        await look_at_balances.function(later)
        await look_at_balances.function(later)
        return [row.fields["balance"] for row in await told(panel) if row.kind == "low_balance"]

    assert await looked_after("") == []
    assert await looked_after("-4") == ["4.000000"]
    assert await looked_after("-1.5") == ["4.000000"]
    assert await looked_after("10.25") == ["4.000000"]
    assert await looked_after("-10.125") == ["4.000000", "2.625000"]


async def test_another_amount_is_another_watch_and_none_is_none(panel, user):
    async with panel.db.transaction() as session:
        await watch_balance(session, user, Decimal(5))
    await look_at_balances.function(panel)
    async with panel.db.transaction() as session:
        await watch_balance(session, user, Decimal(5))
    await look_at_balances.function(panel)
    assert len(await told(panel)) == 1

    async with panel.db.transaction() as session:
        await watch_balance(session, user, Decimal(6))
    await look_at_balances.function(panel)
    assert len(await told(panel)) == 2

    async with panel.db.transaction() as session:
        await watch_balance(session, user, None)
    await look_at_balances.function(panel)
    assert len(await told(panel)) == 2
