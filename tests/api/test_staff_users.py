"""`/api/admin/users`: all accounts for staff, their money, and stopping them."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from making import assert_books, make_provider, make_service, make_user, place
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import AuditEntry, User
from smmpanel.accounts.states import Role

P = Permission


async def put(who, path, *, headers=None, **body):
    return await who.http.put(path, json=body, headers={**who.headers, **(headers or {})})


async def audits(db, user_id):
    async with db.transaction() as session:
        wanted = select(AuditEntry).where(AuditEntry.subject == f"user:{user_id}").order_by(AuditEntry.id)
        return [(one.actor_id, one.permission, one.after) for one in await session.scalars(wanted)]


async def test_the_list(*, member, me, db, panel):
    clerk = await member(P.USERS_VIEW)
    async with db.transaction() as session:
        names = [f"walker{number}" for number in range(5)]
        made = [await make_user(session, name, funds=None) for name in names]
        service = await make_service(session, await make_provider(session, panel), rate="2")
        await place(session, me.user_id, service, now=panel.clock())

    async def listed(**query):
        answer = await clerk.get("/api/admin/users", **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    everybody = [clerk.user_id, me.user_id, *made]
    assert [row["number"] for row in (await listed())["data"]] == sorted(everybody, reverse=True)
    assert [row["number"] for row in (await listed(sort="created_at"))["data"]] == sorted(everybody)
    mine = next(row for row in (await listed())["data"] if row["number"] == me.user_id)
    assert mine["id"] == panel.public_ids.uuid_of("user", me.user_id)
    assert (mine["balance"], mine["currency"], mine["orders"], mine["spent"]) == (98, "USD", 1, 2)
    assert (mine["role"], mine["state"]) == ("customer", "active")

    second = await listed(search="walker", limit=2, page=2)
    assert [row["username"] for row in second["data"]] == ["walker2", "walker1"]
    assert second["pagination"] == {"total": 5, "page": 2, "limit": 2, "total_pages": 3}
    third = await listed(search="walker", limit=2, after=second["after"])
    assert ([row["username"] for row in third["data"]], third["after"]) == (["walker0"], None)
    oldest = await listed(search="walker", limit=2, sort="created_at")
    following = await listed(search="walker", limit=2, sort="created_at", after=oldest["after"])
    assert [row["username"] for row in [*oldest["data"], *following["data"]]] == names[:4]

    assert [row["number"] for row in (await listed(role="staff"))["data"]] == [clerk.user_id]
    assert (await listed(role="customer"))["pagination"]["total"] == 6
    assert (await listed(state="banned"))["data"] == []
    assert (await listed(search=str(made[3])))["data"][0]["username"] == "walker3"
    for wrong in ({"state": "gone"}, {"role": "king"}, {"after": "?"}, {"page": 0}, {"limit": 101}):
        assert (await clerk.get("/api/admin/users", **wrong)).status_code == 422


async def test_one_user(member, me, panel):
    clerk = await member(P.USERS_VIEW)
    uuid = panel.public_ids.uuid_of("user", me.user_id)

    by_uuid, by_number = await clerk.get(f"/api/admin/users/{uuid}"), await clerk.get(f"/api/admin/users/{me.user_id}")

    assert by_uuid.json() == by_number.json()
    assert (by_uuid.json()["id"], by_uuid.json()["balance"], by_uuid.json()["held"]) == (uuid, 100, 0)
    assert (await clerk.get("/api/admin/users/99999")).json()["code"] == "user_not_found"
    order_uuid = panel.public_ids.uuid_of("order", me.user_id)
    assert (await clerk.get(f"/api/admin/users/{order_uuid}")).status_code == 404


async def test_a_balance_is_changed_once_for_a_key(member, me, db):
    cashier = await member(P.USERS_BALANCE)
    path = f"/api/admin/users/{me.user_id}/balance"

    first = await put(cashier, path, amount=50, operation="add", reason="bonus", key="b1")
    again = await put(cashier, path, headers={"Idempotency-Key": "b1"}, amount=50, reason="bonus")
    assert (first.json()["new_balance"], first.json()["repeated"]) == (150, False)
    assert (again.json()["new_balance"], again.json()["repeated"]) == (150, True)
    other_content = await put(cashier, path, amount=51, reason="bonus", key="b1")
    assert (other_content.status_code, other_content.json()["code"]) == (409, "key_reused")

    # Without a key each call is a deed of its own.
    for expected in (129.75, 109.5):
        taken = await put(cashier, path, amount="20.25", operation="subtract", reason="mistake")
        assert (taken.json()["amount"], taken.json()["new_balance"]) == (-20.25, expected)
    signed = await put(cashier, path, amount=-9.5, reason="mistake")
    assert signed.json()["new_balance"] == 100

    too_much = await put(cashier, path, amount=1000, operation="subtract", reason="x")
    assert (too_much.status_code, too_much.json()["code"]) == (402, "insufficient_funds")
    assert too_much.json()["fields"] == {"needed": 1000, "available": 100}
    assert await me.balance() == "100.00"
    assert [(actor, permission) for actor, permission, _ in await audits(db, me.user_id)] == [
        (cashier.user_id, "users.balance")
    ] * 4
    await assert_books(db)


async def test_keys_of_two_cashiers_do_not_meet(member, me):
    for expected in (101, 102):
        cashier = await member(P.USERS_BALANCE)
        done = await put(cashier, f"/api/admin/users/{me.user_id}/balance", amount=1, reason="x", key="1")
        assert done.json()["new_balance"] == expected


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"amount": 0, "reason": "x"}, "amount"),
        ({"amount": -1, "operation": "add", "reason": "x"}, "amount"),
        ({"amount": "1.0000001", "reason": "x"}, "amount"),
        ({"amount": "NaN", "reason": "x"}, "amount"),
        ({"amount": 1, "operation": "double", "reason": "x"}, "operation"),
        ({"amount": 1, "reason": " "}, "reason"),
        ({"amount": 1}, "reason"),
        ({"amount": 1, "reason": "x", "key": ""}, "key"),
    ],
)
async def test_what_no_balance_is_changed_by(member, me, db, form, field):
    cashier = await member(P.USERS_BALANCE)

    answer = await put(cashier, f"/api/admin/users/{me.user_id}/balance", **form)

    assert (answer.status_code, answer.json()["code"], list(answer.json()["fields"])) == (422, "invalid_input", [field])
    assert await me.balance() == "100.00"
    assert await audits(db, me.user_id) == []


async def test_nobody_of_the_staff_changes_their_own_balance(member, db):
    for cashier, status in ((await member(P.USERS_BALANCE), 403), (await member(role=Role.MASTER_ADMIN), 200)):
        answer = await put(cashier, f"/api/admin/users/{cashier.user_id}/balance", amount=1, reason="x")

        assert answer.status_code == status, answer.text
        assert answer.json().get("code") == ("own_balance" if status == 403 else None)
        assert await cashier.balance() == ("100.00" if status == 403 else "101.00")
        assert len(await audits(db, cashier.user_id)) == (0 if status == 403 else 1)


async def test_two_keys_that_differ(member, me):
    cashier = await member(P.USERS_BALANCE)
    path = f"/api/admin/users/{me.user_id}/balance"

    answer = await put(cashier, path, headers={"Idempotency-Key": "a"}, amount=1, reason="x", key="b")

    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["key"])


async def test_banning_and_letting_back_in(member, me, db):
    guard = await member(P.USERS_SUSPEND)
    path = f"/api/admin/users/{me.user_id}"

    for _ in range(2):
        banned = await put(guard, f"{path}/ban", banned=True, reason="fraud")
        assert (banned.status_code, banned.json()["state"], banned.json()["banned"]) == (200, "banned", True)
    assert (await me.get("/api/user/balance")).status_code in {401, 403}
    harder = await put(guard, f"{path}/suspend", suspended=True, reason="x")
    assert (harder.status_code, harder.json()["code"]) == (409, "illegal_move")
    back = await put(guard, f"{path}/ban", banned=False, reason="it was not them")
    assert (back.json()["state"], back.json()["banned"]) == ("active", False)

    stopped = await put(guard, f"{path}/suspend", suspended=True, reason="asked for papers")
    assert stopped.json()["state"] == "suspended"
    # Not banned is what a suspended account is already: it stays suspended.
    assert (await put(guard, f"{path}/ban", banned=False, reason="x")).json()["state"] == "suspended"
    assert (await put(guard, f"{path}/suspend", suspended=False, reason="papers came")).json()["state"] == "active"

    said = [(actor, after["state"], after["reason"]) for actor, _, after in await audits(db, me.user_id)]
    assert said == [
        (guard.user_id, "banned", "fraud"),
        (guard.user_id, "active", "it was not them"),
        (guard.user_id, "suspended", "asked for papers"),
        (guard.user_id, "active", "papers came"),
    ]


async def test_whom_nobody_may_ban(member, me, db):
    guard, admin = await member(P.USERS_SUSPEND), await member(role=Role.ADMIN)

    himself = await put(guard, f"/api/admin/users/{guard.user_id}/ban", banned=True, reason="x")
    above = await put(guard, f"/api/admin/users/{admin.user_id}/ban", banned=True, reason="x")
    nobody = await put(guard, "/api/admin/users/99999/ban", banned=True, reason="x")
    without = await put(guard, f"/api/admin/users/{me.user_id}/ban", banned=True)

    assert (himself.status_code, himself.json()["code"]) == (409, "not_yourself")
    assert above.status_code == 403
    assert nobody.status_code == 404
    assert without.status_code == 422
    async with db.transaction() as session:
        assert {row.value for row in await session.scalars(select(User.state))} == {"active"}


@pytest.mark.parametrize(
    ("path", "body", "permission"),
    [
        ("balance", {"amount": 1, "reason": "x"}, P.USERS_BALANCE),
        ("ban", {"banned": True, "reason": "x"}, P.USERS_SUSPEND),
        ("suspend", {"suspended": True, "reason": "x"}, P.USERS_SUSPEND),
    ],
)
async def test_each_deed_takes_its_permission(*, member, me, db, path, body, permission):
    clerk = await member(*(one for one in P if one is not permission))

    for who in (clerk, me):
        answer = await put(who, f"/api/admin/users/{me.user_id}/{path}", **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission")
    assert await audits(db, me.user_id) == []
    assert Decimal(await me.balance()) == 100
