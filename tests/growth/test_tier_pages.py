"""The reader's tier on every page and on its own, and the table of tiers in the hands of staff."""

import re
from decimal import Decimal

import pytest
from sqlalchemy import select

from catalog.shop import customer
from making import make_provider, make_service
from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.catalog.user_prices import set_discount
from smmpanel.growth.recounting_spends import recount_spends
from smmpanel.growth.tier_editing import TierTerms, make_tiers
from smmpanel.growth.tier_models import OrderSpend
from smmpanel.growth.tiers import all_tiers
from staff_browser import sign_in

D = Decimal
WAY = "/staff/tiers"
TABLE = (
    TierTerms("Bronze", D(0), D(0), "*"),
    TierTerms("Silver", D(50), D(5), "**", ("{discount}% off", "<b>First in line</b>")),
    TierTerms("Gold", D(200), D(10), "👑", ("{discount}% off",)),
)


@pytest.fixture
async def mai(panel):
    """A customer who has spent 80, and a service to order."""
    async with panel.db.transaction() as session:
        await make_tiers(session, TABLE)
        await make_service(session, await make_provider(session, panel), rate="10", cost="1")
    shopper = await customer(panel)
    async with panel.db.transaction() as session:
        session.add(OrderSpend(order_id=1, user_id=shopper.user_id, earned=D(80)))
    await recount_spends(panel)
    yield shopper
    await shopper.client.aclose()


async def test_the_tier_stands_in_the_frame_and_on_its_own_page(mai, panel):
    shown = await mai.look("/tiers")
    assert re.search(r'class="badge tier-badge" href="/tiers">.*?★★.*?Silver', shown, re.DOTALL)
    assert "$120.00 more to Gold" in shown
    assert 'value="40"' in shown
    assert "5% off" in shown
    assert "&lt;b&gt;First in line&lt;/b&gt;" in shown
    assert '<tr aria-current="true">' in shown
    for language in ("vi", "id"):
        assert "Silver" in await mai.look("/tiers", params={"lang": language})
    async with panel.db.transaction() as session:
        await set_discount(session, mai.user_id, D("7.5"), actor=Actor.cli())
    assert "Your own discount of 7.50% is higher" in await mai.look("/tiers", params={"lang": "en"})


async def test_the_new_order_page_says_whose_discount_it_is(mai, panel):
    shown = await mai.look("/orders/new?quantity=1000")
    assert "Discount of tier Silver</dt>" in shown.replace(" −5%", "")
    assert re.search(r"Silver.{0,40}<small>5% off</small>", shown)
    async with panel.db.transaction() as session:
        await set_discount(session, mai.user_id, D(20), actor=Actor.cli())
    assert "Your discount −20%" in await mai.look("/orders/new?quantity=1000")


async def test_a_panel_without_tiers_shows_none(panel):
    lan = await customer(panel, "lan")
    assert "There are no tiers here" in await lan.look("/tiers")
    assert "tier-badge" not in await lan.look("/orders")
    await lan.client.aclose()


async def test_staff_change_the_table_after_reading_what_that_does(mai, panel):
    admin = await sign_in(panel)
    assert "Silver</a>" in (await admin.get(WAY)).text
    async with panel.db.transaction() as session:
        silver = (await all_tiers(session))[1]
    there = f"{WAY}/{silver.id}"
    form = {
        "name": "Silver",
        "icon": "**",
        "min_spent": "100",
        "discount": "5",
        "benefits": "{discount}% off\n\n Quick ",
    }

    wrong = await admin.post(there, {**form, "discount": "11", "name": "Platinum"})
    assert (wrong.status_code, "nor more than in a higher one" in wrong.text) == (422, True)
    assert 'value="Platinum"' in wrong.text
    asked = await admin.post(there, form)
    assert (asked.status_code, "One user falls to another tier." in asked.text) == (200, True)
    # What was read belongs to these values and no others.
    other = await admin.post(there, {**form, "min_spent": "90", "sure": "100/5"})
    assert "One user falls" in other.text
    assert (await admin.post(there, {**form, "sure": "100/5"})).status_code == 303

    removing = await admin.get(f"{there}/remove")
    assert "Its users fall to Bronze." in removing.text
    assert (await admin.post(f"{there}/remove")).status_code == 303
    assert (await admin.post(f"{there}/remove")).status_code == 404
    async with panel.db.transaction() as session:
        bronze, gold = await all_tiers(session)
        audited = (await session.scalars(select(AuditEntry.subject).order_by(AuditEntry.id))).all()
    assert (bronze.name, gold.name) == ("Bronze", "Gold")
    assert [one for one in audited if one.startswith("tier:")] == [f"tier:{silver.id}"] * 2
    refused = await admin.post(f"{WAY}/{bronze.id}/remove")
    assert refused.headers["location"] == f"{WAY}/{bronze.id}"

    added = await admin.post(f"{WAY}/new", {**form, "name": "New", "min_spent": "60"})
    assert "One user rises to another tier." in added.text
    assert (
        await admin.post(f"{WAY}/new", {**form, "name": "New", "min_spent": "60", "sure": "60/5"})
    ).status_code == 303
    looking = await sign_in(panel, role=Role.STAFF, permissions=["settings.view"])
    assert "Add tier" not in (await looking.get(WAY)).text
    assert (await looking.post(there, form)).status_code == 403
    for browser in (admin, looking):
        await browser.client.aclose()
