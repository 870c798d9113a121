"""Passkeys with a real browser and an authenticator of its own: made, signed in with, taken as the second proof, refused."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx
import pytest
from sqlalchemy import select, update

from accounts.visitors import Moving, set_up
from browser.looking import axe
from smmpanel.accounts.entering import Origin
from smmpanel.accounts.models import LoginHistory
from smmpanel.accounts.passkey_sign_in import sign_in_by_passkey
from smmpanel.accounts.passkeys import PasskeyRefusedError, Place
from smmpanel.accounts.sign_in_models import Passkey
from smmpanel.accounts.signing_up import register
from smmpanel.accounts.steps import StepOverError

PASSWORD = "correct horse battery"


@pytest.fixture
def local(site):
    """The panel under a name: an address of numbers alone can have no passkeys."""
    return replace(site, address=site.address.replace("127.0.0.1", "localhost"))


@pytest.fixture
def somebody(db):
    async def make(name):
        async with db.transaction() as session:
            return (await register(session, username=name, email=f"{name}@example.com", password=PASSWORD)).id

    return make


async def with_device(page):
    """Give a page's browser a device that makes sure of its owner."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def add_key(page, name):
    await page.get_by_label("Name optional").fill(name)
    await page.get_by_label("Password or a code").fill(PASSWORD)
    await page.get_by_role("button", name="Add passkey").click()
    await page.locator(f'input[value="{name}"]').wait_for()


async def test_somebody_adds_one_and_signs_in_with_it(visit, db, local, somebody):
    user = await somebody("key.owner")
    page = await visit("/account/security/passkeys", user, at=local)
    await with_device(page)
    await add_key(page, "Work laptop")
    sent = []
    page.on("request", lambda asked: sent.append(asked) if asked.url.endswith("/sign-in/passkey") else None)

    await page.context.clear_cookies()
    await page.goto("/sign-in?next=/statement")
    await page.get_by_role("button", name="Sign in with a passkey").click()

    await page.wait_for_url(f"{local.address}/statement")
    async with db.transaction() as session:
        [key] = await session.scalars(select(Passkey).where(Passkey.user_id == user))
        ways = (await session.scalars(select(LoginHistory.way).where(LoginHistory.user_id == user))).all()
    assert (key.name, key.last_used_at is not None, key.sign_count > 0) == ("Work laptop", True, True)
    assert [str(way) for way in ways] == ["passkey"]

    # The same answer once more, with a question of its own, opens nothing.
    answer = {name: values[0] for name, values in parse_qs(sent[0].post_data, keep_blank_values=True).items()}
    async with httpx.AsyncClient(base_url=local.address) as thief:
        token = (await thief.get("/sign-in")).text.split('name="csrf_token" value="')[1][:64]
        asked = await thief.post("/sign-in/passkey/options", data={"csrf_token": token})
        tried = await thief.post("/sign-in/passkey", data={**answer, "csrf_token": token})
    assert asked.status_code == 200
    assert tried.headers["location"] == "/sign-in"
    assert "smmpanel_session" not in thief.cookies


async def test_an_answer_for_another_site_is_refused_and_its_challenge_is_over(
    visit, complaints, panel, local, somebody
):
    user = await somebody("key.phished")
    page = await visit("/account/security/passkeys", user, at=local)
    await with_device(page)
    await add_key(page, "Phished")
    await page.context.clear_cookies()
    await page.goto("/sign-in")
    complaints.expect("ERR_FAILED")
    sent = asyncio.get_running_loop().create_future()

    async def keep(route):
        sent.set_result(route.request.post_data)
        await route.abort()

    await page.route("**/sign-in/passkey", keep)
    await page.get_by_role("button", name="Sign in with a passkey").click()
    answer = parse_qs(await asyncio.wait_for(sent, 30))["credential"][0]
    [token] = [one["value"] for one in await page.context.cookies() if one["name"] == "smmpanel_step_passkey"]

    async def enter(place):
        asked = {"token": token, "second_token": None, "answer": answer, "origin": Origin("203.0.113.7")}
        lifetime = {"lifetime": timedelta(days=1), "now": panel.clock()}
        return await sign_in_by_passkey(panel.db, panel.vault, place, **asked, **lifetime)

    with pytest.raises(PasskeyRefusedError):
        await enter(Place("https://evil.example", "evil.example"))
    with pytest.raises(StepOverError):
        await enter(Place(local.address, "localhost"))


async def test_a_key_whose_counter_stands_still_is_refused(visit, db, local, somebody):
    user = await somebody("key.copied")
    page = await visit("/account/security/passkeys", user, at=local)
    await with_device(page)
    await add_key(page, "Copied")
    async with db.transaction() as session:
        await session.execute(update(Passkey).where(Passkey.user_id == user).values(sign_count=100_000))

    await page.context.clear_cookies()
    await page.goto("/sign-in")
    await page.get_by_role("button", name="Sign in with a passkey").click()

    await page.get_by_text("The passkey was not accepted.").wait_for()
    assert page.url.endswith("/sign-in")


async def test_it_is_the_second_proof_of_its_owner(visit, panel, db, local, somebody):
    user = await somebody("key.second")
    page = await visit("/account/security/passkeys", user, at=local)
    await with_device(page)
    await add_key(page, "Second")
    moving = Moving(replace(panel, clock=lambda: datetime.now(UTC)))
    await set_up(moving, user)

    await page.context.clear_cookies()
    await page.goto("/sign-in")
    await page.get_by_label("User name").fill("key.second")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url("**/sign-in/code")
    await page.get_by_label("Code").wait_for()
    await page.get_by_role("button", name="Use a passkey instead").click()
    await page.wait_for_url("**/orders/new")


async def test_the_page_that_asks_for_the_second_proof_is_accessible(visit, panel, local, somebody):
    user = await somebody("key.less")
    await set_up(Moving(replace(panel, clock=lambda: datetime.now(UTC))), user)
    page = await visit("/sign-in", at=local)
    await page.get_by_label("User name").fill("key.less")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url("**/sign-in/code")

    await axe(page)


async def test_what_did_not_work_is_said(visit, complaints, local):
    page = await visit("/sign-in", at=local)
    complaints.expect("ERR_FAILED")
    await page.route("**/sign-in/passkey/options", lambda route: route.abort())

    await page.get_by_role("button", name="Sign in with a passkey").click()

    await page.get_by_text("Your device gave no passkey.").wait_for()
