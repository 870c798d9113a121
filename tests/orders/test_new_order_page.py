"""Placing one order on its page: what is offered, what it would cost, what is wrong, and what the click does."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest
from sqlalchemy import event, func, select, text

from making import make_service, make_user
from smmpanel.accounts.sessions import open_session
from smmpanel.catalog.change_log import bump_version
from smmpanel.catalog.kept_lists import folded
from smmpanel.catalog.models import Favourite, Service, ServiceTiming, UserDiscount
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.entrypoints.web import build_app
from smmpanel.orders.models import Order
from smmpanel.web.toasts import COOKIE

OWN = {"origin": "http://panel.example"}
LINK = "https://www.instagram.com/cafe.sgn"


class Buyer:
    """A customer at the page."""

    def __init__(self, client, user_id):
        self.client, self.user_id = client, user_id

    async def look(self, path="/orders/new", **more):
        answer = await self.client.get(path, **more)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def order(self, service, *, page=None, **fields):
        page = page or await self.look(f"/orders/new?service={service}")
        form = {"csrf_token": hidden(page, "csrf_token"), "key": hidden(page, "key"), "service": service, **fields}
        return await self.client.post("/orders/new", data=form, headers=OWN)


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]+)"', page)[1]


def charge_in(page):
    return re.search(r'id="charge"[^>]*>([^<]+)<', page)[1]


@pytest.fixture
async def buyer(panel):
    async with panel.db.transaction() as session:
        user_id = await make_user(session, "mai", funds="100")
        opened = await open_session(
            session, user_id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock()
        )
    transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
        client.cookies.set("smmpanel_session", opened.token, domain="panel.example")
        yield Buyer(client, user_id)


@pytest.fixture
async def followers(panel):
    async with panel.db.transaction() as session:
        return await make_service(
            session, mode="manual", platform="instagram", rate="2", min=50, max=20_000, refill=True, refill_days=30
        )


async def count_orders(panel):
    async with panel.db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(Order))


@pytest.mark.parametrize(("language", "word"), [("en", "New order"), ("vi", "Đặt hàng"), ("id", "Pesanan baru")])
async def test_without_services_the_page_says_so(buyer, language, word):
    page = await buyer.look(f"/orders/new?lang={language}")

    assert f"<h1>{word}</h1>" in page
    assert 'id="order"' not in page


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_the_page_shows_a_service_as_it_is(buyer, panel, followers, language):
    async with panel.db.transaction() as session:
        session.add(ServiceTiming(service_id=followers, sample=12, median_seconds=2520))
        session.add(UserDiscount(user_id=buyer.user_id, percent=5))

    page = await buyer.look(f"/orders/new?lang={language}")

    assert f"ID {followers}" in page
    assert f'value="{followers}"' in page
    assert 'name="link"' in page
    assert 'name="quantity"' in page
    assert charge_in(page).replace(",", ".").strip("$ \u00a0") == "1.90"
    assert 'data-qty="5000"' in page
    assert 'data-qty="50000"' not in page
    if language == "en":
        assert "42\u00a0min" in page
        assert "from 12 orders" in page
        assert "−$0.10" in page
        assert "Balance after order" in page
        assert "$98.10" in page


async def test_what_was_not_measured_is_not_claimed(buyer, followers):
    page = await buyer.look()

    assert "not measured yet" in page


async def test_a_service_can_be_kept_at_hand(buyer, followers):
    page = await buyer.look(f"/orders/new?service={followers}")
    star = f"/favourites/{followers}/keep"
    assert f'formaction="{star}"' in page

    form = {"csrf_token": hidden(page, "csrf_token"), "back": f"/orders/new?service={followers}"}
    answer = await buyer.client.post(star, data=form, headers=OWN)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/orders/new?service={followers}")
    assert f'formaction="/favourites/{followers}/drop"' in await buyer.look(f"/orders/new?service={followers}")


@pytest.mark.parametrize("slug", list(SERVICE_TYPES))
async def test_every_type_of_service_has_a_form_with_its_fields(buyer, panel, slug):
    async with panel.db.transaction() as session:
        service = await make_service(session, mode="manual", platform="instagram", type=slug, dripfeed=True)

    page = await buyer.look(f"/orders/new?service={service}")

    for field in SERVICE_TYPES[slug].fields:
        assert f'name="{field.name}"' in page
        assert f'for="{field.name}"' in page
    assert ('name="drip"' in page) == SERVICE_TYPES[slug].dripfeed
    assert ('name="runs"' in page) == SERVICE_TYPES[slug].dripfeed


async def test_an_order_is_placed_paid_and_told(buyer, panel, followers):
    answer = await buyer.order(followers, link=LINK, quantity="5,000")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/orders/new?service={followers}")
    async with panel.db.transaction() as session:
        order = (await session.scalars(select(Order))).one()
    assert (order.user_id, order.service_id, order.quantity, str(order.charge)) == (
        buyer.user_id,
        followers,
        5000,
        "10.000000",
    )
    assert COOKIE in answer.headers["set-cookie"]
    page = await buyer.look(answer.headers["location"])
    assert f"Order {order.id} placed" in page
    assert f'href="/orders/{order.id}"' in page
    assert "$90.00" in page
    assert f'value="{LINK}"' not in page


async def test_the_double_click_is_one_order(buyer, panel, followers):
    page = await buyer.look()

    first = await buyer.order(followers, page=page, link=LINK, quantity="100")
    second = await buyer.order(followers, page=page, link=LINK, quantity="100")

    assert (first.status_code, second.status_code) == (303, 303)
    assert await count_orders(panel) == 1


async def test_a_form_that_was_sent_with_other_content_gets_a_new_key(buyer, panel, followers):
    page = await buyer.look()
    await buyer.order(followers, page=page, link=LINK, quantity="100")

    answer = await buyer.order(followers, page=page, link=LINK, quantity="200")

    assert answer.status_code == 422
    assert "sent before with other content" in answer.text
    assert hidden(answer.text, "key") != hidden(page, "key")
    assert await count_orders(panel) == 1


async def test_wrong_fields_are_told_all_at_once_and_keep_what_was_typed(buyer, panel, followers):
    answer = await buyer.order(followers, link="https://tiktok.com/@x", quantity="7")

    assert answer.status_code == 422
    assert "This is not a link to Instagram." in answer.text
    assert "The minimum is 50. Enter 50 or more." in answer.text
    assert 'value="https://tiktok.com/@x"' in answer.text
    assert 'value="7"' in answer.text
    assert answer.text.count("autofocus") == 1
    assert await count_orders(panel) == 0


@pytest.mark.parametrize("typed", ["1.5", "10,00", "-5", "a lot", "1e3", "٣"])
async def test_what_is_no_count_is_refused(buyer, panel, followers, typed):
    answer = await buyer.order(followers, link=LINK, quantity=typed)

    assert answer.status_code == 422
    assert "Enter a whole number." in answer.text
    assert await count_orders(panel) == 0


async def test_an_emptied_quantity_is_not_filled_in_again(buyer, panel, followers):
    answer = await buyer.order(followers, link=LINK, quantity="")

    assert answer.status_code == 422
    assert "Fill in this field." in answer.text
    assert re.search(r'name="quantity"[^>]* value=""', answer.text)
    assert await count_orders(panel) == 0


async def test_too_little_money_leads_to_adding_funds(buyer, panel, followers):
    async with panel.db.transaction() as session:
        dear = await make_service(session, mode="manual", platform="instagram", rate="50", max=100_000)

    answer = await buyer.order(dear, link=LINK, quantity="3000")

    assert answer.status_code == 422
    assert "Your balance is short by $50.00." in answer.text
    assert 'href="/add-funds"' in answer.text
    assert await count_orders(panel) == 0


async def test_a_service_that_went_away_meanwhile_is_not_ordered(buyer, panel, followers):
    page = await buyer.look()
    async with panel.db.transaction() as session:
        other = await make_service(session, mode="manual", platform="tiktok")
        (await session.get_one(Service, followers)).enabled = False
        await bump_version(session)

    answer = await buyer.order(followers, page=page, link=LINK, quantity="100")

    assert answer.status_code == 422
    assert "not on sale any more" in answer.text
    assert f"ID {other}" in answer.text
    assert await count_orders(panel) == 0


async def test_the_charge_is_reckoned_by_what_places(buyer, panel):
    async with panel.db.transaction() as session:
        service = await make_service(
            session, mode="manual", platform="instagram", rate="0.333333", dripfeed=True, min=10
        )
    typed = {"service": service, "link": LINK, "quantity": "333", "drip": "on", "runs": "3", "interval": "10"}

    part = await buyer.look("/orders/new/charge", params=typed)
    assert "3 × 333 = 999" in part
    told = charge_in(part)

    page = await buyer.look(f"/orders/new?service={service}")
    posted = await buyer.client.post(
        "/orders/new/charge", data=typed, headers={**OWN, "x-csrf-token": hidden(page, "csrf_token")}
    )
    assert charge_in(posted.text) == told
    assert await count_orders(panel) == 0
    assert told == "$0.333"


async def test_what_is_not_filled_in_yet_is_no_fault_and_the_price_is_known_all_the_same(buyer, followers):
    part = await buyer.look("/orders/new/charge", params={"service": followers, "quantity": "1000", "link": ""})

    assert charge_in(part) == "$2.00"
    assert "data-fault" not in part

    wrong = await buyer.look("/orders/new/charge", params={"service": followers, "quantity": "10", "link": ""})
    assert charge_in(wrong) == "–"
    assert 'data-fault="quantity"' in wrong
    assert 'data-fault="link"' not in wrong


async def test_comments_are_counted(buyer, panel):
    async with panel.db.transaction() as session:
        service = await make_service(
            session, mode="manual", platform="instagram", type="custom_comments", rate="1000", min=2
        )

    part = await buyer.look("/orders/new/charge", params={"service": service, "comments": "nice\n\nvery nice\r\nwow"})
    assert charge_in(part) == "$3.00"

    answer = await buyer.order(service, link=LINK, comments="only one")
    assert answer.status_code == 422
    assert "At least 2 lines are needed." in answer.text
    assert "only one</textarea>" in answer.text


async def test_a_subscription_is_ordered_with_a_date_from_the_calendar(buyer, panel):
    async with panel.db.transaction() as session:
        service = await make_service(
            session, mode="manual", platform="instagram", type="subscriptions", rate="1", min=10, max=1000
        )
    day = f"{panel.clock() + timedelta(days=30):%Y-%m-%d}"

    page = await buyer.look("/orders/new?type=subscriptions")
    assert f"ID {service}" in page
    answer = await buyer.order(service, username="cafe", min="10", max="100", posts="5", delay="0", expiry=day)

    assert answer.status_code == 303
    async with panel.db.transaction() as session:
        order = (await session.scalars(select(Order))).one()
    assert (order.quantity, order.fields["expiry"]) == (500, "/".join(reversed(day.split("-"))))


async def test_a_running_order_on_the_same_link_is_pointed_out(buyer, followers):
    await buyer.order(followers, link=LINK, quantity="100")

    part = await buyer.look("/orders/new/charge", params={"service": followers, "link": LINK, "quantity": "100"})

    assert "for this link is still running" in part


async def test_the_last_service_is_remembered(buyer, panel, followers):
    async with panel.db.transaction() as session:
        later = await make_service(session, mode="manual", platform="tiktok")
    assert hidden(await buyer.look(), "service") == str(followers)

    await buyer.order(later, link="https://www.tiktok.com/@cafe", quantity="100")

    page = await buyer.look()
    assert hidden(page, "service") == str(later)
    assert re.search(r'name="platform" value="tiktok" checked', page)


async def test_services_are_found_by_words_without_diacritics_and_by_number(buyer, panel, followers):
    async with panel.db.transaction() as session:
        found = await make_service(session, mode="manual", platform="facebook")
        (await session.get_one(Service, found)).name = "Tăng Người Đăng Ký"

    part = await buyer.look("/orders/new/services", params={"q": "dang KY nguoi", "platform": "all"})
    assert f'data-value="{found}"' in part
    assert f'data-value="{followers}"' not in part

    by_number = await buyer.look("/orders/new/services", params={"q": str(followers), "platform": "facebook"})
    assert f'data-value="{followers}"' in by_number

    nothing = await buyer.look("/orders/new/services", params={"q": "zzz"})
    assert "No service matches" in nothing


async def test_services_are_ordered_as_asked(buyer, panel, followers):
    async with panel.db.transaction() as session:
        cheap = await make_service(session, mode="manual", platform="instagram", rate="1")
        session.add(ServiceTiming(service_id=cheap, sample=3, median_seconds=60))
        session.add(Favourite(user_id=buyer.user_id, service_id=followers))

    async def listed(order):
        part = await buyer.look("/orders/new/services", params={"filter": order, "platform": "instagram"})
        return [int(each) for each in re.findall(r'data-value="(\d+)"', part)]

    assert await listed("cheapest") == [cheap, followers]
    assert await listed("refill") == [followers]
    assert await listed("fastest") == [cheap]
    assert await listed("favourites") == [followers]
    assert await listed("") == [followers, cheap]


async def test_a_search_shows_fifty_at_most_with_a_fixed_number_of_queries(buyer, panel, followers):
    asked = []
    engine = panel.db.engine.sync_engine

    async def queries(path):
        await buyer.look(path)
        asked.clear()
        event.listen(engine, "before_cursor_execute", note)
        page = await buyer.look(path)
        event.remove(engine, "before_cursor_execute", note)
        return page, len(asked)

    def note(*given):
        asked.append(given[2])

    few = [(await queries(path))[1] for path in ("/orders/new", "/orders/new/services?platform=instagram")]
    async with panel.db.transaction() as session:
        for _ in range(60):
            await make_service(session, mode="manual", platform="instagram")
        await bump_version(session)
    await buyer.look()
    page, many = await queries("/orders/new")
    part, searched = await queries("/orders/new/services?platform=instagram")

    assert few == [many, searched]
    assert part.count("data-value") == 50
    assert page.count('id="svc-') > 50


async def test_the_figures_and_the_latest_orders_are_the_customers_own(buyer, panel, followers):
    async with panel.db.transaction() as session:
        other = await make_user(session, "other", funds="50")
    for _ in range(6):
        await buyer.order(followers, link=LINK, quantity="1000")
    async with panel.db.transaction() as session:
        first = await session.scalar(select(func.min(Order.id)))
        await session.execute(text("UPDATE orders SET status = 'completed' WHERE id = :id"), {"id": first})
        await session.execute(
            text(
                "INSERT INTO orders (user_id, service_id, kind, status, link, quantity, currency, charge, rate, terms)"
                " VALUES (:user, :service, 'manual', 'pending', 'https://other.example', 1, 'USD', 0, 1, '{}')"
            ),
            {"user": other, "service": followers},
        )

    page = await buyer.look()

    figures = re.findall(r'<span class="v">([^<]*)', page)
    assert figures == ["5", "1", "$12.00", "List prices"]
    assert page.count("data-row-link") == 5
    assert f'href="/orders/{first}"' not in page
    assert "other.example" not in page


async def test_a_part_is_enough_for_htmx(buyer, followers):
    part = await buyer.look(f"/orders/new?service={followers}&link={LINK}", headers={"hx-request": "true"})

    assert part.lstrip().startswith('<div id="ordering"')
    assert "<html" not in part
    assert f'value="{LINK}"' in part


async def test_nothing_is_placed_by_a_foreign_form(buyer, panel, followers):
    answer = await buyer.client.post(
        "/orders/new", data={"service": followers, "link": LINK, "quantity": "100"}, headers=OWN
    )

    assert answer.status_code == 403
    assert await count_orders(panel) == 0


class Names(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self):
        super().__init__()
        self.ids, self.labels, self.described, self.forbidden = [], set(), set(), []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "label" and "for" in given:
            self.labels.add(given["for"])
        self.described |= set((given.get("aria-describedby") or "").split())
        if "style" in given or any(name.startswith("on") for name in given):
            self.forbidden.append(tag)


async def test_labels_and_hints_point_at_what_is_there(buyer, panel, followers):
    async with panel.db.transaction() as session:
        dripped = await make_service(session, mode="manual", platform="instagram", dripfeed=True)
    names = Names()
    names.feed((await buyer.order(dripped, link="", quantity="x", drip="on", runs="", interval="")).text)

    assert len(names.ids) == len(set(names.ids))
    assert names.labels <= set(names.ids)
    assert names.described <= set(names.ids)
    assert names.forbidden == []


def test_folding_takes_case_and_marks_away():
    assert folded("ĐẶT Hàng ①") == "dat hang 1"


async def test_a_customer_with_a_discount_is_told(panel, buyer):
    async with panel.db.transaction() as session:
        await session.execute(
            text("INSERT INTO user_discounts (user_id, percent) VALUES (:user, 12.5)"), {"user": buyer.user_id}
        )

    assert "12.5% off" in await buyer.look()
