"""Search engines find the public pages, and only those; public pages say what they are."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from catalog.shop import visitor
from smmpanel.kernel.options import write_option

PLACES = "{http://www.sitemaps.org/schemas/sitemap/0.9}url/{http://www.sitemaps.org/schemas/sitemap/0.9}loc"


async def listed(shopper):
    tree = ET.fromstring(await shopper.look("/sitemap.xml"))  # noqa: S314 - our own
    return [place.text for place in tree.iterfind(PLACES)]


async def test_the_public_pages_are_listed_and_answer(panel):
    shopper = visitor(panel)

    places = await listed(shopper)

    assert places == [f"http://panel.example{path}" for path in ("/", "/services", "/terms", "/api-docs")]
    for place in places:
        await shopper.look(place)


async def test_services_that_visitors_may_not_see_are_not_listed(panel):
    async with panel.db.transaction() as session:
        await write_option(session, "services_public", False)

    assert "http://panel.example/services" not in await listed(visitor(panel))


async def test_robots_are_kept_from_what_is_not_public(panel):
    lines = (await visitor(panel).look("/robots.txt")).splitlines()

    assert lines[0] == "User-agent: *"
    assert "Disallow: /" in lines
    assert "Allow: /services" in lines
    assert "Sitemap: http://panel.example/sitemap.xml" in lines
    assert not [line for line in lines if "/staff" in line or "/orders" in line]


@pytest.mark.parametrize("path", ["/", "/services", "/terms", "/api-docs"])
async def test_public_pages_say_what_they_are(panel, path):
    shopper = visitor(panel)

    page = await shopper.look(f"{path}?lang=vi&platform=x")

    assert re.search(r"<title>[^<·]+ · [^<]+</title>", page)
    assert re.search(r'<meta name="description" content="[^"]{20,}">', page)
    assert f'<link rel="canonical" href="http://panel.example{path}?lang=vi">' in page
    assert page.count('rel="alternate" hreflang=') == 3
    assert f'rel="canonical" href="http://panel.example{path}"' in await shopper.look(path)


async def test_behind_a_believed_proxy_addresses_are_those_that_people_use(panel):
    settings = panel.settings.model_copy(update={"trusted_proxies": "203.0.113.0/24"})
    forwarded = {"x-forwarded-host": "shop.example", "x-forwarded-proto": "https"}

    believed = await visitor(replace(panel, settings=settings)).look("/robots.txt", headers=forwarded)
    stranger = await visitor(panel).look("/robots.txt", headers=forwarded)

    assert "Sitemap: https://shop.example/sitemap.xml" in believed
    assert "Sitemap: http://panel.example/sitemap.xml" in stranger
