"""Errors on their way out: one place that turns them into JSON for programs or a page for people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_jsonable_python
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match

from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked, translate
from smmpanel.kernel.money import Money, json_number
from smmpanel.web.formats import Formats
from smmpanel.web.languages import language_of
from smmpanel.web.pages import page
from smmpanel.web.redirects import sign_in_address
from smmpanel.web.transactions import panel_of
from smmpanel.web.validation import wrong_fields

_TITLES = {
    400: marked("This request could not be read"),
    401: marked("Sign in first"),
    403: marked("Not allowed"),
    404: marked("Page not found"),
    405: marked("This cannot be done here"),
    409: marked("Not possible any more"),
    413: marked("Too much was sent"),
    422: marked("Something is not right"),
    429: marked("Too many tries"),
    500: marked("Something went wrong"),
    503: marked("Not available now"),
}
_SENTENCES = {
    400: marked("The request is broken. Go back and try again."),
    401: marked("Sign in to go on."),
    403: marked("You are not allowed to do this."),
    404: marked("There is nothing at this address."),
    405: marked("This address does not take requests of this kind."),
    413: marked("What was sent is larger than what is taken here."),
    415: marked("JSON is taken here: send Content-Type: application/json."),
    422: marked("A value is missing or wrong."),
    500: marked("It is not your fault. Try again in a moment."),
}
_BODY = "body"
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_CODES = {400: "bad_request", 405: "method_not_allowed", 413: "too_large", 500: "internal_error"}
_KNOWN_STATUSES = frozenset(int(known) for known in HTTPStatus)
_OTHER_SENTENCE = marked("The request could not be carried out.")


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is shown: a status, a stable code, a sentence in the reader's language, and named facts.

    Of wrong values the facts are the fields, each with what is wrong with it.
    """

    status: int
    code: str
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


Renderer = Callable[[Request, Failure], Response]


@dataclass(frozen=True, slots=True)
class Renderers:
    """Who renders failures where: the renderer whose path is the longest beginning of the request's."""

    by_path: Mapping[str, Renderer]

    def render(self, request: Request, failure: Failure) -> Response:
        """Render a failure in the way of the part of the panel that was asked."""
        path = str(request.scope.get("path", ""))
        fitting = [start for start in self.by_path if path == start or path.startswith(start.rstrip("/") + "/")]
        renderer = self.by_path[max(fitting, key=len)] if fitting else render_page
        return renderer(request, failure)


def render_json(_request: Request, failure: Failure) -> Response:
    """Render a failure as `{"success": false, "message", "code", "fields"}`."""
    answer = {"success": False, "message": failure.message, "code": failure.code, "fields": failure.fields}
    return JSONResponse(_jsonable(answer), failure.status, dict(failure.headers))


def render_page(request: Request, failure: Failure) -> Response:
    """Render a failure as a page; whoever only has to sign in is led there."""
    if failure.status == HTTPStatus.UNAUTHORIZED and request.method in {"GET", "HEAD"}:
        return RedirectResponse(sign_in_address(request), HTTPStatus.SEE_OTHER)
    language = language_of(request)
    shown = ErrorPage(
        status=failure.status,
        title=translate(language, _TITLES.get(failure.status, _TITLES[422 if failure.status < 500 else 500])),
        message=failure.message,
        reference=str(failure.fields.get("reference", "")),
    )
    return page(request, "error.html", shown, status=failure.status, headers=failure.headers)


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What error.html receives."""

    status: int
    title: str
    message: str
    reference: str


def failure_of(request: Request, error: PanelError) -> Failure:
    """Say one of our errors in the request's language."""
    language = language_of(request)
    facts = dict(error.fields)
    if isinstance(error, InvalidInputError):
        facts["reason"] = translate(language, error.template, **error.facts)
    elif "text" in facts:  # the whole sentence is a fact
        facts["text"] = translate(language, str(facts["text"]))
    message = translate(language, error.message)
    if facts:
        message = message.format(**{name: _shown(request, language, fact) for name, fact in facts.items()})
    facts.pop("text", None)
    if "field" in facts:
        facts = {str(facts["field"]): facts.get("reason") or message}
    return Failure(error.status, error.code, message, facts, _headers_of(error))


