"""Handing in an order over API v2: what counts as taken, as refused, and as unknown."""

import json
import socket

import pytest

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.providers.adapters.panel_v2 import PanelV2
from smmpanel.providers.protocol import (
    Accepted,
    Connection,
    NotSent,
    ProviderFailure,
    RefusedAccount,
    RefusedOrder,
    TryLater,
    Unclear,
    UpstreamOrder,
)

ORDER = UpstreamOrder("101", "default", {"link": "https://instagram.com/p/x?a=1&b=ü", "quantity": "1000"})


async def outcome_of(panel, body, status=200, headers=None, **options) -> ProviderFailure:
    panel.says(body, status, headers)
    with pytest.raises(ProviderFailure) as failure:
        await panel.adapter(PanelV2, **options).add(ORDER)
    assert len(panel.asked) == 1
    return failure.value


async def test_the_standard_call(panel):
    panel.says({"order": 23501})
    accepted = await panel.adapter(PanelV2).add(ORDER)
    assert accepted == Accepted("23501", '{"order": 23501}')
    (asked,) = panel.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/api/v2", {})
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.form == {
        "link": "https://instagram.com/p/x?a=1&b=ü",
        "quantity": "1000",
        "service": "101",
        "key": "0123456789abcdef0123456789abcdef",
        "action": "add",
    }


async def test_line_lists_keep_their_line_ends(panel):
    panel.says({"order": 1})
    await panel.adapter(PanelV2).add(UpstreamOrder("1", "custom_comments", {"link": "l", "comments": "a\r\nb & c\nđ"}))
    assert b"comments=a%0D%0Ab+%26+c%0A%C4%91" in panel.asked[0].body


@pytest.mark.parametrize(
    ("path", "options", "method", "where"),
    [
        ("", {}, "POST", "/api/v2"),
        ("/", {}, "POST", "/api/v2"),
        ("/api/v1", {}, "POST", "/api/v1"),
        ("/api/v2/", {}, "POST", "/api/v2/"),
        ("/api/v2", {"method": "GET"}, "GET", "/api/v2"),
    ],
)
async def test_urls_and_methods(panel, path, options, method, where):
    panel.says({"order": 1})
    await panel.adapter(PanelV2, path=path, **options).add(ORDER)
    (asked,) = panel.asked
    assert (asked.method, asked.path) == (method, where)
    assert (asked.query if method == "GET" else asked.form)["quantity"] == "1000"


async def test_json_bodies_extra_fields_and_headers(panel):
    panel.says({"order": 1})
    adapter = panel.adapter(
        PanelV2, body="json", key_name="token", extra={"lang": "en"}, headers={"User-Agent": "Mozilla/5.0"}
    )
    await adapter.add(ORDER)
    (asked,) = panel.asked
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"] == "Mozilla/5.0"
    assert (asked.json["lang"], asked.json["token"][:4], asked.json["action"]) == ("en", "0123", "add")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"method": "PUT"}, "options.method"),
        ({"body": "xml"}, "options.body"),
        ({"batch_max": 0}, "options.batch_max"),
        ({"status_words": {"5": "gone"}}, "options.status_words.5"),
        ({"cloudflare": True}, "options.cloudflare"),
    ],
)
async def test_wrong_options_are_named(panel, options, field):
    with pytest.raises(InvalidInputError) as failure:
        panel.adapter(PanelV2, **options)
    assert failure.value.fields["field"] == field


