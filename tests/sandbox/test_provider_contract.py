"""The answers of the fake provider have exactly the JSON types of API v2."""

from decimal import Decimal

import httpx
import pytest

SERVICE_TYPES = {
    "Default", "Package", "Custom Comments", "Custom Comments Package", "Mentions", "Mentions with Hashtags",
    "Mentions Custom List", "Mentions Hashtag", "Mentions User Followers", "Mentions Media Likers", "Comment Likes",
    "Comment Replies", "Poll", "Invites from Groups", "SEO", "Web Traffic", "Subscriptions",
}  # fmt: skip

LINES = "\r\n".join(f"line {n}" for n in range(1, 31)) + "\r\n\r\n"
EXTRA_FIELDS = {
    "Default": {},
    "Package": {},
    "Custom Comments": {"comments": LINES},
    "Custom Comments Package": {"comments": LINES},
    "Mentions": {"usernames": "a\nb"},
    "Mentions with Hashtags": {"usernames": "a", "hashtags": "x\ny"},
    "Mentions Custom List": {"usernames": LINES},
    "Mentions Hashtag": {"hashtag": "x"},
    "Mentions User Followers": {"username": "a"},
    "Mentions Media Likers": {"media": "https://instagram.com/p/1"},
    "Comment Likes": {"username": "a"},
    "Comment Replies": {"username": "a", "comments": LINES},
    "Poll": {"answer_number": "2"},
    "Invites from Groups": {"groups": "g"},
    "SEO": {"keywords": "k"},
    "Web Traffic": {"country": "US", "device": "1", "type_of_traffic": "1", "google_keyword": "shoes"},
    "Subscriptions": {"username": "a", "min": "100", "max": "200", "delay": "5", "posts": "2", "expiry": "31/12/2030"},
}
COUNTED = {"Custom Comments", "Mentions Custom List", "Comment Replies"}
SINGLE = {"Package", "Custom Comments Package"}


def fields_for(service):
    fields = {"service": service["service"], "link": "https://example.com/a", **EXTRA_FIELDS[service["type"]]}
    if service["type"] not in COUNTED | SINGLE | {"Subscriptions"}:
        fields["quantity"] = service["min"]
    return fields


def test_services_is_a_bare_list_with_the_contract_types(client):
    services = client.ask("services")

    assert len(services) == 60
    assert {service["type"] for service in services} == SERVICE_TYPES
    names = ("service", "name", "type", "category", "rate", "min", "max", "dripfeed", "refill", "cancel")
    types = (int, str, str, str, str, str, str, bool, bool, bool)
    for service in services:
        assert tuple(service) == names
        assert tuple(type(value) for value in service.values()) == types
        assert Decimal(service["rate"]) > 0
        assert int(service["min"]) <= int(service["max"])


@pytest.mark.parametrize("name", sorted(SERVICE_TYPES))
def test_every_type_is_taken_with_its_fields_and_charged_by_its_basis(client, provider, name):
    service = next(row for row in client.ask("services") if row["type"] == name)
    before = Decimal(client.ask("balance")["balance"])

    answer = client.ask("add", **fields_for(service))

    assert answer == {"order": 1_000_001}
    assert type(answer["order"]) is int
    units = 30 if name in COUNTED else int(service["min"])
    expected = Decimal(service["rate"]) * (1 if name in SINGLE else Decimal(units) / 1000)
    if name == "Subscriptions":
        expected = Decimal(0)
    paid = before - Decimal(client.ask("balance")["balance"])
    assert paid == expected.quantize(Decimal("0.000001"))
    assert Decimal(provider.order(1_000_001)["full_charge"]) == paid


@pytest.mark.parametrize("name", sorted(SERVICE_TYPES))
def test_every_type_refuses_an_order_that_lacks_one_of_its_fields(client, provider, name):
    service = next(row for row in client.ask("services") if row["type"] == name)
    whole = fields_for(service)
    optional = {"posts", "expiry"} | ({"link"} if name == "Subscriptions" else set())

    for missing in set(whole) - optional:
        answer = client.ask("add", **{field: value for field, value in whole.items() if field != missing})
        assert list(answer) == ["error"], missing

    assert provider.stats()["orders"] == 0
    assert provider.stats()["balance"] == "1000.00"


