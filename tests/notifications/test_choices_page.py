"""What one wants to be told of: kept as chosen, within what each event leaves to choose."""

import re
from decimal import Decimal

import pytest

from making import make_user
from orders.customer_pages import browser_of
from smmpanel.notifications.events import Event, Wish, wishes_of
from smmpanel.notifications.low_balances import watched_amount

PATH = "/account/notifications"


@pytest.fixture
async def mai(panel):
    async with panel.db.transaction() as session:
        return await make_user(session, funds=None)


@pytest.fixture
async def browser(panel, mai):
    opened = await browser_of(panel, mai)
    await opened.get(PATH)
    yield opened
    await opened.client.aclose()


def ticked(html):
    return set(re.findall(r'name="((?:panel|mail)-\w+)"[^>]* checked', html))


async def test_at_first_the_defaults_hold(browser):
    shown = (await browser.get(PATH)).text

    panel = {f"panel-{event}" for event in Event}
    assert ticked(shown) == panel | {"mail-orders", "mail-deposits", "mail-low_balance"}
    assert "cannot send e-mail yet" in shown


async def test_what_is_chosen_is_kept(browser, panel, mai):
    chosen = {"panel-refills": "on", "mail-orders": "on", "mail-refills": "on", "below": "1,250.5"}

    done = await browser.post(PATH, **chosen)

    assert (done.status_code, done.headers["location"]) == (303, PATH)
    shown = (await browser.get(PATH)).text
    assert ticked(shown) == {"panel-refills", "mail-orders"}
    assert 'value="1250.5"' in shown
    async with panel.db.transaction() as session:
        wishes = await wishes_of(session, [mai])
        assert await watched_amount(session, mai) == Decimal("1250.5")
    assert wishes[mai, Event.ORDERS] == Wish(in_panel=False, by_mail=True)
    assert wishes[mai, Event.SIGN_IN] == Wish(in_panel=False, by_mail=True)


async def test_an_empty_amount_ends_the_watch(browser, panel, mai):
    await browser.post(PATH, below="5")
    await browser.post(PATH, below="")

    async with panel.db.transaction() as session:
        assert await watched_amount(session, mai) is None


@pytest.mark.parametrize("typed", ["much", "-5", "0", "0.0000001", "1" * 39])
async def test_an_amount_that_is_none_is_said_and_nothing_kept(*, browser, panel, mai, typed):
    answer = await browser.post(PATH, below=typed, **{"panel-refills": "on"})

    assert answer.status_code == 422
    assert "Enter an amount above zero" in answer.text
    assert f'value="{typed}"' in answer.text
    assert ticked(answer.text) == {"panel-refills"}
    async with panel.db.transaction() as session:
        assert await wishes_of(session, [mai]) == {}
