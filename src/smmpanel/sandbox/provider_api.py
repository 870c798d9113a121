"""`/api/v2`: from a request to an answer, with the log, the limits and the faults on the way."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from smmpanel.sandbox.http_server import Exchange
from smmpanel.sandbox.provider_actions import Call, Provider, carry_out
from smmpanel.sandbox.provider_delivery import deliver, refusal_of, throttle
from smmpanel.sandbox.provider_errors import Refusal, error_answer, error_text
from smmpanel.sandbox.provider_faults import ACTIONS, FaultRule
from smmpanel.sandbox.provider_log import LogRow
from smmpanel.sandbox.provider_orders import Order
from smmpanel.sandbox.provider_variants import DIALECT_VARIANTS, VARIANTS, Circumstances, wrong_type

_WRITES = frozenset({"add", "refill", "cancel"})
_REFUSING = frozenset({"refuse", "no_funds", "bad_key", "rate_limit"})


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def read_params(exchange: Exchange) -> dict[str, str]:
    """The parameters of a request, from the query, a form or a JSON object, all as text."""
    params = dict(parse_qsl(exchange.query, keep_blank_values=True)) if exchange.query else {}
    if not exchange.body:
        return params
    if exchange.headers.get(b"content-type", b"").startswith(b"application/json"):
        try:
            body = orjson.loads(exchange.body)
        except orjson.JSONDecodeError:
            return params
        if isinstance(body, dict):
            params.update({name: _text(value) for name, value in body.items()})
    else:
        params.update(parse_qsl(exchange.body.decode("utf-8", "replace"), keep_blank_values=True))
    return params


def _find_fault(provider: Provider, action: str, params: Mapping[str, str]) -> FaultRule | None:
    faults = provider.faults
    link = params.get("link", "") if action == "add" else ""
    if not faults.rules and "fault=" not in link:
        return None
    refs: list[str] = []
    orders: list[Order] = []
    if action != "add":
        refs = [ref.strip() for ref in (params.get("orders") or params.get("order", "")).split(",")]
        orders = [provider.book.by_ref[ref] for ref in refs if ref in provider.book.by_ref]
    try:
        return faults.strike(action, link=link, service=params.get("service", ""), refs=refs, orders=orders)
    except ValueError:
        raise Refusal("link") from None


def _redress(provider: Provider, call: Call, fault: FaultRule | None, answer: Any) -> Any:
    """Give a right answer the form of its dialect, and then that of its fault."""
    action = call.params["action"]
    names = DIALECT_VARIANTS.get(call.dialect, {}).get(action, ())
    if fault is not None and fault.kind == "variant":
        names = (*names, fault.params["variant"])
    about = Circumstances(provider.book, call.order, call.params, {} if fault is None else fault.params)
    for name in names:
        answer = VARIANTS[action][name](answer, about)
    if fault is not None and fault.kind == "wrong_type":
        answer = wrong_type(answer, str(fault.params.get("variant", "flip")))
    return answer


def _encode(provider: Provider, answer: Any) -> bytes:
    if answer is provider.catalogue.rows():
        return provider.catalogue.encoded()
    return orjson.dumps(answer)


def _outcome(provider: Provider, call: Call, fault: FaultRule | None) -> tuple[int, Any, str | None]:
    """HTTP status, answer and, if the provider refuses, its words."""
    if fault is not None and fault.kind in _REFUSING:
        return refusal_of(fault, call.dialect)
    if fault is not None and fault.when == "before":
        return 200, {}, None
    try:
        answer = carry_out(provider, call)
    except Refusal as refusal:
        status, body = error_answer(refusal.meaning, call.dialect, refusal.detail)
        return status, body, error_text(refusal.meaning, call.dialect, refusal.detail)
    return 200, _redress(provider, call, fault, answer), None


def _keep(provider: Provider, call: Call, action: str, fault: FaultRule | None, error: str | None) -> None:
    writes = action in _WRITES
    if action == "add" and call.order is not None:
        shown = call.order.fields
    else:
        shown = {name: value for name, value in call.params.items() if name not in ("key", "action")}
    if not writes and len(shown.get("orders", "")) > 100:
        shown = {**shown, "orders": f"{shown['orders'].count(',') + 1} ids"}
    provider.log.keep(
        LogRow(
            sequence=0,
            at=call.at,
            action=action,
            fields=shown,
            external_id=call.order.ref if action == "add" and call.order is not None else None,
            fault=None if fault is None else fault.name,
            error=error,
        ),
        writes=writes,
    )


def _latency_seconds(provider: Provider, action: str) -> float:
    on = provider.settings.latency_on
    if on != "all" and action not in on.split(","):
        return 0.0
    return provider.settings.latency_ms / 1000


def answer_api(provider: Provider, exchange: Exchange) -> None:
    """Serve one request of API v2."""
    params = read_params(exchange)
    action = params.get("action", "")
    known = action if action in ACTIONS else "unknown"
    stats, settings = provider.stats, provider.settings
    exchange.on_end = stats.enter(known)
    if settings.rate_limit:
        # A limit is about our load, so it counts seconds outside, however fast the provider's own time runs.
        wait_seconds = provider.limiter.wait_seconds(settings.rate_limit, time.monotonic())
        if wait_seconds > 0:
            stats.refusals["Too many requests"] += 1
            throttle(exchange, wait_seconds=wait_seconds, style=settings.rate_limit_style, dialect=settings.dialect)
            return
    moment = provider.clock.now()
    call = Call(params, settings.dialect, moment, moment)
    fault = None
    try:
        fault = _find_fault(provider, action, params)
    except Refusal as refusal:
        status, answer = error_answer(refusal.meaning, call.dialect)
        error: str | None = error_text(refusal.meaning, call.dialect)
    else:
        if fault is not None:
            stats.faults[fault.name] += 1
            if fault.kind == "dialect":
                call.dialect = str(fault.params.get("dialect", "smartpanel"))
        status, answer, error = _outcome(provider, call, fault)
    if error is not None:
        stats.refusals[error] += 1
    _keep(provider, call, known, fault, error)
    deliver(
        exchange,
        fault,
        _encode(provider, answer),
        status=status,
        content_type=settings.content_type,
        delay_seconds=_latency_seconds(provider, action),
    )
