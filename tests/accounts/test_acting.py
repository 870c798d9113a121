"""Signing in as a user: who may, what is recorded, when it ends, and the way back in the browser."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from making import make_user
from smmpanel.accounts.access import MissingPermissionError, NotWhileActingError, Permission, Viewer
from smmpanel.accounts.acting import ACTING_LIFETIME, NotActingError, sign_in_as, stop_acting
from smmpanel.accounts.api_keys import issue_key, list_keys
from smmpanel.accounts.audit import audit_trail
from smmpanel.accounts.models import LoginSession, User
from smmpanel.accounts.sessions import SignInNeededError, viewer_of_cookie
from smmpanel.accounts.states import AccountState, AccountSuspendedError, Role
from smmpanel.accounts.suspending import NotYourselfError, suspend_user
from smmpanel.kernel.errors import ForbiddenError
from staff_browser import sign_in

NEEDED = (Permission.USERS_EDIT, Permission.USERS_BALANCE)


def viewer(user, *permissions):
    return Viewer(
        kind="user",
        user_id=user.id,
        username=user.username,
        role=user.role,
        permissions=frozenset(permissions),
        ip="203.0.113.7",
    )


async def begin(db, actor, user, now):
    async with db.transaction() as session:
        return await sign_in_as(session, actor, user.id, user_agent="Test/1.0", now=now)


async def seen_as(db, token, now):
    async with db.transaction() as session:
        return await viewer_of_cookie(session, token, ip="203.0.113.9", now=now)


async def test_a_session_of_the_user_that_knows_who_opened_it(db, a_user, now):
    admin, mai = await a_user("boss", Role.ADMIN), await a_user()

    opened = await begin(db, viewer(admin), mai, now)

    assert opened.expires_at == now + ACTING_LIFETIME
    seen = await seen_as(db, opened.token, now)
    assert (seen.user_id, seen.username, seen.role) == (mai.id, "mai", Role.CUSTOMER)
    assert (seen.acted_by, seen.acting_for) == (admin.id, "boss")
    with pytest.raises(SignInNeededError):
        await seen_as(db, opened.token, now + ACTING_LIFETIME)
    async with db.transaction() as session:
        (line,) = (await audit_trail(session, subject=f"user:{mai.id}")).rows
        assert (line.actor_id, line.permission, line.ip) == (admin.id, "users.edit", "203.0.113.7")
        assert (line.after["signed_in_as"], line.after["session"]) == ("mai", opened.session_id)


@pytest.mark.parametrize("held", [(), NEEDED[:1], NEEDED[1:]])
async def test_it_takes_the_right_to_change_users_and_their_money(db, a_user, now, held):
    helper, mai = await a_user("helper", Role.STAFF), await a_user()

    with pytest.raises(MissingPermissionError):
        await begin(db, viewer(helper, *held), mai, now)

    async with db.transaction() as session:
        assert (await session.scalars(select(LoginSession))).all() == []


async def test_never_into_an_account_that_may_do_more(db, a_user, now):
    admin, master = await a_user("boss", Role.ADMIN), await a_user("owner", Role.MASTER_ADMIN)
    helper, other = await a_user("helper", Role.STAFF), await a_user("other", Role.STAFF)
    async with db.transaction() as session:
        (await session.get_one(User, other.id)).permissions = [Permission.ORDERS_REFUND.value]
    leader = viewer(helper, *NEEDED, Permission.STAFF_EDIT)

    for actor, user in ((leader, admin), (leader, master), (viewer(admin), master), (leader, other)):
        with pytest.raises(ForbiddenError):
            await begin(db, actor, user, now)
    with pytest.raises(NotYourselfError):
        await begin(db, viewer(master), master, now)

    await begin(db, viewer(helper, *NEEDED, Permission.STAFF_EDIT, Permission.ORDERS_REFUND), other, now)


async def test_not_into_an_account_that_is_stopped_and_not_from_one_into_the_next(db, a_user, now):
    admin, mai, nam = await a_user("boss", Role.ADMIN), await a_user(), await a_user("nam")
    opened = await begin(db, viewer(admin), mai, now)
    with pytest.raises(NotWhileActingError):
        await begin(db, await seen_as(db, opened.token, now), nam, now)

    async with db.transaction() as session:
        await suspend_user(session, viewer(admin), nam.id, reason="spam", now=now)
    with pytest.raises(AccountSuspendedError):
        await begin(db, viewer(admin), nam, now)


@pytest.mark.parametrize("change", [{"state": AccountState.SUSPENDED}, {"role": Role.CUSTOMER}, {"permissions": []}])
async def test_it_ends_at_once_with_the_rights_of_who_opened_it(db, a_user, now, change):
    helper, mai = await a_user("helper", Role.STAFF), await a_user()
    async with db.transaction() as session:
        (await session.get_one(User, helper.id)).permissions = [one.value for one in NEEDED]
    opened = await begin(db, viewer(helper, *NEEDED), mai, now)
    assert (await seen_as(db, opened.token, now)).user_id == mai.id

    async with db.transaction() as session:
        row = await session.get_one(User, helper.id)
        for name, value in change.items():
            setattr(row, name, value)

    with pytest.raises(SignInNeededError):
        await seen_as(db, opened.token, now)


async def test_it_ends_at_once_when_the_user_comes_to_hold_more(db, a_user, now):
    admin, mai = await a_user("boss", Role.ADMIN), await a_user()
    opened = await begin(db, viewer(admin), mai, now)

    async with db.transaction() as session:
        (await session.get_one(User, mai.id)).role = Role.ADMIN

    with pytest.raises(SignInNeededError):
        await seen_as(db, opened.token, now)


async def test_no_key_is_left_behind(db, vault, a_user, now):
    admin, mai = await a_user("boss", Role.ADMIN), await a_user()
    opened = await begin(db, viewer(admin), mai, now)
    seen = await seen_as(db, opened.token, now)

    with pytest.raises(NotWhileActingError):
        async with db.transaction() as session:
            await issue_key(session, vault, mai, "mine", actor=seen)

    async with db.transaction() as session:
        assert await list_keys(session, mai.id) == []


async def test_stopping_is_recorded_under_who_acted(db, a_user, now):
    admin, mai = await a_user("boss", Role.ADMIN), await a_user()
    opened = await begin(db, viewer(admin), mai, now)
    seen = await seen_as(db, opened.token, now)

    async with db.transaction() as session:
        await stop_acting(session, seen, now=now + timedelta(minutes=5))

    with pytest.raises(SignInNeededError):
        await seen_as(db, opened.token, now + timedelta(minutes=5))
    async with db.transaction() as session:
        ended, _ = (await audit_trail(session, subject=f"user:{mai.id}")).rows
        assert (ended.actor_id, ended.after) == (admin.id, {"signed_in_as": None, "session": opened.session_id})
        with pytest.raises(NotActingError):
            await stop_acting(session, viewer(mai), now=now)


async def test_the_browser_shows_it_on_every_page_and_finds_its_way_back(panel):
    browser = await sign_in(panel)
    async with panel.db.transaction() as session:
        user = await make_user(session, "mai")
    await browser.get("/staff")
    own = browser.client.cookies["smmpanel_session"]

    began = await browser.post(f"/staff/users/{user}/sign-in-as")
    assert (began.status_code, began.headers["location"]) == (303, "/")
    assert browser.client.cookies["smmpanel_kept"] == own
    for path in ("/orders/new", "/orders", "/api-keys"):
        shown = await browser.get(path)
        assert "You are signed in as mai. Everything you do is recorded under admin" in shown.text
        assert 'action="/stop-acting"' in shown.text
    assert (await browser.get("/staff")).status_code == 403

    back = await browser.post("/stop-acting")
    assert (back.status_code, back.headers["location"]) == (303, f"/staff/users/{user}")
    assert browser.client.cookies["smmpanel_session"] == own
    assert "smmpanel_kept" not in browser.client.cookies
    assert "You are signed in as mai" not in (await browser.get("/staff")).text
    assert (await browser.post("/stop-acting")).status_code == 409
    await browser.client.aclose()


async def test_signing_out_ends_both_sessions(panel):
    browser = await sign_in(panel)
    async with panel.db.transaction() as session:
        user = await make_user(session)
    await browser.get("/staff")
    await browser.post(f"/staff/users/{user}/sign-in-as")
    await browser.get("/orders")

    await browser.post("/sign-out")

    assert dict(browser.client.cookies) == {}
    async with panel.db.transaction() as session:
        ended = (await session.scalars(select(LoginSession.revoked_at))).all()
    assert len(ended) == 2
    assert None not in ended
    await browser.client.aclose()


async def test_a_kept_session_of_somebody_else_is_not_taken(panel):
    browser, other = await sign_in(panel), await sign_in(panel)
    async with panel.db.transaction() as session:
        user = await make_user(session)
    await browser.get("/staff")
    await browser.post(f"/staff/users/{user}/sign-in-as")
    await browser.get("/orders")
    browser.client.cookies.set(
        "smmpanel_kept", other.client.cookies["smmpanel_session"], domain="panel.example", path="/"
    )

    back = await browser.post("/stop-acting")

    assert back.headers["location"] == "/sign-in"
    assert dict(browser.client.cookies) == {}
    await browser.client.aclose()
    await other.client.aclose()
