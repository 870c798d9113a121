"""Each fault, as a client on the other side of a TCP connection meets it."""

import socket
import time
from collections import Counter
from decimal import Decimal
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from smmpanel.sandbox.process import SandboxProcess
from smmpanel.sandbox.provider_errors import DIALECTS, MEANINGS, wordings

LINK = "https://instagram.com/someone"
SERVICE = 1
GIVE_UP_SECONDS = 0.3


def add(client, link=LINK, **options):
    data = {"key": client.sandbox.key, "action": "add", "service": SERVICE, "link": link, "quantity": 100}
    return client.http.post(client.sandbox.url, data=data, **options)


def taken(provider):
    """How many orders exist, having checked that the log says the same."""
    assert [row["external_id"] for row in provider.log("add") if row["external_id"]] == [
        row["order"] for row in provider.orders()
    ]
    return provider.stats()["orders"]


BEFORE_AFTER = [("before", 0), ("after", 1)]


@pytest.mark.parametrize(("when", "orders"), BEFORE_AFTER)
def test_timeout_never_answers_until_the_client_leaves(client, provider, when, orders):
    provider.add_fault(f"timeout_{when}", action="add")

    with pytest.raises(httpx.ReadTimeout):
        add(client, timeout=GIVE_UP_SECONDS)

    assert taken(provider) == orders
    assert provider.log("add")[0]["fault"] == f"timeout_{when}"
    assert provider.stats()["in_flight"] == 0


def test_timeout_closes_the_connection_at_last_if_the_client_stays(client, provider):
    provider.add_fault("timeout_after", action="add", seconds=0.2)
    before = time.monotonic()

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        add(client)

    assert 0.15 < time.monotonic() - before < 2
    assert taken(provider) == 1


@pytest.mark.parametrize(("when", "orders"), BEFORE_AFTER)
def test_drop_closes_the_connection_without_a_byte(client, provider, when, orders):
    provider.add_fault(f"drop_{when}", action="add")
    body = urlencode({"key": provider.key, "action": "add", "service": SERVICE, "link": LINK, "quantity": 100}).encode()
    request = (
        b"POST /api/v2 HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )

    with socket.create_connection(("127.0.0.1", provider.port), timeout=5) as raw:
        raw.sendall(request)
        assert raw.recv(1000) == b""
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        add(client)

    assert taken(provider) == orders * 2


def test_reset_closes_the_connection_the_hard_way(client, provider):
    provider.add_fault("reset_after", action="add")

    with pytest.raises(httpx.ReadError):
        add(client)

    assert taken(provider) == 1


def test_cut_breaks_off_in_the_middle_of_the_answer(client, provider):
    provider.add_fault("cut", action="add")

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        add(client)

    assert taken(provider) == 1


@pytest.mark.parametrize(("when", "orders"), BEFORE_AFTER)
@pytest.mark.parametrize("status", [502, 503, 504])
def test_5xx_is_a_page_of_html(client, provider, when, orders, status):
    provider.add_fault(f"status_5xx_{when}", action="add", status=status)

    answer = add(client)

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<html>")
    assert taken(provider) == orders


@pytest.mark.parametrize(("when", "orders"), BEFORE_AFTER)
def test_html_at_200_is_a_challenge_page(client, provider, when, orders):
    provider.add_fault("html_200", when=when, action="add")

    answer = add(client)

    assert (answer.status_code, answer.text[:15]) == (200, "<!DOCTYPE html>")
    assert taken(provider) == orders


@pytest.mark.parametrize(("when", "orders"), BEFORE_AFTER)
def test_garbage_and_empty_bodies_are_not_json(client, provider, when, orders):
    provider.add_fault(f"garbage_{when}", action="add", times=1)
    provider.add_fault(f"empty_{when}", action="add", times=1)

    answers = [add(client).content for _ in range(2)]

    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answers[0])
    assert answers[1] == b""
    assert taken(provider) == orders * 2


def test_bom_comes_before_a_correct_answer(client, provider):
    provider.add_fault("bom", action="add")

    assert add(client).content == b'\xef\xbb\xbf{"order":1000001}'
    assert taken(provider) == 1


