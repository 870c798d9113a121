"""`/api/auth` over HTTP."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import User
from smmpanel.accounts.signing_in import ACCOUNT_LIMIT, SIGN_UP_LIMIT
from smmpanel.accounts.suspending import ban_user
from smmpanel.api.auth import router
from smmpanel.web.assembling import install_web

PASSWORD = "correct horse battery"
MAI = {"username": "mai", "email": "mai@example.com", "password": PASSWORD}


class Clock:
    """A clock that tests can put forward."""

    def __init__(self, start):
        self.now = start

    def __call__(self):
        return self.now


@pytest.fixture
def clock(panel):
    return Clock(panel.clock())


@pytest.fixture
def app(panel, clock):
    made = FastAPI()
    made.include_router(router)
    install_web(made, replace(panel, clock=clock))
    return made


@pytest.fixture
async def client(app):
    transport = httpx.ASGITransport(app, client=("203.0.113.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as made:
        yield made


@pytest.fixture
async def mai(client, panel):
    answer = await client.post("/api/auth/register", json=MAI)
    return panel.public_ids.number_of("user", answer.json()["user_id"])


async def log_in(client, **more):
    given_ = {"username": "mai", "password": PASSWORD, **more}
    return await client.post(
        "/api/auth/login", json={name: value for name, value in given_.items() if value is not None}
    )


def bearer(answer):
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


async def test_registering_and_signing_in_as_documented(client, panel):
    made = await client.post("/api/auth/register", json=MAI)
    assert (made.status_code, made.json()) == (
        200,
        {"success": True, "user_id": made.json()["user_id"], "message": "The account is ready."},
    )

    answer = await log_in(client, username=None, email="mai@example.com")
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"success", "access_token", "token_type", "expires_in", "refresh_token", "user"}
    assert (body["success"], body["token_type"], body["expires_in"]) == (True, "bearer", 1800)
    assert body["user"] == {
        "id": made.json()["user_id"],
        "number": panel.public_ids.number_of("user", made.json()["user_id"]),
        "username": "mai",
        "email": "mai@example.com",
        "email_verified": False,
        "phone": None,
        "role": "customer",
        "language": "en",
        "time_zone": "UTC",
        "balance": 0,
        "total_spent": 0,
        "currency": "USD",
        "tier": None,
        "created_at": body["user"]["created_at"],
    }
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert (await client.get("/api/auth/me", headers=bearer(answer))).json() == {**body["user"], "success": True}


async def test_who_registers_in_vietnamese_is_answered_so_and_stays_so(client):
    made = await client.post("/api/auth/register", json=MAI, headers={"accept-language": "vi-VN,vi"})

    assert made.json()["message"] == "Đăng ký thành công"
    assert (await log_in(client)).json()["user"]["language"] == "vi"


@pytest.mark.parametrize(
    "login", [{"username": "MAI"}, {"username": None, "email": "Mai@example.com"}, {"username": None, "email": "mai"}]
)
async def test_either_field_takes_either_name(client, mai, login):
    assert (await log_in(client, **login)).status_code == 200


@pytest.mark.parametrize(
    ("changed", "status", "code", "field"),
    [
        ({"username": "MAI", "email": "x@example.com"}, 409, "username_taken", "username"),
        ({"username": "other", "email": "MAI@example.com"}, 409, "email_taken", "email"),
        ({"username": "m"}, 422, "invalid_input", "username"),
        ({"email": "nonsense"}, 422, "invalid_input", "email"),
        ({"password": "short"}, 422, "weak_password", "password"),
        ({"password": "a" * 129}, 422, "weak_password", "password"),
        ({"username": "a\x00b"}, 422, "invalid_input", "username"),
        ({"username": None}, 422, "invalid_input", "username"),
    ],
)
async def test_what_cannot_be_registered(*, client, mai, changed, status, code, field):
    answer = await client.post("/api/auth/register", json={**MAI, **changed})

    error = answer.json()
    assert (answer.status_code, error["code"], list(error["fields"])) == (status, code, [field])


async def test_registering_twice_at_once_makes_one_account(client, panel):
    answers = await asyncio.gather(*(client.post("/api/auth/register", json=MAI) for _ in range(6)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(User)) == 1


async def test_one_address_cannot_make_accounts_without_end(client):
    answers = [
        await client.post("/api/auth/register", json={**MAI, "username": "!"}) for _ in range(SIGN_UP_LIMIT.free + 1)
    ]

    assert [answer.status_code for answer in answers] == [422] * SIGN_UP_LIMIT.free + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60


async def test_a_wrong_password_and_nobody_are_answered_alike(client, mai):
    wrong = await log_in(client, password="wrong horse")
    nobody = await log_in(client, username="nobody")

    assert wrong.status_code == nobody.status_code == 401
    assert (
        wrong.json()
        == nobody.json()
        == {
            "success": False,
            "message": "The name or the password is wrong.",
            "code": "wrong_password",
            "fields": {},
        }
    )


async def test_a_hundred_guesses_at_once(client, mai):
    answers = await asyncio.gather(*(log_in(client, password=f"guess {n}") for n in range(100)))

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (ACCOUNT_LIMIT.free, 100 - ACCOUNT_LIMIT.free)
    right = await log_in(client)
    assert right.status_code == 429
    assert right.headers["retry-after"] == "30"


async def test_an_access_token_ends_and_is_renewed_while_the_session_lives(client, mai, clock):
    first = await log_in(client)
    clock.now += timedelta(minutes=30)
    assert (await client.get("/api/auth/me", headers=bearer(first))).status_code == 401

    renewed = await client.post("/api/auth/refresh", json={"refresh_token": first.json()["refresh_token"]})
    assert set(renewed.json()) == {"success", "access_token", "token_type", "expires_in"}
    assert (await client.get("/api/auth/me", headers=bearer(renewed))).status_code == 200

    clock.now += timedelta(days=30)
    late = await client.post("/api/auth/refresh", json={"refresh_token": first.json()["refresh_token"]})
    assert (late.status_code, late.json()["code"]) == (401, "sign_in_needed")


async def test_signing_out_ends_tokens_at_once(client, mai):
    signed = await log_in(client)

    assert (await client.post("/api/auth/logout", headers=bearer(signed))).json() == {"success": True}

    assert (await client.get("/api/auth/me", headers=bearer(signed))).status_code == 401
    refresh = {"refresh_token": signed.json()["refresh_token"]}
    assert (await client.post("/api/auth/refresh", json=refresh)).status_code == 401


async def test_sessions_are_seen_and_ended(client, mai):
    first, second, third = [await log_in(client) for _ in range(3)]
    answer = (await client.get("/api/auth/sessions", headers=bearer(third))).json()
    listed = answer["data"]
    assert [row["current"] for row in listed] == [True, False, False]
    assert answer["pagination"] == {"total": 3, "page": 1, "limit": 20, "total_pages": 1}
    pages = [{"limit": 2, "page": 2}, {"limit": 2, "sort": "created_at"}]
    for asked, rows in zip(pages, ([listed[2]], [listed[2], listed[1]]), strict=True):
        assert (await client.get("/api/auth/sessions", params=asked, headers=bearer(third))).json()["data"] == rows
    after = (await client.get("/api/auth/sessions", params={"limit": 1}, headers=bearer(third))).json()["after"]
    rest = (await client.get("/api/auth/sessions", params={"after": after}, headers=bearer(third))).json()
    assert (rest["data"], rest["after"]) == (listed[1:], None)
    assert {row["ip"] for row in listed} == {"203.0.113.7"}

    oldest = listed[2]["id"]
    assert (await client.delete(f"/api/auth/sessions/{oldest}", headers=bearer(third))).json() == {"success": True}
    assert (await client.delete(f"/api/auth/sessions/{oldest}", headers=bearer(third))).status_code == 404
    assert (await client.get("/api/auth/me", headers=bearer(first))).status_code == 401
    assert (await client.get("/api/auth/me", headers=bearer(second))).status_code == 200

    others = await client.post("/api/auth/sessions/revoke-others", headers=bearer(third))
    assert others.json() == {"success": True, "revoked": 1}
    assert (await client.get("/api/auth/me", headers=bearer(second))).status_code == 401
    assert (await client.get("/api/auth/me", headers=bearer(third))).status_code == 200


async def test_somebody_elses_session_does_not_exist(client, mai):
    await client.post("/api/auth/register", json={**MAI, "username": "linh", "email": "linh@example.com"})
    mine, theirs = await log_in(client), await log_in(client, username="linh")
    their_id = (await client.get("/api/auth/sessions", headers=bearer(theirs))).json()["data"][0]["id"]

    assert (await client.delete(f"/api/auth/sessions/{their_id}", headers=bearer(mine))).status_code == 404
    assert (await client.get("/api/auth/me", headers=bearer(theirs))).status_code == 200


@pytest.mark.parametrize("session_id", ["0", "-1", "x", str(2**63), "9" * 5000])
async def test_ids_that_are_none(client, mai, session_id):
    answer = await client.delete(f"/api/auth/sessions/{session_id}", headers=bearer(await log_in(client)))

    assert answer.status_code == 422


async def test_changing_the_password(client, mai):
    mine, other = await log_in(client), await log_in(client)
    wrong = {"current_password": "wrong horse", "new_password": "another horse"}
    refused = await client.post("/api/auth/password", json=wrong, headers=bearer(mine))
    assert (refused.status_code, refused.json()["code"]) == (422, "current_password_wrong")

    right = {"current_password": PASSWORD, "new_password": "another horse"}
    changed = await client.post("/api/auth/password", json=right, headers=bearer(mine))

    assert changed.json() == {"success": True, "revoked": 1}
    assert (await client.get("/api/auth/me", headers=bearer(mine))).status_code == 200
    assert (await client.get("/api/auth/me", headers=bearer(other))).status_code == 401
    assert (await log_in(client)).status_code == 401
    assert (await log_in(client, password="another horse")).status_code == 200


async def test_a_banned_account_is_refused_at_every_door_at_once(client, mai, panel):
    signed = await log_in(client)
    async with panel.db.transaction() as session:
        await ban_user(session, Actor.cli(), mai, reason="fraud", now=panel.clock())

    refresh = {"refresh_token": signed.json()["refresh_token"]}
    answers = [
        await client.get("/api/auth/me", headers=bearer(signed)),
        await client.get("/api/auth/sessions", headers=bearer(signed)),
        await client.post("/api/auth/logout", headers=bearer(signed)),
        await client.post("/api/auth/refresh", json=refresh),
        await log_in(client),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "account_banned")] * 5


async def test_without_signing_in_nothing_is_told(client, mai):
    for method, path in [
        ("GET", "/api/auth/me"),
        ("GET", "/api/auth/sessions"),
        ("POST", "/api/auth/logout"),
        ("DELETE", "/api/auth/sessions/1"),
        ("POST", "/api/auth/sessions/revoke-others"),
    ]:
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Basic x"}, {"authorization": "Bearer "}):
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_cookie_reads_alone_but_changes_only_with_the_form_token(client, mai, panel):
    signed = await log_in(client)
    token = signed.json()["refresh_token"]
    client.cookies.set("smmpanel_session", token, domain="panel.example")
    csrf = panel.vault.keyed_hash("csrf", f"session:{token}").hex()

    assert (await client.get("/api/auth/me")).status_code == 200
    refused = await client.post("/api/auth/sessions/revoke-others")
    assert (refused.status_code, refused.json()["code"]) == (403, "foreign_form")
    foreign = {"x-csrf-token": csrf, "origin": "http://evil.example"}
    assert (await client.post("/api/auth/sessions/revoke-others", headers=foreign)).status_code == 403
    own = {"x-csrf-token": csrf, "origin": "http://panel.example"}
    assert (await client.post("/api/auth/sessions/revoke-others", headers=own)).status_code == 200


async def test_the_documentation_names_every_route_and_its_errors(app):
    described = app.openapi()

    for path, methods in described["paths"].items():
        for method, route in methods.items():
            assert route["summary"], path
            assert route["description"], path
            assert "4" in {status[0] for status in route["responses"]}, (path, method)
    assert "HTTPBearer" in described["components"]["securitySchemes"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
_FIELDS = st.sampled_from(
    ["username", "email", "password", "referral_code", "refresh_token", "current_password", "new_password"]
)
_PATHS = st.sampled_from(["register", "login", "refresh", "password", "logout", "sessions/revoke-others"])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=_PATHS, body=st.dictionaries(_FIELDS, _JSON, max_size=7) | _JSON, headers=st.booleans())
async def test_whatever_is_sent_nothing_breaks(*, client, mai, clock, path, body, headers):
    clock.now += timedelta(hours=2)
    more = bearer(await log_in(client)) if headers else {}

    answer = await client.post(
        f"/api/auth/{path}", content=json.dumps(body), headers={"content-type": "application/json", **more}
    )

    assert answer.status_code < 500


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=_PATHS,
    body=st.binary(max_size=60),
    kind=st.sampled_from(["application/json", "text/plain", "multipart/form-data", ""]),
)
async def test_whatever_bytes_are_sent_nothing_breaks(*, client, path, body, kind):
    answer = await client.post(f"/api/auth/{path}", content=body, headers={"content-type": kind})

    assert 400 <= answer.status_code < 500


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=60))
async def test_no_header_is_taken_for_a_token(client, token):
    answer = await client.get("/api/auth/me", headers={"authorization": b"Bearer " + token.encode("latin-1")})

    assert answer.status_code == 401