@pytest.mark.parametrize(
    ("body", "external_id"),
    [
        ({"order": "23501"}, "23501"),
        (b'\xef\xbb\xbf{"order":23501}', "23501"),
        (b'\r\n\t {"order":23501}\n', "23501"),
        (b'{"order":23501.0}', "23501"),
        ({"order": "23,501"}, "23501"),
        ({"order": "#23501"}, "23501"),
        ({"order": "665f1c2ab3d94e0012ab34cd"}, "665f1c2ab3d94e0012ab34cd"),
        ({"order": "b3b1c1de-6f2e-4b56-9c0a-2f4b8f1f9e11"}, "b3b1c1de-6f2e-4b56-9c0a-2f4b8f1f9e11"),
        ({"order": 99999999999999999999}, "99999999999999999999"),
        ({"order_id": 77}, "77"),
        ({"order": None, "order_id": "77"}, "77"),
        ({"status": "success", "order": 123}, "123"),
        ({"status": "success", "msg": "Order placed", "order": 5}, "5"),
        ({"status": "success", "id": 5}, "5"),
        ({"success": True, "data": {"order": 5}}, "5"),
        ({"status": "sucess", "order_id": "9"}, "9"),
        ({"order": 1, "charge": "0.5", "start_count": 3, "remaining_balance": "9.1"}, "1"),
        ({"order": 1, "error": None}, "1"),
        ({"order": 1, "error": ""}, "1"),
        ({"order": 1, "error": False, "errors": []}, "1"),
        ({"order": 1, "status": "Pending"}, "1"),
    ],
)
async def test_order_ids_in_every_dialect(panel, body, external_id):
    panel.says(body)
    assert (await panel.adapter(PanelV2).add(ORDER)).external_id == external_id


@pytest.mark.parametrize("status", [201, 202])
async def test_any_2xx_may_carry_an_order(panel, status):
    panel.says({"order": 8}, status)
    assert (await panel.adapter(PanelV2).add(ORDER)).external_id == "8"


