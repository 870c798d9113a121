"""The list of services: who may see it, at whose prices, how it is narrowed down and paged; favourites; side by side."""

import re
from decimal import Decimal

import pytest
from sqlalchemy import event, select

from catalog.shop import customer, visitor
from making import make_service
from smmpanel.catalog.change_log import bump_version
from smmpanel.catalog.models import CustomRate, Favourite, Service, ServiceTiming, UserDiscount
from smmpanel.kernel.options import write_option

PART = {"HX-Request": "true"}


def ids_in(page):
    return [int(number) for number in re.findall(r'name="ids" value="(\d+)"', page)]


@pytest.fixture
async def shop(panel):
    """Three services: followers and likes of Instagram, and views of TikTok."""
    async with panel.db.transaction() as session:
        followers = await make_service(
            session, mode="manual", platform="instagram", rate="2.5", min=50, max=20_000, refill=True, refill_days=30
        )
        likes = await make_service(session, mode="manual", platform="instagram", rate="0.0123", cancel=True)
        views = await make_service(session, mode="manual", platform="tiktok", rate="1", description="<b>Fast</b> ones")
    return followers, likes, views


@pytest.mark.parametrize("language", ["en", "vi", "id"])
@pytest.mark.parametrize("who", ["visitor", "customer"])
async def test_without_services_the_page_says_so(panel, who, language):
    shopper = visitor(panel) if who == "visitor" else await customer(panel)

    page = await shopper.look(f"/services?lang={language}")

    assert ids_in(page) == []
    assert 'class="empty"' in page
    assert "<table" not in page


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_visitors_see_list_prices(panel, shop, language):
    page = await visitor(panel).look(f"/services?lang={language}")

    assert ids_in(page) == list(shop)
    assert re.search(r"2[.,]50", page)
    assert re.search(r"0[.,]0123", page)
    assert "&lt;b&gt;Fast&lt;/b&gt; ones" in page
    assert "/favourites" not in page
    assert f'rel="canonical" href="http://panel.example/services?lang={language}"' in page


async def test_visitors_may_be_kept_out(panel, shop):
    async with panel.db.transaction() as session:
        await write_option(session, "services_public", False)

    shut = await visitor(panel).client.get("/services?platform=tiktok")
    compared = await visitor(panel).client.get("/compare?ids=1")

    assert (shut.status_code, shut.headers["location"]) == (303, "/sign-in?next=/services%3Fplatform%3Dtiktok")
    assert compared.status_code == 303
    assert ids_in(await (await customer(panel)).look("/services")) == list(shop)


async def test_customers_see_their_own_prices_and_measured_times(panel, shop):
    shopper = await customer(panel)
    followers, likes, views = shop
    async with panel.db.transaction() as session:
        session.add(UserDiscount(user_id=shopper.user_id, percent=10))
        session.add(CustomRate(user_id=shopper.user_id, service_id=views, rate=Decimal("0.7")))
        session.add(ServiceTiming(service_id=followers, sample=12, median_seconds=2520))
        await bump_version(session)

    page = await shopper.look("/services")

    assert "$2.25" in page
    assert "$0.70" in page
    assert "42\u00a0min" in page
    assert "from 12 orders" in page
    assert page.count("not measured yet") == 2
    assert "$0.01107" in page
    assert str(likes) in page


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("platform=instagram", [0, 1]),
        ("platform=tiktok", [2]),
        ("platform=nowhere", [0, 1, 2]),
        ("refill=1", [0]),
        ("cancel=1", [1]),
        ("refill=1&cancel=1", []),
        ("q=shelf+TIKTOK", [2]),
        ("q=nothing+of+the+kind", []),
        ("q=%ef%bf%bd", [0, 1, 2]),
        ("category=none", [0, 1, 2]),
    ],
)
async def test_the_list_is_narrowed_down(panel, shop, query, places):
    page = await visitor(panel).look(f"/services?{query}")

    assert ids_in(page) == [shop[place] for place in places]


async def test_a_category_and_a_number_are_found(panel, shop):
    async with panel.db.transaction() as session:
        category = await session.scalar(select(Service.category_id).where(Service.id == shop[2]))
    shopper = visitor(panel)

    assert ids_in(await shopper.look(f"/services?category={category}")) == [shop[2]]
    assert ids_in(await shopper.look(f"/services?category={category}&platform=instagram")) == list(shop[:2])
    assert ids_in(await shopper.look(f"/services?q={shop[2]}"))[0] == shop[2]


