"""`/_control/…`: what tests and scripts ask and tell the fake gateways. JSON in, JSON out.

| call | what it does |
| --- | --- |
| GET `vendors` | each with title, address, currency and what the panel's method is set up with |
| GET `payments?vendor=` · `payments/VENDOR/NAME` | payments; NAME is a token, the shop's reference or the vendor's number |
| POST `do` | `vendor`, `payment`, `deed` (see `deeds.DEEDS`; `forge`, `send_again`), perhaps `amount`, `currency`, `kind` |
| GET, POST, DELETE `faults` | the fault script, see `faults.py` |
| GET `deliveries?vendor=&payment=` | messages, with what each try was answered |
| GET `calls` | the latest calls of the shop |
| POST `idle` | `seconds`: waits until no message is under way |
| GET, POST `settings` | `notify_base`, `retry_seconds` |
| GET, POST `clock` | as the fake provider's: `at`, `speed` |
| POST `reset` | forget all but settings and clock |
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

import orjson

from smmpanel.sandbox.gateway.faults import read_fault
from smmpanel.sandbox.gateway.payments import Payment
from smmpanel.sandbox.gateway.sandbox import GatewaySandbox
from smmpanel.sandbox.http_server import Exchange
from smmpanel.sandbox.provider_clock import moment_from

PREFIX = "/_control/"
IDLE_SECONDS = 10.0

Fields = dict[str, Any]


def plain(value: object) -> str:
    """Write what JSON has no words for."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} is no JSON")


def _payment_row(sandbox: GatewaySandbox, payment: Payment) -> Fields:
    return asdict(payment) | {"page": f"{sandbox.origin}/pay/{payment.token}"}


def _vendors(sandbox: GatewaySandbox, _query: Fields, _body: Fields) -> Any:
    return {
        vendor.name: {
            "title": vendor.title,
            "gateway": vendor.gateway,
            "currency": vendor.currency,
            "address": f"{sandbox.origin}/{vendor.name}",
            "setup": vendor.setup(f"{sandbox.origin}/{vendor.name}"),
        }
        for vendor in sandbox.vendors.values()
    }


def _payments(sandbox: GatewaySandbox, query: Fields, _body: Fields) -> Any:
    sandbox.run_out()
    return [
        _payment_row(sandbox, one)
        for one in sandbox.book.payments.values()
        if query.get("vendor", one.vendor) == one.vendor
    ]


def _do(sandbox: GatewaySandbox, _query: Fields, body: Fields) -> Any:
    payment = sandbox.find(str(body["vendor"]), str(body["payment"]))
    amount = Decimal(str(body["amount"])) if body.get("amount") else None
    said = {name: str(body[name]) for name in ("currency", "kind") if body.get(name)}
    sandbox.do(payment, str(body["deed"]), amount=amount, **said)
    return _payment_row(sandbox, payment)


def _faults(sandbox: GatewaySandbox, _query: Fields, _body: Fields) -> Any:
    return [rule.row() for rule in sandbox.faults.rules]


def _add_fault(sandbox: GatewaySandbox, _query: Fields, body: Fields) -> Any:
    return sandbox.faults.add(read_fault(body)).row()


def _clear_faults(sandbox: GatewaySandbox, _query: Fields, _body: Fields) -> Any:
    sandbox.faults.clear()
    return []


def _deliveries(sandbox: GatewaySandbox, query: Fields, _body: Fields) -> Any:
    wanted = query.get("payment")
    return [
        one.row()
        for one in sandbox.courier.deliveries
        if query.get("vendor", one.vendor) == one.vendor
        and wanted in (None, one.payment.reference, one.payment.number, one.payment.token)
    ]


def _calls(sandbox: GatewaySandbox, _query: Fields, _body: Fields) -> Any:
    return list(sandbox.calls)


def _settings(sandbox: GatewaySandbox, _query: Fields, body: Fields) -> Any:
    if "notify_base" in body:
        sandbox.courier.notify_base = str(body["notify_base"]).rstrip("/")
    if "retry_seconds" in body:
        sandbox.courier.retry_seconds = tuple(float(pause) for pause in body["retry_seconds"])
    return {"notify_base": sandbox.courier.notify_base, "retry_seconds": sandbox.courier.retry_seconds}


def _clock(sandbox: GatewaySandbox, _query: Fields, body: Fields) -> Any:
    if "speed" in body:
        sandbox.clock.run_at(body["speed"])
    if "at" in body:
        sandbox.clock.set(moment_from(body["at"]))
    sandbox.run_out()
    return {"at": sandbox.now().isoformat(), "speed": sandbox.clock.speed}


def _reset(sandbox: GatewaySandbox, _query: Fields, _body: Fields) -> Any:
    sandbox.reset()
    return {}


_CALLS: dict[tuple[str, str], Callable[[GatewaySandbox, Fields, Fields], Any]] = {
    ("GET", "vendors"): _vendors,
    ("GET", "payments"): _payments,
    ("POST", "do"): _do,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "deliveries"): _deliveries,
    ("GET", "calls"): _calls,
    ("GET", "settings"): _settings,
    ("POST", "settings"): _settings,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _clock,
    ("POST", "reset"): _reset,
}


def answer_control(sandbox: GatewaySandbox, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
    """Serve one control call: 404 for what does not exist, 400 with a sentence for what cannot be done."""
    name = exchange.path.removeprefix(PREFIX).strip("/")
    status = 200
    try:
        body = orjson.loads(exchange.body) if exchange.body else {}
        if (exchange.method, name) == ("POST", "idle"):
            return _when_idle(sandbox, exchange, float(body.get("seconds", IDLE_SECONDS)))
        answer = _dispatch(sandbox, exchange, name, body)
    except KeyError as missing:
        answer, status = {"error": f"there is no {missing}"}, 404
    except (ValueError, TypeError, AttributeError, InvalidOperation) as wrong:
        answer, status = {"error": str(wrong)}, 400
    exchange.answer(orjson.dumps(answer, default=plain), status=status)
    return None


def _dispatch(sandbox: GatewaySandbox, exchange: Exchange, name: str, body: Fields) -> Any:
    kind, _, rest = name.partition("/")
    if exchange.method == "GET" and kind == "payments" and rest:
        vendor, _, wanted = rest.partition("/")
        sandbox.run_out()
        return _payment_row(sandbox, sandbox.find(vendor, wanted))
    return _CALLS[exchange.method, name](sandbox, dict(parse_qsl(exchange.query)), body)


async def _when_idle(sandbox: GatewaySandbox, exchange: Exchange, seconds: float) -> None:
    # One turn of the loop, so that what was asked for just now is under way.
    await asyncio.sleep(0)
    idle = await sandbox.courier.idle(seconds)
    exchange.answer(orjson.dumps({"idle": idle}))
