"""The JSON API's OpenAPI document: what FastAPI reads off the routes, and what programs and people need beside it.

Every operation gets a name for generated clients, the permission that it takes, an example of what it takes and of each
answer. `api.reference` writes the same document out for reading.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from smmpanel.accounts.current import StaffWith
from smmpanel.api.errors import ErrorAnswer, errors
from smmpanel.api.examples import example_of

INTRODUCTION = """\
Everything that the pages of this panel do for customers, and much of what they do for staff, for programs.

- **Signing in.** `POST /api/auth/login` answers an access token and a refresh token. Send the first as
  `Authorization: Bearer …`; when it has expired, `POST /api/auth/refresh` exchanges the second for a new one. Programs
  that order and read for one account use an API key instead, as `X-API-Key` or as the bearer token.
- **Errors** look the same everywhere: `{"success": false, "message": …, "code": …, "fields": {…}}` with the fitting
  status. `code` stays the same whatever the language; `message` is in the caller's.
- **Amounts** are JSON numbers in whole units of the currency, with as many decimals as they have, at most six.
- **Times** are written as `2025-10-25T09:00:00`, as the clock of the account's time zone shows them.
- **Ids** of users, orders and deposits are UUIDs; in paths the plain number does as well.
- **Lists** have pages by number (`page`, `limit`) and by key: `after` of one answer gives the next page at the same cost
  however long the list is.
"""
PERMISSION = "x-permission"
JSON = "application/json"
_METHODS = ("get", "post", "put", "patch", "delete")
_NEVER_A_WORD = re.compile(r"[^a-z0-9]+")
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}}
_ERROR_EXAMPLES: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "400": ("bad_request", "The request is broken. Go back and try again.", {}),
    "401": ("sign_in_needed", "Sign in to go on.", {}),
    "402": ("insufficient_funds", "The balance is 1000, but 2375 are needed.", {"needed": 2375, "available": 1000}),
    "403": ("account_suspended", "This account is suspended. Contact support.", {}),
    "404": ("not_found", "Not found.", {}),
    "409": ("conflict", "This is no longer possible.", {}),
    "413": ("too_large", "What was sent is larger than what is taken here.", {}),
    "415": ("unsupported_media_type", "JSON is taken here: send Content-Type: application/json.", {}),
    "422": ("invalid_input", "link: is missing", {"link": "is missing"}),
    "429": ("too_many_calls", "Too many calls. Try again in 3 s.", {"retry_after_seconds": 3}),
}


def client_name(route: APIRoute) -> str:
    """Return the name of an operation for generated clients: it follows from method and path alone.

    `PUT /api/admin/users/{user_id}/ban` is `put_admin_users_by_id_ban`.
    """
    words = []
    for part in route.path.removeprefix("/api").strip("/").split("/"):
        if part.startswith("{"):
            words += ["by", "id" if part.endswith("_id}") else part[1:-1]]
        else:
            words.append(_NEVER_A_WORD.sub("_", part.lower()))
    return "_".join([min(route.methods or {"get"}).lower(), *words])


def describe(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Have an application serve the whole document; `routers` are those that it was put together from."""
    permissions = dict(_permissions(routers))

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, permissions)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # the way FastAPI is told to serve another document


def _document(app: FastAPI, permissions: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    found = get_openapi(
        title=f"{app.title} API",
        version=app.version,
        description=INTRODUCTION,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = found["components"]["schemas"]
    for path, method, operation in operations_of(found):
        permission = permissions.get((path, method))
        if permission is not None:
            operation[PERMISSION] = permission
            operation["description"] = f"{operation['description']}\n\nTakes the permission `{permission}`."
        _complete_errors(operation, permission)
        _give_examples(operation, schemas)
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    return found


def operations_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return all operations of a document, each with its path and its method."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]


def _permissions(routers: Iterable[APIRouter]) -> Iterator[tuple[tuple[str, str], str]]:
    for router in routers:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                continue
            taken = next((call.permission for call in _calls(route.dependant) if isinstance(call, StaffWith)), None)
            if taken is not None:
                for method in route.methods or ():
                    yield (route.path_format, method.lower()), taken.value


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)


def _complete_errors(operation: dict[str, Any], permission: str | None) -> None:
    answers = operation["responses"]
    if "HTTPValidationError" in str(answers.get("422")):
        answers["422"] = _error(422)  # how FastAPI would answer it
    if "requestBody" in operation:
        # Whatever is sent is cut off at the size that the path takes.
        answers.setdefault("413", _error(413))
        if "$ref" in str(operation["requestBody"]):
            # A form of ours; what gateways tell is taken as it comes.
            answers.setdefault("415", _error(415))
    if operation.get("security"):
        # Whoever calls with a token or a key is counted.
        answers.setdefault("429", _error(429))
    for status, answer in answers.items():
        if status not in _ERROR_EXAMPLES or JSON not in answer.get("content", {}):
            continue
        code, message, fields = _ERROR_EXAMPLES[status]
        if status == "403" and permission is not None:
            code, message = "missing_permission", f"This takes the permission {permission}."
            fields = {"permission": permission}
        answer["content"][JSON]["example"] = {"success": False, "message": message, "code": code, "fields": fields}
        if status == "429":
            answer["headers"] = _RETRY_AFTER
    operation["responses"] = dict(sorted(answers.items()))


def _error(status: int) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}
    return {"description": errors(status)[status]["description"], "content": {JSON: {"schema": schema}}}


def _give_examples(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter.get("required") and "example" not in parameter:
            parameter["example"] = example_of(parameter["schema"], schemas, parameter["name"])
    places = [operation["requestBody"]] if "requestBody" in operation else []
    places += [answer for status, answer in operation["responses"].items() if status not in _ERROR_EXAMPLES]
    for place in places:
        content = place.get("content", {}).get(JSON)
        if content is not None and "example" not in content and content.get("schema"):
            content["example"] = example_of(content["schema"], schemas)
