"""Staff's page of alerts: what is open and what is over, in words, with a way to what it is about."""

import re

import pytest

from making import make_provider, make_user
from smmpanel.accounts.audit import audit_trail
from smmpanel.accounts.states import Role
from smmpanel.notifications import AlertLevel, clear_alert, open_alerts, raise_alert
from smmpanel.notifications.alert_words import ALERT_NAMES
from staff_browser import sign_in

WAY = "/staff/alerts"
LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])
FIELDS = {
    "books_differ": ("ledger", {"differences": 2, "first": "account 3"}),
    "catalogue_refused": ("provider:{id}", {"reason": "shrunken", "text": ""}),
    "mail_failing": ("mail", {"said": "no such host"}),
    "mail_not_set_up": ("mail", {"waiting": 3}),
    "odd_order_reports": ("provider:{id}", {"order": 7, "word": "Sideways", "orders": 1}),
    "order_accepted_late": ("order:7", {"provider": 1, "external_id": "x-1"}),
    "orders_unconfirmed": ("provider:{id}", {"orders": 2, "first": 8}),
    "deposit_charged_back": ("deposit:7", {"deposit": 7, "amount": "25.000000", "currency": "USD"}),
    "payment_amount_differs": ("receipt:7", {"bank_ref": "FT7", "here": "100000", "there": "90000"}),
    "payment_awaits_second": ("deposit:7", {"deposit": 7, "amount": "25.000000", "currency": "USD"}),
    "payment_list_failing": ("gateway:sepay:1", {"name": "Bank"}),
    "payment_not_listed": ("gateway:sepay:1", {"number": 2, "receipt": 7}),
    "refund_unknown": ("deposit:7", {"deposit": 7, "amount": "25.000000", "currency": "USD"}),
    "return_exceeds_payment": ("deposit:7", {"deposit": 7, "amount": "25.000000", "currency": "USD"}),
    "return_unmatched": ("event:8", {"gateway": "stripe", "payment": "pi_1"}),
    "payment_message_differs": ("gateway:sepay", {"key": "webhook:7"}),
    "payment_message_failing": ("event:7", {"key": "webhook:7", "tries": 8}),
    "payment_message_refused": ("gateway:sepay", {"ip": "203.0.113.9"}),
    "payment_message_unclear": ("gateway:sepay", {"gateway": "sepay", "key": "webhook:7"}),
    "provider_currency": ("provider:{id}", {"provider": "peak", "configured": "USD", "told": "EUR"}),
    "provider_low_balance": (
        "provider:{id}",
        {"provider": "peak", "balance": "1.5", "low_balance": "10.00", "currency": "USD"},
    ),
    "provider_paused": ("provider:{id}", {"provider": "peak", "reason": "wrong key"}),
}


@pytest.fixture
async def admin(panel):
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


async def raise_all(db, panel):
    async with db.transaction() as session:
        provider = await make_provider(session, panel, "peak")
        for kind, (subject, fields) in FIELDS.items():
            await raise_alert(session, kind, subject.format(id=provider.id), AlertLevel.WARNING, **fields)
    return provider.id


def test_every_kind_of_alert_is_tried_here():
    assert set(FIELDS) == set(ALERT_NAMES)


@LANGUAGES
async def test_nothing_is_wrong(admin, language):
    for show in ("", "cleared"):
        shown = await admin.get(WAY, params={"lang": language, "show": show})
        assert shown.status_code == 200
        assert shown.text.count('class="empty"') == 1


@LANGUAGES
async def test_each_kind_has_words_of_its_own(admin, db, panel, language):
    provider = await raise_all(db, panel)

    shown = await admin.get(WAY, params={"lang": language})

    assert not [kind for kind in FIELDS if kind in shown.text]
    assert not re.findall(r">(?:deposit|receipt|gateway|event):", shown.text)
    assert shown.text.count(f'href="/staff/providers/{provider}" data-row-link') == 6
    for way in ("/staff/orders/7", "/staff/books", "/staff/settings", "/staff/deposits/7", "/staff/deposits/money/7"):
        assert f'href="{way}" data-row-link' in shown.text
    assert len(re.findall('class="sub told"', shown.text)) == len(FIELDS)
    if language == "en":
        for said in (
            "$1.50 is left. The warning is set at $10.00.",
            "The provider says EUR, here it stands as USD.",
            "2 orders, the first is 8.",
            "Order 7: Sideways",
            "The provider said: wrong key",
        ):
            assert said in shown.text


async def test_an_alert_of_a_kind_without_words_is_shown_all_the_same(admin, db):
    async with db.transaction() as session:
        await raise_alert(session, "strange_kind", "thing:3", AlertLevel.CRITICAL)
        await raise_alert(session, "provider_paused", "provider:99", AlertLevel.CRITICAL)

    shown = await admin.get(WAY, params={"lang": "vi"})

    assert "strange_kind" in shown.text
    assert "thing:3" in shown.text


async def test_what_is_over_is_looked_up_and_pages_lead_on(admin, db):
    async with db.transaction() as session:
        for n in range(30):
            await raise_alert(session, "odd_order_reports", f"order:{n}", AlertLevel.WARNING, order=n, word="?")
            await raise_alert(session, "odd_order_reports", f"order:{n}", AlertLevel.WARNING, order=n, word="?")
        assert await clear_alert(session, "odd_order_reports", "order:3")

    first = await admin.get(WAY)
    assert first.text.count("noticed 2 times") == 25
    onward = re.search(r'rel="next" href="([^"]+)"', first.text)[1]
    assert (await admin.get(onward)).text.count("noticed 2 times") == 4
    over = await admin.get(WAY, params={"show": "cleared"})
    assert over.text.count("data-row-link") == 1
    assert "/staff/orders/3" in over.text


async def test_somebody_says_that_one_is_over(admin, db):
    async with db.transaction() as session:
        await raise_alert(session, "order_accepted_late", "order:7", AlertLevel.CRITICAL, external_id="x")
        alert = (await open_alerts(session)).rows[0].id
    assert f"{WAY}/{alert}/clear" in (await admin.get(WAY)).text

    sent = await admin.post(f"{WAY}/{alert}/clear")

    assert (sent.status_code, sent.headers["location"]) == (303, WAY)
    assert (await admin.post(f"{WAY}/{alert}/clear")).status_code == 404
    async with db.transaction() as session:
        assert (await open_alerts(session)).rows == []
        (line,) = (await audit_trail(session, subject="order:7")).rows
        assert line.permission == "orders.edit"
        assert line.after == {"alert_cleared": "order_accepted_late", "alert": alert}


async def test_staff_see_all_alerts_and_only_ways_that_are_open_to_them(db, panel):
    await raise_all(db, panel)
    helper = await sign_in(panel, role=Role.STAFF, permissions=["orders.view", "orders.edit"])

    shown = await helper.get(WAY)

    assert shown.text.count('class="sub told"') == len(FIELDS)
    assert re.findall(r'href="([^"]+)" data-row-link', shown.text) == ["/staff/orders/7"]
    assert len(re.findall(r"/staff/alerts/\d+/clear", shown.text)) == 1
    async with db.transaction() as session:
        other = next(one.id for one in (await open_alerts(session)).rows if one.subject == "ledger")
    assert (await helper.post(f"{WAY}/{other}/clear")).status_code == 403
    await helper.client.aclose()


async def test_customers_see_none(panel, db):
    customer = await sign_in(panel, role=Role.CUSTOMER)
    async with db.transaction() as session:
        await make_user(session)
    assert (await customer.get(WAY)).status_code == 403
    await customer.client.aclose()
