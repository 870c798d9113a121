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
