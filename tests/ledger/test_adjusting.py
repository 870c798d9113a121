"""What staff book by hand says what it is: only a gift is no money that was paid in."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from making import assert_books, make_user, staff
from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.kernel.money import Money
from smmpanel.ledger import AdjustmentKind, KeyReusedError, adjust_by_staff, balance_of, paid_in, statement
from smmpanel.ledger.adjusting import OwnBalanceError, may_adjust

BOSS = staff(None, Permission.USERS_BALANCE)


@pytest.mark.parametrize(
    ("kind", "reason", "counts"),
    [
        (AdjustmentKind.PLAIN, "adjustment", True),
        (AdjustmentKind.PAYMENT, "payment_by_staff", True),
        (AdjustmentKind.GIFT, "gift", False),
        (AdjustmentKind.CORRECTION, "correction", True),
    ],
)
async def test_each_kind_has_a_reason_of_its_own_and_is_taken_away_as_it_came(db, kind, reason, counts):
    async with db.transaction() as session:
        mai = await make_user(session, funds=None)
        for amount, key in (("10", "a"), ("10", "a"), ("-4", "b")):
            money = Money.of(amount, "USD")
            await adjust_by_staff(session, BOSS, mai, money, reason="cash", key=key, kind=kind)
    async with db.transaction() as session:
        lines = (await statement(session, mai, "USD")).rows
        assert [(line.reason, line.note, line.amount.amount) for line in lines] == [
            (reason, "cash", Decimal(-4)),
            (reason, "cash", Decimal(10)),
        ]
        assert (await paid_in(session, {mai: 0}, "USD"))[mai].amount == (6 if counts else 0)
        told = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
        assert [entry.after["kind"] for entry in told] == [kind.value] * 2
    await assert_books(db)


async def test_a_key_stands_for_one_kind(db):
    async with db.transaction() as session:
        mai = await make_user(session, funds=None)
        money = Money.of("1", "USD")
        await adjust_by_staff(session, BOSS, mai, money, reason="x", key="a", kind=AdjustmentKind.GIFT)
        with pytest.raises(KeyReusedError):
            await adjust_by_staff(session, BOSS, mai, money, reason="x", key="a", kind=AdjustmentKind.PAYMENT)


@pytest.mark.parametrize("role", [Role.STAFF, Role.ADMIN])
async def test_nobody_of_the_staff_books_on_their_own_wallet(db, role):
    async with db.transaction() as session:
        clerk, mai = await make_user(session), await make_user(session)
        for name, acted_by in ((clerk, None), (mai, clerk)):
            actor = Actor("user", name, "clerk", role, frozenset({Permission.USERS_BALANCE}), acted_by=acted_by)
            with pytest.raises(OwnBalanceError):
                await adjust_by_staff(session, actor, clerk, Money.of("1", "USD"), reason="x", key="a")
            assert not may_adjust(actor, clerk)
    async with db.transaction() as session:
        assert (await balance_of(session, clerk, "USD")).amount == 100
        assert (await session.scalars(select(AuditEntry))).all() == []


async def test_the_master_admin_books_on_their_own_wallet_on_the_record(db):
    async with db.transaction() as session:
        boss = await make_user(session)
        actor = Actor("user", boss, "boss", Role.MASTER_ADMIN, frozenset())
        assert may_adjust(actor, boss)
        assert await adjust_by_staff(session, actor, boss, Money.of("1", "USD"), reason="x", key="a")
    async with db.transaction() as session:
        assert (await balance_of(session, boss, "USD")).amount == 101
        assert [(one.actor_id, one.subject) for one in await session.scalars(select(AuditEntry))] == [
            (boss, f"user:{boss}")
        ]
