"""How errors look, and what never reaches a handler."""

import httpx
import pytest
from structlog.testing import capture_logs

from smmpanel.web.validation import wrong_fields


@pytest.fixture
def database_url():
    """None of this asks the database; a test that did would be refused."""
    return "postgresql://nobody@127.0.0.1:1/nothing"


async def test_an_error_of_ours_as_json(browser):
    answer = await browser.get("/api/conflict")

    assert answer.status_code == 409
    assert answer.json() == {
        "success": False,
        "message": "This is no longer possible.",
        "code": "conflict",
        "fields": {"order_id": 7},
    }


async def test_an_error_of_ours_as_a_page_in_the_readers_language(browser):
    answer = await browser.get("/conflict?lang=vi")

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Việc này không còn thực hiện được." in answer.text


async def test_the_reason_of_a_wrong_value_is_translated(browser):
    answer = await browser.get("/api/invalid", headers={"accept-language": "vi"})

    assert answer.json() == {
        "success": False,
        "message": "email: không phải là địa chỉ email",
        "code": "invalid_input",
        "fields": {"email": "không phải là địa chỉ email"},
    }


async def test_wrong_values_of_a_request_are_named(browser):
    answer = await browser.post("/api/things", json={"name": 5, "size": "x"})

    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "message": "name: is not text",
        "code": "invalid_input",
        "fields": {"name": "is not text", "size": "is not a whole number"},
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "còn thiếu"),
        ({"count": "x"}, "không phải là số nguyên"),
        ({"count": 0}, "nhỏ hơn 1"),
        ({"count": 10}, "lớn hơn 9"),
        ({"word": ""}, "có ít hơn 1 ký tự"),
        ({"word": "abcd"}, "có nhiều hơn 3 ký tự"),
        ({"word": "a\x00"}, "chứa ký tự không lưu được"),
        ({"kind": "c"}, "không thuộc các giá trị sau: a, b"),
        ({"amount": "1.1234567"}, "có nhiều hơn 6 chữ số thập phân"),
        ({"words": ["a", "b", "c"]}, "có nhiều hơn 2 mục"),
        ({"either": {}}, "không phải là số nguyên"),
        ({"flag": "x"}, "không phải là true hay false"),
    ],
)
async def test_wrong_values_are_named_in_the_readers_language(browser, value, reason):
    answer = await browser.post("/api/kinds", json=value, headers={"accept-language": "vi"})

    field = next(iter(value), "needed")
    assert answer.status_code == 422
    assert answer.json()["fields"][field] == reason
    if value:
        assert set(answer.json()["fields"]) == {field, "needed"}


def test_every_kind_of_wrong_value_that_a_model_can_have_has_words_of_ours():
    """A new kind that the checking library brings is still said in the reader's language, if vaguely."""
    wrong = [{"type": "a_new_kind", "loc": ("body", "x"), "msg": "English", "ctx": {}}]

    assert wrong_fields("vi", wrong) == {"x": "không hợp lệ"}


async def test_a_fact_that_is_money_is_a_number_and_reads_as_money(browser):
    answer = await browser.get("/api/poor", headers={"accept-language": "vi"})

    assert answer.status_code == 402
    assert answer.json() == {
        "success": False,
        "message": "Số dư là 0,50\u00a0$, nhưng cần 2.375,00\u00a0$.",
        "code": "insufficient_funds",
        "fields": {"needed": 2375, "available": 0.5},
    }


@pytest.mark.parametrize("path", ["/api/broken", "/broken", "/odd/broken"])
async def test_what_nobody_expected_is_logged_once_and_answered_neutrally(browser, path):
    with capture_logs() as logs:
        answer = await browser.get(path)

    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert [entry["event"] for entry in logs] == ["request_failed"]
    if path == "/broken":
        assert logs[0]["reference"] in answer.text
    if path == "/api/broken":
        assert answer.json()["fields"]["reference"] == logs[0]["reference"]
    if path == "/odd/broken":
        assert answer.text == "500 internal_error"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("PUT", "/api/things", 405, "method_not_allowed"),
        ("GET", "/api", 404, "not_found"),
    ],
)
async def test_what_there_is_not(*, browser, method, path, status, code):
    answer = await browser.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_every_method_that_an_address_takes_is_allowed(browser):
    assert (await browser.patch("/sign-in")).headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", None])
