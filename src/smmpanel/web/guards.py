"""What stands in front of every request, as plain ASGI: limits on what comes in, headers on what goes out, the last catch."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smmpanel.kernel.ids import random_text
from smmpanel.kernel.logging import get_logger
from smmpanel.web.errors import render, status_failure

BODY_MAX_BYTES = 1024 * 1024
QUERY_MAX_BYTES = 64 * 1024
CONTENT_LENGTH_DIGITS_MAX = 18
REFERENCE_LENGTH = 8

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
"""The policy of every page. A part of the panel that needs another sends its own."""
DOWNLOAD_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""The policy of a file that somebody sent in: wherever it is opened, it can do nothing."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "no-store",
}
_LONG_SECRET = re.compile(r"[A-Za-z0-9_-]{32,}")
_HSTS = "max-age=31536000"

log = get_logger()


def policy_with_forms_to(*origins: str) -> str:
    """Return the policy of a page whose forms may also be sent to other origins, and no further."""
    return PAGE_POLICY.replace("form-action 'self'", " ".join(["form-action 'self'", *origins]))


class SecurityHeaders:
    """Adds the headers that tell a browser what a page may do; those that an answer already has are left alone."""

    def __init__(self, app: ASGIApp, *, over_https: bool) -> None:
        self._app = app
        self._headers = {**_HEADERS, **({"Strict-Transport-Security": _HSTS} if over_https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and complete the headers of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_guarded)


class LastCatch:
    """Logs what nobody expected, once, and answers with a neutral page that names only a reference."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; if it fails and nothing was sent yet, answer 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception:
            reference = random_text(REFERENCE_LENGTH)
            log.exception("request_failed", reference=reference, method=scope["method"], path=_masked(scope["path"]))
            if started:
                raise  # Half an answer must not look like a whole one: the server cuts the connection.
            request = Request(scope)
            response = render(request, status_failure(request, 500, reference=reference))
            await response(scope, receive, send)


class InputGuard:
    """Refuses what no handler should ever see: oversized bodies, and addresses or headers that are no readable text."""

    def __init__(self, app: ASGIApp, *, body_max: Mapping[str, int] | None = None) -> None:
        """`body_max` gives other limits than `BODY_MAX_BYTES` to paths that begin in certain ways."""
        self._app = app
        self._body_max = sorted((body_max or {}).items(), key=lambda limit: -len(limit[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 400 or 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        status = _refused(scope, limit)
        if status is not None:
            request = Request(scope)
            await render(request, status_failure(request, status))(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)
            return message

        await self._app(scope, receive_limited, send)

    def _limit(self, path: str) -> int:
        for start, limit in self._body_max:
            if path.startswith(start):
                return limit
        return BODY_MAX_BYTES


def _masked(path: str) -> str:
    # Links that are sent by mail carry their secret in the path.
    return _LONG_SECRET.sub("***", path)


def _refused(scope: Scope, limit: int) -> int | None:
    query: bytes = scope.get("query_string", b"")
    path: bytes = scope.get("raw_path") or str(scope["path"]).encode("utf-8", "replace")
    if len(query) > QUERY_MAX_BYTES or not _is_text(path) or not _is_text(query):
        return 400
    for name, value in scope["headers"]:
        if b"\0" in value:
            return 400
        if name == b"content-length":
            if not value.isdigit():
                return 400
            if len(value) > CONTENT_LENGTH_DIGITS_MAX or int(value) > limit:
                return 413
    return None


def _is_text(address: bytes) -> bool:
    if b"%" in address:
        address = unquote_to_bytes(address)
    if address.isascii():
        return b"\0" not in address
    try:
        return "\0" not in address.decode("utf-8")
    except UnicodeDecodeError:
        return False
