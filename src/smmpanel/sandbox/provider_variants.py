"""How one and the same answer looks on different panels, and how it looks when something is wrong with it.

Each variant takes the answer in the contract's form and gives it another one; all of them have been seen in the wild.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from smmpanel.kernel.money import plain
from smmpanel.sandbox.provider_orders import Order, OrderBook


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a variant may look at besides the answer."""

    book: OrderBook
    order: Order | None
    """The order that was just taken, or the one that is asked for."""
    request: Mapping[str, str]
    params: Mapping[str, Any]


Change = Callable[[Any, Circumstances], Any]
Row = dict[str, Any]


def _each_report(change: Callable[[str, Row], Any]) -> Change:
    """A change of every order's report, in single and multiple answers. `None` leaves the order out."""

    def apply(answer: Any, about: Circumstances) -> Any:
        if not isinstance(answer, dict):
            return answer
        if "orders" not in about.request:
            return answer if "error" in answer else change(about.request.get("order", ""), answer)
        changed = {ref: change(ref, row) if isinstance(row, dict) else row for ref, row in answer.items()}
        return {ref: report for ref, report in changed.items() if report is not None}

    return apply


def _good(change: Callable[[Row], Row]) -> Change:
    """A change of every report that is not an error."""
    return _each_report(lambda _ref, report: report if "error" in report else change(report))


def _set(**values: Any) -> Change:
    return _good(lambda report: {**report, **values})


def _only_rows(change: Callable[[Row, Circumstances], Row]) -> Change:
    return lambda rows, about: [change(row, about) for row in rows]


def _number(text: Any) -> Any:
    """A number as a careless panel would write it; what is none stays."""
    try:
        value = Decimal(text)
    except (ArithmeticError, TypeError, ValueError):
        return text
    return int(value) if value == value.to_integral_value() else float(value)


def _numbers(report: Row) -> Row:
    return {
        name: _number(value) if name in ("charge", "start_count", "remains") else value
        for name, value in report.items()
    }


def _plus(report: Row) -> Row:
    remains = str(report.get("remains", ""))
    return {**report, "remains": f"+{remains[1:]}"} if remains.startswith("-") else report


def _parent(answer: Any, about: Circumstances) -> Any:
    """A subscription or drip-feed parent as SmartPanel shows it: child orders, and nothing of charge or remains."""
    order = about.order
    if order is None or (order.type != "Subscriptions" and "runs" not in order.fields):
        return answer
    shown: Row = {"status": answer.get("status")}
    if order.type == "Subscriptions":
        shown |= {"expiry": bool(order.fields.get("expiry")), "posts": order.fields.get("posts", "0")}
    else:
        shown["runs"] = order.fields["runs"]
    return {**shown, "orders": [_number(ref) for ref in order.children]}


def _with_order(answer: Any, about: Circumstances) -> Any:
    return answer if "orders" in about.request else {"order": about.request.get("order"), **answer}


def _shrunken(rows: list[Row], about: Circumstances) -> list[Row]:
    """What is left of the catalogue, in percent; which services those are is always the same."""
    keep = len(rows) * int(about.params.get("percent", 50)) // 100
    kept = {row["service"] for row in random.Random(0).sample(rows, keep)}  # noqa: S311 - a fixed choice of lines
    return [row for row in rows if row["service"] in kept]


def _without(rows: list[Row], about: Circumstances) -> list[Row]:
    removed = {str(number) for number in about.params.get("removed", ())}
    return [row for row in rows if str(row["service"]) not in removed]


def _dearer(row: Row, about: Circumstances) -> Row:
    return {**row, "rate": plain(Decimal(row["rate"]) * Decimal(str(about.params.get("factor", 2))))}


_BREAKAGES: tuple[Callable[[Row], Any], ...] = (
    lambda row: {name: value for name, value in row.items() if name != "rate"},
    lambda row: {**row, "rate": "N/A"},
    lambda row: {**row, "service": None},
    lambda row: {**row, "min": "", "max": None},
    lambda row: row["name"],
)


