"""Every order is found by its link, in any spelling and however old, through an index; customers find their own only."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from making import NOW, customer, make_service, make_user, place
from orders.customer_pages import browser_of
from smmpanel.catalog.links import LINK_BYTES_MAX, check_link
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from smmpanel.orders import on_links, queries
from smmpanel.orders.on_links import orders_on
from smmpanel.orders.staff.finding import Wanted, find_orders
from smmpanel.web.formats import zone_of

YEARS = timedelta(days=3 * 365)


class Shop:
    """A service that takes any link, and orders of it that were completed years ago."""

    def __init__(self, db: Database, service: int, user: int) -> None:
        self.db, self.service, self.user = db, service, user

    async def order(self, link: str, user: int | None = None) -> int:
        async with self.db.transaction() as session:
            order = await place(session, user or self.user, self.service, now=NOW - YEARS, link=link)
            await session.execute(
                text("UPDATE orders SET status = 'completed', guard_key = NULL, check_at = NULL WHERE id = :id"),
                {"id": order},
            )
        return order

    async def found(self, typed: str, *, most: int = 20, **more: object) -> list[int]:
        async with self.db.transaction() as session:
            return await orders_on(session, typed, most=most, **more)

    async def listed(self, typed: str) -> list[int]:
        async with self.db.transaction() as session:
            found = await find_orders(session, Wanted(search=typed), zone=zone_of("UTC"), size=25)
        return [row.id for row in found.rows]


@pytest.fixture
async def shop(db: Database) -> Shop:
    async with db.transaction() as session:
        return Shop(db, await make_service(session, mode="manual"), await make_user(session, funds="100000"))


SPELLINGS = (
    ("https://www.instagram.com/Nasa/?hl=en", "instagram.com/nasa", "http://m.instagram.com/NASA#x", "instagr.am/nasa/"),
    ("https://www.instagram.com/reel/AbC/?igsh=1", "instagram.com/p/AbC", "https://instagram.com/name/reel/AbC"),
    ("https://www.youtube.com/watch?list=P&v=dQw4w9WgXcQ&t=3", "youtu.be/dQw4w9WgXcQ?si=a", "youtube.com/shorts/dQw4w9WgXcQ"),
    ("https://www.youtube.com/@Handle/videos", "youtube.com/@handle"),
    ("https://www.youtube.com/playlist?list=PLaB&si=1", "youtube.com/playlist?list=PLaB"),
    ("https://www.tiktok.com/@Name/video/77?lang=en", "https://m.tiktok.com/@name/video/77/", "tiktok.com/video/77"),
    ("https://mobile.twitter.com/jack/status/20?s=20", "x.com/i/web/status/20/photo/1", "twitter.com/jack/status/20"),
    ("https://t.me/joinchat/AbC", "https://telegram.me/+AbC"),
    ("https://t.me/s/Durov/5", "t.me/durov/5"),
    ("https://www.facebook.com/permalink.php?id=2&story_fbid=1&x=y", "facebook.com/permalink.php?story_fbid=1&id=2"),
    ("https://www.facebook.com/profile.php?sk=about&id=100", "facebook.com/profile.php?id=100"),
    ("https://open.spotify.com/intl-de/track/1aB?si=x", "open.spotify.com/track/1aB"),
    ("https://WWW.Example.com:443//A/b/?utm_source=x&id=3#top", "https://example.com/A/b?id=3"),
    ("https://www.example.com/", "https://example.com"),
)  # fmt: skip


@pytest.mark.parametrize("spellings", SPELLINGS)
async def test_a_link_is_found_in_every_spelling(shop: Shop, spellings: tuple[str, ...]) -> None:
    orders = [await shop.order(link) for link in spellings]
    await shop.order("https://example.org/other")

    for typed in spellings:
        assert await shop.found(typed) == orders[::-1], typed
        assert await shop.found(check_link(typed).key) == orders[::-1], typed


async def test_one_name_on_several_platforms_is_told_apart_by_the_link_alone(shop: Shop) -> None:
    first = await shop.order("https://www.instagram.com/nasa")
    second = await shop.order("https://www.tiktok.com/@nasa")
    await shop.order("https://www.instagram.com/nasa_hq")

    assert await shop.found("instagram.com/nasa") == [first]
    assert await shop.found("tiktok.com/@NASA") == [second]
    assert await shop.found("nasa") == await shop.found("@Nasa") == [second, first]
    assert await shop.listed("https://instagram.com/nasa/") == [first]
    assert await shop.listed("@nasa") == [second, first]


async def test_codes_differ_by_their_case(shop: Shop) -> None:
    upper = await shop.order("https://www.instagram.com/p/ABC")
    lower = await shop.order("https://www.instagram.com/p/abc")

    assert await shop.found("instagram.com/reel/ABC") == [upper]
    assert await shop.found("instagram.com/reel/abc") == [lower]


async def test_beginnings_are_found_after_what_fits_exactly(shop: Shop) -> None:
    exact = await shop.order("https://www.instagram.com/nasa")
    longer = await shop.order("https://www.instagram.com/nasa_hq")
    elsewhere = await shop.order("https://www.tiktok.com/@nasa.live")

    assert await shop.found("nasa", beginnings=True) == [exact, elsewhere, longer]
    assert await shop.found("instagram.com/nas", beginnings=True) == [longer, exact]
    assert await shop.found("nasa", beginnings=True, most=2) == [exact, elsewhere]
    assert await shop.found("na", beginnings=True) == []


@pytest.mark.parametrize(
    "typed", ["%", "%%%", "n%", "na_a", "instagram.com/%", "instagram.com/na_a", "na\\sa", "", "/", "///", "#"]
)
async def test_signs_with_a_meaning_in_patterns_mean_themselves(shop: Shop, typed: str) -> None:
    await shop.order("https://www.instagram.com/nasa")

    assert await shop.found(typed, beginnings=True) == []


async def test_what_is_no_link_is_looked_up_all_the_same(shop: Shop) -> None:
    long = "https://example.com/" + "a" * (LINK_BYTES_MAX - 20)
    wide = "https://example.com/" + "é" * 990
    codes = {typed: await shop.order(typed) for typed in (long, wide, "invite-Code", "someone@example.com")}

    for typed in ("invite-code", "someone@example.com"):
        assert len(await shop.found(typed)) == 1
    assert await shop.listed("someone@example.com") == [codes["someone@example.com"]]
    assert await shop.found(long) == await shop.found("https://exa mple.com/") == []
    assert await shop.found("https://example.com/" + "a" * 64) == []


async def test_the_newest_come_first_and_no_more_than_asked(shop: Shop) -> None:
    orders = [await shop.order(f"https://x.com/jack/status/20{tail}") for tail in ("", "?s=20", "/photo/1")]

    assert await shop.found("x.com/i/status/20", most=2) == [orders[2], orders[1]]


async def test_customers_find_their_own_and_no_others(shop: Shop, panel: Panel, db: Database) -> None:
    async with db.transaction() as session:
        stranger = await make_user(session)
    mine = await shop.order("https://www.instagram.com/nasa")
    theirs = await shop.order("https://instagram.com/nasa/", stranger)
    browser = await browser_of(panel, shop.user)

    for typed in ("http://instagram.com/NASA", "@nasa", "nasa"):
        shown = (await browser.get("/orders", params={"q": typed})).text
        assert (f'id="o-{mine}"' in shown, f'id="o-{theirs}"' in shown) == (True, False)
    assert await shop.found("nasa", user_id=stranger) == [theirs]
    await browser.client.aclose()


async def test_before_the_latest_a_customer_finds_by_link(
    shop: Shop, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LOOKED_THROUGH", 2)
    old = [await shop.order(f"https://www.instagram.com/nasa{tail}") for tail in ("", "/", "?hl=en")]
    piece = await shop.order("https://www.instagram.com/nasa_hq")
    await shop.order("https://www.instagram.com/other")
    browser = await browser_of(panel, shop.user)

    async def rows(path: str) -> tuple[list[int], str]:
        shown = (await browser.get(path)).text
        ids = [int(part.split('"')[0]) for part in shown.split('<tr id="o-')[1:]]
        return ids, shown

    assert (await rows("/orders?q=instagram.com/nasa"))[0] == [piece, *old[::-1]]
    assert (await rows("/orders?q=nasa"))[0] == [piece, *old[::-1]]
    assert (await rows("/orders?q=nasa&status=pending"))[0] == []
    assert (await rows("/orders?q=nas"))[0] == [piece]
    await browser.client.aclose()


async def test_pages_of_older_orders_follow_each_other(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LOOKED_THROUGH", 1)
    orders = [await shop.order("https://www.instagram.com/nasa") for _ in range(5)]
    owner = customer(shop.user)
    seen, after = [], None
    async with shop.db.transaction() as session:
        while True:
            found = await queries.orders_page(session, owner, queries.OrderFilter(words="@nasa"), after=after, size=2)
            seen.append([row.id for row in found.rows])
            if (after := found.after) is None:
                break

    assert seen == [[orders[4], orders[3]], [orders[2], orders[1]], [orders[0]]]


@pytest.mark.parametrize("user", [None, 7])
async def test_links_are_looked_up_through_their_index(db: Database, shop: Shop, user: int | None) -> None:
    asked = {"typed": ["instagram.com/nasa"], "user": user, "looked_at": 100, "most": 20}
    begun = {"typed": "nasa", "looked_at": 100, "most": 20}
    exact = text("SELECT o.id FROM orders o WHERE " + queries._CONDITIONS["link"] + " ORDER BY o.id DESC LIMIT 50")
    async with db.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO orders (user_id, service_id, kind, status, link, quantity, currency, charge, rate, terms)"
                " SELECT :user, :service, 'normal', 'completed', 'https://www.instagram.com/user' || n, 1, 'USD', 1, 1, '{}'"
                " FROM generate_series(1, 3000) n"
            ),
            {"user": shop.user, "service": shop.service},
        )
        await session.execute(text("ANALYZE orders"))
        for statement, given in ((on_links._NAMED, asked), (on_links._BEGINNING, begun), (exact, {"link": "a/b"})):
            plan = "\n".join((await session.scalars(text(f"EXPLAIN {statement.text}"), given)).all())
            assert "ix_orders_link_name" in plan, plan
            assert "Index Cond" in plan, plan
            assert "Seq Scan on orders" not in plan, plan
