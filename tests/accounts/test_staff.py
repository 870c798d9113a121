"""Roles, permissions, suspending and the audit log."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from smmpanel.accounts.access import (
    VIEW_ONLY,
    Actor,
    MissingPermissionError,
    Permission,
    Viewer,
    known_permissions,
)
from smmpanel.accounts.admins import (
    OnlyStaffHavePermissionsError,
    create_admin,
    ensure_first_admin,
    set_permissions,
    set_role,
)
from smmpanel.accounts.audit import audit, audit_trail
from smmpanel.accounts.finding import UserNotFoundError, list_users, user_named
from smmpanel.accounts.models import AuditEntry, User
from smmpanel.accounts.signing_up import UsernameTakenError
from smmpanel.accounts.states import AccountState, Role
from smmpanel.accounts.suspending import (
    LastMasterAdminError,
    NotYourselfError,
    ban_user,
    reactivate_user,
    suspend_user,
)
from smmpanel.kernel.errors import ForbiddenError, InvalidInputError
from smmpanel.kernel.settings import Settings
from smmpanel.kernel.states import IllegalMoveError


def acting(user, *permissions, role=None):
    return Viewer(
        kind="user",
        user_id=user.id,
        username=user.username,
        role=role or user.role,
        permissions=frozenset(permissions),
        ip="203.0.113.7",
    )


def test_who_holds_what():
    def who(role, *permissions):
        return Actor("user", 1, "x", role, frozenset(permissions))

    assert [who(role).may(Permission.ORDERS_EDIT) for role in Role] == [False, False, True, True]
    assert who(Role.STAFF, Permission.ORDERS_EDIT).may(Permission.ORDERS_EDIT) is True
    assert who(Role.STAFF, Permission.ORDERS_EDIT).may(Permission.ORDERS_VIEW) is False
    # A permission left on somebody who is no longer staff is worth nothing.
    assert who(Role.CUSTOMER, Permission.ORDERS_EDIT).may(Permission.ORDERS_EDIT) is False
    assert (Actor.cli().may(Permission.STAFF_EDIT), Actor.system().may(Permission.STAFF_EDIT)) == (True, True)
    with pytest.raises(MissingPermissionError) as failure:
        who(Role.STAFF).require(Permission.ORDERS_EDIT)
    assert (failure.value.status, failure.value.fields) == (403, {"permission": "orders.edit"})


def test_view_only_staff_change_nothing():
    assert Permission.ORDERS_VIEW in VIEW_ONLY
    assert not [permission for permission in VIEW_ONLY if not permission.value.endswith(".view")]


def test_permissions_of_another_version_grant_nothing():
    assert known_permissions(["orders.view", "rockets.launch"]) == {Permission.ORDERS_VIEW}


async def state_of(db, user):
    async with db.transaction() as session:
        return await session.scalar(select(User.state).where(User.id == user.id))


async def test_suspending_leaves_a_reason_and_a_line_in_the_log(a_user, db, now):
    admin, customer = await a_user("root", Role.ADMIN), await a_user()
    async with db.transaction() as session:
        await suspend_user(session, acting(admin), customer.id, reason=" chargeback ", now=now)

    async with db.transaction() as session:
        user = await session.get_one(User, customer.id)
        entry = (await session.scalars(select(AuditEntry))).one()
    assert (user.state, user.state_reason) == (AccountState.SUSPENDED, "chargeback")
    assert (entry.actor_id, entry.actor_kind, entry.permission) == (admin.id, "user", "users.suspend")
    assert (entry.subject, entry.ip) == (f"user:{customer.id}", "203.0.113.7")
    assert entry.before == {"state": "active", "reason": None}
    assert entry.after == {"state": "suspended", "reason": "chargeback"}


async def test_who_may_suspend_whom(a_user, db, now):
    people = {role: await a_user(role.value.replace("_", "-"), role) for role in Role}
    second = await a_user("second-master", Role.MASTER_ADMIN)
    staff_permission = Permission.USERS_SUSPEND
    allowed = {
        Role.CUSTOMER: set(),
        Role.STAFF: {Role.CUSTOMER},
        Role.ADMIN: {Role.CUSTOMER, Role.STAFF},
        Role.MASTER_ADMIN: {Role.CUSTOMER, Role.STAFF, Role.ADMIN, Role.MASTER_ADMIN},
    }
    for role, may in allowed.items():
        actor_row = await a_user(f"actor-{role.value.replace('_', '-')}", role)
        actor = acting(actor_row, staff_permission)
        for target_role, target in people.items():
            await try_suspend(db, actor, target, now, expected=target_role in may)
    assert await state_of(db, second) is AccountState.ACTIVE


async def try_suspend(db, actor, target, now, *, expected):
    async with db.transaction() as session:
        if not expected:
            with pytest.raises(ForbiddenError):
                await suspend_user(session, actor, target.id, reason="x", now=now)
            return
        await suspend_user(session, actor, target.id, reason="x", now=now)
        await reactivate_user(session, Actor.cli(), target.id, reason="x", now=now)


async def test_without_the_permission_nothing_is_done(a_user, db, now):
    staff, customer = await a_user("helper", Role.STAFF), await a_user()
    async with db.transaction() as session:
        with pytest.raises(MissingPermissionError):
            await ban_user(session, acting(staff, Permission.USERS_EDIT), customer.id, reason="x", now=now)

    assert await state_of(db, customer) is AccountState.ACTIVE
    async with db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(AuditEntry)) == 0


async def test_moves_follow_the_flow(a_user, db, now):
    customer = await a_user()
    async with db.transaction() as session:
        await ban_user(session, Actor.cli(), customer.id, reason="fraud", now=now)
        with pytest.raises(IllegalMoveError):
            await suspend_user(session, Actor.cli(), customer.id, reason="fraud", now=now)
        with pytest.raises(InvalidInputError):
            await reactivate_user(session, Actor.cli(), customer.id, reason="  ", now=now)
        with pytest.raises(UserNotFoundError):
            await ban_user(session, Actor.cli(), customer.id + 99, reason="fraud", now=now)


async def test_nobody_stops_themselves_and_the_last_master_admin_stays(a_user, db, now):
    master, admin = await a_user("master", Role.MASTER_ADMIN), await a_user("root", Role.ADMIN)
    async with db.transaction() as session:
        with pytest.raises(NotYourselfError):
            await suspend_user(session, acting(admin), admin.id, reason="x", now=now)
        with pytest.raises(LastMasterAdminError):
            await suspend_user(session, Actor.cli(), master.id, reason="x", now=now)
        with pytest.raises(LastMasterAdminError):
            await set_role(session, Actor.cli(), master.id, Role.CUSTOMER)


async def test_two_master_admins_cannot_remove_each_other_at_once(a_user, db, now):
    one, two = await a_user("one", Role.MASTER_ADMIN), await a_user("two", Role.MASTER_ADMIN)

    async def remove(actor, target):
        async with db.transaction() as session:
            await ban_user(session, acting(actor), target.id, reason="coup", now=now)

    results = await asyncio.gather(remove(one, two), remove(two, one), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["LastMasterAdminError", "NoneType"]


async def test_only_a_master_admin_makes_admins(a_user, db):
    admin, staff = await a_user("root", Role.ADMIN), await a_user("helper", Role.STAFF)
    async with db.transaction() as session:
        for actor in (acting(admin), acting(staff, Permission.STAFF_EDIT)):
            for role in (Role.ADMIN, Role.MASTER_ADMIN):
                with pytest.raises(ForbiddenError):
                    await set_role(session, actor, staff.id + 1, role)
                with pytest.raises(ForbiddenError):
                    await create_admin(
                        session, actor, username="new", email="new@example.com", password="long enough", role=role
                    )
        made = await create_admin(session, Actor.cli(), username="new", email="new@example.com", password="long enough")
    assert made.role is Role.ADMIN


async def test_staff_hand_on_no_more_than_they_hold(a_user, db):
    boss, helper = await a_user("boss", Role.STAFF), await a_user("helper", Role.STAFF)
    actor = acting(boss, Permission.STAFF_EDIT, Permission.ORDERS_VIEW)
    async with db.transaction() as session:
        await set_permissions(session, actor, helper.id, [Permission.ORDERS_VIEW])
        with pytest.raises(MissingPermissionError):
            await set_permissions(session, actor, helper.id, [Permission.ORDERS_VIEW, Permission.USERS_BALANCE])
        with pytest.raises(NotYourselfError):
            await set_permissions(session, actor, boss.id, [])
        permissions = await session.scalar(select(User.permissions).where(User.id == helper.id))
    assert permissions == ["orders.view"]


async def test_permissions_are_for_staff_and_do_not_survive_a_new_role(a_user, db):
    customer = await a_user()
    async with db.transaction() as session:
        with pytest.raises(OnlyStaffHavePermissionsError):
            await set_permissions(session, Actor.cli(), customer.id, [Permission.ORDERS_VIEW])
        await set_role(session, Actor.cli(), customer.id, Role.STAFF)
        await set_permissions(session, Actor.cli(), customer.id, [Permission.ORDERS_VIEW])
        await set_role(session, Actor.cli(), customer.id, Role.CUSTOMER)
        assert (await session.get_one(User, customer.id)).permissions == []


async def first_admin(db, **given):
    async with db.transaction() as session:
        return await ensure_first_admin(session, Settings(**given))


async def test_of_processes_that_start_together_one_makes_the_admin(db, try_sign_in):
    made = [admin for admin in await asyncio.gather(*(first_admin(db) for _ in range(4))) if admin is not None]

    assert len(made) == 1
    assert made[0].username == "admin"
    assert len(made[0].password) == 20
    signed = await try_sign_in("admin", made[0].password)
    assert signed.user.role is Role.MASTER_ADMIN


async def test_the_first_admin_as_the_settings_say(db, try_sign_in):
    made = await first_admin(db, admin_username="boss", admin_email="boss@example.com", admin_password="given by hand")

    assert (made.username, made.password) == ("boss", None)
    assert await first_admin(db, admin_username="other") is None
    assert (await try_sign_in("boss@example.com", "given by hand")).user.username == "boss"


async def test_settings_that_make_no_admin_are_said_to_be_wrong(db, a_user):
    await a_user("taken")
    for given, error in [
        ({"admin_username": "a b"}, InvalidInputError),
        ({"admin_email": "nonsense"}, InvalidInputError),
        ({"admin_username": "Taken"}, UsernameTakenError),
    ]:
        with pytest.raises(error):
            await first_admin(db, **given)


async def test_the_log_takes_any_plain_value_and_is_read_newest_first(a_user, db):
    user = await a_user()
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    async with db.transaction() as session:
        for n in range(3):
            await audit(
                session,
                acting(user),
                Permission.USERS_BALANCE,
                f"user:{n % 2}",
                before={"amount": Decimal("1.500000"), "at": moment, "role": Role.STAFF},
            )
        await session.flush()
        newest = await audit_trail(session, size=2)
        rest = await audit_trail(session, size=2, after=newest.after)
        of_one = await audit_trail(session, subject="user:1")

    assert [entry.subject for entry in (*newest.rows, *rest.rows)] == ["user:0", "user:1", "user:0"]
    assert rest.after is None
    assert [entry.subject for entry in of_one.rows] == ["user:1"]
    assert newest.rows[0].before == {"amount": "1.500000", "at": "2026-01-01T00:00:00Z", "role": "staff"}


@pytest.mark.parametrize("edit", ["UPDATE audit_log SET subject = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"])
async def test_the_log_cannot_be_edited(db, edit):
    async with db.transaction() as session:
        await audit(session, Actor.cli(), Permission.USERS_VIEW, "user:1")

    with pytest.raises(DBAPIError, match="never edited"):
        async with db.transaction() as session:
            await session.execute(text(edit))
    async with db.transaction() as session:
        assert (await session.scalars(select(AuditEntry.subject))).all() == ["user:1"]


async def test_finding_users(a_user, db):
    mai, linh = await a_user("Mai"), await a_user("linh", Role.STAFF)
    async with db.transaction() as session:
        assert (await user_named(session, "MAI")).id == mai.id
        assert (await user_named(session, "mai@EXAMPLE.com")).id == mai.id
        with pytest.raises(UserNotFoundError):
            await user_named(session, "nobody")
        first = await list_users(session, size=1)
        second = await list_users(session, size=1, after=first.after)
        staff = await list_users(session, role=Role.STAFF)
        suspended = await list_users(session, state=AccountState.SUSPENDED)
    assert [row.id for row in (*first.rows, *second.rows)] == [mai.id, linh.id]
    assert [row.id for row in staff.rows] == [linh.id]
    assert suspended.rows == []
