"""Who may call what: every route of the JSON API, for everybody there is.

A route that is not in the table below fails the test. What a route is for says what each caller is answered:

- `OPEN`: everybody is answered, whoever they are.
- `MEMBER`: whoever is signed in; an API key is not enough.
- `CALLER`: whoever is signed in, and API keys.
- a permission: staff who hold it, and admins.

Of things that have an owner, everybody else is told that there are none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
import pytest

from api.population import ADMIN, BANNED, KEY, MARK, OTHER, OWNER, STAFF, STRANGER, SUSPENDED, populate
from smmpanel.accounts.access import Permission
from smmpanel.entrypoints.web import routed_app

P = Permission
OPEN, MEMBER, CALLER = "open", "member", "caller"
STAFF_WITHOUT, STAFF_WITH = "staff without", "staff with"
CALLERS = (STRANGER, OTHER, SUSPENDED, BANNED, STAFF_WITHOUT, STAFF_WITH, ADMIN, KEY, OWNER)


@dataclass(frozen=True)
class Row:
    """What a route is for, what is sent to it, and how it answers those who may."""

    to: str | Permission
    body: Mapping[str, Any] | None = None
    answers: tuple[int, ...] = (200,)
    """More than one where the first call changes what the next one finds."""
    owned: bool = False
    """Whether the path names something of the owner's."""
    ends: str = ""
    """What calling it takes away from the caller: `session`."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """Which of the population's things stand in the path, where it is not the usual one."""


