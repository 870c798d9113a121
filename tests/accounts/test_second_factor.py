"""The second factor: set up with a first code, asked for after the password, each code good once."""

import re

import httpx
import pytest
from sqlalchemy import func, select

from accounts.visitors import Moving, SignedOut, account_of, set_up, visitor_of
from orders.customer_pages import browser_of
from smmpanel.accounts.access import Actor
from smmpanel.accounts.changing_password import set_password
from smmpanel.accounts.models import AuditEntry, LoginHistory, LoginSession
from smmpanel.accounts.second_factor import CODE_LIMIT
from smmpanel.accounts.sign_in_models import RecoveryCode, SecondFactor
from smmpanel.accounts.staff_door import OPTION, DoorRules
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.options import write_option
from staff_browser import sign_in as staff_signs_in

PASSWORD = "correct horse battery"


@pytest.fixture
def moving(panel):
    """The panel, with a clock that the test moves."""
    return Moving(panel)


@pytest.fixture
async def mai(panel):
    return await account_of(panel, "mai")


@pytest.fixture
async def visitor(moving):
    async with visitor_of(moving.panel) as opened:
        yield opened


async def count(panel, row):
    async with panel.db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(row))


async def outcomes(panel):
    async with panel.db.transaction() as session:
        return [str(word) for word in await session.scalars(select(LoginHistory.outcome).order_by(LoginHistory.id))]


async def test_it_counts_once_a_first_code_is_given_and_its_codes_are_shown_once(moving, mai):
    browser = await browser_of(moving.panel, mai)
    await browser.post("/account/security/second-factor", deed="begin")
    shown = await browser.get("/account/security/second-factor")
    secret = re.search(r'class="breaks">([A-Z2-7 ]+)<', shown.text)[1].replace(" ", "")
    wrong = await browser.post("/account/security/second-factor", deed="confirm", code="000000")

    assert "<svg" in shown.text
    assert "style=" not in shown.text
    assert (wrong.status_code, await count(moving.panel, RecoveryCode)) == (422, 0)

    done = await browser.post("/account/security/second-factor", deed="confirm", code=moving.code(secret))
    codes = re.findall(r"<code>([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})</code>", done.text)
    again = await browser.get("/account/security/second-factor")
    await browser.client.aclose()

    assert (done.status_code, len(set(codes))) == (200, 10)
    assert not any(code in again.text for code in codes)
    assert secret not in again.text.replace(" ", "")
    async with moving.panel.db.transaction() as session:
        [kept] = await session.scalars(select(SecondFactor.secret))
        [entry] = await session.scalars(select(AuditEntry).where(AuditEntry.permission == "account.second_factor"))
    assert secret.encode() not in kept
    assert (entry.before, entry.after) == ({"second_factor": "off"}, {"second_factor": "on"})


async def test_the_password_alone_leads_to_the_second_step_and_opens_nothing(moving, mai, visitor: SignedOut):
    factor = await set_up(moving, mai)

    half = await visitor.post("/sign-in", login="mai", password=PASSWORD, next="/statement")

    assert (half.status_code, half.headers["location"]) == (303, "/sign-in/code?next=/statement")
    assert "smmpanel_session" not in visitor.client.cookies
    assert await count(moving.panel, LoginSession) == 0
    assert (await visitor.get("/statement")).headers["location"].startswith("/sign-in")

    whole = await visitor.post("/sign-in/code", code=factor.code(), next="/statement")

    assert (whole.status_code, whole.headers["location"]) == (303, "/statement")
    assert (await visitor.get("/statement")).status_code == 200
    assert await outcomes(moving.panel) == ["half_way", "signed_in"]


async def test_a_code_is_taken_once_and_a_recovery_code_too(moving, mai, visitor):
    factor = await set_up(moving, mai)
    answers = []
    for code in (factor.code(), factor.code(), factor.recovery[0], factor.recovery[0].replace("-", "").upper()):
        await visitor.post("/sign-in", login="mai", password=PASSWORD)
        answers.append((await visitor.post("/sign-in/code", code=code)).status_code)
        visitor.client.cookies.delete("smmpanel_session", domain="panel.example") if answers[-1] == 303 else None

    assert answers == [303, 422, 303, 422]
    moving.on(seconds=60)
    assert (await visitor.post("/sign-in/code", code=factor.code())).status_code == 303


async def test_guesses_end_in_a_wait_that_a_right_code_cannot_break(moving, mai, visitor):
    factor = await set_up(moving, mai)
    await visitor.post("/sign-in", login="mai", password=PASSWORD)
    for guess in range(CODE_LIMIT.free):
        assert (await visitor.post("/sign-in/code", code=f"00000{guess}")).status_code == 422

    refused = await visitor.post("/sign-in/code", code=factor.code())

    assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
    moving.on(seconds=40)
    assert (await visitor.post("/sign-in/code", code=factor.code())).status_code == 303


