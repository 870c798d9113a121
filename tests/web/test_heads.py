"""HEAD: the status and the headers of GET, nothing else, and an end."""

import asyncio

import httpx
import pytest

from smmpanel.entrypoints.web import build_app
from smmpanel.web.heads import answered_like_get

CHANGING = frozenset({"set-cookie", "content-length"})
"""Each page holds a token of its own, which compresses to more or fewer bytes."""


@pytest.fixture
async def heads(panel):
    """What a visitor gets by HEAD and by GET."""
    transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.test") as client:
        yield lambda path: asyncio.gather(client.head(path), client.get(path))


@pytest.mark.parametrize("path", ["/", "/services", "/health", "/orders", "/api/orders", "/nothing", "/static/nothing"])
async def test_it_is_told_what_get_is_told_without_the_body(heads, path):
    head, get = await heads(path)

    assert (head.status_code, head.content) == (get.status_code, b"")
    assert get.status_code < 500
    assert head.headers.keys() ^ get.headers.keys() <= {"set-cookie"}
    told = [{name: value for name, value in one.headers.items() if name not in CHANGING} for one in (head, get)]
    assert told[0] == told[1]


async def test_what_streams_without_end_ends_with_the_head():
    sent, is_over = [], asyncio.Event()

    async def endless(scope, receive, send):
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not is_over.is_set():
            await send({"type": "http.response.body", "body": b"more", "more_body": True})
            await asyncio.sleep(0)

    async def send(message):
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            is_over.set()

    scope, send_head = answered_like_get({"type": "http", "method": "HEAD"}, send)
    await asyncio.wait_for(endless(scope, None, send_head), 5)

    assert [(one["type"], one.get("body")) for one in sent] == [
        ("http.response.start", None),
        ("http.response.body", b""),
    ]
