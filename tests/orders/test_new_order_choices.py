"""The lists of the order form are kept as rendered, and are never those of another price, language, user or moment."""

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import text

from making import make_service, make_user, staff
from smmpanel.accounts.access import Permission
from smmpanel.accounts.sessions import open_session
from smmpanel.catalog.change_log import bump_version
from smmpanel.catalog.models import Favourite, ServiceTiming
from smmpanel.catalog.user_prices import set_custom_rate, set_discount
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.panel import Panel

CLERK = staff(None, Permission.USERS_EDIT)


class Shop:
    """Two services of one category and one of another, and one process that shows them."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.front = build_app(panel)
        self.services: list[int] = []

    async def fill(self) -> None:
        async with self.panel.db.transaction() as session:
            for platform, rate in (("instagram", "2"), ("instagram", "3"), ("tiktok", "5")):
                self.services.append(
                    await make_service(session, mode="manual", platform=platform, rate=rate, refill=True)
                )

    async def change(self, statement: str, **given: object) -> None:
        async with self.panel.db.transaction() as session:
            await session.execute(text(statement), given)
            await bump_version(session)

    async def customer(self, name: str) -> "Customer":
        now = self.panel.clock()
        async with self.panel.db.transaction() as session:
            user = await make_user(session, name)
            opened = await open_session(session, user, lifetime=timedelta(days=1), ip=None, user_agent=None, now=now)
        return Customer(self, user, {"smmpanel_session": opened.token})


@dataclass(frozen=True)
class Customer:
    """Somebody who looks at the page."""

    shop: Shop
    user: int
    cookies: dict[str, str]

    async def look(self, service: int | None = None, **query: object) -> str:
        asked = {"service": self.shop.services[0] if service is None else service, "lang": "en", **query}
        transport = httpx.ASGITransport(self.shop.front, client=("203.0.113.7", 1))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://panel.example", cookies=self.cookies
        ) as client:
            answer = await client.get("/orders/new", params=asked)
        assert answer.status_code == 200
        return answer.text


@pytest.fixture
async def shop(panel):
    made = Shop(panel)
    await made.fill()
    return made


@pytest.fixture
async def mai(shop):
    return await shop.customer("mai")


def rates(page: str) -> list[str]:
    """Return the rates in the picker's list of services."""
    listed = page.partition('id="svc-list"')[2].partition("</ul>")[0]
    return re.findall(r"<b>([^<]+)</b><small>", listed)


async def test_what_is_chosen_is_marked_and_nothing_else(mai, shop):
    for _ in range(2):
        for service, other in (shop.services[:2], shop.services[1::-1]):
            page = await mai.look(service)
            assert f'aria-selected="true" data-value="{service}"' in page
            assert f'aria-selected="false" data-value="{other}"' in page
            assert f'<option value="{service}" selected>' in page
            assert f'<option value="{other}">' in page
            assert page.count('aria-selected="true"') == 2
            assert page.count("<option") - page.count(" selected>") == 2


async def test_a_part_is_kept_for_the_next_customer(mai, shop):
    kept = shop.front.app.state.pages.kept
    await mai.look()
    used = kept.used
    await (await shop.customer("other")).look(shop.services[1])

    assert kept.used == used > 0


async def test_another_rate_is_shown_at_once(mai, shop):
    assert rates(await mai.look()) == ["$2.00", "$3.00"]

    await shop.change("UPDATE services SET rate = 2.5, fixed_rate = 2.5 WHERE id = :id", id=shop.services[0])

    page = await mai.look()
    assert rates(page) == ["$2.50", "$3.00"]
    assert "$2.00" not in page


async def test_another_name_and_another_category_are_shown_at_once(mai, shop):
    await mai.look()
    await shop.change("UPDATE services SET name = 'Fresh <b>name</b>' WHERE id = :id", id=shop.services[1])
    await shop.change("UPDATE categories SET name = 'Fresh shelf' WHERE platform = 'instagram'")

    page = await mai.look()
    assert page.count("Fresh &lt;b&gt;name&lt;/b&gt;") == 2
    assert page.count("Fresh shelf") >= 3
    await shop.change("UPDATE services SET enabled = false WHERE id = :id", id=shop.services[1])
    assert f'data-value="{shop.services[1]}"' not in await mai.look()


async def test_each_customer_sees_their_own_prices(panel, mai, shop):
    assert rates(await mai.look()) == ["$2.00", "$3.00"]
    async with panel.db.transaction() as session:
        await set_discount(session, mai.user, Decimal(10), actor=CLERK)
    page = await mai.look()
    assert rates(page) == ["$1.80", "$2.70"]
    assert "10.0% off" in page

    async with panel.db.transaction() as session:
        await set_custom_rate(session, mai.user, shop.services[1], Decimal("0.5"), actor=CLERK)
    assert rates(await mai.look()) == ["$1.80", "$0.50"]

    # The same process, with what it has kept.
    other = await shop.customer("other")
    assert rates(await other.look()) == ["$2.00", "$3.00"]
    assert rates(await mai.look()) == ["$1.80", "$0.50"]


async def test_each_language_has_its_words_and_figures(mai, shop):
    assert rates(await mai.look(lang="en")) == ["$2.00", "$3.00"]
    page = await mai.look(lang="vi")

    assert rates(page) == ["2,00\u00a0$", "3,00\u00a0$"]
    assert rates(await mai.look(lang="en")) == ["$2.00", "$3.00"]


async def test_times_and_favourites_are_those_of_now(panel, mai, shop):
    first = await mai.look()
    assert "1 h" not in first.partition('id="svc-list"')[2].partition("</ul>")[0]
    async with panel.db.transaction() as session:
        session.add(ServiceTiming(service_id=shop.services[1], sample=3, median_seconds=3600))
        session.add(Favourite(user_id=mai.user, service_id=shop.services[0]))

    page = await mai.look()
    assert "1\u00a0h" in page.partition('id="svc-list"')[2].partition("</ul>")[0]
    assert f'formaction="/favourites/{shop.services[0]}/drop"' in page
    assert f'formaction="/favourites/{shop.services[1]}/keep"' in await mai.look(shop.services[1])


async def test_every_platform_lists_its_categories(mai, shop):
    def listed(page):
        return page.partition('id="cat-list"')[2].partition("</ul>")[0].count("data-value")

    assert listed(await mai.look()) == 1
    assert listed(await mai.look(platform="all")) == 2
    assert listed(await mai.look(shop.services[2])) == 1