REFUSED_ORDER = [
    "Incorrect service ID", "error.incorrect_service_id", "neworder.error.service_not_found", "Service ID does not exists",
    "Invalid Service Id", "Disabled service ID", "Quantity less than minimal 100", "Quantity less than maximum 10",
    "neworder.error.min_quantity", "Quantity must to be greater than or equal to minimum amount 50",
    "Minimum quantity is 10", "Quantity more than maximum 5000", "neworder.error.max_quantity",
    "Quantity must to be less than or equal to maximum amount 9", "Maximum quantity is 10", "Incorrect link", "Bad link",
    "neworder.error.link", "neworder.error.invalid_link", "Bad Link", "neworder.error.comment",
    "Comments field is required", "Invalid comments", "Duplicate comments are not allowed", "Too many comments",
    "Instagram user not found, check the link", "Account is private or suspended", "The world ended", "Jumlah minimal 100",
]  # fmt: skip
REFUSED_ACCOUNT = [
    "Invalid API key", "Incorrect API key", "Invalid Api Key", "invalid key", "bad_auth", "Your key is not valid",
    "API is Disable for this user or User Not Found! Contact the Support", "User not found", "API is disabled",
    "Not enough funds on balance", "neworder.error.not_enough_funds", "neworder.error.insufficient_balance",
    "Insufficient balance", "Your balance is too low", "IP 1.2.3.4 is not allowed", "Your IP address is not whitelisted",
    "Your account has been suspended", "Unauthorized", "Access denied", "Incorrect request", "Incorrect action",
    "This action is Invalid", "Method Not Allowed", "Số dư không đủ",
]  # fmt: skip
TRY_LATER = [
    "You have active order with this link. Please wait until order being completed.", "neworder.error.link_duplicate",
    "Too many requests", "neworder.error.too_many_orders", "Rate limit exceeded", "Duplicate order", "Server is busy",
    "You already have an order on this link", "Service is under maintenance", "Please try again later",
]  # fmt: skip
STUMBLED = [
    "Internal server error", "Something went wrong, please try again later", "SQLSTATE[HY000]: General error",
    "Request timed out", "Timeout", "Uncaught exception", "Unknown error",
]  # fmt: skip
BY_TEXT = [
    *((text, RefusedOrder) for text in REFUSED_ORDER),
    *((text, RefusedAccount) for text in REFUSED_ACCOUNT),
    *((text, TryLater) for text in TRY_LATER),
    *((text, Unclear) for text in STUMBLED),
]


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(("text", "kind"), BY_TEXT)
async def test_error_texts_are_sorted_by_meaning(panel, text, kind, status):
    failure = await outcome_of(panel, {"error": text}, status)
    assert (type(failure), failure.text, failure.status) == (kind, text, status)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "error", "msg": "Incorrect link", "error": "Incorrect link"},
        {"status": "error", "message": "Incorrect link"},
        {"status": "fail", "error": "Incorrect link"},
        {"success": False, "message": "Incorrect link"},
        {"error": {"message": "Incorrect link", "code": 5}},
        {"error": ["Incorrect link"]},
        {"error": True, "message": "Incorrect link"},
        {"error": 1, "msg": "Incorrect link"},
        {"error": "Incorrect link", "order": 0},
        {"error": "Incorrect link", "order": None, "order_id": ""},
        {"error": "Incorrect link", "order": "null", "order_id": False},
        {"errors": {"link": ["Incorrect link"]}},
        {"status": False, "data": {"msg": "Incorrect link"}},
        {"error": "<p>Incorrect\n <b>link</b></p>"},
    ],
)
async def test_error_shapes(panel, body):
    failure = await outcome_of(panel, body)
    assert (type(failure), failure.text) == (RefusedOrder, "Incorrect link")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            422,
            {"message": "The given data was invalid.", "errors": {"quantity": ["The quantity is required."]}},
            RefusedOrder,
        ),
        (400, {"message": "Validation failed"}, RefusedOrder),
        (404, {"detail": "No such thing"}, RefusedOrder),
        (401, {"message": "Nope"}, RefusedAccount),
        (402, {"error": "Nope"}, RefusedAccount),
        (403, {"error": "Nope"}, RefusedAccount),
        (403, {}, RefusedAccount),
        (401, None, RefusedAccount),
        (403, {"error": "Service is disabled"}, RefusedOrder),
        (405, {"error": "Method Not Allowed"}, RefusedAccount),
        (429, {"error": "Slow down"}, TryLater),
        (429, {"error": "Nope"}, TryLater),
        (429, {}, TryLater),
        (429, b"<html>429</html>", TryLater),
        (429, b"", TryLater),
    ],
)
async def test_codes_count_where_words_do_not(panel, status, body, kind):
    assert type(await outcome_of(panel, body, status)) is kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17),
        ({"Retry-After": "99999999"}, 86400),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 30),
        ({"Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_passed_on(panel, headers, seconds):
    failure = await outcome_of(panel, {"error": "Too many requests"}, 429, headers)
    assert isinstance(failure, TryLater)
    assert failure.retry_after_seconds == seconds


UNCLEAR_BODIES = [
    b"", b"   ", b"<html><body>Bad gateway</body></html>", b"\xef\xbb\xbf<!DOCTYPE html>", b"OK", b"null", b"true", b"5",
    b"[]", b'"23501"', b'[{"order":1}]', b"{}", b"{", b'{"order":', b'{"order":1}{"order":2}', b"\xff\xfe{\x00",
    b"[" * 5000, b'{"order":' + b"9" * 5000 + b"}", b"<br />Warning: x in y.php<br />{\"order\":5}",
]  # fmt: skip
UNCLEAR_ANSWERS = [
    {"order": None}, {"order": 0}, {"order": ""}, {"order": "0"}, {"order": False}, {"order": True}, {"order": "null"},
    {"order": "false"}, {"order": "None"}, {"order": -3}, {"order": "-1"}, {"order": []}, {"order": {}}, {"order": [5]},
    {"order": "Order received"}, {"order": "5 pending"}, {"order": 1.5e300}, {"order": "x" * 100 + "1"}, {"id": 5},
    {"id": 5, "status": "Pending"}, {"status": "success"}, {"status": "success", "order": 0}, {"data": {"order": 5}},
    {"order": 5, "error": "Incorrect link"}, {"order": 5, "status": "error"}, {"order": 5, "success": False},
    {"id": 5, "error": "Not enough funds on balance"}, {"status": "success", "error": "Incorrect link"},
    {"order": {"id": 5}, "error": "Incorrect link"}, {"status": "error"}, {"status": "fail", "msg": ""},
    {"success": False, "data": {"order_id": 5}, "message": "x"}, {"message": "Something"}, {"order": {"id": 5}},
]  # fmt: skip


@pytest.mark.parametrize("body", [*UNCLEAR_BODIES, *UNCLEAR_ANSWERS], ids=lambda body: repr(body)[:40])
async def test_all_doubt_is_unclear(panel, body):
    assert type(await outcome_of(panel, body)) is Unclear


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524, 301, 302, 307, 308])
@pytest.mark.parametrize("body", [{"order": 5}, {"error": "Incorrect link"}, b"<html></html>"])
async def test_server_errors_and_redirects_are_unclear_whatever_they_say(panel, status, body):
    failure = await outcome_of(panel, body, status, {"Location": "/api/v2/"})
    assert (type(failure), failure.status) == (Unclear, status)


