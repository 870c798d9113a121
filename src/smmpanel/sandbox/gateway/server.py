"""The fake gateways as a process: a real HTTP server, one address for each vendor, one page for each payment."""

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from smmpanel.sandbox.gateway.control import PREFIX, answer_control
from smmpanel.sandbox.gateway.faults import GatewayFault
from smmpanel.sandbox.gateway.pages import answer_page
from smmpanel.sandbox.gateway.sandbox import CallRow, GatewaySandbox
from smmpanel.sandbox.gateway.vendor import Action, Answer, BadCallError, Call, Route, Vendor, encoded
from smmpanel.sandbox.gateway.vendors import vendor_classes
from smmpanel.sandbox.http_server import Exchange, serve
from smmpanel.sandbox.lifetime import run_until_told
from smmpanel.sandbox.provider_delivery import deliver
from smmpanel.sandbox.provider_faults import FaultRule

NOT_FOUND = Answer({"error": "Not found"}, status=404)
DEFAULT_PORT = 8910


class GatewayServer:
    """Answers everything that is sent to the sandbox's address."""

    def __init__(self, sandbox: GatewaySandbox) -> None:
        self._sandbox = sandbox
        self._routes = {name: vendor.routes() for name, vendor in sandbox.vendors.items()}
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, exchange: Exchange) -> None:
        """Answer one request. A mistake of ours is told apart from every scripted fault: 500 in plain text."""
        try:
            self._route(exchange)
        except Exception:  # noqa: BLE001 - the server must outlive one broken request
            text = traceback.format_exc()
            sys.stderr.write(text)
            exchange.answer(text.encode(), status=500, content_type="text/plain; charset=utf-8")

    def _route(self, exchange: Exchange) -> None:
        name, _, rest = exchange.path.removeprefix("/").partition("/")
        if exchange.path.startswith(PREFIX):
            waiting = answer_control(self._sandbox, exchange)
            if waiting is not None:
                self._keep(waiting)
        elif name in self._sandbox.vendors:
            self._call(self._sandbox.vendors[name], exchange, f"/{rest}")
        else:
            answer_page(self._sandbox, exchange)

    def _call(self, vendor: Vendor, exchange: Exchange, path: str) -> None:
        found = _route_for(self._routes[vendor.name], exchange.method, path)
        if found is None:
            _send(exchange, NOT_FOUND, None)
            return
        route, named = found
        desk = self._sandbox.desk(vendor)
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in exchange.headers.items()}
        query = dict(parse_qsl(exchange.query, keep_blank_values=True))
        call = Call(exchange.method, path, named, query, headers, exchange.body, desk)
        fault = self._sandbox.faults.strike("call", vendor.name, action=route.action)
        answer = Answer(b"") if fault is not None and fault.when == "before" else _answered(route, call)
        self._note(vendor, route.action, call, answer, fault)
        _send(exchange, answer, fault)

    def _note(self, vendor: Vendor, action: Action, call: Call, answer: Answer, fault: GatewayFault | None) -> None:
        name = None if fault is None else f"{fault.kind}_{fault.when}"
        self._sandbox.calls.append(CallRow(vendor.name, action, call.method, call.path, answer.status, name))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _answered(route: Route, call: Call) -> Answer:
    try:
        return route.handle(call)
    except BadCallError as wrong:
        return Answer({"error": str(wrong)}, status=400)


def _route_for(routes: Sequence[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    parts = path.rstrip("/").split("/")
    for route in routes:
        wanted = route.path.rstrip("/").split("/")
        if route.method != method or len(wanted) != len(parts):
            continue
        pairs = list(zip(wanted, parts, strict=True))
        if all(part == given or part.startswith("{") for part, given in pairs):
            return route, {part[1:-1]: unquote(given) for part, given in pairs if part.startswith("{")}
    return None


def _send(exchange: Exchange, answer: Answer, fault: GatewayFault | None) -> None:
    body = _bytes(answer.body)
    if fault is not None:
        rule = FaultRule(fault.kind, fault.when, params=fault.params)
        deliver(exchange, rule, body, status=answer.status, content_type=answer.content_type, delay_seconds=0)
    else:
        exchange.answer(body, status=answer.status, content_type=answer.content_type, headers=answer.headers)


def _bytes(body: Mapping[str, Any] | Sequence[Any] | str | bytes) -> bytes:
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else encoded(body)


def announce(origin: str) -> None:
    """Tell whoever started us, in one line of JSON, where we listen."""
    line = {"event": "ready", "url": origin, "control": f"{origin}{PREFIX}", "pid": os.getpid()}
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


def vendors_with(keys: Mapping[str, str]) -> list[Vendor]:
    """Make all vendors, with the keys that are given as `{"paystack.secret_key": "…"}`. Raises `ValueError` for one that nobody has."""
    made = []
    known: set[str] = set()
    for kind in vendor_classes():
        own = {name: keys[f"{kind.name}.{name}"] for name in kind.keys if f"{kind.name}.{name}" in keys}
        known |= {f"{kind.name}.{name}" for name in kind.keys}
        made.append(kind(own))
    if strange := sorted(keys.keys() - known):
        raise ValueError(f"no vendor has the key {strange[0]}; there are {', '.join(sorted(known))}")
    return made


def run_gateway(
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    notify_base: str = "",
    keys: Mapping[str, str] | None = None,
    exit_with_parent: bool = False,
    on_ready: Callable[[str], None] = announce,
) -> None:
    """Run the fake gateways until SIGTERM or Ctrl-C. Port 0 picks a free one; `on_ready` hears the address, once it answers.

    Raises `ValueError` for keys that no vendor has, before anything is started.
    """
    vendors = vendors_with(keys or {})

    async def main(stop: asyncio.Event) -> None:
        sandbox = GatewaySandbox(vendors, notify_base=notify_base)
        server = GatewayServer(sandbox)

        def ready(bound: int) -> None:
            sandbox.origin = f"http://{host}:{bound}"
            on_ready(sandbox.origin)

        try:
            await serve(server.handle, host=host, port=port, stop=stop, on_ready=ready)
        finally:
            await sandbox.courier.close()

    run_until_told(main, exit_with_parent=exit_with_parent)
