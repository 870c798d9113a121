"""What the door answers tells nobody whether an account exists: the same words, and the same work.

Work is counted, not timed: hashes that were computed and statements that were sent. Clocks of a busy machine prove
nothing.
"""

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import event

from accounts.visitors import Moving, account_of, set_up, visitor_of
from making import staff
from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.admins import create_admin
from smmpanel.accounts.inviting import invite
from smmpanel.accounts.models import User
from smmpanel.accounts.passwords import NO_PASSWORD
from smmpanel.accounts.sign_up_gate import OPTION, SignUpMode, SignUpRules
from smmpanel.accounts.states import Role
from smmpanel.accounts.suspending import ban_user
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.options import write_option

PEOPLE = ("quynh", "xfactor", "xbanned", "xwithout", "xboss")
NOBODY = "nobody.at.all"


@pytest.fixture
def moving(panel):
    return Moving(panel)


@pytest.fixture
async def people(moving):
    """One of each kind: plain, with a second factor, banned, without a password, of the staff."""
    panel = moving.panel
    ids = {name: await account_of(panel, name) for name in PEOPLE[:4]}
    await set_up(moving, ids["xfactor"])
    async with panel.db.transaction() as session:
        await ban_user(session, staff(None, Permission.USERS_SUSPEND), ids["xbanned"], reason="x", now=moving.now)
        (await session.get_one(User, ids["xwithout"])).password_hash = NO_PASSWORD
        await create_admin(
            session, Actor.cli(), username="xboss", email="xboss@example.com", password="correct horse battery",
            role=Role.ADMIN,
        )  # fmt: skip
    return ids


@contextmanager
def counted(panel, monkeypatch):
    """Count the hashes that are computed, and the statements by their kind and table."""
    work = Counter()
    verify = PasswordHasher.verify

    def verifying(self, *given, **more):
        work["hash"] += 1
        return verify(self, *given, **more)

    def sent(_connection, _cursor, statement, *_):
        words = statement.split()
        table = re.search(r"(?:FROM|INTO|UPDATE)\s+(\w+)", statement)
        work[words[0], table[1] if table else ""] += 1

    monkeypatch.setattr(PasswordHasher, "verify", verifying)
    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", sent)
    try:
        yield work
    finally:
        event.remove(panel.db.engine.sync_engine, "before_cursor_execute", sent)
        monkeypatch.setattr(PasswordHasher, "verify", verify)


def plain(answer, name):
    """Return an answer without what was typed, and without what is another one each time."""
    text = re.sub(r"[0-9a-f]{64}|Try again in \d+ s", "#", answer.text.replace(name, "NAME"))
    return answer.status_code, text


@pytest.mark.parametrize("ending", ["", "@example.com"], ids=["name", "address"])
async def test_a_wrong_password_on_the_page(moving, people, monkeypatch, ending):
    told, worked = {}, {}
    for name in (*PEOPLE, NOBODY):
        async with visitor_of(moving.panel) as visitor:
            await visitor.get("/sign-in")
            with counted(moving.panel, monkeypatch) as work:
                answer = await visitor.post("/sign-in", login=name + ending, password="wrong horse battery")
        told[name], worked[name] = plain(answer, name), dict(work)

    assert set(told.values()) == {told[NOBODY]}
    assert all(work == worked[NOBODY] for work in worked.values()), worked
    assert worked[NOBODY]["hash"] == 1


async def test_a_wrong_password_in_json(moving, people, monkeypatch):
    told, worked = {}, {}
    transport = httpx.ASGITransport(build_app(moving.panel), client=("203.0.113.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
        # The first request of a process reads what all others know.
        await client.post("/api/auth/login", json={"username": "warming.up", "password": "wrong"})
        for name in (*PEOPLE, NOBODY):
            with counted(moving.panel, monkeypatch) as work:
                sent = {"username": name, "password": "wrong horse battery", "otp": "123456"}
                answer = await client.post("/api/auth/login", json=sent)
            told[name], worked[name] = plain(answer, name), dict(work)

    assert set(told.values()) == {told[NOBODY]}
    assert all(work == worked[NOBODY] for work in worked.values()), worked


async def test_waits_grow_for_nobody_as_for_somebody(moving, people):
    waits = {}
    for name in ("quynh", NOBODY):
        async with visitor_of(moving.panel) as visitor:
            answers = [await visitor.post("/sign-in", login=name, password="wrong horse") for _ in range(7)]
            waits[name] = [answer.headers.get("Retry-After") for answer in answers]
        moving.on(seconds=timedelta(days=2).total_seconds())

    assert waits["quynh"] == waits[NOBODY]
    assert waits["quynh"][-1] is not None


async def test_a_link_for_a_forgotten_password(moving, people, monkeypatch):
    panel = replace(moving.panel, settings=moving.panel.settings.model_copy(update={"mail_to_folder": True}))
    told, worked = {}, {}
    for name in (*PEOPLE, NOBODY):
        async with visitor_of(panel) as visitor:
            await visitor.get("/reset")
            with counted(panel, monkeypatch) as work:
                answer = await visitor.post("/reset", email=f"{name}@example.com")
        told[name], worked[name] = plain(answer, name), dict(work)

    assert set(told.values()) == {told[NOBODY]}
    assert "Look into your mail" in told[NOBODY][1]
    assert all(work == worked[NOBODY] for work in worked.values()), worked


async def test_what_passkeys_are_asked_for_names_nobody(moving, people):
    told = set()
    for _ in range(2):
        async with visitor_of(moving.panel) as visitor:
            await visitor.get("/sign-in")
            asked = (await visitor.post("/sign-in/passkey/options")).json()
            told.add(frozenset(asked))
            assert asked["allowCredentials"] == []
            answer = await visitor.post("/sign-in/passkey", credential='{"rawId": "AAAA", "response": {}}')
            assert answer.headers["location"] == "/sign-in"
    assert len(told) == 1


async def test_an_invitation_that_never_was_and_one_that_is_used_up(moving, people, monkeypatch):
    panel = moving.panel
    async with panel.db.transaction() as session:
        await write_option(session, OPTION, SignUpRules(SignUpMode.INVITED).kept)
        asked = {"count": 1, "max_uses": 1, "days": None, "note": "", "now": moving.now}
        [code] = await invite(session, panel.vault, Actor.cli(), **asked)
    told, worked = [], []
    for number, typed in enumerate((code, code, "aaaa-bbbb-cccc")):
        async with visitor_of(panel) as visitor:
            await visitor.get("/sign-up")
            form = {
                "username": f"new{number}",
                "email": f"new{number}@example.com",
                "password": "correct horse battery",
            }
            with counted(panel, monkeypatch) as work:
                answer = await visitor.post("/sign-up", **form, invitation_code=typed)
        told.append(plain(answer, f"new{number}")[1].replace(typed, "CODE"))
        worked.append(dict(work))
        assert answer.status_code == (303 if number == 0 else 422)

    assert told[1] == told[2]
    assert worked[1] == worked[2]
