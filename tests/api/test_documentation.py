"""The JSON API's description: every operation says what it takes, what it answers, and how it fails."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from smmpanel.accounts.access import Permission
from smmpanel.entrypoints.documenting import api_reference
from smmpanel.entrypoints.web import routed_app

ROOT = Path(__file__).parents[2]
WITHOUT_SIGNING_IN = {
    "post_auth_register",
    "post_auth_login",
    "post_auth_refresh",
    "get_payment_by_gateway_webhook",
    "post_payment_by_gateway_webhook",
}


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


@pytest.fixture(scope="module")
def document():
    return routed_app().openapi()


def everything(document):
    return [(method, path, one) for path, methods in document["paths"].items() for method, one in methods.items()]


def test_names_for_clients_say_method_and_path(document):
    names = {f"{method} {path}": one["operationId"] for method, path, one in everything(document)}

    assert len(set(names.values())) == len(names)
    assert all(re.fullmatch(r"(get|post|put|delete)(_[a-z0-9]+)+", name) for name in names.values()), names
    assert names["post /api/orders"] == "post_orders"
    assert names["get /api/user/transactions.csv"] == "get_user_transactions_csv"
    assert names["put /api/admin/users/{user_id}/ban"] == "put_admin_users_by_id_ban"


def test_every_operation_says_who_may_call_it_and_how_it_fails(document):
    schemes = document["components"]["securitySchemes"]
    assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}
    for _method, path, one in everything(document):
        if not path.startswith("/api/"):
            continue
        name, failing = one["operationId"], set(one["responses"])
        assert bool(one.get("security")) is (name not in WITHOUT_SIGNING_IN), name
        assert {next(iter(way)) for way in one.get("security", ())} <= set(schemes), name
        assert not one.get("security") or {"401", "403"} <= failing, name
        assert "{" not in path or "404" in failing, name
        assert "requestBody" not in one or {"413", "422"} <= failing, name
        assert not [each for each in one.get("parameters", ()) if each["in"] != "header"] or "422" in failing, name
        assert ("x-permission" in one) is path.startswith("/api/admin/"), name
        if "x-permission" in one:
            assert f"`{Permission(one['x-permission']).value}`" in one["description"], name
        assert {"HTTPValidationError", "ValidationError"}.isdisjoint(document["components"]["schemas"]), name


def test_every_example_is_what_its_schema_admits(document):
    wrong, seen = [], 0

    def look(schema, value, where):
        nonlocal seen
        seen += 1
        whole = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
        wrong.extend(f"{where}: {error.message}" for error in whole.iter_errors(value))

    for method, path, one in everything(document):
        where = f"{method} {path}"
        for parameter in one.get("parameters", ()):
            assert not parameter["required"] or "example" in parameter, (where, parameter["name"])
            for value in [
                *parameter["schema"].get("examples", ()),
                *([parameter["example"]] if "example" in parameter else ()),
            ]:
                look(parameter["schema"], value, f"{where} {parameter['name']}")
        for place in [*([one["requestBody"]] if "requestBody" in one else ()), *one["responses"].values()]:
            for content in place.get("content", {}).values():
                assert "example" in content, where
                look(content.get("schema", {}), content["example"], where)
    for name, schema in document["components"]["schemas"].items():
        for value in schema.get("examples", ()):
            look(schema, value, name)
        for field, part in schema.get("properties", {}).items():
            for value in part.get("examples", ()):
                look(part, value, f"{name}.{field}")

    assert wrong == []
    assert seen > 500


def test_the_reference_is_the_one_that_the_routes_make():
    # `make docs` writes it.
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == api_reference()


def test_the_reference_has_everything_and_leads_nowhere_else(document):
    text = api_reference()

    for method, path, one in everything(document):
        assert f"### {one['summary']}\n\n`{method.upper()} {path}`\n" in text
        assert f'<a id="{one["operationId"]}"></a>' in text
        if "x-permission" in one:
            assert f"`{one['x-permission']}`" in text
    anchors = set(re.findall(r'<a id="([^"]+)">', text))
    titles = {
        re.sub(r"[^a-z0-9-]", "", title.lower().replace(" ", "-"))
        for title in re.findall("^## (.+)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors | titles
    assert {host.rpartition(".")[2] for host in re.findall(r"https?://([\w.-]+)", text)} == {"example"}
