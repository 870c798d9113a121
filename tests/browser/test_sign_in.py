"""Signing in, as a browser does it."""

import pytest

from browser.looking import NARROWEST, THEMES, WIDTHS, axe, no_sideways_scroll
from smmpanel.accounts.signing_up import register

PASSWORD = "correct horse battery"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
async def test_the_sign_in_page_is_accessible(visit, theme, width):
    page = await visit("/sign-in", theme=theme, width=width)

    await axe(page)


async def test_the_sign_in_page_fits_on_a_small_phone(visit):
    page = await visit("/sign-in", width=NARROWEST)

    await no_sideways_scroll(page)


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
async def test_somebody_signs_in(visit, db, scripts):
    name = f"signer.{'on' if scripts else 'off'}"
    async with db.transaction() as session:
        await register(session, username=name, email=f"{name}@example.com", password=PASSWORD)
    page = await visit("/sign-in", scripts=scripts)

    await page.get_by_label("User name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()

    await page.wait_for_url("/orders/new")
    [session_cookie] = [each for each in await page.context.cookies() if each["name"] == "smmpanel_session"]
    assert session_cookie["httpOnly"]


async def test_a_wrong_password_is_said_at_once_and_the_name_is_kept(visit, complaints):
    complaints.expect("status of 422")
    page = await visit("/sign-in")
    await page.get_by_label("User name").fill("nobody.here")
    await page.get_by_label("Password").fill("wrong password")

    await page.get_by_role("button", name="Sign in", exact=True).click()

    await page.get_by_role("alert").wait_for()
    assert await page.get_by_label("User name").input_value() == "nobody.here"
    await axe(page)