def _malformed(rows: list[Row], about: Circumstances) -> list[Any]:
    every = max(1, int(about.params.get("every", 10)))
    return [
        _BREAKAGES[number // every % len(_BREAKAGES)](row) if number % every == 0 else row
        for number, row in enumerate(rows)
    ]


def _flagless(row: Row, _about: Circumstances) -> Row:
    return {name: value for name, value in row.items() if name not in ("refill", "cancel", "dripfeed")}


def _zero_one(row: Row, about: Circumstances) -> Row:
    as_text = bool(about.params.get("text"))
    flags = {name: int(row[name]) for name in ("refill", "cancel", "dripfeed")}
    return {**row, **({name: str(value) for name, value in flags.items()} if as_text else flags)}


def _renamed(answer: Any, about: Circumstances) -> Any:
    """A document id of 24 hexadecimal digits instead of a number; the order is known by it from now on."""
    if about.order is None:
        return answer
    about.book.rename(about.order, f"65f0c0de{about.order.id:016x}")
    return {"order": about.order.ref}


def _with_money(answer: Any, about: Circumstances) -> Any:
    assert about.order is not None
    money = {"charge": about.order.charge_text, "start_count": "0", "remaining_balance": plain(about.book.balance)}
    return {**answer, **money}


def _refused(action_key: str) -> Change:
    """Lists of `{order, cancel}` as an object keyed by order."""
    return lambda rows, _: {
        str(row["order"]): {action_key: "requested"} if row[action_key] == 1 else row[action_key] for row in rows
    }


def _each_cancel(value: Callable[[Row], Any]) -> Change:
    return lambda rows, _: [{**row, "cancel": value(row) if row["cancel"] == 1 else row["cancel"]} for row in rows]


VARIANTS: dict[str, dict[str, Change]] = {
    "services": {
        "empty_data": lambda *_: {"status": "success", "data": "Empty Data"},
        "empty_list": lambda *_: [],
        "shrunken": _shrunken,
        "removed": _without,
        "rates": _only_rows(_dearer),
        "malformed": _malformed,
        "numbers": _only_rows(lambda row, _: {**row, **{name: _number(row[name]) for name in ("rate", "min", "max")}}),
        "text_ids": _only_rows(lambda row, _: {**row, "service": str(row["service"])}),
        "no_flags": _only_rows(_flagless),
        "zero_one_flags": _only_rows(_zero_one),
        "lower_types": _only_rows(lambda row, _: {**row, "type": row["type"].lower().replace(" ", "_")}),
        "ucfirst_types": _only_rows(lambda row, _: {**row, "type": row["type"].replace(" ", "_").capitalize()}),
        "entities": _only_rows(
            lambda row, _: {**row, "name": row["name"].replace("|", "&#124;").replace("+", "&amp;")}
        ),
        "envelope": lambda rows, _: {"status": "success", "data": rows},
    },
    "add": {
        "order_id": lambda answer, _: {"order_id": answer["order"]},
        "order_text": lambda answer, _: {"order": str(answer["order"])},
        "order_mongo": _renamed,
        "id_with_status": lambda answer, _: {"status": "success", "id": answer["order"]},
        "id_only": lambda answer, _: {"id": answer["order"]},
        "status_success": lambda answer, _: {"status": "success", **answer},
        "with_msg": lambda answer, _: {"status": "success", "msg": "Order successful", **answer},
        "with_money": _with_money,
        "error_null": lambda answer, _: {**answer, "error": None},
        "order_zero": lambda *_: {"order": 0},
        "order_blank": lambda *_: {"order": ""},
        "order_null": lambda *_: {"order": None},
        "order_false": lambda *_: {"order": False},
        "order_false_text": lambda *_: {"order": "false"},
        "no_order": lambda *_: {"status": "success"},
    },
    "status": {
        "bare_errors": _each_report(lambda _, report: report.get("error", report)),
        "omit_unknown": _each_report(lambda _, report: None if "error" in report else report),
        "list": lambda answer, _: list(answer.values()),
        "list_with_ids": lambda answer, _: [{"order": ref, **report} for ref, report in answer.items()],
        "numbers": _good(_numbers),
        "start_counter": _good(
            lambda report: {{"start_count": "start_counter"}.get(name, name): value for name, value in report.items()}
        ),
        "null_counts": _set(start_count=None, remains=None),
        "blank_counts": _set(start_count="", remains=""),
        "no_counts": _good(
            lambda report: {name: report[name] for name in ("status", "charge", "currency") if name in report}
        ),
        "negative_remains": _set(remains="-2"),
        "plus_remains": _good(lambda report: _plus({**report, "remains": "-2"})),
        "plus_for_minus": _good(_plus),
        "with_order": _with_order,
        "unknown_word": _set(status="Awaiting"),
        "lower_words": _good(lambda report: {**report, "status": str(report.get("status")).lower().replace(" ", "_")}),
        "error_null": _set(error=None),
        "parents": _parent,
        "only_first": lambda answer, _: dict(list(answer.items())[:1]),
        "empty_list": lambda *_: [],
    },
    "refill": {
        "number": lambda answer, _: {"refill": _number(answer["refill"])} if isinstance(answer, dict) else answer,
        "with_status": lambda answer, _: {"status": "success", **answer} if isinstance(answer, dict) else answer,
        "error_and_refill": lambda answer, _: (
            {**answer, "error": "Refill is being processed"} if isinstance(answer, dict) else answer
        ),
    },
    "refill_status": {"lower_words": lambda answer, _: {**answer, "status": answer["status"].lower()}},
    "cancel": {
        "object": _refused("cancel"),
        "text": _each_cancel(lambda _: "1"),
        "true": _each_cancel(lambda _: True),
        "task": _each_cancel(lambda row: 7_000_000 + int(row["order"])),
    },
    "balance": {
        "number": lambda answer, _: {**answer, "balance": _number(answer["balance"])},
        "with_status": lambda answer, _: {"status": "success", **answer},
        "formatted": lambda answer, _: {**answer, "balance": f"{Decimal(answer['balance']):,.2f}"},
        "no_currency": lambda answer, _: {"balance": answer["balance"]},
        "cmsnt": lambda answer, _: {
            "balance": _number(answer["balance"]),
            "balancef": f"{Decimal(answer['balance']):,.0f}đ",
            "currency": "VND",
        },
    },
    "orders": {"envelope": lambda answer, _: {"status": "success", "orders": answer}},
}

# What a whole panel of a dialect does to its right answers, one after the other.
DIALECT_VARIANTS: dict[str, dict[str, tuple[str, ...]]] = {
    "smartpanel": {
        "add": ("status_success",),
        "status": ("plus_for_minus", "with_order", "parents", "bare_errors"),
        "balance": ("with_status",),
    },
    "cmsnt": {
        "services": ("ucfirst_types",),
        "status": ("omit_unknown", "numbers", "start_counter"),
        "balance": ("cmsnt",),
    },
    "cmsnt_new": {"add": ("with_msg",)},
}

WRONG_TYPES = ("flip", "string", "number", "null", "scalars")


def _swap_scalars(value: Any) -> Any:
    """Numbers as strings and strings as numbers, all the way down."""
    if isinstance(value, dict):
        return {name: _swap_scalars(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_swap_scalars(inner) for inner in value]
    if isinstance(value, str):
        return _number(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def wrong_type(answer: Any, variant: str) -> Any:
    """The answer in a type nobody expects: a list for an object, an object for a list, a bare string, …"""
    match variant:
        case "flip":
            if isinstance(answer, list):
                return {str(number): row for number, row in enumerate(answer)}
            many = isinstance(answer, dict) and answer and all(isinstance(row, dict) for row in answer.values())
            return list(answer.values()) if many else [answer]
        case "string":
            return "Something went wrong"
        case "number":
            return 1
        case "null":
            return None
        case _:
            return _swap_scalars(answer)
