"""All the ways in which clients send a call, and what is no call at all."""

import asyncio
import json
import socket
from urllib.parse import quote_from_bytes, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from making import assert_books, make_provider, make_service, order_row
from smmpanel.orders.models import Order

LINK = "https://www.instagram.com/someone"
BALANCE = b'{"balance":"100.00","currency":"USD"}'
MSIE = "Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.0)"


@pytest.fixture
async def me(reseller):
    return await reseller()


@pytest.fixture
async def service(db, panel):
    async with db.transaction() as session:
        return await make_service(session, await make_provider(session, panel), type="custom_comments")


async def count_orders(db, user_id):
    async with db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(Order).where(Order.user_id == user_id))


@pytest.mark.parametrize("path", ["/api/v2", "/api/v2/"])
@pytest.mark.parametrize(
    "way", ["form", "multipart", "json", "get", "post with a query", "json called a form", "mixed"]
)
async def test_every_way_to_send_a_call(*, http, me, path, way):
    fields = {"key": me.key, "action": "balance"}
    match way:
        case "form":
            answer = await http.post(path, data=fields)
        case "multipart":
            answer = await http.post(path, files={name: (None, text) for name, text in fields.items()})
        case "json":
            answer = await http.post(path, json=fields)
        case "get":
            answer = await http.get(path, params=fields)
        case "post with a query":
            answer = await http.post(path, params=fields)
        case "json called a form":
            headers = {"content-type": "application/x-www-form-urlencoded"}
            answer = await http.post(path, content=json.dumps(fields), headers=headers)
        case _:
            answer = await http.post(path, params={"key": "smm_wrong", "action": "balance"}, data={"key": me.key})

    assert (answer.status_code, answer.content) == (200, BALANCE)
    assert answer.headers.get_list("content-type") == ["application/json"]
    assert answer.history == []


@pytest.mark.parametrize(
    "agent", [MSIE, "safesmm-python/0.1.0", "", "curl/8", "Mozilla/5.0 (X11) Chrome/120 Safari/537"]
)
async def test_any_user_agent(http, me, agent):
    answer = await http.post("/api/v2", data={"key": me.key, "action": "balance"}, headers={"user-agent": agent})

    assert answer.content == BALANCE


@pytest.mark.parametrize("way", ["form", "multipart", "json", "json list", "get"])
async def test_lines_survive_every_way(*, http, me, service, db, way):
    comments = 'đẹp quá & 100%+\r\n😀 = nice; "yes"\n123'
    fields = {"key": me.key, "action": "add", "service": str(service), "link": LINK, "comments": comments}
    match way:
        case "form":
            answer = await http.post("/api/v2", data=fields)
        case "multipart":
            answer = await http.post("/api/v2", files={name: (None, text) for name, text in fields.items()})
        case "json":
            answer = await http.post("/api/v2", json={**fields, "service": service, "note": None, "flag": True})
        case "json list":
            answer = await http.post("/api/v2", json={**fields, "comments": comments.replace("\r", "").split("\n")})
        case _:
            answer = await http.get("/api/v2", params=fields)

    order = await order_row(db, answer.json()["order"])
    assert order.fields["comments"].split("\n") == ["đẹp quá & 100%+", '😀 = nice; "yes"', "123"]
    assert order.quantity == 3


async def test_lists_of_digits_are_ids_only_where_ids_are_meant(http, me, service, db):
    call = {"key": me.key, "action": "add", "service": service, "link": LINK, "comments": ["123", "456"]}
    placed = (await http.post("/api/v2", json=call)).json()["order"]

    status = await http.post("/api/v2", json={"key": me.key, "action": "status", "orders": [placed, placed + 1000]})

    assert (await order_row(db, placed)).quantity == 2
    assert list(status.json()) == [str(placed), str(placed + 1000)]


