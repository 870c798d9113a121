"""Examples of what the JSON API takes and answers, made from its schemas."""

from collections.abc import Mapping
from typing import Any

REF = "#/components/schemas/"
DEPTH_MAX = 8
# What fields of these names look like where their models do not say it.
_BY_NAME: Mapping[str, Any] = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMDQyIn0.c2lnbmF0dXJl",
    "account_number": "123456789",
    "after": "MTA0Mg",
    "amount": 100000,
    "answer": "accepted",
    "average_time": "2 hours",
    "banned": True,
    "cancel": True,
    "category": "Facebook",
    "charge": 2375,
    "cost": 1250,
    "credited": 100000,
    "currency": "VND",
    "current": True,
    "current_password": "correct horse battery",
    "description": "Real accounts, no drop for 30 days.",
    "email": "test@example.com",
    "expires_in": 900,
    "external_id": "778812",
    "gateway": "sepay",
    "ip": "203.0.113.7",
    "is_active": True,
    "key": "a1b2",
    "kind": "single",
    "language": "vi",
    "limit": 20,
    "line": 1,
    "link": "https://facebook.com/post/123",
    "list_rate": 2500,
    "max": 100000,
    "memo": "HOMEMMO ABC234",
    "message": "Done.",
    "method": "SePay",
    "min": 100,
    "name": "Tăng Like Facebook",
    "new_balance": 7625,
    "new_password": "another horse battery",
    "note": "Optional note",
    "password": "correct horse battery",
    "platform": "facebook",
    "prefix": "Xk29Lm3Q",
    "price": 2375,
    "provider": "bumx",
    "provider_alias": "Alpha",
    "qr_code_url": "https://img.vietqr.io/image/970416-123456789-compact2.png",
    "rate": 2500,
    "reason": "The link is private",
    "received": 100000,
    "reference": "7KQ2M9XW4TBRC",
    "refill": True,
    "refill_enabled": True,
    "refresh_token": "wq7v1mQ0Z8hX",
    "source": "sepay",
    "state": "active",
    "status": "pending",
    "suspended": True,
    "taken": False,
    "transaction_id": "c7a3f5de-8b5b-8a51-9d3e-2f7f1f0e5b1a",
    "type": "Default",
    "units": ["KEY-1234-5678"],
    "user_agent": "Mozilla/5.0",
    "user_id": "5b0f9a52-6f0e-8a3c-9d41-3f6c2b7e8d10",
    "username": "testuser",
}
_PLAIN: Mapping[str, Any] = {"string": "text", "integer": 1, "number": 1, "boolean": False, "null": None}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
}


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """Return a value that a schema admits: its own example, or one made of those of its parts.

    `schemas` are the document's components. Optional parts that say nothing of themselves are left out of objects.
    """
    if "$ref" in schema:
        return example_of(schemas[str(schema["$ref"]).removeprefix(REF)], schemas, name, depth)
    own = [schema[word] for word in ("example", "const") if word in schema]
    own += [schema[word][0] for word in ("examples", "enum") if schema.get(word)]
    if own:
        return own[0]
    variants = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if variants:
        return _of_variants(variants, schemas, name, depth)
    if schema.get("type") == "object":
        return _of_object(schema, schemas, depth)
    return _of_plain(schema, schemas, name, depth)


def _of_plain(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str, depth: int) -> Any:
    kind = str(schema.get("type"))
    if isinstance(_BY_NAME.get(name), _TYPES.get(kind, ())):
        return _BY_NAME[name]
    if "default" in schema:
        return schema["default"]
    if kind == "array":
        return [example_of(schema.get("items", {}), schemas, name.removesuffix("s"), depth + 1)]
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    return max(int(least), 1) if kind in {"integer", "number"} else _PLAIN.get(kind)


def _of_variants(variants: list[dict[str, Any]], schemas: Mapping[str, Any], name: str, depth: int) -> Any:
    said = [variant for variant in variants if variant.get("type") != "null"]
    if not said or depth > DEPTH_MAX:
        return None
    return example_of(said[0], schemas, name, depth)


def _of_object(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> dict[str, Any]:
    needed = set(schema.get("required", ()))
    made = {}
    for name, field in schema.get("properties", {}).items():
        if name in needed or "const" in field or field.get("examples"):
            made[name] = example_of(field, schemas, name, depth + 1)
    return made