def test_redirect_points_away(client, provider):
    provider.add_fault("redirect", action="add")

    answer = add(client)

    assert answer.status_code == 302
    assert answer.headers["location"] == f"http://127.0.0.1:{provider.port}/login"
    assert taken(provider) == 0


def test_huge_is_a_correct_answer_with_megabytes_behind_it(client, provider):
    provider.add_fault("huge", action="add", megabytes=3)

    with client.http.stream("POST", provider.url, data={"key": provider.key, "action": "balance"}) as small:
        assert len(small.read()) < 100
    body = add(client).content

    assert len(body) == 3 * 1024 * 1024 + len(b'{"order":1000001}')
    assert orjson.loads(body) == {"order": 1_000_001}


def test_a_client_may_leave_in_the_middle_of_a_huge_answer(client, provider):
    provider.add_fault("huge", action="balance", megabytes=500)

    with client.http.stream("POST", provider.url, data={"key": provider.key, "action": "balance"}) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        next(answer.iter_raw())

    provider.clear_faults()
    assert client.ask("balance")["balance"] == "1000.00"


def test_slow_acts_at_once_and_answers_late(client, provider):
    provider.add_fault("slow", action="add", ms=250)
    before = time.monotonic()

    assert add(client).json() == {"order": 1_000_001}
    assert 0.24 < time.monotonic() - before < 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (429, {"error": "Too many requests"}, "30")),
        ({"retry_after": 7}, (429, {"error": "Too many requests"}, "7")),
        ({"status": 200}, (200, {"error": "Too many requests"}, None)),
        ({"dialect": "keys", "status": 200}, (200, {"error": "neworder.error.too_many_orders"}, None)),
    ],
)
def test_rate_limit_comes_as_429_or_in_words(client, provider, fields, expected):
    provider.add_fault("rate_limit", action="add", **fields)

    answer = add(client)

    assert (answer.status_code, answer.json(), answer.headers.get("retry-after")) == expected
    assert taken(provider) == 0


def test_no_funds_and_bad_key_refuse_whatever_is_true(client, provider):
    provider.add_fault("no_funds", action="add")
    provider.add_fault("bad_key", action="balance", dialect="cmsnt")

    assert add(client).json() == {"error": "Not enough funds on balance"}
    answer = client.post("balance")
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid API Key"})
    assert taken(provider) == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_published_refusal_can_be_spoken(client, provider, dialect):
    for meaning in MEANINGS:
        for number, words in enumerate(wordings(meaning, dialect)):
            provider.clear_faults()
            provider.add_fault(
                "refuse", action="add", meaning=meaning, dialect=dialect, variant_number=number, detail="7"
            )
            answer = add(client)
            body = answer.json()
            assert words.format(7) in (body.get("error"), body.get("message"))
            assert (answer.status_code == 200) is (dialect != "cmsnt")
    assert taken(provider) == 0


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (
            {"meaning": "link", "shape": "with_msg"},
            {"status": "error", "msg": "Incorrect link", "error": "Incorrect link"},
        ),
        ({"meaning": "interval", "dialect": "smartpanel"}, {"status": "error", "message": "Interval value is invalid"}),
        ({"text": "Nope", "shape": "object"}, {"error": {"message": "Nope", "code": 1}}),
        ({"text": "Nope", "shape": "validation"}, {"message": "Nope", "errors": {"request": ["Nope"]}}),
    ],
)
def test_refusals_come_in_several_shapes(client, provider, fields, body):
    provider.add_fault("refuse", action="add", **fields)

    assert add(client).json() == body


ADD_ANSWERS = {
    "order_id": {"order_id": 1_000_001},
    "order_text": {"order": "1000001"},
    "id_with_status": {"status": "success", "id": 1_000_001},
    "id_only": {"id": 1_000_001},
    "status_success": {"status": "success", "order": 1_000_001},
    "with_msg": {"status": "success", "msg": "Order successful", "order": 1_000_001},
    "error_null": {"order": 1_000_001, "error": None},
    "order_zero": {"order": 0},
    "order_blank": {"order": ""},
    "order_null": {"order": None},
    "order_false": {"order": False},
    "order_false_text": {"order": "false"},
    "no_order": {"status": "success"},
}