async def test_many_services_are_paged_by_key_with_as_many_statements(panel):
    async with panel.db.transaction() as session:
        made = [await make_service(session, mode="manual", platform="instagram") for _ in range(120)]
    shopper = await customer(panel)
    await shopper.look("/services")
    statements: list[str] = []
    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    page, seen, counts = await shopper.look("/services"), [], []
    while True:
        counts.append(len(statements))
        statements.clear()
        seen += ids_in(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following is None:
            break
        page = await shopper.look(following[1].replace("&amp;", "&"), headers=PART)
        assert "<html" not in page
        assert "form" not in re.findall(r"<(\w+)", page)

    assert seen == made
    assert len(set(counts)) == 1


async def test_a_page_goes_on_where_its_last_service_stood(panel):
    async with panel.db.transaction() as session:
        made = [await make_service(session, mode="manual", platform="instagram") for _ in range(60)]
    shopper = visitor(panel)
    page = await shopper.look("/services")
    async with panel.db.transaction() as session:
        (await session.get_one(Service, made[49])).enabled = False
        await bump_version(session)

    following = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")

    assert ids_in(await shopper.look(following)) == made[50:]
    assert (await shopper.client.get("/services?after=nonsense")).status_code == 422


async def test_a_part_brings_the_categories_of_the_platform(panel, shop):
    part = await visitor(panel).look("/services?platform=tiktok", headers=PART)

    assert "<html" not in part
    assert 'hx-swap-oob="outerMorph"' in part
    assert 'id="category-tiktok"' in part
    assert "Shelf of instagram" not in part


@pytest.mark.parametrize("headers", [{}, PART])
async def test_the_star_keeps_and_drops(panel, shop, headers):
    shopper = await customer(panel)
    views = shop[2]

    kept = await shopper.post(f"/favourites/{views}/keep", headers=headers)
    again = await shopper.post(f"/favourites/{views}/keep")

    if headers:
        assert f'formaction="/favourites/{views}/drop"' in kept.text
        assert 'aria-pressed="true"' in kept.text
    else:
        assert (kept.status_code, kept.headers["location"]) == (303, "/services")
    assert again.status_code == 303
    assert ids_in(await shopper.look("/services?favourites=1")) == [views]
    assert ids_in(await shopper.look("/favourites")) == [views]
    async with panel.db.transaction() as session:
        assert (await session.scalars(select(Favourite.service_id))).all() == [views]
    assert (await shopper.post(f"/favourites/{views}/drop")).status_code == 303
    assert ids_in(await shopper.look("/favourites")) == []
    assert (await shopper.post("/favourites/999999/keep")).status_code == 404
    assert (await visitor(panel).client.post(f"/favourites/{views}/keep")).status_code in {401, 403}


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_favourites_that_left_the_shelf_are_told(panel, shop, language):
    shopper = await customer(panel)
    async with panel.db.transaction() as session:
        session.add_all([Favourite(user_id=shopper.user_id, service_id=one) for one in shop])
        (await session.get_one(Service, shop[0])).enabled = False
        await bump_version(session)

    page = await shopper.look(f"/favourites?lang={language}")

    assert ids_in(page) == list(shop[1:])
    assert 'class="hint"' in page


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_services_side_by_side(panel, shop, language):
    followers, likes, views = shop
    shopper = visitor(panel)

    page = await shopper.look(f"/compare?ids={followers},{views}&ids={likes}&ids=x&lang={language}")

    assert [int(one) for one in re.findall(r'href="/orders/new\?service=(\d+)"', page)] == [followers, views, likes]
    assert page.count('class="num best"') == 1
    assert page.count("badge is-brand") == 5


async def test_alike_services_differ_in_nothing_and_only_four_are_compared(panel):
    async with panel.db.transaction() as session:
        made = [await make_service(session, mode="manual", platform="instagram") for _ in range(5)]
    shopper = await customer(panel)

    page = await shopper.look("/compare?ids=" + ",".join(map(str, made)))
    nothing = await shopper.look("/compare")

    assert f"service={made[3]}" in page
    assert f"service={made[4]}" not in page
    assert "badge is-brand" not in page
    assert "best" not in page
    assert 'class="empty"' in nothing
