"""Payments in the JSON API: shapes as they are printed, webhooks through the whole application, staff's deeds."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from making import make_user
from payments.conftest import SECRET, Till
from payments.test_vectors import SPEC_SECRET
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import User
from smmpanel.accounts.sessions import access_token, open_session
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.web import build_app
from smmpanel.payments.signing import hmac_text

HOOK = "/api/payment/sepay/webhook"


@dataclass
class Caller:
    """Somebody who calls the JSON API; or a gateway, which nobody knows."""

    http: httpx.AsyncClient
    headers: dict[str, str]

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.http.request(method, path, headers={**self.headers, **more.pop("headers", {})}, **more)


@pytest.fixture
async def http(till: Till) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(till.panel), client=("203.0.113.7", 4711), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as made:
        yield made


async def caller(till: Till, http: httpx.AsyncClient, user_id: int, *permissions: Permission) -> Caller:
    now = till.panel.clock()
    async with till.panel.db.transaction() as session:
        if permissions:
            user = await session.get_one(User, user_id)
            user.role, user.permissions = Role.STAFF, [one.value for one in permissions]
        opened = await open_session(session, user_id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=now)
    token = access_token(
        till.panel.vault, user_id=user_id, session_id=opened.session_id, lifetime=timedelta(hours=1), now=now
    )
    return Caller(http, {"authorization": f"Bearer {token}"})


@pytest.fixture
async def me(till: Till, http: httpx.AsyncClient) -> Caller:
    return await caller(till, http, till.user)


@pytest.fixture
async def staff(till: Till, http: httpx.AsyncClient) -> Caller:
    async with till.panel.db.transaction() as session:
        user = await make_user(session, funds=None)
    return await caller(till, http, user, Permission.DEPOSITS_VIEW, Permission.DEPOSITS_SETTLE)


def hook(till: Till, body: dict[str, Any] | bytes, **headers: str) -> dict[str, Any]:
    message = till.signed(body)
    signed = {name: value.decode() for name, value in message.headers.items()}
    return {"content": message.body, "headers": {"content-type": "application/json", **signed, **headers}}


async def test_create_is_answered_as_printed(till: Till, me: Caller) -> None:
    made = await me.call("POST", "/api/payment/sepay/create", json={"amount": 100000}, params={"lang": "vi"})

    assert made.status_code == 200, made.text
    told = made.json()
    content = told["bank_info"]["content"]
    assert re.fullmatch(r"HOMEMMO [A-Z2-9]{6}", content)
    assert told["transaction_id"] == till.panel.public_ids.uuid_of("deposit", 1)
    assert told == {
        "success": True,
        "transaction_id": told["transaction_id"],
        "qr_code_url": f"https://img.vietqr.io/image/970416-123456789-compact2.png?amount=100000&addInfo={content.replace(' ', '%20')}"
        "&accountName=NGUYEN%20VAN%20A",
        "bank_info": {
            "bank_name": "Ngân hàng ACB",
            "account_number": "123456789",
            "account_name": "NGUYEN VAN A",
            "amount": 100000,
            "content": content,
        },
        "note": "Vui lòng chuyển khoản đúng nội dung",
    }


async def test_the_printed_webhook_credits(till: Till, http: httpx.AsyncClient, me: Caller) -> None:
    await till.add("sepay", name="spec", secret=SPEC_SECRET, options={"auth_mode": "spec_signature"})
    await me.call("POST", "/api/payment/sepay/create", json={"amount": 100000})
    memo = (await till.deposit(1)).memo
    body = {
        "transaction_id": "sepay_txn_id", "account_number": "123456789", "amount": 100000, "content": memo,
        "transaction_date": "2026-11-21 14:00:00",
    }  # fmt: skip
    text_signed = "|".join(str(value) for value in body.values())
    signed = {**body, "signature": hmac_text(SPEC_SECRET, text_signed.encode())}
    assert (await http.post(HOOK, json={**signed, "amount": 900000})).status_code == 401

    answer = await http.post(HOOK, json=signed)

    assert (answer.status_code, answer.json()) == (200, {"success": True})
    await till.settle()
    assert (await me.call("GET", "/api/user/balance")).json()["balance"] == 100000
    history = (await me.call("GET", "/api/payment/deposits", params={"status": "paid"})).json()
    assert history["pagination"] == {"total": 1, "page": 1, "limit": 20, "total_pages": 1}
    [row] = history["data"]
    assert (row["status"], row["credited"], row["created_at"]) == ("paid", 100000, "2026-11-21T07:00:00")


async def test_twenty_identical_webhooks_at_once_are_one_credit(till: Till, http: httpx.AsyncClient) -> None:
    deposit = await till.open()
    sent = hook(till, till.transfer(deposit.memo))

    answers = await asyncio.gather(*(http.post(HOOK, **sent) for _ in range(20)))
    await asyncio.gather(*(till.settle() for _ in range(3)))

    assert {(answer.status_code, answer.text) for answer in answers} == {(200, '{"success":true}')}
    assert await till.balance() == 100_000
    assert len(await till.facts()) == 1


async def test_what_is_forged_cut_too_long_or_odd_is_refused(till: Till, http: httpx.AsyncClient) -> None:
    deposit = await till.open()
    good = hook(till, till.transfer(deposit.memo))
    doubled = b'{"id":1,"id":2,"transferAmount":100000,"transferType":"in"}'
    cases = [
        (401, {**good, "content": good["content"][:-1]}),
        (401, {**good, "headers": {**good["headers"], "x-sepay-signature": "sha256=é".encode("latin-1")}}),
        (401, {**good, "headers": {**good["headers"], "x-sepay-signature": "sha256=\u4e2d".encode()}}),
        (401, {**good, "headers": {**good["headers"], "x-sepay-timestamp": "²".encode("latin-1")}}),
        (401, {**good, "headers": [*good["headers"].items(), ("x-sepay-signature", "sha256=00")]}),
        (401, {"content": good["content"], "headers": {"authorization": f"Apikey {SECRET}"}}),
        (401, {"content": b""}),
        (413, hook(till, b" " * (64 * 1024 + 1))),
        (400, hook(till, doubled)),
        (400, hook(till, b'{"id":1')),
        (400, hook(till, b"\xff\xfe")),
    ]
    for status, sent in cases:
        answer = await http.post(HOOK, **sent)
        assert answer.status_code == status, (status, answer.text)
        assert answer.json()["success"] is False
    await till.settle()
    assert await till.balance() == 0
    assert {event.outcome for event in await till.events()} == {"unreadable"}
    for path, status in (("/api/payment/nobody/webhook", 404), ("/api/payment/manual/webhook", 401)):
        assert (await http.post(path, **good)).status_code == status


async def test_business_that_does_not_fit_is_success_to_the_gateway(till: Till, http: httpx.AsyncClient) -> None:
    for memo, amount in (("HOMEMMO ZZZZZZ", 5), ("nothing", 100_000)):
        answer = await http.post(HOOK, **hook(till, till.transfer(memo, amount)))
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    await till.settle()
    assert [receipt.state for receipt in await till.receipts()] == ["review", "review"]


async def test_a_failure_of_ours_asks_the_gateway_to_repeat(till: Till, http: httpx.AsyncClient) -> None:
    deposit = await till.open()
    sent = hook(till, till.transfer(deposit.memo))
    async with till.panel.db.transaction() as session:
        await session.execute(text("ALTER TABLE gateway_events RENAME TO away"))
    assert (await http.post(HOOK, **sent)).status_code == 500
    async with till.panel.db.transaction() as session:
        await session.execute(text("ALTER TABLE away RENAME TO gateway_events"))
    assert (await http.post(HOOK, **sent)).status_code == 200
    await till.settle()
    assert await till.balance() == 100_000


async def test_any_method_by_the_other_path(till: Till, me: Caller) -> None:
    await till.add("manual", name="By hand", fee_percent=Decimal(1))
    methods = (await me.call("GET", "/api/payment/methods")).json()["data"]
    assert [(one["gateway"], one["min"], one["max"]) for one in methods] == [
        ("sepay", 10000, None),
        ("manual", 10000, None),
    ]
    body = {"amount": 100000, "method_id": till.methods["manual"], "key": "k1"}
    first, again = [(await me.call("POST", "/api/payment/deposit", json=body)).json() for _ in range(2)]
    assert first == again
    assert (first["status"], first["fee"], first["method"]) == ("pending", 1000, "By hand")
    assert (await me.call("POST", "/api/payment/deposit", json={**body, "amount": 50000})).status_code == 409
    for amount in (5, 0, -1, "x", 100000.5, None):
        refused = await me.call("POST", "/api/payment/deposit", json={**body, "key": "k2", "amount": amount})
        assert refused.status_code == 422, amount
        assert "amount" in json.dumps(refused.json()["fields"])


async def test_a_repeated_call_is_the_same_deposit(till: Till, me: Caller) -> None:
    told = []
    for key in ("one", "one", "two"):
        made = await me.call(
            "POST", "/api/payment/sepay/create", json={"amount": 50000}, headers={"idempotency-key": key}
        )
        told.append(made.json()["transaction_id"])
    assert told[0] == told[1] != told[2]


async def test_ones_own_deposits_only(till: Till, http: httpx.AsyncClient, me: Caller) -> None:
    deposit = await till.open()
    public = till.panel.public_ids.uuid_of("deposit", deposit.id)
    for path in (public, public.upper(), str(deposit.id)):
        found = await me.call("GET", f"/api/payment/deposits/{path}")
        assert found.json()["bank_info"]["content"] == deposit.memo
    async with till.panel.db.transaction() as session:
        stranger = await make_user(session, funds=None)
    other = await caller(till, http, stranger)
    for path in (public, str(deposit.id), "0", "x", "9" * 30):
        assert (await other.call("GET", f"/api/payment/deposits/{path}")).status_code == 404
    assert (await http.get("/api/payment/deposits")).status_code == 401
    assert (await other.call("GET", "/api/admin/deposits")).status_code == 403


@pytest.mark.parametrize("by", ["key", "number"])
async def test_deposits_are_sorted_either_way_across_pages(till: Till, me: Caller, staff: Caller, by: str) -> None:
    made = [(await till.open()).id for _ in range(5)]  # all in the same moment
    for who, path in ((me, "/api/payment/deposits"), (staff, "/api/admin/deposits")):
        for sort, whole in (("created_at", made), ("-created_at", made[::-1]), (None, made[::-1])):
            found: list[int] = []
            query: dict[str, Any] = {"limit": 2} if sort is None else {"limit": 2, "sort": sort}
            for page in range(1, 4):
                body = (await who.call("GET", path, params=query)).json()
                found += [row["number"] for row in body["data"]]
                query |= {"after": body["after"]} if by == "key" else {"page": page + 1}
            assert (found, body["after"]) == (whole, None)
        assert (await who.call("GET", path, params={"sort": "amount"})).status_code == 422


async def test_staff_approve_and_reject(till: Till, staff: Caller) -> None:
    await till.add("manual")
    first, second = await till.open(gateway="manual"), await till.open(gateway="manual")
    listed = (await staff.call("GET", "/api/admin/deposits", params={"search": first.memo_code})).json()
    assert [row["number"] for row in listed["data"]] == [first.id]
    for whose, theirs in ((listed["data"][0]["user_id"], 2), (str(till.user), 2), ("999999", 0)):
        found = await staff.call("GET", "/api/admin/deposits", params={"user_id": whose})
        assert found.json()["pagination"]["total"] == theirs
    public = listed["data"][0]["transaction_id"]
    for _ in range(2):
        approved = await staff.call("PUT", f"/api/admin/deposits/{public}/approve")
        assert approved.json()["status"] == "paid"
    assert approved.json()["receipts"][0]["source"] == "staff"
    assert await till.balance() == 100_000
    again = await staff.call("PUT", f"/api/admin/deposits/{public}/approve", json={"key": "second"})
    assert (again.status_code, again.json()["code"]) == (409, "already_paid")
    rejected = await staff.call("PUT", f"/api/admin/deposits/{second.id}/reject", json={"reason": "nothing came"})
    assert (rejected.json()["status"], rejected.json()["note"]) == ("failed", "nothing came")
    assert (await staff.call("PUT", "/api/admin/deposits/999/approve")).status_code == 404
