"""The JSON API's description: every operation says what it takes, what it answers, and how it fails."""

import json

import pytest


@pytest.fixture
async def described(http):
    return (await http.get("/openapi.json")).json()


def operations(described):
    return {
        (method, path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/api/")
    }


async def test_what_there_is(described):
    paths = {path for _, path in operations(described)}

    deeds = ("refill", "cancel", "reorder", "link", "drip/pause", "drip/resume", "drip/cancel", "stock")
    staff = ("resolve", "resend", "refund", "partial", "complete", "start")
    assert {
        "/api/services",
        "/api/services/{service_id}",
        "/api/orders",
        "/api/orders/mass",
        "/api/orders/history",
    } <= paths
    assert {"/api/user/balance", "/api/user/transactions", "/api/user/transactions.csv", "/api/admin/orders"} <= paths
    assert {f"/api/orders/{{order_id}}/{deed}" for deed in deeds} <= paths
    assert {f"/api/admin/orders/{{order_id}}/{deed}" for deed in staff} <= paths


async def test_every_operation_is_described_with_its_errors(described):
    tags = {tag["name"] for tag in described["tags"]}
    for name, operation in operations(described).items():
        assert operation["summary"], name
        assert operation["description"].endswith("."), name
        assert set(operation["tags"]) <= tags, name
        failing = {status for status in operation["responses"] if status.startswith("4")}
        assert failing, name
        for status in failing:
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}, (name, status)


async def test_money_is_described_as_numbers_and_forms_have_examples(described):
    schemas = described["components"]["schemas"]

    for owner, field in (("Balance", "balance"), ("PriceBreakdown", "final_price"), ("Transaction", "amount")):
        assert schemas[owner]["properties"][field]["type"] == "number"
        assert schemas[owner]["properties"][field]["examples"]
    assert schemas["NewOrderForm"]["examples"][0]["quantity"] == 1000
    assert "text" in schemas["MassForm"]["examples"][0]
    assert "provider" not in json.dumps(
        [schemas[name] for name in ("OrderRow", "OrderDetail", "Service", "Transaction")]
    )


async def test_who_may_call_is_described(described):
    both, people = [{"HTTPBearer": []}, {"ApiKey": []}], [{"HTTPBearer": []}]
    calls = operations(described)

    for call in (
        ("post", "/api/orders"),
        ("get", "/api/services"),
        ("get", "/api/user/tier"),
        ("get", "/api/smm/categories"),
        ("post", "/api/smm/orders/{reference}/cancel"),
    ):
        assert calls[call]["security"] == both, call
        assert "429" in calls[call]["responses"], call
    for call in (("get", "/api/auth/me"), ("post", "/api/keys"), ("get", "/api/admin/orders")):
        assert calls[call]["security"] == people, call
    assert "security" not in calls["post", "/api/auth/login"]
    assert described["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"


async def test_every_list_is_paged_in_the_same_way(described):
    lists = [
        operation
        for (method, _), operation in operations(described).items()
        if method == "get" and {"page", "after"} & {one["name"] for one in operation.get("parameters", ())}
    ]

    assert len(lists) >= 7
    for operation in lists:
        asked = {one["name"]: one["schema"] for one in operation["parameters"]}
        assert {"page", "after", "limit"} <= set(asked), operation["summary"]
        assert (asked["limit"]["minimum"], asked["limit"]["maximum"]) == (1, 100), operation["summary"]
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        fields = described["components"]["schemas"][answer]["properties"]
        assert {"success", "data", "pagination", "after"} <= set(fields), operation["summary"]


async def test_examples_are_the_documents_own(described):
    schemas = described["components"]["schemas"]

    price = {name: field["examples"][0] for name, field in schemas["PriceBreakdown"]["properties"].items()}
    assert price == {"base_price": 2500, "discount": 125, "final_price": 2375}
    assert schemas["NewOrderForm"]["examples"][0]["note"] == "Optional note"
    assert schemas["ErrorAnswer"]["properties"]["success"]["const"] is False
    assert {"message", "code", "fields"} <= set(schemas["ErrorAnswer"]["required"])