@pytest.mark.parametrize("variant", ADD_ANSWERS)
def test_add_variants_take_the_order_and_say_it_differently(client, provider, variant):
    provider.add_fault("variant", action="add", variant=variant)

    assert add(client).json() == ADD_ANSWERS[variant]
    assert taken(provider) == 1
    assert provider.log("add")[0]["fault"] == f"variant:{variant}"


def test_document_ids_are_understood_in_later_calls(client, provider):
    provider.add_fault("variant", action="add", variant="order_mongo")

    ref = add(client).json()["order"]

    assert (len(ref), ref[:8]) == (24, "65f0c0de")
    assert client.ask("status", order=ref)["status"] == "Pending"
    assert provider.log("add")[0]["external_id"] == ref


@pytest.mark.parametrize(
    ("variant", "pick"),
    [
        ("bare_errors", lambda a, ref: a["77"] == "Incorrect order ID" and a[ref]["status"] == "Pending"),
        ("omit_unknown", lambda a, ref: list(a) == [ref]),
        ("list", lambda a, _: isinstance(a, list) and a[0]["status"] == "Pending" and "order" not in a[0]),
        ("list_with_ids", lambda a, ref: [row["order"] for row in a] == [ref, "77"]),
        ("numbers", lambda a, ref: (a[ref]["start_count"], a[ref]["remains"]) == (0, 100)),
        ("start_counter", lambda a, ref: a[ref]["start_counter"] == "0" and "start_count" not in a[ref]),
        ("null_counts", lambda a, ref: (a[ref]["start_count"], a[ref]["remains"]) == (None, None)),
        ("blank_counts", lambda a, ref: (a[ref]["start_count"], a[ref]["remains"]) == ("", "")),
        ("no_counts", lambda a, ref: list(a[ref]) == ["status", "charge", "currency"]),
        ("negative_remains", lambda a, ref: a[ref]["remains"] == "-2"),
        ("plus_remains", lambda a, ref: a[ref]["remains"] == "+2"),
        ("unknown_word", lambda a, ref: a[ref]["status"] == "Awaiting"),
        ("lower_words", lambda a, ref: a[ref]["status"] == "pending"),
        ("error_null", lambda a, ref: a[ref]["error"] is None and a[ref]["status"] == "Pending"),
        ("only_first", lambda a, ref: list(a) == [ref]),
        ("empty_list", lambda a, _: a == []),
    ],
)
def test_status_variants(client, provider, variant, pick):
    ref = str(client.add(quantity=100))
    provider.add_fault("variant", action="status", variant=variant)

    assert pick(client.ask("status", orders=f"{ref},77"), ref)


