"""An order's pages say whose discount was frozen on it, whatever the customer's prices are by now."""

import re
from decimal import Decimal

from making import make_provider, make_service, make_user, staff
from orders.customer_pages import browser_of
from smmpanel.accounts.access import Permission
from smmpanel.catalog.user_prices import set_custom_rate, set_discount, set_tier_discounts
from smmpanel.orders.coupon_editing import CouponTerms, make_coupon
from smmpanel.orders.placing import NewOrder, place_order
from staff_browser import sign_in

BOSS = staff(None, Permission.USERS_EDIT, Permission.VOUCHERS_EDIT)


def told(page, *words):
    """What a page's lists say about these words."""
    lines = {re.sub("<[^>]+>", "", name): re.sub("<[^>]+>", "", value) for name, value in LINES.findall(page)}
    return {name: lines[name] for name in lines if any(word in name for word in words)}


LINES = re.compile(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", re.DOTALL)


async def test_nobodys_the_tiers_the_customers_own_an_own_rate_and_a_coupon(panel):
    async with panel.db.transaction() as session:
        mai = await make_user(session, "mai", funds="100")
        service = await make_service(session, await make_provider(session, panel), rate="10", cost="1", dripfeed=True)
        await make_coupon(session, CouponTerms("SPRING", amount=Decimal(1)), actor=BOSS, now=panel.clock())

    placed = []

    async def buy(**more):
        async with panel.db.transaction() as session:
            raw = {"link": f"https://example.com/{len(placed)}", "quantity": "1000", **more.pop("raw", {})}
            new = NewOrder(mai, service, raw, **more)
            placed.append((await place_order(session, new, currency="USD", now=panel.clock())).order_id)

    await buy()
    async with panel.db.transaction() as session:
        await set_tier_discounts(session, {mai: Decimal(5)})
    await buy()
    async with panel.db.transaction() as session:
        await set_discount(session, mai, Decimal("12.5"), actor=BOSS)
    await buy(coupon="spring", raw={"quantity": "500", "runs": "2", "interval": "10"})
    async with panel.db.transaction() as session:
        await set_custom_rate(session, mai, service, Decimal(4), actor=BOSS)
    await buy()
    async with panel.db.transaction() as session:
        await set_discount(session, mai, Decimal(0), actor=BOSS)
        await set_tier_discounts(session, {mai: Decimal(0)})

    browser, admin = await browser_of(panel, mai), await sign_in(panel)
    seen = [(await browser.get(f"/orders/{one}")).text for one in placed]
    assert [told(page, "iscount", "own rate", "Coupon") for page in seen] == [
        {},
        {"Discount of your tier 5%": "−$0.50"},
        {"Your discount 12.50%": "−$1.25", "Coupon SPRING": "−$1.00"},
        {"Your own rate": "−$6.00"},
    ]
    by_staff = [(await admin.get(f"/staff/orders/{one}")).text for one in placed]
    assert [told(page, "Discount", "Coupon") for page in by_staff] == [
        {"Discount": "0.0%"},
        {"Discount": "5.0% · of their tier"},
        {"Discount": "12.5% · the customer&#39;s own", "Coupon": "SPRING −$1.00"},
        {"Discount": "12.5% · not on the own rate"},
    ]
    for language in ("vi", "id"):
        for one in placed:
            assert (await browser.get(f"/orders/{one}?lang={language}")).status_code == 200
            assert (await admin.get(f"/staff/orders/{one}?lang={language}")).status_code == 200
    await browser.client.aclose()
    await admin.client.aclose()