@pytest.mark.parametrize(
    ("number", "answer"),
    [(100, 100), (100.0, 100), ("100", 100), (100.5, None), (1e30, None), (True, None), (-100, None)],
)
async def test_numbers_in_json(*, http, me, db, panel, number, answer):
    async with db.transaction() as session:
        plain = await make_service(session, await make_provider(session, panel), min=10, max=10_000)
    call = {"key": me.key, "action": "add", "service": plain, "link": LINK, "quantity": number}

    told = (await http.post("/api/v2", json=call)).json()

    assert ((await order_row(db, told["order"])).quantity if "order" in told else None) == answer


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
async def test_other_methods(http, me, method):
    answer = await http.request(method, "/api/v2", params={"key": me.key, "action": "balance"})

    assert (answer.status_code, answer.content) == (405, b'{"error":"Incorrect request"}')
    assert answer.headers["allow"] == "GET, POST"
    assert answer.headers["content-type"] == "application/json"


async def test_head_has_no_body(http, me):
    answer = await http.head("/api/v2", params={"key": me.key, "action": "balance"})

    assert (answer.status_code, answer.content) == (405, b"")


NO_CALLS = {
    "broken json": (b'{"key": "x"', "application/json"),
    "a list": (b'["key"]', "application/json"),
    "a word": (b'"key"', "application/json"),
    "nested": (b'{"key": {"a": 1}}', "application/json"),
    "a list of lists": (b'{"orders": [[1]]}', "application/json"),
    "deeply nested": (b'{"a":' * 900 + b"1" + b"}" * 900, "application/json"),
    "many lists": (b'{"a":' + b"[" * 1020 + b"]" * 1020 + b"}", "application/json"),
    "lone surrogate": (b'{"key": "\\ud800"}', "application/json"),
    "not a number": (b'{"key": NaN}', "application/json"),
    "too many fields in json": (json.dumps({str(n): n for n in range(101)}).encode(), "application/json"),
    "too many fields": ("&".join(f"a{n}=1" for n in range(101)).encode(), "application/x-www-form-urlencoded"),
    "broken utf-8": (b"key=\xff\xfe", "application/x-www-form-urlencoded"),
    "broken escapes": (b"key=%ff%fe", "application/x-www-form-urlencoded"),
    "no boundary": (b"--x\r\n", "multipart/form-data"),
    "wrong boundary": (b"--y\r\n\r\n", "multipart/form-data; boundary=x"),
    "a file": (
        b'--x\r\nContent-Disposition: form-data; name="key"; filename="k"\r\n\r\nv\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    ),
    "unheard-of encoding": (
        b'--x\r\nContent-Disposition: form-data; name="key"\r\nContent-Type: text/plain\r\n\r\nv\r\n--x--\r\n',
        "multipart/form-data; boundary=x; charset=klingon",
    ),
    "an encoding of surrogates": (
        b'--x\r\nContent-Disposition: form-data; name="orders"\r\n\r\n\\ud800\r\n--x--\r\n',
        "multipart/form-data; boundary=x; charset=unicode_escape",
    ),
}


@pytest.mark.parametrize("what", NO_CALLS)
async def test_what_is_no_call(http, what):
    body, kind = NO_CALLS[what]

    answer = await http.post("/api/v2", content=body, headers={"content-type": kind})

    assert answer.status_code == 200
    assert answer.json() in ({"error": "Incorrect request"}, {"error": "Invalid API key"})
    assert answer.headers["content-type"] == "application/json"


async def test_an_oversized_body(http, me, db):
    fields = {"key": me.key, "action": "balance", "comments": "a" * (2 * 1024 * 1024)}

    answer = await http.post("/api/v2", data=fields)

    assert (answer.status_code, answer.json()) == (413, {"error": "Request too large"})


async def test_a_large_call_that_is_not_too_large(http, me, service, db):
    comments = "\n".join(f"comment number {number}" for number in range(5000))
    fields = {"key": me.key, "action": "add", "service": str(service), "link": LINK, "comments": comments}

    answer = await http.post("/api/v2", data=fields)

    assert (await order_row(db, answer.json()["order"])).quantity == 5000


async def test_half_a_call_is_none(served, me, db, panel):
    """The client names a longer body than it sends: what has arrived reads like a smaller order."""
    async with db.transaction() as session:
        plain = await make_service(session, await make_provider(session, panel))
    fields = {"key": me.key, "action": "add", "service": plain, "link": LINK, "quantity": "10"}
    body = urlencode(fields).encode()
    head = (
        b"POST /api/v2 HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\n\r\n" % (len(body) + 2)
    )

    def send():
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(head + body)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1000) == b""

    await asyncio.to_thread(send)

    assert await count_orders(db, me.user_id) == 0
    assert await me.balance() == "100.00"