def test_wrong_types_turn_everything_round(client, provider):
    order = client.add(quantity=100)
    report = client.ask("status", order=order)

    def wrong(variant, action, **fields):
        provider.clear_faults()
        provider.add_fault("wrong_type", action=action, variant=variant)
        return client.ask(action, **fields)

    assert wrong("flip", "status", orders=str(order)) == [report]
    provider.clear_faults()
    balance = client.ask("balance")
    assert wrong("flip", "balance") == [balance]
    flipped = wrong("flip", "services")
    assert isinstance(flipped, dict)
    assert len(flipped) == 60
    assert wrong("string", "status", orders=str(order)) == "Something went wrong"
    assert wrong("null", "balance") is None
    assert wrong("number", "balance") == 1
    swapped = wrong("scalars", "status", order=order)
    assert (swapped["remains"], swapped["start_count"], swapped["status"]) == (100, 0, "Pending")
    assert isinstance(wrong("scalars", "services")[0]["service"], str)


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"variant": "empty_data"}, lambda rows: rows == {"status": "success", "data": "Empty Data"}),
        ({"variant": "empty_list"}, lambda rows: rows == []),
        ({"variant": "shrunken", "percent": 50}, lambda rows: len(rows) == 30),
        ({"variant": "shrunken", "percent": 90}, lambda rows: len(rows) == 54),
        ({"variant": "removed", "removed": [1, "2"]}, lambda rows: {1, 2}.isdisjoint(row["service"] for row in rows)),
        ({"variant": "malformed", "every": 4}, lambda rows: isinstance(rows[16], str) and rows[4]["rate"] == "N/A"),
        ({"variant": "numbers"}, lambda rows: all(isinstance(row["rate"], (int, float)) for row in rows)),
        ({"variant": "text_ids"}, lambda rows: rows[0]["service"] == "1"),
        ({"variant": "no_flags"}, lambda rows: "refill" not in rows[0] and "dripfeed" not in rows[0]),
        ({"variant": "zero_one_flags"}, lambda rows: {type(row["refill"]) for row in rows} == {int}),
        ({"variant": "zero_one_flags", "text": True}, lambda rows: {row["cancel"] for row in rows} == {"0", "1"}),
        ({"variant": "lower_types"}, lambda rows: "custom_comments" in {row["type"] for row in rows}),
        ({"variant": "ucfirst_types"}, lambda rows: "Custom_comments" in {row["type"] for row in rows}),
        ({"variant": "envelope"}, lambda rows: len(rows["data"]) == 60),
    ],
)
def test_catalogue_variants(client, provider, fields, check):
    provider.add_fault("variant", action="services", times=1, **fields)

    assert check(client.ask("services"))
    assert len(client.ask("services")) == 60


def test_rates_can_be_multiplied_without_losing_a_digit(client, provider):
    rates = [Decimal(row["rate"]) for row in client.ask("services")]
    provider.add_fault("variant", action="services", variant="rates", factor="1.5")

    assert [Decimal(row["rate"]) for row in client.ask("services")] == [rate * 3 / 2 for rate in rates]


def test_cancel_and_refill_variants(client, provider):
    provider.control("POST", "services/1", {"cancel": True, "refill": True})
    orders = [client.add() for _ in range(3)]
    provider.add_fault("variant", action="cancel", variant="object", times=1)
    provider.add_fault("variant", action="cancel", variant="text", times=1)
    provider.add_fault("variant", action="refill", variant="number", times=1)
    provider.finish([orders[2]], "completed")

    assert client.ask("cancel", orders=f"{orders[0]},9") == {
        str(orders[0]): {"cancel": "requested"},
        "9": {"error": "Incorrect order ID"},
    }
    assert client.ask("cancel", orders=str(orders[1])) == [{"order": orders[1], "cancel": "1"}]
    assert client.ask("refill", order=orders[2]) == {"refill": 1}


def test_smartpanel_dialect(connect):
    with SandboxProcess.start(services=60, dialect="smartpanel", finish_after=0) as sandbox:
        client = connect(sandbox)
        answer = client.ask("add", service=1, link=LINK, quantity=1000)
        sandbox.finish("all", "overdelivered")
        order = answer["order"]

        assert answer == {"status": "success", "order": 1_000_001}
        assert client.ask("status", orders=f"{order},5")["5"] == "Incorrect order ID"
        single = client.ask("status", order=order)
        assert (single["order"], single["remains"]) == (str(order), "+2")
        assert client.ask("balance")["status"] == "success"
        assert client.ask("cancel", orders=order) == {"error": "This action is Invalid"}
        assert client.ask("add", service=9999) == {"error": "Service ID does not exists"}


def test_cmsnt_dialect(connect):
    with SandboxProcess.start(services=60, dialect="cmsnt", finish_after=0) as sandbox:
        client = connect(sandbox)
        order = client.add(quantity=1000)
        report = client.ask("status", orders=f"{order},5")

        assert list(report) == [str(order)]
        assert (report[str(order)]["start_counter"], report[str(order)]["remains"]) == (0, 1000)
        unknown = client.post("status", orders="5,6")
        assert (unknown.status_code, unknown.json()) == (400, {"error": "Invalid Order Ids"})
        refused = client.post("add", service=1, link=LINK, quantity=1)
        assert refused.status_code == 400
        assert refused.json()["error"].startswith("Minimum quantity is ")
        assert client.ask("balance")["currency"] == "VND"