REASON = {"reason": "asked for"}
NEW_SERVICE = {"name": "Shares", "category": "Facebook", "rate": 1, "min": 1, "max": 10}
ORDER = {"link": "https://www.instagram.com/another", "quantity": 10}
OWN = {"owned": True}
TABLE: Mapping[str, Row] = {
    "POST /api/auth/register": Row(OPEN, {"username": "x", "email": "x", "password": "x"}, (422,)),
    "POST /api/auth/login": Row(OPEN, {"username": "nobody", "password": "wrong"}, (401, 429)),
    "POST /api/auth/refresh": Row(OPEN, {"refresh_token": "none"}, (401,)),
    "GET /api/auth/me": Row(MEMBER),
    "POST /api/auth/logout": Row(MEMBER, ends="session"),
    "GET /api/auth/sessions": Row(MEMBER),
    "DELETE /api/auth/sessions/{session_id}": Row(MEMBER, **OWN),
    "POST /api/auth/sessions/revoke-others": Row(MEMBER),
    "POST /api/auth/password": Row(MEMBER, {"current_password": "wrong", "new_password": "another one"}, (409, 422)),
    "GET /api/keys": Row(MEMBER),
    "POST /api/keys": Row(MEMBER, {"name": "shop"}, (201,)),
    "DELETE /api/keys/{key_id}": Row(MEMBER, **OWN),
    "GET /api/services": Row(CALLER),
    "GET /api/services/{service_id}": Row(CALLER),
    "GET /api/smm/categories": Row(CALLER),
    "GET /api/smm/services": Row(CALLER),
    "GET /api/smm/orders": Row(CALLER),
    "POST /api/smm/orders": Row(CALLER, {"service_id": 1, **ORDER}),
    "GET /api/smm/orders/{reference}": Row(CALLER, **OWN),
    "POST /api/smm/orders/{reference}/refill": Row(CALLER, None, (409,), **OWN),
    "GET /api/orders": Row(CALLER),
    "GET /api/orders/history": Row(CALLER),
    "GET /api/user/orders": Row(CALLER),
    "POST /api/orders": Row(CALLER, {"service_id": 1, **ORDER}),
    "POST /api/orders/mass": Row(CALLER, {"text": "1 | https://www.instagram.com/another | 10"}),
    "GET /api/orders/{order_id}": Row(CALLER, **OWN),
    "POST /api/orders/{order_id}/refill": Row(CALLER, None, (409,), **OWN),
    "POST /api/orders/{order_id}/link": Row(CALLER, {"link": f"https://www.instagram.com/{MARK}/9"}, **OWN),
    "POST /api/orders/{order_id}/reorder": Row(CALLER, {"quantity": 10}, **OWN),
    "GET /api/orders/{order_id}/stock": Row(CALLER, **OWN, ids={"order_id": "stock"}),
    "POST /api/orders/{order_id}/drip/pause": Row(CALLER, None, (200, 409), **OWN, ids={"order_id": "drip"}),
    "POST /api/orders/{order_id}/drip/resume": Row(CALLER, None, (200, 409), **OWN, ids={"order_id": "drip"}),
    "POST /api/orders/{order_id}/drip/cancel": Row(CALLER, None, (200, 409), **OWN, ids={"order_id": "drip"}),
    "POST /api/orders/{order_id}/cancel": Row(CALLER, None, (200, 409), **OWN),
    "POST /api/smm/orders/{reference}/cancel": Row(CALLER, None, (200, 409), **OWN, ids={"reference": "second"}),
    "GET /api/user/balance": Row(CALLER),
    "GET /api/user/transactions": Row(CALLER),
    "GET /api/user/transactions.csv": Row(CALLER),
    "GET /api/user/tier": Row(CALLER),
    "GET /api/referral/stats": Row(CALLER),
    "POST /api/referral/payout": Row(CALLER, {"amount": 1}, (409,)),
    "GET /api/user/referrals": Row(CALLER),
    "GET /api/payment/methods": Row(CALLER),
    "POST /api/payment/sepay/create": Row(CALLER, {"amount": 100}, (409,)),
    "POST /api/payment/deposit": Row(CALLER, {"amount": 100}),
    "GET /api/payment/deposits": Row(CALLER),
    "GET /api/payment/deposits/{deposit_id}": Row(CALLER, **OWN),
    "POST /api/payment/voucher": Row(CALLER, {"code": "7K2M-9QXR-0FHT-W3ZC"}, (422,)),
    "POST /api/payment/{gateway}/webhook": Row(OPEN, {"id": 1}, (401,)),
    "GET /api/payment/{gateway}/webhook": Row(OPEN, None, (405,)),
    "GET /api/admin/orders": Row(P.ORDERS_VIEW),
    "GET /api/admin/orders/{order_id}": Row(P.ORDERS_VIEW),
    "POST /api/admin/orders/{order_id}/resolve": Row(P.ORDERS_SETTLE, {"taken": False}, (409,)),
    "POST /api/admin/orders/{order_id}/resend": Row(P.ORDERS_RESEND, None, (409,)),
    "POST /api/admin/orders/{order_id}/start": Row(P.ORDERS_EDIT, {}, (200, 409), ids={"order_id": "by_hand"}),
    "POST /api/admin/orders/{order_id}/partial": Row(
        P.ORDERS_REFUND, {"remains": 10}, (200, 409), ids={"order_id": "by_hand"}
    ),
    "POST /api/admin/orders/{order_id}/complete": Row(P.ORDERS_EDIT, None, (200, 409), ids={"order_id": "by_hand"}),
    "PUT /api/admin/orders/{order_id}/status": Row(
        P.ORDERS_EDIT, {"status": "completed"}, (409,), ids={"order_id": "by_hand"}
    ),
    "POST /api/admin/orders/{order_id}/refund": Row(P.ORDERS_REFUND, REASON, (200, 409), ids={"order_id": "by_hand"}),
    "GET /api/admin/users": Row(P.USERS_VIEW),
    "GET /api/admin/users/{user_id}": Row(P.USERS_VIEW),
    "PUT /api/admin/users/{user_id}/balance": Row(P.USERS_BALANCE, {"amount": 1, **REASON}),
    "PUT /api/admin/users/{user_id}/suspend": Row(P.USERS_SUSPEND, {"suspended": True, **REASON}),
    "PUT /api/admin/users/{user_id}/ban": Row(P.USERS_SUSPEND, {"banned": True, **REASON}),
    "GET /api/admin/services": Row(P.SERVICES_VIEW),
    "GET /api/admin/services/{service_id}": Row(P.SERVICES_VIEW),
    "POST /api/admin/services": Row(P.SERVICES_EDIT, NEW_SERVICE, (201,)),
    "PUT /api/admin/services/{service_id}": Row(P.SERVICES_EDIT, {"description": "Slow"}),
    "GET /api/admin/deposits": Row(P.DEPOSITS_VIEW),
    "GET /api/admin/deposits/{deposit_id}": Row(P.DEPOSITS_VIEW),
    "PUT /api/admin/deposits/{deposit_id}/reject": Row(P.DEPOSITS_SETTLE, REASON, (200, 409)),
    "PUT /api/admin/deposits/{deposit_id}/approve": Row(P.DEPOSITS_SETTLE, {"amount": 50}, (200, 409)),
    "POST /api/admin/deposits/{deposit_id}/refund": Row(
        P.DEPOSITS_REFUND, {"by_hand": True, "bank_ref": "FT1", **REASON}, (200, 409)
    ),
    "PUT /api/admin/deposits/{deposit_id}/refunds/{return_id}": Row(
        P.DEPOSITS_REFUND, {"became": "failed", "note": "seen"}, (409,)
    ),
    "GET /api/admin/receipts": Row(P.DEPOSITS_VIEW),
    "GET /api/admin/receipts/{receipt_id}": Row(P.DEPOSITS_VIEW),
    "PUT /api/admin/receipts/{receipt_id}/assign": Row(P.DEPOSITS_SETTLE, {"user": MARK}, (200, 409)),
    "PUT /api/admin/receipts/{receipt_id}/dismiss": Row(P.DEPOSITS_SETTLE, REASON, (409,)),
    "PUT /api/admin/receipts/{receipt_id}/confirmations/{confirmation_id}/confirm": Row(
        P.DEPOSITS_SETTLE, None, (404,)
    ),
    "PUT /api/admin/receipts/{receipt_id}/confirmations/{confirmation_id}/withdraw": Row(
        P.DEPOSITS_SETTLE, None, (404,)
    ),
    # Whoever sees deposits: what it takes beyond that depends on the deed.
    "PUT /api/admin/deposits/{deposit_id}/confirmations/{confirmation_id}/confirm": Row(P.DEPOSITS_VIEW, None, (404,)),
    "PUT /api/admin/deposits/{deposit_id}/confirmations/{confirmation_id}/withdraw": Row(P.DEPOSITS_VIEW, None, (404,)),
}


