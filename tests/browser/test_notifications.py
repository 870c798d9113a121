"""Being told: the bell and the list of an open page change by themselves; a link from a mail leads through to signing in."""

import pytest

from browser.looking import axe, settled
from smmpanel.accounts.mailed_tokens import Purpose, mint_token
from smmpanel.accounts.signing_up import register
from smmpanel.notifications.telling import Notice, notify

PASSWORD, NEW = "correct horse battery", "a better staple"


@pytest.fixture
async def told(db, panel):
    """Make a customer with so many notifications."""

    async def make(name, count):
        async with db.transaction() as session:
            user = await register(session, username=name, email=f"{name}@example.com", password=PASSWORD)
        await tell(user.id, range(count))
        return user.id

    async def tell(user, numbers):
        notices = [
            Notice(user, f"order:{number}", "order_completed", {"order_id": number, "service": "Likes"}, "/orders")
            for number in numbers
        ]
        async with db.transaction() as session:
            await notify(session, notices, now=panel.clock())

    make.tell = tell
    return make


async def test_the_bell_and_the_list_of_an_open_page_change_by_themselves(visit, site, told):
    user = await told("bell.listener", 0)
    page = await visit("/notifications")
    await page.context.add_cookies([await site.cookie_of(user)])
    async with page.expect_response("**/live**"):
        await page.goto("/notifications")
    assert await page.get_by_role("link", name="Notifications", exact=True).count() == 1

    await told.tell(user, [4711])

    await page.get_by_role("link", name="Notifications, one unread").wait_for()
    await page.get_by_text("Order 4711 is completed").wait_for()
    await settled(page)
    await axe(page)

    await page.get_by_role("button", name="Mark all as read").click()
    await page.get_by_role("link", name="Notifications", exact=True).wait_for()


async def test_a_link_from_a_mail_leads_to_a_new_password_and_in(visit, db, panel, told):
    user = await told("forgetful", 0)
    async with db.transaction() as session:
        token = await mint_token(
            session,
            panel.vault,
            user_id=user,
            purpose=Purpose.RESET,
            email="forgetful@example.com",
            now=panel.clock(),
        )
    page = await visit(f"/reset/{token}")
    await axe(page)
    typed = page.get_by_label("New password", exact=True)
    await typed.fill(NEW)
    await page.get_by_role("button", name="Show what is typed").first.click()
    assert await typed.get_attribute("type") == "text"
    await page.get_by_role("button", name="Show what is typed").first.click()
    assert await typed.get_attribute("type") == "password"
    await page.get_by_label("New password again").fill(NEW)

    # The page keeps its own address to itself, and yet its form is taken: browsers must name its origin.
    await page.get_by_role("button", name="Set password").click()

    await page.wait_for_url("**/sign-in")
    await page.get_by_text("Password changed").wait_for()
    await page.get_by_label("User name").fill("forgetful")
    await page.get_by_label("Password").fill(NEW)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url("**/orders/new")
