"""`docs/api.md`: the JSON API's OpenAPI document written out for people, section by section."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from smmpanel.api.describing import JSON, PERMISSION, operations_of
from smmpanel.api.examples import REF

HEAD = """\
# The JSON API

<!-- Written by `make docs` from the panel's own OpenAPI document. Change the code and run it again. -->

{description}
The reseller API, `/api/v2`, is described on the panel's own page, `/api-docs`.
"""
_HOST = "https://your-panel.example"
_SCHEMES = {"HTTPBearer": "an access token", "ApiKey": "an API key"}
_ENUM_SHOWN = 12
_ENDLESS = 10**15
_OTHER_HOST = re.compile(r"(https?://(?:[\w-]+\.)+)(?!example\b)[a-z]+")


def reference_of(document: Mapping[str, Any]) -> str:
    """Return the whole reference as Markdown. The same document makes the same text."""
    schemas = document["components"]["schemas"]
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, method, operation in operations_of(document):
        by_tag.setdefault(operation["tags"][0], []).append((path, method, operation))
    tags = [(tag, by_tag[tag["name"]]) for tag in document["tags"] if tag["name"] in by_tag]
    parts = [HEAD.format(description=document["info"]["description"])]
    parts += _contents(tags)
    for tag, operations in tags:
        parts.append(f"\n## {tag['name']}\n\n{tag['description']}\n")
        for path, method, operation in operations:
            parts += _operation(path, method, operation, schemas)
    parts.append("\n## Objects\n\nWhat answers are made of.\n")
    for name in _answered(document):
        parts += _object(name, schemas[name], schemas)
    lines = [line.rstrip() for line in "\n".join(parts).split("\n")]
    # Of hosts in examples only the names stay: this file leads to nobody else's.
    return _OTHER_HOST.sub(r"\1example", "\n".join(lines)).rstrip() + "\n"


def _contents(tags: list[tuple[dict[str, Any], list[tuple[str, str, dict[str, Any]]]]]) -> Iterator[str]:
    yield "## All calls\n"
    yield "| | | |\n| --- | --- | --- |"
    for tag, operations in tags:
        for place, (path, method, operation) in enumerate(operations):
            shown = f"[{tag['name']}](#{_anchor(tag['name'])})" if place == 0 else ""
            yield f"| {shown} | `{method.upper()} {path}` | [{operation['summary']}](#{operation['operationId']}) |"


def _operation(path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    yield f'\n<a id="{operation["operationId"]}"></a>\n### {operation["summary"]}\n'
    yield f"`{method.upper()} {path}`\n"
    yield operation["description"].split("\n\nTakes the permission")[0] + "\n"
    yield _who(operation) + "\n"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "| Parameter | | | |\n| --- | --- | --- | --- |"
        for one in parameters:
            said = one.get("description") or one["schema"].get("description", "")
            said = _needed(said, one["schema"], required=one["required"])
            yield _row(f"`{one['name']}`", one["in"], _taken(one["schema"], schemas), said)
        yield ""
    if JSON in operation.get("requestBody", {}).get("content", {}):
        yield from _body(operation["requestBody"], schemas)
    yield from _answers(operation["responses"], schemas)
    yield from _example(path, method, operation)


def _who(operation: Mapping[str, Any]) -> str:
    if PERMISSION in operation:
        return f"Takes an access token of somebody with the permission `{operation[PERMISSION]}`."
    ways = [_SCHEMES[name] for way in operation.get("security", ()) for name in way]
    return f"Takes {' or '.join(ways)}." if ways else "Takes nothing: everybody may call it."


def _body(body: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    schema = _named(body["content"][JSON]["schema"], schemas)[1]
    fields = schema.get("properties", {})
    needed = schema.get("required", ())
    optional = "" if body.get("required") else " (may be left out)"
    if not fields:
        yield f"Body{optional}: {body.get('description', 'JSON.')}\n"
        return
    yield f"| Body{optional} | | |\n| --- | --- | --- |"
    for name, field in sorted(fields.items(), key=lambda one: one[0] not in needed):
        said = _needed(field.get("description", ""), field, required=name in needed)
        yield _row(f"`{name}`", _taken(field, schemas), said)
    yield ""


def _answers(responses: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    failing = [f"`{status}`" for status in responses if status.startswith("4")]
    for status, answer in responses.items():
        if status.startswith("4"):
            continue
        content = answer.get("content", {})
        kind = _kind(content[JSON]["schema"], schemas) if content.get(JSON, {}).get("schema") else ", ".join(content)
        yield f"Answers `{status}`: {kind}.\n"
    if failing:
        yield f"Errors: {', '.join(failing)}.\n"


def _example(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    for one in operation.get("parameters", ()):
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", str(one["example"]))
    call = [f"curl {_HOST}{path}"] if method == "get" else [f"curl -X {method.upper()} {_HOST}{path}"]
    if operation.get("security"):
        call.append('-H "Authorization: Bearer $TOKEN"')
    body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("example")
    if body is not None:
        written = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
        call += ['-H "Content-Type: application/json"', f"-d '{written}'"]
    yield "```sh\n" + " \\\n  ".join(call) + "\n```"
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if status.startswith("2") and "example" in content.get(JSON, {}):
            yield f"```json\n{_written(content[JSON]['example'])}\n```"


def _object(name: str, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    yield f'\n<a id="object-{name.lower()}"></a>\n### {name}\n'
    yield f"{schema.get('description', '')}\n"
    if "enum" in schema:
        yield ", ".join(f"`{one}`" for one in schema["enum"]) + "\n"
        return
    yield "| Field | | |\n| --- | --- | --- |"
    for field, part in schema.get("properties", {}).items():
        yield _row(f"`{field}`", _kind(part, schemas), part.get("description", ""))


def _answered(document: Mapping[str, Any]) -> list[str]:
    """Return the names of all schemas that answers consist of, in order."""
    schemas, found = document["components"]["schemas"], set()
    due = [
        name
        for _, _, operation in operations_of(document)
        for answer in operation["responses"].values()
        for name in _refs(answer)
    ]
    while due:
        name = due.pop()
        if name not in found:
            found.add(name)
            due += _refs(schemas[name])
    return sorted(found)


def _refs(part: Any) -> list[str]:
    if isinstance(part, Mapping):
        own = [str(part["$ref"]).removeprefix(REF)] if isinstance(part.get("$ref"), str) else []
        return own + [name for inner in part.values() for name in _refs(inner)]
    return [name for inner in part for name in _refs(inner)] if isinstance(part, list) else []


def _named(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the component that a schema is, if it is one, and what it consists of."""
    for variant in [schema, *schema.get("anyOf", ())]:
        if "$ref" in variant:
            name = str(variant["$ref"]).removeprefix(REF)
            return name, schemas[name]
    return "", schema


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(REF)
        enum = schemas[name].get("enum")
        return _one_of(enum) if enum else f"[{name}](#object-{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(variant, schemas) for variant in schema["anyOf"]))
    if "enum" in schema:
        return _one_of(schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`" if isinstance(schema["const"], str) else f"`{json.dumps(schema['const'])}`"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), schemas)}"
    return str(schema.get("type", "any")) + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None and most < _ENDLESS:
        return f" ({least:g} to {int(most):,})"
    if least is not None:
        return f" (from {least:g})"
    return f" (up to {schema['maxLength']:,})" if "maxLength" in schema else ""


def _one_of(values: list[Any]) -> str:
    shown = [f"`{value}`" for value in values[:_ENUM_SHOWN]]
    return ", ".join([*shown, "…"] if len(values) > _ENUM_SHOWN else shown)


def _taken(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Say what may be sent; that optional fields may be null as well goes without saying."""
    return _kind(schema, schemas).removesuffix(" or null")


def _needed(said: str, schema: Mapping[str, Any], *, required: bool) -> str:
    usual = f"Usually `{schema['default']}`." if schema.get("default") not in (None, "", []) else ""
    return " ".join(part for part in ("Needed." if required else "", said, usual) if part)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _anchor(title: str) -> str:
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter == "-")
