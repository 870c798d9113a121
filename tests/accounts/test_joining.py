"""Who may make an account, and how people come in: the settings of it, invitations, what staff must bring along."""

import asyncio
import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select

from accounts.visitors import Moving, account_of, visitor_of
from smmpanel.accounts.models import AuditEntry, User
from smmpanel.accounts.openid.settings import OPTION as OPENID
from smmpanel.accounts.openid.settings import openid_settings, reseal_openid
from smmpanel.accounts.sign_in_models import InvitedUser
from smmpanel.accounts.sign_up_gate import OPTION, Gate, SignUpFullError, SignUpMode, SignUpRules
from smmpanel.accounts.signing_up import register
from smmpanel.accounts.staff_door import OPTION as DOOR
from smmpanel.accounts.staff_door import DoorRules
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.options import read_option, write_option
from staff_browser import sign_in

PASSWORD = "correct horse battery"
SETTINGS = "/staff/settings/sign-in"


@pytest.fixture
def moving(panel):
    return Moving(panel)


@pytest.fixture
async def admin(moving):
    browser = await sign_in(moving.panel, role=Role.MASTER_ADMIN)
    await browser.get(SETTINGS)
    yield browser
    await browser.client.aclose()


async def rules(panel, mode, limit=0):
    async with panel.db.transaction() as session:
        await write_option(session, OPTION, SignUpRules(mode, limit).kept)


async def customers(panel):
    async with panel.db.transaction() as session:
        return await session.scalar(select(func.count()).where(User.role == Role.CUSTOMER))


async def join(panel, name, **more):
    async with visitor_of(panel) as visitor:
        await visitor.get("/sign-up")
        form = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        return await visitor.post("/sign-up", **form, **more)


async def api_join(panel, name, **more):
    transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
        form = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, **more}
        return await client.post("/api/auth/register", json=form)


async def test_a_closed_door_is_said_on_the_page_and_in_json(moving, admin):
    done = await admin.post(f"{SETTINGS}/sign_up", {"sign_up_mode": "closed"})
    async with visitor_of(moving.panel) as visitor:
        shown = (await visitor.get("/sign-up")).text

    assert done.status_code == 303
    assert "Sign-up is closed" in shown
    assert 'name="password"' not in shown
    assert (await join(moving.panel, "mai")).status_code == 403
    answer = await api_join(moving.panel, "mai")
    assert (answer.status_code, '"sign_up_closed"' in answer.text) == (403, True)
    async with moving.panel.db.transaction() as session:
        [entry] = await session.scalars(select(AuditEntry).where(AuditEntry.subject == "settings:sign_up"))
    assert (entry.before["mode"], entry.after["mode"]) == ("open", "closed")


async def test_the_last_place_is_taken_once(moving):
    panel = moving.panel
    await rules(panel, SignUpMode.LIMITED, 2)
    await account_of(panel, "first")  # made by a command: nobody stands in its way, and it takes a place

    async def one(name):
        async with panel.db.transaction() as session:
            gate = Gate(panel.vault, moving.now)
            await register(session, username=name, email=f"{name}@x.example", password=PASSWORD, gate=gate)

    ended = await asyncio.gather(*(one(f"rush{number}") for number in range(4)), return_exceptions=True)

    assert sum(isinstance(end, SignUpFullError) for end in ended) == 3
    assert await customers(panel) == 2
    assert (await join(panel, "late")).status_code == 403
    async with visitor_of(panel) as visitor:
        assert "All places are taken" in (await visitor.get("/sign-up")).text


async def test_invitations_let_so_many_in_for_so_long_and_are_shown_once(moving, admin):
    panel = moving.panel
    await rules(panel, SignUpMode.INVITED)
    made = await admin.post("/staff/users/invitations", {"count": "2", "max_uses": "1", "days": "7", "note": "friends"})
    link = re.escape(f"{panel.settings.address}/sign-up?invitation=")
    codes = re.findall(rf"<code class=\"grow\">{link}([a-z2-9-]{{14}})<", made.text)
    listed = (await admin.get("/staff/users/invitations")).text

    assert len(set(codes)) == 2
    assert not any(code in listed for code in codes)
    assert (await join(panel, "mai")).status_code == 422
    assert (await join(panel, "mai", invitation_code="aaaa-bbbb-cccc")).status_code == 422
    assert (await join(panel, "mai", invitation_code=codes[0].upper().replace("-", " "))).status_code == 303
    again = await api_join(panel, "tom", invitation_code=codes[0])
    assert (again.status_code, '"invitation_worthless"' in again.text) == (422, True)
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(InvitedUser)) == 1

    moving.on(seconds=timedelta(days=8).total_seconds())
    assert (await api_join(panel, "tom", invitation_code=codes[1])).status_code == 422