# Anything at all ----------------------------------------------------------------------------------------------------

WORDS = st.one_of(
    st.sampled_from(
        ["balance", "status", "refill", "refill_status", "cancel", "add", "services", "", "1", "0", "-1", "1,2"]
    ),
    st.text(max_size=30),
)
NAMES = st.sampled_from(
    ["action", "order", "orders", "refill", "refills", "service", "link", "quantity", "runs", "comments", "ref_id", "x"]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=8
)
KINDS = st.sampled_from(
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain", "", "é"]
)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(answer):
    assert answer.status_code in {200, 413}
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert isinstance(told, dict | list)
    if isinstance(told, dict) and "error" in told:
        assert told.keys() == {"error"}
        assert isinstance(told["error"], str)


@pytest.fixture
def client(served):
    with httpx.Client(base_url=served.address, trust_env=False, timeout=30) as made:
        yield made


@FUZZ
@given(body=st.binary(max_size=300), kind=KINDS, query=st.binary(max_size=60), slash=st.sampled_from(["", "/"]))
def test_any_bytes(client, body, kind, query, slash):
    target = client.base_url.copy_with(path=f"/api/v2{slash}", query=quote_from_bytes(query).encode())
    check(client.post(target, content=body, headers={"content-type": kind.encode()}))


@FUZZ
@given(st.data())
async def test_any_fields(http, db, reseller, data):
    who = await _shared(reseller)
    fields = data.draw(st.dictionaries(NAMES, WORDS, max_size=6))
    way = data.draw(st.sampled_from(["form", "get", "multipart"]))
    fields = {name: text.encode("utf-8", "replace").decode() for name, text in fields.items()} | {"key": who.key}
    if way == "form":
        check(await http.post("/api/v2", data=fields))
    elif way == "get":
        check(await http.get("/api/v2", params=fields))
    else:
        check(await http.post("/api/v2", files={name: (None, text) for name, text in fields.items()}))
    assert await who.balance() == "0.00"


@FUZZ
@given(st.dictionaries(NAMES, JSON, max_size=6))
async def test_any_json(http, reseller, fields):
    who = await _shared(reseller)
    body = json.dumps({**fields, "key": who.key}).encode()
    check(await http.post("/api/v2", content=body, headers={"content-type": "application/json"}))
    assert await who.balance() == "0.00"


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from(["idempotency-key", "x-forwarded-for", "user-agent", "accept", "cookie"]),
        st.binary(max_size=40),
    )
)
async def test_any_headers(http, reseller, headers):
    who = await _shared(reseller)
    safe = {
        name: bytes(byte for byte in value if byte >= 32 and byte != 127).strip() for name, value in headers.items()
    }
    form = {"key": who.key, "action": "add", "service": "1", "link": LINK, "quantity": "1"}
    check(await http.post("/api/v2", data=form, headers=safe))


_kept = {}


async def _shared(reseller):
    """One customer without money for all examples of a test."""
    if reseller not in _kept:
        _kept.clear()
        _kept[reseller] = await reseller(None)
    return _kept[reseller]


async def test_after_all_that_the_books_are_right(db, me):
    await assert_books(db)
