"""Staff's page of staff: who is one of them, what each may do, and the last master admin stays."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from making import make_user
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import AuditEntry, User
from smmpanel.accounts.states import Role
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from staff_browser import StaffBrowser, sign_in

LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])


@pytest.fixture
async def master(panel: Panel) -> AsyncIterator[StaffBrowser]:
    browser = await sign_in(panel, role=Role.MASTER_ADMIN)
    await browser.get("/staff/people")
    yield browser
    await browser.client.aclose()


async def user_row(db: Database, user_id: int) -> User:
    async with db.transaction() as session:
        return await session.get_one(User, user_id)


async def make_staff(db: Database, *permissions: Permission, role: Role = Role.STAFF, name: str = "binh") -> int:
    async with db.transaction() as session:
        user = await session.get_one(User, await make_user(session, name, funds=None))
        user.role, user.permissions = role, sorted(one.value for one in permissions)
        return user.id


async def own_id(db: Database) -> int:
    async with db.transaction() as session:
        found = await session.scalar(select(User.id).where(User.role == Role.MASTER_ADMIN))
    assert found is not None
    return found


@LANGUAGES
async def test_people_and_what_they_may_do(master: StaffBrowser, db: Database, language: str) -> None:
    binh = await make_staff(db, Permission.ORDERS_VIEW, Permission.USERS_VIEW)

    shown = await master.get("/staff/people", params={"lang": language})
    person = await master.get(f"/staff/people/{binh}", params={"lang": language})

    assert shown.status_code == person.status_code == 200
    assert f'href="/staff/people/{binh}"' in shown.text
    assert person.text.count(" checked") == 2


async def test_somebody_joins_and_is_given_permissions(master: StaffBrowser, db: Database) -> None:
    async with db.transaction() as session:
        mai = await make_user(session, "mai")

    joined = await master.post("/staff/people", {"name": "MAI@example.com", "role": "staff"})
    saved = await master.post(f"/staff/people/{mai}/permissions", {"orders.view": "yes", "ledger.view": "yes"})

    assert (joined.status_code, joined.headers["location"]) == (303, f"/staff/people/{mai}")
    assert saved.status_code == 303
    row = await user_row(db, mai)
    assert (row.role, row.permissions) == (Role.STAFF, ["ledger.view", "orders.view"])
    async with db.transaction() as session:
        lines = (await session.scalars(select(AuditEntry).where(AuditEntry.subject == f"user:{mai}"))).all()
    assert [line.after for line in lines] == [
        {"role": "staff", "permissions": []},
        {"permissions": ["ledger.view", "orders.view"]},
    ]


@pytest.mark.parametrize("name", ["nobody", "binh"])
async def test_who_cannot_join_is_said_under_the_field(master: StaffBrowser, db: Database, name: str) -> None:
    await make_staff(db, Permission.ORDERS_VIEW)

    shown = await master.post("/staff/people", {"name": name, "role": "admin"})

    assert shown.status_code == 422
    assert 'id="name-error"' in shown.text
    assert f'value="{name}"' in shown.text
    assert '<option value="admin" selected>' in shown.text


async def test_nobody_changes_themselves_and_the_last_master_admin_stays(
    master: StaffBrowser, panel: Panel, db: Database
) -> None:
    me = await own_id(db)
    assert "/role" not in (await master.get(f"/staff/people/{me}")).text

    refused = await master.post(f"/staff/people/{me}/role", {"role": "customer"})
    assert refused.status_code == 409

    other = await sign_in(panel, role=Role.MASTER_ADMIN)
    await other.get("/staff/people")
    assert (await other.post(f"/staff/people/{me}/role", {"role": "customer"})).status_code == 303
    assert (await user_row(db, me)).role is Role.CUSTOMER
    await other.client.aclose()


async def test_staff_give_only_what_they_hold_and_leave_the_rest(panel: Panel, db: Database) -> None:
    held = [Permission.STAFF_VIEW, Permission.STAFF_EDIT, Permission.ORDERS_VIEW]
    browser = await sign_in(panel, role=Role.STAFF, permissions=[one.value for one in held])
    await browser.get("/staff/people")
    binh = await make_staff(db, Permission.USERS_BALANCE)
    boss = await make_staff(db, role=Role.ADMIN, name="boss")

    form = {"orders.view": "yes", "settings.edit": "yes"}
    assert (await browser.post(f"/staff/people/{binh}/permissions", form)).status_code == 303
    assert (await user_row(db, binh)).permissions == ["orders.view", "users.balance"]

    assert (await browser.post(f"/staff/people/{boss}/role", {"role": "staff"})).status_code == 403
    assert (await user_row(db, boss)).role is Role.ADMIN

    await browser.post("/staff/people", {"name": "binh", "role": "master_admin"})
    assert (await user_row(db, binh)).role is Role.STAFF
    await browser.client.aclose()


async def test_looking_is_not_changing(panel: Panel, db: Database) -> None:
    browser = await sign_in(panel, role=Role.STAFF, permissions=[Permission.STAFF_VIEW.value])
    binh = await make_staff(db, Permission.ORDERS_VIEW)
    shown = await browser.get(f"/staff/people/{binh}")

    assert shown.status_code == 200
    assert "/permissions" in shown.text
    assert '<button class="btn btn-primary mla"' not in shown.text
    assert (await browser.post(f"/staff/people/{binh}/permissions", {})).status_code == 403
    assert (await browser.get("/staff/people/999999")).status_code == 404
    await browser.client.aclose()


async def test_a_customer_is_not_one_of_the_people(master: StaffBrowser, db: Database) -> None:
    async with db.transaction() as session:
        mai = await make_user(session, "mai")

    assert (await master.get(f"/staff/people/{mai}")).status_code == 404
