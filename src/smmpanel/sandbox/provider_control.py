"""`/_control/…`: what tests ask and tell the fake provider behind the back of its client. JSON in, JSON out.

| call | what it does |
| --- | --- |
| GET `stats` | requests, refusals and faults counted; most requests at one time; balance, number of orders |
| GET `log?after=&limit=&action=` | adds, refills and cancels as received, oldest first |
| GET `log.ndjson?after=` | the same as a stream, all of it |
| GET `reads` | the latest reads (services, status, balance, …) |
| GET `orders?after=&limit=` · `orders.ndjson` · `orders/ID` | the truth about orders |
| POST `outcome` | `orders` (ids, or "all"), or `link` (part of it); `finish` (a name) or `steps`; `remains`, `word`, `at_end` |
| POST `refills/ID` | `status`: what this refill says from now on |
| GET, POST, DELETE `faults` · DELETE `faults/ID` | the fault script |
| GET, POST `settings` | see `provider_settings.py`; `balance` too |
| GET, POST `clock` | the provider's time: `at` makes it that moment, `speed` lets it pass so many times as fast (0: not at all) |
| POST, DELETE `services/ID` | change fields of a service; take it off the list |
| GET `words` | every kind of fault, variant, outcome, meaning and dialect |
| POST `reset` | forget orders, log, faults and numbers; money and catalogue as at the start; settings stay |
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

import orjson

from smmpanel.kernel.money import plain
from smmpanel.sandbox.http_server import Exchange
from smmpanel.sandbox.provider_actions import Provider
from smmpanel.sandbox.provider_clock import moment_from
from smmpanel.sandbox.provider_errors import DIALECTS, MEANINGS, wordings
from smmpanel.sandbox.provider_faults import EITHER, KINDS, read_rule
from smmpanel.sandbox.provider_log import LogRow
from smmpanel.sandbox.provider_orders import Order, order_row
from smmpanel.sandbox.provider_outcomes import OUTCOMES, Step, step_from, steps_named
from smmpanel.sandbox.provider_variants import VARIANTS, WRONG_TYPES

PREFIX = "/_control/"
_PAGE_ROWS = 1_000
_PAGE_ROWS_MAX = 100_000
_CHUNK_ROWS = 500
NDJSON = "application/x-ndjson"

Fields = dict[str, Any]


def _paging(query: dict[str, str]) -> tuple[int, int]:
    return int(query.get("after", "0")), min(int(query.get("limit", str(_PAGE_ROWS))), _PAGE_ROWS_MAX)


def _stats(provider: Provider, _query: Fields, _body: Fields) -> Any:
    book = provider.book
    book.settle(provider.clock.now())
    return {
        **provider.stats.row(),
        "orders": len(book.rows),
        "refills": len(book.refills),
        "log": len(provider.log.writes),
        "balance": plain(book.balance),
        "currency": provider.settings.currency,
    }


def _log(provider: Provider, query: Fields, _body: Fields) -> Any:
    after, limit = _paging(query)
    return provider.log.page(after=after, limit=limit, action=query.get("action"))


def _reads(provider: Provider, _query: Fields, _body: Fields) -> list[LogRow]:
    return list(provider.log.reads)


def _orders(provider: Provider, query: Fields, _body: Fields) -> Any:
    after, limit = _paging(query)
    now = provider.clock.now()
    provider.book.settle(now)
    return [order_row(provider.book, order, now) for order in provider.book.rows[after : after + limit]]


def _orders_stream(provider: Provider) -> Iterator[bytes]:
    book = provider.book
    for start in range(0, len(book.rows), _CHUNK_ROWS):
        now = provider.clock.now()
        book.settle(now)
        part = (order_row(book, order, now) for order in book.rows[start : start + _CHUNK_ROWS])
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in part)


def _one_order(provider: Provider, ref: str) -> Any:
    now = provider.clock.now()
    provider.book.settle(now)
    return order_row(provider.book, provider.book.by_ref[ref], now)


def _meant(provider: Provider, body: Fields) -> list[Order]:
    if "link" in body:
        return [order for order in provider.book.rows if body["link"] in order.link]
    if body["orders"] == "all":
        return list(provider.book.rows)
    return [provider.book.by_ref[str(ref)] for ref in body["orders"]]


def _outcome(provider: Provider, _query: Fields, body: Fields) -> Any:
    now = provider.clock.now()
    provider.book.settle(now)
    orders = _meant(provider, body)
    remains = None if body.get("remains") is None else str(body["remains"])
    if "steps" not in body and body.get("finish") not in (*OUTCOMES, "natural"):
        raise ValueError(f"finish is one of {', '.join(OUTCOMES)}, natural")
    for order in orders:
        if body.get("at_end"):
            provider.book.end_with(order, body["finish"], remains=remains)
            continue
        steps: tuple[Step, ...] = ()
        if "steps" in body:
            steps = tuple(step_from(step) for step in body["steps"])
        elif body["finish"] != "natural":
            word = str(body.get("word", "Awaiting"))
            steps = steps_named(body["finish"], quantity=order.quantity, remains=remains, word=word)
        provider.book.become(order, steps, now)
    return {"changed": len(orders)}


def _faults(provider: Provider, _query: Fields, _body: Fields) -> Any:
    return [rule.row() for rule in provider.faults.rules]


def _add_faults(provider: Provider, _query: Fields, body: Fields) -> Any:
    rules = [read_rule(fields) for fields in body.get("rules", [body])]
    return [provider.faults.add(rule).row() for rule in rules]


def _clear_faults(provider: Provider, _query: Fields, _body: Fields) -> Any:
    provider.faults.clear()
    return []


def _settings(provider: Provider, _query: Fields, _body: Fields) -> Any:
    shown = asdict(provider.settings) | {"balance": plain(provider.book.balance)}
    del shown["key"]
    return shown


def _change_settings(provider: Provider, query: Fields, body: Fields) -> Any:
    changes = dict(body)
    balance = changes.pop("balance", None)
    provider.settings.change(changes)
    if balance is not None:
        provider.book.balance = Decimal(str(balance))
    return _settings(provider, query, body)


def _clock(provider: Provider, _query: Fields, _body: Fields) -> Any:
    at = datetime.fromtimestamp(provider.clock.now(), UTC)
    return {"at": at.isoformat(), "speed": provider.clock.speed}


def _set_clock(provider: Provider, query: Fields, body: Fields) -> Any:
    clock = provider.clock
    moment = moment_from(body["at"]) if "at" in body else None
    if moment is not None and provider.book.rows and moment < clock.now():
        raise ValueError("time does not go back once there are orders")
    if "speed" in body:
        clock.run_at(body["speed"])
    if moment is not None:
        clock.set(moment)
    provider.book.settle(clock.now())
    return _clock(provider, query, body)


def _words(_provider: Provider, _query: Fields, _body: Fields) -> Any:
    return {
        "kinds": {kind: ["before", "after"] if kind in EITHER else [when] for kind, when in KINDS.items()},
        "wrong_types": WRONG_TYPES,
        "variants": {action: list(changes) for action, changes in VARIANTS.items()},
        "outcomes": OUTCOMES,
        "dialects": DIALECTS,
        "meanings": {meaning: {dialect: wordings(meaning, dialect) for dialect in DIALECTS} for meaning in MEANINGS},
    }


def _reset(provider: Provider, _query: Fields, _body: Fields) -> Any:
    provider.clear()
    return {}


_CALLS: dict[tuple[str, str], Callable[[Provider, Fields, Fields], Any]] = {
    ("GET", "stats"): _stats,
    ("GET", "log"): _log,
    ("GET", "reads"): _reads,
    ("GET", "orders"): _orders,
    ("POST", "outcome"): _outcome,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "settings"): _settings,
    ("POST", "settings"): _change_settings,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _set_clock,
    ("GET", "words"): _words,
    ("POST", "reset"): _reset,
}


def _on_one(provider: Provider, method: str, kind: str, ref: str, body: Fields) -> Any:
    """Calls about one thing; raises `KeyError` if there is no such call or thing."""
    match method, kind:
        case "GET", "orders":
            return _one_order(provider, ref)
        case "POST", "refills":
            provider.book.refills[ref].forced = body["status"]
            return {"refill": ref, "status": body["status"]}
        case "DELETE", "faults":
            return {"removed": provider.faults.remove(int(ref))}
        case "POST", "services":
            return provider.catalogue.change(ref, body).row()
        case "DELETE", "services":
            provider.catalogue.remove(ref)
            return {"removed": True}
    raise KeyError(f"{method} {kind}/{ref}")


def _dispatch(provider: Provider, exchange: Exchange, name: str) -> Any:
    query = dict(parse_qsl(exchange.query))
    body = orjson.loads(exchange.body) if exchange.body else {}
    kind, slash, ref = name.partition("/")
    if slash:
        return _on_one(provider, exchange.method, kind, ref, body)
    return _CALLS[exchange.method, name](provider, query, body)


def answer_control(provider: Provider, exchange: Exchange) -> None:
    """Serve one control call: 404 for what does not exist, 400 with a sentence for what cannot be done."""
    name = exchange.path.removeprefix(PREFIX).strip("/")
    if name == "log.ndjson":
        after = int(dict(parse_qsl(exchange.query)).get("after", "0"))
        exchange.stream(provider.log.stream(after=after), content_type=NDJSON)
        return
    if name == "orders.ndjson":
        exchange.stream(_orders_stream(provider), content_type=NDJSON)
        return
    try:
        answer, status = _dispatch(provider, exchange, name), 200
    except KeyError as missing:
        answer, status = {"error": f"there is no {missing}"}, 404
    except (ValueError, TypeError, AttributeError, InvalidOperation) as wrong:
        answer, status = {"error": str(wrong)}, 400
    exchange.answer(orjson.dumps(answer), status=status)
