"""`/api/v2`: the reseller API that every client of this field speaks (contract section 7).

A bare ASGI application in front of everything else: each call is a few dozen microseconds of ours before and after the
database. Business errors are answered at status 200 with `{"error": …}`, because clients throw messages of others away.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from smmpanel.accounts.api_keys import InvalidApiKeyError, KeyHolder
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.money import plain
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of
from smmpanel.panel_api import wording
from smmpanel.panel_api.desk import AddCall, Caller, Desk
from smmpanel.panel_api.lists import ServiceLists
from smmpanel.panel_api.reading import ClientGoneError, Fields, UnreadableCallError, id_or_none, read_call
from smmpanel.panel_api.tasks import Tasks
from smmpanel.web.addresses import TrustedProxies, client_address
from smmpanel.web.key_limiting import KeyLimiter

PATHS = ("/api/v2", "/api/v2/")
CONTROL_FIELDS = {"key", "action", "service", "ref_id", "coupon"}

log = get_logger()


def panel_api_routes(panel: Panel, limiter: KeyLimiter) -> list[Route]:
    """Return the routes of the reseller API, with and without a slash at the end: a redirect would lose the POST."""
    api = PanelApi(panel, limiter)
    return [Route(path, endpoint=api) for path in PATHS]


class PanelApi:
    """Reads a call, limits it, finds the action, answers."""

    def __init__(self, panel: Panel, limiter: KeyLimiter) -> None:
        self._panel = panel
        self._desk = Desk(panel)
        self._lists = ServiceLists(panel)
        self._limiter = limiter
        self._trusted = TrustedProxies(panel.settings.networks(panel.settings.trusted_proxies))
        tasks = Tasks(panel)
        self._actions: Mapping[str, Callable[[KeyHolder, Fields], Awaitable[Any]]] = {
            "balance": self._balance,
            "status": tasks.status,
            "refill": tasks.refill,
            "refill_status": tasks.refill_status,
            "cancel": tasks.cancel,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            return
        if scope["method"] not in {"POST", "GET"}:
            await _send(send, 405, _error(wording.INCORRECT_REQUEST), (b"allow", b"GET, POST"))
            return
        try:
            fields = await read_call(scope, receive)
        except ClientGoneError:
            return
        except PanelError as error:
            await _send(send, error.status, _error(wording.wording(error)))
            return
        caller = Caller(self._desk.hasher.claim(fields.get("key", "").strip()), client_address(scope, self._trusted))
        if caller.claim is not None and (wait := self._limiter.wait_seconds(caller.claim.prefix)):
            retry = (b"retry-after", str(math.ceil(wait)).encode())
            await _send(send, 429, _error(wording.TOO_MANY_REQUESTS), retry)
            return
        await self._answer(scope, caller, fields, send)

    async def _answer(self, scope: Scope, caller: Caller, fields: Fields, send: Send) -> None:
        try:
            body = await self._act(scope, caller, fields)
        except PanelError as error:
            body = _error(wording.wording(error))
        except Exception:
            # Not a refusal: the caller must not take it for one and order again elsewhere.
            log.exception("reseller_call_failed", action=fields.get("action", "")[:40])
            await _send(send, 503, _error(wording.UNAVAILABLE))
            return
        await _send(send, 200, body)

    async def _act(self, scope: Scope, caller: Caller, fields: Fields) -> bytes:
        if caller.claim is None:  # it has not even the shape of a key: nothing to look up
            raise InvalidApiKeyError
        action = fields.get("action", "")
        if action == "add":
            return await self._add(scope, caller, fields)
        if action == "services":
            return await self._lists.body_for(await self._desk.know(caller))
        holder = (await self._desk.know(caller)).holder
        if action in self._actions:
            return orjson.dumps(await self._actions[action](holder, fields))
        return _error(wording.INCORRECT_ACTION if action else wording.INCORRECT_REQUEST)

    async def _add(self, scope: Scope, caller: Caller, fields: Fields) -> bytes:
        service_id = id_or_none(fields.get("service", ""))
        key = _idempotency_key(scope) or fields.get("ref_id") or None
        content = {name: text for name, text in fields.items() if name not in CONTROL_FIELDS}
        placed = await self._desk.add(AddCall(caller, service_id or 0, content, key, fields.get("coupon", "").strip()))
        return b'{"order":%d}' % placed.order_id

    async def _balance(self, holder: KeyHolder, _fields: Fields) -> dict[str, str]:
        async with self._panel.db.transaction() as session:
            balance = await balance_of(session, holder.user_id, self._panel.currency)
        return {"balance": plain(balance.amount), "currency": balance.currency}


def _idempotency_key(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"idempotency-key":
            try:
                text: str = value.decode()
            except UnicodeDecodeError:
                raise UnreadableCallError from None
            return text
    return None


def _error(text: str) -> bytes:
    return orjson.dumps({"error": text})


async def _send(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    start = [(b"content-type", b"application/json"), length, (b"cache-control", b"no-store"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