async def test_what_is_not_sent_as_json_is_said_to_be_so(browser, kind):
    headers = {"accept-language": "vi"} | ({} if kind is None else {"content-type": kind})

    answer = await browser.post("/api/things", content=b'{"name": "x"}', headers=headers)

    assert answer.status_code == 415
    assert answer.json() == {
        "success": False,
        "message": "Ở đây chỉ nhận JSON: hãy gửi Content-Type: application/json.",
        "code": "unsupported_media_type",
        "fields": {},
    }
    assert (await browser.post("/api/things")).status_code == 422
    assert (await browser.post("/api/things", content=b"[]", headers={"content-type": "application/json"})).is_error


async def test_broken_json_is_named_so(browser):
    for body in (b"{", b'{"name": "x",}', b"nonsense"):
        answer = await browser.post("/api/things", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
        assert answer.json()["fields"] == {"body": "is not JSON"}


async def test_a_page_that_there_is_not(browser):
    answer = await browser.get("/nothing")

    assert answer.status_code == 404
    assert "There is nothing at this address." in answer.text


async def test_a_part_with_its_own_errors_renders_them_itself(browser):
    assert (await browser.get("/odd/nothing")).text == "404 not_found"
    assert "There is nothing at this address." in (await browser.get("/oddity")).text


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ({"query": b"q=%00"}, 400),
        ({"query": b"q=%ff"}, 400),
        ({"query": b"q=\xff"}, 400),
        ({"query": b"q=%ed%a0%80"}, 400),
        ({"query": b"q=%C4%91%E1%BB%93ng"}, 200),
        ({"query": b"q=" + b"a" * 70_000}, 400),
        ({"path": b"/api/names/%00"}, 400),
        ({"path": b"/api/names/%fe"}, 400),
        ({"headers": [(b"user-agent", b"a\0b")]}, 400),
        ({"headers": [(b"content-length", b"1e9")]}, 400),
        ({"headers": [(b"content-length", b"9" * 5000)]}, 413),
    ],
)
async def test_unreadable_requests_are_refused(app_for, ask, what, status):
    assert await ask(app_for(), **what) == status


async def test_bodies_that_are_too_large_are_refused_by_their_word_and_by_their_weight(app_for, ask):
    app = app_for()
    json_type = (b"content-type", b"application/json")
    big = b'{"name": "' + b"a" * 600_000

    assert await ask(app, b"/api/things", headers=[json_type, (b"content-length", b"1048577")], method="POST") == 413
    assert await ask(app, b"/api/things", headers=[json_type], body=[big, b"a" * 600_000], method="POST") == 413
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    assert await ask(app, b"/sign-in", headers=form, body=[b"a" * 600_000, b"a" * 600_000], method="POST") == 413


async def test_a_path_may_take_more(browser):
    answer = await browser.post("/api/large", json={"name": "a" * 1_200_000})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b'{"name": "a\\u0000"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"name": "\xef\xbf\xbd"}',
        b'{"\\ud800": 1}',
        b'{"name": {"\\ud800": 1}}',
        b'{"name": 1e999}',
        b'{"name": "x", "size": ' + b"9" * 5000 + b"}",
        b'{"name": "x", "size": NaN}',
        b"[" * 50_000,
        b'{"name":' * 5_000,
    ],
)
async def test_broken_json_is_a_mistake_of_the_client(browser, body):
    answer = await browser.post("/api/things", content=body, headers={"content-type": "application/json"})

    assert answer.status_code in {400, 422}
    assert set(answer.json()) == {"success", "message", "code", "fields"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"name=%00"),
        ("application/x-www-form-urlencoded", b"name=%ff"),
        ("application/x-www-form-urlencoded", b"%ff=x"),
        ("application/x-www-form-urlencoded; charset=nonsense", b"size=x"),
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=name\r\n\r\na\0b\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nab\r\n--x--"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        (
            "multipart/form-data; charset=nonsense; boundary=x",
            b"--x\r\nContent-Disposition: form-data; Xilename=f\r\n\r\na\r\n--x--",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/api/forms", "/sign-in"])
async def test_broken_forms_are_a_mistake_of_the_client(browser, path, content_type, body):
    answer = await browser.post(path, content=body, headers={"content-type": content_type})

    assert 400 <= answer.status_code < 500


async def test_a_secret_in_a_path_is_not_logged(app_for):
    app = app_for()

    @app.get("/links/{token}")
    async def broken(token: str) -> None:
        raise RuntimeError

    secret = "a1B2c3D4e5F6g7H8i9J0" * 2 + "xyz"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://panel.example") as client:
        with capture_logs() as logs:
            await client.get(f"/links/{secret}")

    assert [entry["path"] for entry in logs] == ["/links/***"]
    assert secret not in str(logs)
