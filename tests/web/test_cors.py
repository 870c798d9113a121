"""Scripts of other sites: which may call the JSON API, and that cookies never come along."""

import httpx
import pytest

SHOP, OTHER = "https://shop.example", "https://evil.example"


@pytest.fixture
def database_url():
    """None of this asks the database."""
    return "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def client_with(app_for):
    def make(origins):
        transport = httpx.ASGITransport(app_for(cors_origins=origins), client=("203.0.113.7", 4711))
        return httpx.AsyncClient(transport=transport, base_url="http://panel.example")

    return make


def preflight(client, path, origin):
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    return client.options(path, headers={"origin": origin, **asked})


async def test_a_named_origin_may_call_the_api_without_cookies(client_with):
    async with client_with(f"{SHOP}, https://app.example:8443") as client:
        asked = await preflight(client, "/api/things", SHOP)
        answer = await client.post("/api/things", json={"name": "x"}, headers={"origin": SHOP})
        wrong = await client.post("/api/things", json={}, headers={"origin": SHOP})
        failed = await client.get("/api/broken", headers={"origin": SHOP})

    assert asked.status_code == 200
    assert {"POST", "DELETE"} <= set(asked.headers["access-control-allow-methods"].split(", "))
    for one in (asked, answer, wrong, failed):
        assert one.headers["access-control-allow-origin"] == SHOP
        assert "access-control-allow-credentials" not in one.headers
    assert (answer.status_code, wrong.status_code, failed.status_code) == (200, 422, 500)
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("origins", "path", "origin"),
    [("", "/api/things", SHOP), (SHOP, "/api/things", OTHER), (SHOP, "/sign-in", SHOP), ("*", "/sign-in", SHOP)],
)
async def test_nobody_else_may_and_pages_never(*, client_with, origins, path, origin):
    async with client_with(origins) as client:
        for answer in (await preflight(client, path, origin), await client.post(path, headers={"origin": origin})):
            assert "access-control-allow-origin" not in answer.headers


async def test_all_origins_may_be_named(client_with):
    async with client_with("*") as client:
        answer = await client.post("/api/things", json={"name": "x"}, headers={"origin": OTHER})

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