@pytest.mark.parametrize("status", [400, 403, 429])
async def test_an_order_id_beside_a_refusing_code_is_unclear(panel, status):
    assert type(await outcome_of(panel, {"order": 5}, status)) is Unclear


CHALLENGE = b"<!DOCTYPE html><title>Just a moment...</title><script>window._cf_chl_opt={}</script>"


@pytest.mark.parametrize(
    ("answer", "believed", "kind"),
    [
        ((CHALLENGE, 403, {}), True, NotSent),
        ((CHALLENGE, 503, {}), True, NotSent),
        ((b"<title>Attention Required! | Cloudflare</title>", 403, {}), True, NotSent),
        ((b"", 403, {"cf-mitigated": "challenge"}), True, NotSent),
        ((CHALLENGE, 403, {"cf-mitigated": "challenge"}), False, Unclear),
        ((CHALLENGE, 503, {}), False, Unclear),
        ((CHALLENGE, 200, {}), True, Unclear),
        ((CHALLENGE, 502, {}), True, Unclear),
        ((b"<html>Forbidden</html>", 403, {"Server": "cloudflare"}), True, Unclear),
        ((b"<html>maintenance</html>", 503, {}), True, Unclear),
    ],
)
async def test_challenge_pages_count_as_not_sent_only_if_configured(panel, answer, believed, kind):
    failure = await outcome_of(panel, *answer, cloudflare_means_not_sent=believed)
    assert type(failure) is kind


async def test_a_connection_that_breaks_after_sending_is_unclear(panel):
    panel.hangs_up()
    with pytest.raises(Unclear):
        await panel.adapter(PanelV2).add(ORDER)
    assert len(panel.asked) == 1


async def test_a_panel_that_is_not_there_was_not_sent_to():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with Outgoing(allow=["127.0.0.1"]) as http:
        adapter = PanelV2(Connection(f"http://127.0.0.1:{port}", "key"), http)
        with pytest.raises(NotSent, match="no connection"):
            await adapter.add(ORDER)


async def test_a_private_address_was_not_sent_to(panel):
    panel.says({"order": 1})
    async with Outgoing() as http:
        with pytest.raises(NotSent, match="private"):
            await PanelV2(Connection(panel.url, "key"), http).add(ORDER)
    assert panel.asked == []


async def test_a_panel_that_does_not_answer_in_time_is_unclear(panel):
    panel.says(b"", headers={"Content-Length": "10"})
    with pytest.raises(Unclear, match=r"within 0\.1 seconds"):
        await panel.adapter(PanelV2, timeout=0.1).add(ORDER)
    assert len(panel.asked) == 1


async def test_keys_do_not_show_in_failures_or_kept_answers(panel):
    key, extra = "k3y/with+odd chars", "another-secret"
    for body, status in (
        ({"error": f"Invalid API key {key}", "extra": extra}, 200),
        ({"order": 5, "key": key, "extra": extra}, 200),
        (b"<html>k3y%2Fwith%2Bodd%20chars another-secret</html>", 502),
    ):
        panel.says(body, status)
        shown = []
        try:
            shown.append((await panel.adapter(PanelV2, api_key=key, extra={"token": extra}).add(ORDER)).answer)
        except ProviderFailure as failure:
            shown += [failure.text, failure.answer or "", str(failure)]
        text = json.dumps(shown)
        assert "[hidden]" in text
        for piece in (key, "k3y%2F", "k3y\\/", extra):
            assert piece not in text


async def test_kept_answers_are_short(panel):
    failure = await outcome_of(panel, b"<html>" + b"x" * 100_000)
    assert len(failure.answer) == 2000
