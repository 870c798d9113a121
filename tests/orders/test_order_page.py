"""The page of one order and what its owner does there; drip-feeds, subscriptions and refills."""

import pytest
from sqlalchemy import text

from making import at, make_provider, make_service, make_user, place, staff
from orders.customer_pages import browser_of, fill_shelf, status_of
from smmpanel.accounts.access import Permission
from smmpanel.orders.dripping import start_runs
from smmpanel.orders.models import RefillState
from smmpanel.orders.noting import keep_note
from smmpanel.orders.refills import set_refill


@pytest.fixture
async def shelf(panel):
    return await fill_shelf(panel)


@pytest.fixture
async def browser(panel, shelf):
    opened = await browser_of(panel, shelf.user)
    yield opened
    await opened.client.aclose()


@pytest.mark.parametrize("lang", ["en", "vi", "id"])
@pytest.mark.parametrize("name", ["pending", "running", "completed", "partial", "drip"])
async def test_every_order_has_its_page_in_every_language(browser, shelf, lang, name):
    shown = await browser.get(f"/orders/{getattr(shelf, name)}?lang={lang}")

    assert shown.status_code == 200
    assert str(getattr(shelf, name)) in shown.text


async def test_the_page_tells_progress_charge_and_history(browser, shelf):
    shown = (await browser.get(f"/orders/{shelf.partial}")).text

    assert "750 of 1,000 delivered" in shown
    assert '<progress max="1000" value="750"' in shown
    assert "<dt>Rate per 1,000</dt><dd>$1.00</dd>" in shown
    assert "<dt>Paid back</dt><dd>−$0.25</dd>" in shown
    assert "<dt>Cost to you</dt><dd>$0.75</dd>" in shown
    for line in ("Order placed", "$1.00 taken from the balance", "Sent for delivery", "Delivered in part"):
        assert line in shown
    assert "$0.25 paid back to the balance" in shown
    assert 'rel="noopener noreferrer nofollow"' in shown
    assert "leads to instagram.com" in shown
    assert "Only completed orders have a refill" in shown


async def test_what_its_owner_wrote_down_is_in_the_history(panel, browser, shelf):
    async with panel.db.transaction() as session:
        await keep_note(session, shelf.pending, "<b>for May</b>")

    for lang, words in (("en", "Your note"), ("vi", "Ghi chú của bạn"), ("id", "Catatan Anda")):
        shown = (await browser.get(f"/orders/{shelf.pending}?lang={lang}")).text
        assert f"{words}: &lt;b&gt;for May&lt;/b&gt;" in shown


async def test_nothing_of_providers_and_cost_is_told(panel, browser, shelf):
    async with panel.db.transaction() as session:
        await session.execute(
            text("UPDATE orders SET reason = 'upstream says no', cost = 0.512345, provider_charge = 0.498765")
        )
    for order in (shelf.pending, shelf.running, shelf.partial, shelf.drip):
        shown = (await browser.get(f"/orders/{order}")).text
        for secret in ("ext-", "upstream says no", "0.512345", "0.498765", "Alias", "provider"):
            assert secret not in shown


async def test_others_and_missing_orders_are_not_found(panel, browser, shelf):
    async with panel.db.transaction() as session:
        stranger = await make_user(session)
        theirs = await place(session, stranger, shelf.service, link="https://www.instagram.com/stranger")

    for path in (f"/orders/{theirs}", "/orders/999999", f"/orders/{theirs}/cancel"):
        assert (await browser.get(path)).status_code == 404
    for deed in ("refill", "cancel", "link", "pause", "resume"):
        answer = await browser.post(f"/orders/{theirs}/{deed}", link="https://www.instagram.com/x")
        assert answer.status_code == 404, deed
    assert await status_of(panel, theirs) == "pending"


async def test_how_long_it_takes_is_compared_with_what_was_measured(panel, browser, shelf):
    assert "has not been measured yet" in (await browser.get(f"/orders/{shelf.running}")).text
    async with panel.db.transaction() as session:
        await session.execute(
            text("INSERT INTO service_timings (service_id, sample, median_seconds) VALUES (:id, 318, 2520)"),
            {"id": shelf.service},
        )
        await session.execute(
            text("UPDATE orders SET created_at = created_at - interval '3 hours' WHERE id = :id"), {"id": shelf.running}
        )

    shown = (await browser.get(f"/orders/{shelf.running}")).text

    assert "Usually 42\u00a0min, median of 318 orders." in shown
    assert "It takes longer than usual." in shown