def status_failure(request: Request, status: int, **fields: Any) -> Failure:
    """Make a failure from nothing but an HTTP status."""
    message = translate(language_of(request), _SENTENCES.get(status, _OTHER_SENTENCE))
    phrase = HTTPStatus(status).name.lower() if status in _KNOWN_STATUSES else "error"
    return Failure(status, _CODES.get(status, phrase), message, fields)


def render(request: Request, failure: Failure) -> Response:
    """Render a failure as the part of the panel that was asked does it."""
    renderers = request.app.state.renderers
    assert isinstance(renderers, Renderers)
    return renderers.render(request, failure)


def install_error_handlers(app: FastAPI, renderers: Mapping[str, Renderer]) -> None:
    """Have all errors of an application rendered here; `renderers` are by path, `/api` is JSON unless they say otherwise."""
    app.state.renderers = Renderers({"/api": render_json, **renderers})

    async def panel_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, PanelError)
        return render(request, failure_of(request, error))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        failure = status_failure(request, error.status_code)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods_at(request))
        return render(request, Failure(failure.status, failure.code, failure.message, {}, headers))

    async def invalid_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        wrong = error.errors()
        return render(request, _unreadable(request, wrong) or validation_failure(request, wrong))

    app.add_exception_handler(PanelError, panel_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid_request)


def _unreadable(request: Request, errors: Sequence[Any]) -> Failure | None:
    """Say that what was sent is no JSON at all; nothing if it is, and only its values are wrong."""
    if any(entry["type"] == "json_invalid" for entry in errors):
        [reason] = wrong_fields(language_of(request), [{"type": "json_invalid", "loc": (_BODY,)}]).values()
        return Failure(HTTPStatus.BAD_REQUEST, _CODES[400], f"{_BODY}: {reason}", {_BODY: reason})
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    is_whole = any(tuple(entry["loc"]) == (_BODY,) and entry["type"] != "missing" for entry in errors)
    return None if is_json or not is_whole else status_failure(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def _methods_at(request: Request) -> list[str]:
    """Return what an address takes, whichever of its routes takes it; HEAD is taken wherever GET is."""
    routes = request.app.router.routes
    asked = [{**request.scope, "method": method} for method in _METHODS]
    taken = [one["method"] for one in asked if any(route.matches(one)[0] is Match.FULL for route in routes)]
    return [name for method in taken for name in ((method, "HEAD") if method == "GET" else (method,))]


def validation_failure(request: Request, errors: Sequence[Any]) -> Failure:
    """Say which values of a request are wrong, and how."""
    language = language_of(request)
    wrong = wrong_fields(language, errors)
    name, reason = next(iter(wrong.items()), ("", ""))
    message = f"{name}: {reason}" if name else reason or translate(language, _SENTENCES[422])
    return Failure(HTTPStatus.UNPROCESSABLE_ENTITY, InvalidInputError.code, message, wrong)


def _shown(request: Request, language: str, fact: object) -> object:
    if not isinstance(fact, Money):
        return fact
    panel = panel_of(request)
    return Formats(language, "UTC", panel.currency, panel.clock()).exact(fact.amount, fact.currency)


def _headers_of(error: PanelError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if "retry_after_seconds" in error.fields:
        headers["Retry-After"] = str(error.fields["retry_after_seconds"])
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _jsonable(value: Any) -> Any:
    """Return a fact as JSON has it. Names of unknown fields come from the client and may hold what UTF-8 cannot say."""
    if isinstance(value, Money):
        return json_number(value.amount)
    if isinstance(value, Decimal):
        return json_number(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_jsonable(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    return to_jsonable_python(value, fallback=str)