def test_drip_feed_is_charged_for_all_runs(client, provider):
    service = next(row for row in client.ask("services") if row["type"] == "Default" and row["dripfeed"])
    client.add(service=service["service"], quantity=int(service["min"]), runs=3, interval=10)

    truth = provider.order(1_000_001)
    assert truth["quantity"] == 3 * int(service["min"])
    assert client.ask("add", service=service["service"], link="x", quantity=service["min"], runs=3) == {
        "error": "Incorrect interval"
    }


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"service": 999}, "Incorrect service ID"),
        ({"link": ""}, "Incorrect link"),
        ({"link": "two words"}, "Incorrect link"),
        ({"quantity": 1}, "Quantity less than minimal 10"),
        ({"quantity": 1_000_001}, "Quantity more than maximum 1000000"),
        ({"quantity": "-5"}, "Incorrect quantity"),
        ({"quantity": "1.5"}, "Incorrect quantity"),
        ({"key": "other"}, "Invalid API key"),
        ({"action": "dance"}, "Incorrect request"),
        ({"action": ""}, "Incorrect request"),
    ],
)
def test_refusals_are_one_error_at_http_200(client, provider, fields, error):
    provider.control("POST", "services/1", {"min": 10, "max": 1_000_000, "rate": "0.5"})
    whole = {"key": provider.key, "action": "add", "service": 1, "link": "https://x.com/a", "quantity": 100, **fields}
    answer = client.http.post(provider.url, data=whole)

    assert (answer.status_code, answer.json()) == (200, {"error": error})
    assert provider.stats()["orders"] == 0


def test_an_order_beyond_the_balance_is_refused_and_costs_nothing(client, provider):
    provider.control("POST", "services/1", {"rate": "0.9", "min": 10, "max": 1_000_000})
    provider.configure(balance="0.0899")
    assert client.ask("add", service=1, link="a", quantity=100) == {"error": "Not enough funds on balance"}

    provider.configure(balance="0.09")
    assert client.ask("add", service=1, link="a", quantity=100) == {"order": 1_000_001}
    assert client.ask("balance") == {"balance": "0.00", "currency": "USD"}


def test_single_status_is_five_strings(client):
    order = client.add(quantity=100)

    answer = client.ask("status", order=order)

    assert list(answer) == ["charge", "start_count", "status", "remains", "currency"]
    assert {type(value) for value in answer.values()} == {str}
    assert (answer["status"], answer["remains"], answer["currency"]) == ("Pending", "100", "USD")
    assert client.ask("status", order="77") == {"error": "Incorrect order ID"}


def test_multiple_status_is_an_object_in_request_order(client):
    first, second = client.add(), client.add()

    answer = client.ask("status", orders=f"{second},77,{first}")

    assert list(answer) == [str(second), "77", str(first)]
    assert answer["77"] == {"error": "Incorrect order ID"}
    assert answer[str(first)]["status"] == "Pending"
    assert client.ask("status", orders=",".join(map(str, range(101)))) == {"error": "Maximum 100 orders"}


def test_refills_have_string_numbers_alone_and_numbers_in_lists(client, provider):
    provider.control("POST", "services/1", {"refill": True})
    done, pending = client.add(), client.add()
    provider.finish([done], "completed")

    assert client.ask("refill", order=done) == {"refill": "1"}
    assert client.ask("refill", order=pending) == {"error": "Order not eligible for refill."}
    assert client.ask("refill", orders=f"{done},77") == [
        {"order": done, "refill": 2},
        {"order": 77, "refill": {"error": "Incorrect order ID"}},
    ]
    assert client.ask("refill_status", refill=1) == {"status": "Pending"}
    provider.control("POST", "refills/2", {"status": "Rejected"})
    assert client.ask("refill_status", refills="2,9") == [
        {"refill": 2, "status": "Rejected"},
        {"refill": 9, "status": {"error": "Refill not found"}},
    ]


def test_cancel_answers_a_list_of_registered_wishes(client, provider):
    provider.control("POST", "services/1", {"cancel": True})
    order = client.add()

    assert client.ask("cancel", orders=f"9,{order}") == [
        {"order": 9, "cancel": {"error": "Incorrect order ID"}},
        {"order": order, "cancel": 1},
    ]
    assert client.ask("cancel", orders=str(order)) == [
        {"order": order, "cancel": {"error": "Order can not be canceled"}}
    ]
    assert client.ask("status", order=order)["status"] == "Pending"


def test_recent_orders_are_listed_newest_first(client):
    orders = [client.add(link=f"https://x.com/{n}") for n in range(3)]

    listed = client.ask("orders", limit=2)

    assert [row["order"] for row in listed] == [orders[2], orders[1]]
    assert [row["link"] for row in listed] == ["https://x.com/2", "https://x.com/1"]
    assert client.ask("orders", limit=0) == []


def test_get_json_and_a_trailing_slash_are_understood(client, provider):
    fields = {"key": provider.key, "action": "balance"}
    expected = {"balance": "1000.00", "currency": "USD"}

    assert client.http.get(provider.url, params=fields).json() == expected
    assert client.http.post(provider.url, json=fields).json() == expected
    assert client.http.post(provider.url + "/", data=fields).json() == expected
    assert httpx.get(provider.url.replace("/api/v2", "/elsewhere"), trust_env=False).status_code == 404