async def test_the_step_belongs_to_its_browser_and_ends_with_time_and_with_the_password(moving, mai, visitor):
    factor = await set_up(moving, mai)
    await visitor.post("/sign-in", login="mai", password=PASSWORD)
    async with visitor_of(moving.panel) as other:
        assert (await other.post("/sign-in/code", code=factor.code())).headers["location"] == "/sign-in"
    async with moving.panel.db.transaction() as session:
        await set_password(session, Actor.cli(), mai, "a better staple", now=moving.panel.clock())
    assert (await visitor.post("/sign-in/code", code=factor.code())).headers["location"] == "/sign-in"

    await visitor.post("/sign-in", login="mai", password="a better staple")
    moving.on(seconds=601)

    assert (await visitor.get("/sign-in/code")).headers["location"] == "/sign-in"
    assert (await visitor.post("/sign-in/code", code=factor.code())).headers["location"] == "/sign-in"
    assert await count(moving.panel, LoginSession) == 0


async def test_the_json_api_says_that_it_is_needed_and_takes_it(moving, mai):
    factor = await set_up(moving, mai)
    transport = httpx.ASGITransport(build_app(moving.panel), client=("203.0.113.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
        sent = {"username": "mai", "password": PASSWORD}
        needed = await client.post("/api/auth/login", json=sent)
        wrong = await client.post("/api/auth/login", json={**sent, "otp": "000000"})
        right = await client.post("/api/auth/login", json={**sent, "otp": factor.code()})
        guessed = await client.post("/api/auth/login", json={**sent, "password": "wrong horse", "otp": factor.code()})

    assert (needed.status_code, wrong.status_code, right.status_code) == (401, 401, 200)
    assert '"second_factor_needed"' in needed.text
    assert '"wrong_code"' in wrong.text
    assert '"wrong_password"' in guessed.text
    assert right.json()["access_token"]


async def test_it_is_changed_only_by_who_shows_that_it_is_them(moving, mai):
    factor = await set_up(moving, mai)
    browser = await browser_of(moving.panel, mai)
    path = "/account/security/second-factor"

    refused = [await browser.post(path, deed=deed, proof="wrong horse") for deed in ("codes", "begin", "off")]
    renewed = await browser.post(path, deed="codes", proof=PASSWORD)
    off = await browser.post(path, deed="off", proof=factor.code())
    await browser.client.aclose()

    assert [answer.status_code for answer in refused] == [422, 422, 422]
    assert renewed.status_code == 200
    assert factor.recovery[0] not in renewed.text
    assert (off.status_code, await count(moving.panel, SecondFactor), await count(moving.panel, RecoveryCode)) == (
        303,
        0,
        0,
    )


async def test_staff_who_must_have_one_do_nothing_before_they_have(moving):
    async with moving.panel.db.transaction() as session:
        await write_option(session, OPTION, DoorRules(second_factor=True).kept)
    browser = await staff_signs_in(moving.panel, role=Role.MASTER_ADMIN)

    home, orders = await browser.get("/"), await browser.get("/staff/orders")
    posted = await browser.post("/staff/settings/services", {"services_public": "yes"})
    setup = await browser.get(home.headers["location"])

    assert home.headers["location"] == "/account/security/second-factor"
    assert (orders.status_code, posted.status_code, setup.status_code) == (403, 403, 200)
    assert "Set yours up" in orders.text

    await browser.post("/account/security/second-factor", {"deed": "begin"})
    shown = (await browser.get("/account/security/second-factor")).text
    secret = re.search(r'class="breaks">([A-Z2-7 ]+)<', shown)[1].replace(" ", "")
    await browser.post("/account/security/second-factor", {"deed": "confirm", "code": moving.code(secret)})
    opened = await browser.get("/staff/orders")
    await browser.client.aclose()
    assert opened.status_code == 200


async def test_staff_reset_what_somebody_lost_and_it_is_on_record(moving, mai, visitor):
    await set_up(moving, mai)
    clerk = await staff_signs_in(moving.panel, role=Role.STAFF, permissions=["users.view"])
    admin = await staff_signs_in(moving.panel)

    assert "second-factor/reset" in (await admin.get(f"/staff/users/{mai}")).text
    await clerk.get(f"/staff/users/{mai}")
    assert (await clerk.post(f"/staff/users/{mai}/second-factor/reset")).status_code == 403
    done = await admin.post(f"/staff/users/{mai}/second-factor/reset")
    await clerk.client.aclose()
    await admin.client.aclose()

    assert done.status_code == 303
    signed = await visitor.post("/sign-in", login="mai", password=PASSWORD)
    assert signed.headers["location"] == "/"
    async with moving.panel.db.transaction() as session:
        entry = (await session.scalars(select(AuditEntry).where(AuditEntry.subject == f"user:{mai}"))).all()[-1]
    assert (entry.before["second_factor"], entry.after["second_factor"]) == ("on", "off")
