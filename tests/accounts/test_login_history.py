"""Who tried to sign in: on the own page and on the staff's, page after page."""

import re
from datetime import timedelta

import pytest

from accounts.visitors import account_of
from orders.customer_pages import browser_of
from smmpanel.accounts.models import LoginHistory, LoginOutcome, LoginWay
from smmpanel.accounts.states import Role
from staff_browser import sign_in

TRIES = 60


@pytest.fixture
async def tried(panel):
    """Mai, who was tried sixty times, and Tom, who was tried once."""
    mai, tom = await account_of(panel, "mai"), await account_of(panel, "tom")
    now = panel.clock()
    async with panel.db.transaction() as session:
        for number in range(TRIES):
            ip, at = f"198.51.100.{number}", now - timedelta(hours=TRIES - number)
            outcome = LoginOutcome.WRONG_CODE if number % 2 else LoginOutcome.SIGNED_IN
            way = LoginWay.PASSKEY if number % 2 == 0 else LoginWay.PASSWORD
            session.add(LoginHistory(user_id=mai, outcome=outcome, way=way, ip=ip, user_agent="Firefox/140.0", at=at))
        session.add(LoginHistory(user_id=tom, outcome=LoginOutcome.REFUSED, ip="203.0.113.99", at=now))
    return mai


async def both_pages(browser, path):
    first = (await browser.get(path)).text
    further = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
    return first, (await browser.get(further)).text


async def test_the_owner_sees_every_try_once(panel, tried):
    browser = await browser_of(panel, tried)
    first, second = await both_pages(browser, "/account/security/sign-ins")
    await browser.client.aclose()

    seen = re.findall(r"198\.51\.100\.(\d+)", first + second)
    assert [int(number) for number in seen] == list(reversed(range(TRIES)))
    assert "203.0.113.99" not in first + second
    assert all(word in first for word in ("Wrong code", "Signed in", "Passkey", "Firefox"))


async def test_staff_see_it_with_permission(panel, tried):
    clerk = await sign_in(panel, role=Role.STAFF, permissions=["users.view"])
    other = await sign_in(panel, role=Role.STAFF, permissions=["orders.view"])
    path = f"/staff/users/{tried}/sign-ins"

    first, second = await both_pages(clerk, path)
    latest = (await clerk.get(f"/staff/users/{tried}")).text
    refused, missing = await other.get(path), await clerk.get("/staff/users/999999/sign-ins")
    await clerk.client.aclose()
    await other.client.aclose()

    assert len(re.findall(r"198\.51\.100\.\d+", first + second)) == TRIES
    assert (f"198.51.100.{TRIES - 1}" in latest, f'href="{path}"' in latest) == (True, True)
    assert (refused.status_code, missing.status_code) == (403, 404)