async def test_an_invitation_that_was_withdrawn_is_worth_nothing_and_needs_permission(moving, admin):
    await rules(moving.panel, SignUpMode.INVITED)
    clerk = await sign_in(moving.panel, role=Role.STAFF, permissions=["users.view"])
    await clerk.get("/staff/users/invitations")
    assert (await clerk.post("/staff/users/invitations", {"count": "1", "max_uses": "1"})).status_code == 403
    await clerk.client.aclose()
    made = await admin.post("/staff/users/invitations", {"count": "1", "max_uses": "5", "days": "", "note": ""})
    code = re.search(r"invitation=([a-z2-9-]{14})<", made.text)[1]
    withdraw = re.search(r'action="(/staff/users/invitations/\d+/withdraw)"', made.text)[1]

    assert (await admin.post(withdraw)).status_code == 303
    assert (await admin.post(withdraw)).status_code == 404
    assert (await api_join(moving.panel, "mai", invitation_code=code)).status_code == 422
    wrong = await admin.post("/staff/users/invitations", {"count": "0", "max_uses": "1", "days": "7"})
    assert (wrong.status_code, "Enter a number from 1 to 100." in wrong.text) == (422, True)


async def test_the_back_office_is_open_from_its_networks_only_and_nobody_shuts_themselves_out(moving, admin):
    refused = await admin.post(f"{SETTINGS}/staff_door", {"networks": "10.0.0.0/8"})
    nonsense = await admin.post(f"{SETTINGS}/staff_door", {"networks": "203.0.113.7 somewhere"})
    saved = await admin.post(f"{SETTINGS}/staff_door", {"networks": "203.0.113.0/24\n10.1.2.3/8"})

    assert (refused.status_code, "203.0.113.7, must be among them" in refused.text) == (422, True)
    assert nonsense.status_code == 422
    assert saved.status_code == 303
    assert (await admin.get("/staff/orders")).status_code == 200
    async with moving.panel.db.transaction() as session:
        assert DoorRules.read(await read_option(session, DOOR)).networks == ("203.0.113.0/24", "10.0.0.0/8")

    cookie = admin.client.cookies["smmpanel_session"]
    transport = httpx.ASGITransport(build_app(moving.panel), client=("198.51.100.1", 1))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://panel.example", cookies={"smmpanel_session": cookie}
    ) as elsewhere:
        office, own = await elsewhere.get("/staff/orders"), await elsewhere.get("/account")
        # Nor does anybody go on from there as somebody else.
        mai = await account_of(moving.panel, "mai")
        await admin.get(f"/staff/users/{mai}")
        await admin.post(f"/staff/users/{mai}/sign-in-as")
        elsewhere.cookies.set("smmpanel_session", admin.client.cookies["smmpanel_session"])
        acting = await elsewhere.get("/account")
        assert (await admin.get("/account")).status_code == 200
        assert acting.headers["location"].startswith("/sign-in")
    assert (office.status_code, "not open from your network address" in office.text) == (403, True)
    assert own.status_code == 200


async def test_the_other_site_is_set_by_who_may_change_staff_and_its_secret_stays_secret(moving, admin):
    form = {"openid_issuer": "https://accounts.google.com", "openid_client_id": "abc", "openid_secret": "very secret"}
    clerk = await sign_in(moving.panel, role=Role.STAFF, permissions=["settings.view", "settings.edit"])
    await clerk.get(SETTINGS)
    assert (await clerk.post(f"{SETTINGS}/openid", form)).status_code == 403
    assert (await clerk.post(f"{SETTINGS}/staff_door", {"networks": ""})).status_code == 403
    await clerk.client.aclose()

    wrong = await admin.post(f"{SETTINGS}/openid", {**form, "openid_issuer": "http://issuer.example"})
    saved = await admin.post(f"{SETTINGS}/openid", form)
    kept = await admin.post(f"{SETTINGS}/openid", {**form, "openid_secret": "", "openid_label": "Google account"})
    shown = (await admin.get(SETTINGS)).text

    assert (wrong.status_code, saved.status_code, kept.status_code) == (422, 303, 303)
    assert "very secret" not in shown
    async with visitor_of(moving.panel) as visitor:
        assert "Sign in with Google account" in (await visitor.get("/sign-in")).text
    async with moving.panel.db.transaction() as session:
        stored = await read_option(session, OPENID)
        assert await reseal_openid(session, moving.panel.vault) == 1
        ours = await openid_settings(session, moving.panel)
        entries = (await session.scalars(select(AuditEntry).where(AuditEntry.subject == "settings:openid"))).all()
    assert "very secret" not in str(stored)
    assert ours.client_secret == "very secret"
    assert "very secret" not in str([(entry.before, entry.after) for entry in entries])
    assert stored["secret"] not in str([entry.after for entry in entries])
