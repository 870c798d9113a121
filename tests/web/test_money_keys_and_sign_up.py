"""The statement, adding funds, API keys and signing up, as a customer meets them in a browser."""

import csv
import io
import re
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from making import credit, make_user
from smmpanel.accounts import api_key_pages, sign_up_pages
from smmpanel.accounts.api_keys import list_keys
from smmpanel.accounts.finding import find_user
from smmpanel.accounts.sessions import open_session
from smmpanel.entrypoints.shell import read_shell
from smmpanel.kernel.options import write_option
from smmpanel.ledger import pages as money_pages
from smmpanel.payments.pages import add_funds
from smmpanel.payments.pages.add_funds import TRANSFER_OPTION
from smmpanel.web.assembling import install_web

OWN = {"origin": "http://panel.example"}


def token_in(html):
    return re.search(r'name="csrf_token" value="([0-9a-f]{64})"', html)[1]


@pytest.fixture
async def visitor(panel):
    app = FastAPI()
    for part in (money_pages, add_funds, api_key_pages, sign_up_pages):
        app.include_router(part.router)
    install_web(app, panel, read_shell=read_shell)
    transport = httpx.ASGITransport(app, client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
        yield client


@pytest.fixture
async def user_id(panel, visitor):
    async with panel.db.transaction() as session:
        user = await make_user(session, funds=None)
        opened = await open_session(
            session, user, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock()
        )
    visitor.cookies.set("smmpanel_session", opened.token, domain="panel.example")
    return user


@pytest.mark.parametrize("language", ["en", "vi", "id"])
@pytest.mark.parametrize("path", ["/statement", "/add-funds", "/api-keys"])
async def test_pages_without_data_speak_every_language(visitor, user_id, path, language):
    answer = await visitor.get(path, params={"lang": language})

    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text


async def test_the_statement_is_exact_and_paged_by_key(panel, visitor, user_id):
    async with panel.db.transaction() as session:
        for _ in range(money_pages.ROWS):
            await credit(session, user_id, "1")
        await credit(session, user_id, "0.000001")

    first = await visitor.get("/statement")
    assert "+$0.000001" in first.text
    assert "$25.000001" in first.text
    after = re.search(r'rel="next" href="([^"]+)"', first.text)[1]
    second = await visitor.get(after)
    assert second.text.count("Changed by staff") == 1
    rows = list(csv.DictReader(io.StringIO((await visitor.get("/statement.csv")).text.removeprefix("\ufeff"))))
    assert [rows[0]["amount"], rows[0]["balance_after"], len(rows)] == ["0.000001", "25.000001", 26]


async def test_the_balance_of_the_top_bar_is_read_anew(panel, visitor, user_id):
    async with panel.db.transaction() as session:
        await credit(session, user_id, "3.5")

    shown = (await visitor.get("/parts/balance")).text
    assert "$3.50" in shown
    assert "<html" not in shown


async def test_a_statement_is_its_owners_alone(panel, visitor, user_id):
    async with panel.db.transaction() as session:
        await make_user(session, funds="77.77")

    assert "77.77" not in (await visitor.get("/statement")).text
    assert "77.77" not in (await visitor.get("/statement.csv")).text


async def test_the_owners_words_are_text_and_nothing_else(panel, visitor, user_id):
    async with panel.db.transaction() as session:
        await write_option(session, TRANSFER_OPTION, "Bank: ACB\n<script>x</script>")

    shown = (await visitor.get("/add-funds")).text
    assert "<p>Bank: ACB</p>" in shown
    assert "&lt;script&gt;" in shown


async def test_a_key_is_shown_once_and_revoked(panel, visitor, user_id):
    token = token_in((await visitor.get("/api-keys")).text)
    form = {"csrf_token": token, "name": "shop", "ip_list": "203.0.113.7", "daily_spend_cap": "5"}
    made = await visitor.post("/api-keys", data=form, headers=OWN)
    key = re.search(r"smm_[A-Za-z0-9]{12}_[A-Za-z0-9]{32}", made.text)[0]
    assert key not in (await visitor.get("/api-keys")).text
    async with panel.db.transaction() as session:
        [row] = await list_keys(session, user_id)

    gone = await visitor.post(f"/api-keys/{row.id}/revoke", data={"csrf_token": token}, headers=OWN)
    again = await visitor.post(f"/api-keys/{row.id}/revoke", data={"csrf_token": token}, headers=OWN)
    assert (gone.status_code, again.status_code) == (303, 404)


@pytest.mark.parametrize(("field", "typed"), [("name", ""), ("ip_list", "nonsense"), ("daily_spend_cap", "-1")])
async def test_a_wrong_key_keeps_what_was_typed_and_makes_nothing(panel, visitor, user_id, field, typed):
    token = token_in((await visitor.get("/api-keys")).text)
    form = {"csrf_token": token, "name": "my shop", "ip_list": "", "daily_spend_cap": "", field: typed}

    answer = await visitor.post("/api-keys", data=form, headers=OWN)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    async with panel.db.transaction() as session:
        assert await list_keys(session, user_id) == []


async def test_signing_up_signs_in_and_takes_the_language_over(panel, visitor):
    form = {"username": "lan", "email": "lan@example.com", "password": "correct horse battery"}
    form["csrf_token"] = token_in((await visitor.get("/sign-up?lang=vi")).text)

    answer = await visitor.post("/sign-up", data=form, headers=OWN)

    assert (answer.status_code, answer.headers["location"]) == (303, "/orders/new")
    assert (await visitor.get("/statement")).status_code == 200
    async with panel.db.transaction() as session:
        user = await find_user(session, "lan")
    assert (user.language, user.time_zone) == ("vi", "Asia/Ho_Chi_Minh")


@pytest.mark.parametrize(("field", "typed"), [("username", "x"), ("email", "nobody"), ("password", "short")])
async def test_a_wrong_sign_up_says_so_under_the_field(panel, visitor, field, typed):
    form = {"username": "lan", "email": "lan@example.com", "password": "correct horse battery", field: typed}
    form["csrf_token"] = token_in((await visitor.get("/sign-up")).text)

    answer = await visitor.post("/sign-up", data=form, headers=OWN)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert form["password"] not in answer.text
    async with panel.db.transaction() as session:
        assert await find_user(session, "lan") is None
