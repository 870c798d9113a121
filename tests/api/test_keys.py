"""`/api/keys` over HTTP."""

import httpx
import pytest
from fastapi import FastAPI

from smmpanel.accounts.api_keys import KeyHasher, find_keys, holder_for
from smmpanel.accounts.signing_up import register
from smmpanel.api.auth import router as auth_router
from smmpanel.api.keys import router as keys_router
from smmpanel.web.assembling import install_web

PASSWORD = "correct horse battery"


@pytest.fixture
async def client(panel):
    app = FastAPI()
    app.include_router(auth_router)
    app.include_router(keys_router)
    install_web(app, panel)
    transport = httpx.ASGITransport(app, client=("203.0.113.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as made:
        yield made


@pytest.fixture
def signed_in(client, panel):
    async def make(username="mai"):
        async with panel.db.transaction() as session:
            await register(session, username=username, email=f"{username}@example.com", password=PASSWORD)
        answer = await client.post("/api/auth/login", json={"username": username, "password": PASSWORD})
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    return make


async def test_a_key_is_shown_once_and_works(client, signed_in, panel):
    headers = await signed_in()
    form = {"name": "shop", "ip_list": ["203.0.113.9/24"], "daily_spend_cap": "12.5"}

    made = await client.post("/api/keys", json=form, headers=headers)
    listed = await client.get("/api/keys", headers=headers)

    body = made.json()
    assert made.status_code == 201
    assert body["success"] is True
    assert (body["name"], body["ip_list"], body["daily_spend_cap"]) == ("shop", ["203.0.113.0/24"], 12.5)
    assert body["key"] not in listed.text
    assert "key_hash" not in listed.text
    view = {name: value for name, value in body.items() if name not in {"success", "key"}}
    assert listed.json() == {"success": True, "data": [view]}
    claim = KeyHasher(panel.vault).claim(body["key"])
    async with panel.db.transaction() as session:
        holder = holder_for(await find_keys(session, [claim.prefix]), claim, "203.0.113.7")
    assert (holder.key_id, holder.username) == (body["id"], "mai")


async def test_a_revoked_key_is_gone_and_nobody_revokes_anothers(client, signed_in):
    mine, theirs = await signed_in(), await signed_in("linh")
    key_id = (await client.post("/api/keys", json={"name": "shop"}, headers=mine)).json()["id"]

    assert (await client.get("/api/keys", headers=theirs)).json()["data"] == []
    assert (await client.delete(f"/api/keys/{key_id}", headers=theirs)).status_code == 404
    assert (await client.delete(f"/api/keys/{key_id}", headers=mine)).json() == {"success": True}
    assert (await client.delete(f"/api/keys/{key_id}", headers=mine)).status_code == 404
    assert (await client.get("/api/keys", headers=mine)).json()["data"] == []


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": "a" * 81},
        {"name": "a\x00"},
        {"name": "x", "ip_list": ["nonsense"]},
        {"name": "x", "ip_list": ["10.0.0.1"] * 51},
        {"name": "x", "ip_list": "10.0.0.1"},
        {"name": "x", "daily_spend_cap": 0},
        {"name": "x", "daily_spend_cap": "-1"},
        {"name": "x", "daily_spend_cap": "NaN"},
        {"name": "x", "daily_spend_cap": "Infinity"},
        {"name": "x", "daily_spend_cap": "0.0000001"},
        {"name": "x", "daily_spend_cap": "1e99"},
        {"name": "x", "daily_spend_cap": "99999999999999999999999"},
    ],
)
async def test_what_is_no_key(client, signed_in, form):
    headers = await signed_in()

    answer = await client.post("/api/keys", json=form, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert (await client.get("/api/keys", headers=headers)).json()["data"] == []


async def test_visitors_have_no_keys(client):
    assert (await client.get("/api/keys")).status_code == 401
    assert (await client.post("/api/keys", json={"name": "x"})).status_code == 401
    assert (await client.delete("/api/keys/1")).status_code == 401