def test_the_dialect_of_one_call_can_differ(client, provider):
    provider.add_fault("dialect", action="add", dialect="cmsnt_new", times=1)

    assert add(client).json() == {"status": "success", "msg": "Order successful", "order": 1_000_001}
    assert add(client).json() == {"order": 1_000_002}


def test_rules_match_by_link_service_and_order_and_only_so_often(client, provider):
    provider.add_fault("no_funds", action="add", link="alice")
    provider.add_fault("refuse", action="add", service=2, meaning="disabled")
    provider.add_fault("refuse", action="status", order=1_000_002, meaning="too_many", times=2)

    assert add(client, link="https://x.com/alice").json() == {"error": "Not enough funds on balance"}
    assert client.ask("add", service=2, link="bob") == {"error": "Disabled service ID"}
    assert [add(client).json()["order"] for _ in range(2)] == [1_000_001, 1_000_002]
    answers = [client.ask("status", orders="1000001,1000002") for _ in range(3)]
    assert [answer.get("error") for answer in answers] == ["Too many requests", "Too many requests", None]
    assert client.ask("status", order=1_000_001)["status"] == "Pending"
    assert provider.stats()["faults"] == {"no_funds": 1, "refuse": 3}


def test_probability_is_a_seeded_choice(client, provider):
    def run():
        provider.reset()
        provider.add_fault("refuse", action="add", meaning="link", probability=0.5)
        return ["error" in add(client).json() for _ in range(60)]

    first = run()

    assert run() == first
    assert 15 < Counter(first)[True] < 45


@pytest.mark.parametrize("mark", ["#fault=", "?fault=", "?a=b&fault="])
def test_a_link_can_carry_the_fault_of_its_order(client, provider, mark):
    answer = add(client, link=f"{LINK}{mark}refuse&meaning=no_funds&dialect=keys&times=1")
    assert answer.json() == {"error": "neworder.error.not_enough_funds"}
    assert add(client, link=f"{LINK}{mark}refuse&meaning=no_funds&dialect=keys&times=1").json() == {"order": 1_000_001}

    with pytest.raises(httpx.ReadTimeout):
        add(client, link=f"{LINK}{mark}timeout_after", timeout=GIVE_UP_SECONDS)
    assert add(client, link=f"{LINK}{mark}nonsense").json() == {"error": "Incorrect link"}
    assert add(client, link=f"{LINK}{mark}slow&ms=soon").json() == {"error": "Incorrect link"}
    assert taken(provider) == 2


def test_a_link_can_carry_a_fault_for_later_calls_about_its_order(client, provider):
    order = add(client, link=f"{LINK}#fault=status_5xx&action=status&status=503&times=1").json()["order"]
    other = add(client).json()["order"]

    assert client.ask("status", order=other)["status"] == "Pending"
    assert client.post("status", order=order).status_code == 503
    assert client.ask("status", order=order)["status"] == "Pending"


def test_rules_can_be_listed_and_removed_and_nonsense_is_refused(provider):
    kept, removed = provider.add_fault("bom"), provider.add_fault("drop", when="after", times=3)
    provider.control("DELETE", f"faults/{removed}")

    assert [(rule["id"], rule["name"]) for rule in provider.control("GET", "faults")] == [(kept, "bom")]
    for fields in (
        {"kind": "explode"},
        {"kind": "bom", "when": "before"},
        {"kind": "refuse", "meaning": "mood"},
        {"kind": "variant", "variant": "list"},
        {"kind": "variant", "action": "add", "variant": "list"},
        {"kind": "slow", "ms": "soon"},
        {"kind": "drop", "action": "dance"},
    ):
        with pytest.raises(httpx.HTTPStatusError) as refused:
            provider.control("POST", "faults", fields)
        assert refused.value.response.status_code == 400


def test_one_connection_stays_usable_after_every_answered_fault(client, provider):
    for kind in ("status_5xx", "html_200", "garbage", "empty", "bom", "redirect", "rate_limit", "huge"):
        provider.add_fault(kind, action="add", times=1, megabytes=1)
        add(client)

    assert add(client).json() == {"order": 1_000_003}