def expected(row: Row, caller: str) -> tuple[int, ...]:
    """Return what a caller may be answered."""
    if row.to == OPEN:
        return row.answers
    if caller == STRANGER or (caller == KEY and row.to != CALLER):
        return (401,)  # where keys are not taken, whoever brings nothing but one is a stranger
    if caller in {SUSPENDED, BANNED}:
        return (403,)
    if isinstance(row.to, Permission):
        return row.answers if caller in {STAFF_WITH, ADMIN} else (403,)
    return (404,) if row.owned and caller not in {OWNER, KEY} else row.answers


class Described:
    """The OpenAPI document, by which answers are judged."""

    def __init__(self):
        document = routed_app().openapi()
        self.components = document["components"]
        self.routes = {
            f"{method.upper()} {path}": operation["responses"]
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if path.startswith("/api/")
        }
        self.schemas = {}

    def fault(self, route, answer):
        """Return what is not as the document says, if anything is."""
        status = str(answer.status_code)
        told = self.routes[route].get(status)
        if told is None:
            return f"{status} is not described"
        kind = answer.headers["content-type"].partition(";")[0]
        schema = told["content"].get(kind, {}).get("schema")
        if kind not in told["content"]:
            return f"{kind} is not described for {status}"
        if kind != "application/json" or not schema:
            return None
        if (route, status) not in self.schemas:
            whole = {**schema, "components": self.components}
            self.schemas[route, status] = jsonschema_rs.Draft202012Validator(whole)
        return next((error.message for error in self.schemas[route, status].iter_errors(answer.json())), None)


@pytest.fixture(scope="module")
def described():
    return Described()


def test_every_route_is_in_the_table(described):
    assert set(described.routes) - set(TABLE) == set()
    assert set(TABLE) - set(described.routes) == set()


@pytest.fixture
async def people(panel):
    return await populate(panel)


async def test_everybody_at_every_route(people, http, described):
    wrong, told, done = [], set(), set()
    for route, row in TABLE.items():
        method, path = route.split()
        for caller in CALLERS:
            headers = await headers_of(people, row, caller)
            address = await address_of(people, row, path)
            answer = await http.request(method, address, json=row.body, headers=headers)
            if answer.status_code not in expected(row, caller):
                wrong.append(f"{route} for the {caller}: {answer.status_code} {answer.text[:200]}")
            if (fault := described.fault(route, answer)) is not None:
                wrong.append(f"{route} for the {caller} is not as described: {fault}: {answer.text[:200]}")
            if answer.is_success:
                done.add(route)
            if MARK in answer.text and caller == OWNER:
                told.add(route)
            if MARK in answer.text and not may_read(row, caller):
                wrong.append(f"{route} for the {caller} tells of the owner: {answer.text[:200]}")
            if row.ends == "session" and answer.status_code == 200:
                await people.sign_in(STAFF if caller in {STAFF_WITHOUT, STAFF_WITH} else caller)
    assert not wrong, "\n".join(wrong)
    assert {route for route, row in TABLE.items() if {200, 201} & set(row.answers)} == done
    assert {"GET /api/orders", "GET /api/keys", "GET /api/auth/me", "GET /api/orders/{order_id}/stock"} <= told


async def headers_of(people, row, caller):
    if caller not in {STAFF_WITHOUT, STAFF_WITH}:
        return people.headers[caller]
    if isinstance(row.to, Permission):
        held = {row.to} if caller == STAFF_WITH else set(P) - {row.to}
        await people.allow_staff(*held)
    return people.headers[STAFF]


async def address_of(people, row, path):
    ids = people.panel.public_ids
    for name in ("order", "user", "deposit"):
        if f"{{{name}_id}}" in path:
            usual = "victim" if name == "user" else name
            number = getattr(people, row.ids.get(f"{name}_id", usual))
            path = path.replace(f"{{{name}_id}}", ids.uuid_of(name, number))
    if "{reference}" in path:
        path = path.replace(
            "{reference}", ids.reference_of("order", getattr(people, row.ids.get("reference", "order")))
        )
    if "{session_id}" in path:
        path = path.replace("{session_id}", str(people.spare_session))
    if "{key_id}" in path:
        path = path.replace("{key_id}", str(people.spare_key))
    # The first refund is done; nothing waits for a second person.
    path = path.replace("{return_id}", "1").replace("{confirmation_id}", "1")
    path = path.replace("{receipt_id}", str(people.receipt))
    return path.replace("{service_id}", str(people.service)).replace("{gateway}", "manual")


def may_read(row, caller):
    return caller in {OWNER, KEY, ADMIN} or (caller == STAFF_WITH and isinstance(row.to, Permission))