async def test_canceling_asks_first_and_pays_back_at_once_what_was_not_sent(panel, browser, shelf):
    asked = await browser.get(f"/orders/{shelf.pending}/cancel")
    assert "$1.00 goes back to your balance at once" in asked.text
    part = await browser.get(f"/orders/{shelf.pending}/cancel", headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert f'action="/orders/{shelf.pending}/cancel"' in part.text

    answer = await browser.post(f"/orders/{shelf.pending}/cancel", back="/orders?status=pending")

    assert (answer.status_code, answer.headers["location"]) == (303, "/orders?status=pending")
    assert await status_of(panel, shelf.pending) == "canceled"
    shown = (await browser.get(f"/orders/{shelf.pending}")).text
    assert f"Order {shelf.pending} canceled" in shown
    assert "$1.00 is back in your balance." in shown
    again = await browser.post(f"/orders/{shelf.pending}/cancel")
    assert again.status_code == 303
    assert f"Order {shelf.pending} was not canceled" in (await browser.get("/orders")).text


async def test_canceling_what_is_on_its_way_is_a_request(panel, browser, shelf):
    assert "$0.40 at most" in (await browser.get(f"/orders/{shelf.running}/cancel")).text

    await browser.post(f"/orders/{shelf.running}/cancel")

    shown = (await browser.get(f"/orders/{shelf.running}")).text
    assert await status_of(panel, shelf.running) == "in_progress"
    assert f'href="/orders/{shelf.running}/cancel"' not in shown
    assert "Cancellation requested" in shown


async def test_a_refill_is_asked_for_once_and_followed(panel, browser, shelf):
    assert (await browser.post(f"/orders/{shelf.completed}/refill")).status_code == 303
    assert (await browser.post(f"/orders/{shelf.completed}/refill")).status_code == 303

    shown = (await browser.get(f"/orders/{shelf.completed}")).text
    assert "Refilling" in shown
    assert "A refill is under way" in shown
    listed = (await browser.get("/refills?status=open")).text
    assert f'href="/orders/{shelf.completed}"' in listed
    async with panel.db.transaction() as session:
        (refill,) = (await session.scalars(text("SELECT id FROM refills"))).all()
        actor = staff(None, Permission.ORDERS_EDIT)
        await set_refill(session, actor, refill, RefillState.REJECTED, now=panel.clock())
    assert f'id="r-{refill}"' not in (await browser.get("/refills?status=open")).text
    assert f'id="r-{refill}"' in (await browser.get("/refills?status=rejected")).text


async def test_a_refused_refill_says_why(browser, shelf):
    await browser.post(f"/orders/{shelf.running}/refill", back="/orders")

    shown = (await browser.get("/orders?status=partial")).text
    assert "No refill" in shown
    assert "Refill opens when the order is completed" in shown


async def test_a_pending_orders_link_is_changed_and_a_bad_one_kept_in_the_form(panel, browser, shelf):
    wrong = await browser.post(f"/orders/{shelf.pending}/link", link="not a link")
    assert wrong.status_code == 422
    assert 'value="not a link"' in wrong.text
    assert "Enter a full link" in wrong.text
    assert 'aria-describedby="link-new-error"' in wrong.text

    answer = await browser.post(f"/orders/{shelf.pending}/link", link="https://www.instagram.com/renamed")
    assert answer.status_code == 303
    shown = (await browser.get(f"/orders/{shelf.pending}")).text
    assert 'href="https://www.instagram.com/renamed"' in shown
    assert "Link changed from instagram.com/pending.one to instagram.com/renamed" in shown

    late = await browser.post(f"/orders/{shelf.running}/link", link="https://www.instagram.com/renamed")
    assert late.status_code == 303
    assert "The order is on its way, so its link stays." in (await browser.get("/orders")).text


async def test_a_drip_feed_is_paused_resumed_and_its_rest_canceled(panel, browser, shelf):
    assert "Run 0 of 3" in (await browser.get("/drip-feed")).text
    async with panel.db.transaction() as session:
        await start_runs(session, currency="USD", now=panel.clock())
    shown = (await browser.get(f"/orders/{shelf.drip}")).text
    assert "1 of 3 started" in shown
    assert "Run 1 started as order" in shown

    await browser.post(f"/orders/{shelf.drip}/pause")
    assert "Paused" in (await browser.get("/drip-feed")).text
    await browser.post(f"/orders/{shelf.drip}/pause")
    assert "The drip-feed is past that already" in (await browser.get("/orders")).text
    await browser.post(f"/orders/{shelf.drip}/resume")

    asked = (await browser.get(f"/orders/{shelf.drip}/cancel")).text
    assert "2 of 3 runs have not started" in asked
    assert "$0.20 goes back to your balance at once" in asked
    await browser.post(f"/orders/{shelf.drip}/cancel")
    told = (await browser.get(f"/orders/{shelf.drip}")).text
    assert "$0.20 is back in your balance." in told
    assert "The rest was canceled: 2 runs will not start" in told


async def test_subscriptions_tell_their_posts(panel):
    async with panel.db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, type="subscriptions")
        user = await make_user(session)
        fields = {"username": "someone", "min": 100, "max": 200, "posts": 10, "delay": 0}
        order = await place(session, user, service, link=None, quantity=None, now=panel.clock(), **fields)
        await session.execute(
            text(
                "INSERT INTO subscription_children (order_id, external_id, status) VALUES (:id, '1', 'completed'),"
                " (:id, '2', NULL)"
            ),
            {"id": order},
        )
    browser = await browser_of(at(panel, panel.clock()), user)

    shown = (await browser.get("/subscriptions")).text

    assert f'id="o-{order}"' in shown
    assert "2 of 10" in shown
    assert "100 to 200 each" in shown
    assert "<dt>Posts</dt><dd>2 of 10</dd>" in (await browser.get(f"/orders/{order}")).text
