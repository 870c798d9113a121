"""Understanding how orders, refills and cancels stand, in every shape of an API v2 answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from smmpanel.providers.adapters.answers import (
    ORDER_IDS,
    REFILL_IDS,
    entries_in,
    error_in,
    first_id,
    is_marked_success,
    is_nothing,
    said_in,
    unexplained,
)
from smmpanel.providers.adapters.reading import amount_of, id_of, message_of, text_of, whole_of, word_of
from smmpanel.providers.adapters.talking import Reply
from smmpanel.providers.adapters.words import is_unknown_order, refill_status_of, says_no, says_yes, status_of
from smmpanel.providers.protocol import (
    ProviderFailure,
    RefusedOrder,
    Rejected,
    UpstreamRefillStatus,
    UpstreamReport,
    UpstreamStatus,
)

Words = Mapping[str, UpstreamStatus]

_PROGRESS = ("charge", "remains", "start_count", "start_counter", "currency")
_REGISTERED = frozenset(
    {"requested", "success", "ok", "true", "accepted", "pending", "processing", "in_progress", "canceled", "cancelled"}
)


def report_of(row: Mapping[str, Any], words: Words | None = None) -> UpstreamReport | Rejected | None:
    """Return what one row says of an order; `None` if it says nothing or contradicts itself."""
    has_progress = any(name in row for name in _PROGRESS)
    has_error = not is_nothing(row.get("error")) or not is_nothing(row.get("errors"))
    if has_error and has_progress:
        return None
    # "Error" beside numbers is an order's state; beside nothing but a message it is the mark of an error.
    error = error_in(row) if not has_progress else None
    if error:
        return Rejected(error)
    raw = text_of(row.get("status"), max_chars=60)
    if not raw:
        said = said_in(row)
        return Rejected(said) if said and not has_progress else None
    return UpstreamReport(
        status=status_of(raw, words),
        raw_status=raw,
        charge=amount_of(row.get("charge")),
        start_count=whole_of(row.get("start_count", row.get("start_counter"))),
        remains=whole_of(row.get("remains")),
        currency=text_of(row.get("currency"), max_chars=10).upper() or None,
        children=_children_in(row.get("orders")),
        posts=whole_of(row.get("posts")),
    )


def _children_in(orders: Any) -> tuple[str, ...]:
    """Ids of a subscription's or drip-feed's orders: a list of ids or of rows, or an object keyed by id."""
    if isinstance(orders, str):
        orders = orders.split(",")
    elif isinstance(orders, Mapping):
        orders = list(orders)
    if not isinstance(orders, list):
        return ()
    ids = (first_id(each, ORDER_IDS) if isinstance(each, Mapping) else id_of(each) for each in orders)
    return tuple(dict.fromkeys(found for found in ids if found is not None))


def reports_in(reply: Reply, asked: Sequence[str], words: Words | None = None) -> dict[str, UpstreamReport | Rejected]:
    """Return what a `status` answer says of the orders asked for; those it does not mention are left out."""
    entries = _status_entries(reply, asked)
    if entries is None:
        raise reply.unclear("the answer is no list of states")
    read = ((key, _entry_report(reply, key, value, words)) for key, value in entries.items())
    return {key: report for key, report in read if report is not None}


def _status_entries(reply: Reply, asked: Sequence[str]) -> dict[str, Any] | None:
    data = reply.data
    entries = entries_in(data, asked, ORDER_IDS)
    if isinstance(data, Mapping) and entries is None:
        return _one_state_or_error(reply, data, asked)
    if isinstance(data, str) and is_unknown_order(data):
        return _same_for_all(asked, data)
    if entries == {} and len(asked) == len(data) == 1 and first_id(data[0], ORDER_IDS) is None:
        return {asked[0]: data[0]}
    return entries


def _one_state_or_error(reply: Reply, data: Mapping[str, Any], asked: Sequence[str]) -> dict[str, Any] | None:
    """An object not keyed by our ids: one order's state, an error, or an envelope around states."""
    is_state = any(name in data for name in _PROGRESS) or not _is_marker(data.get("status", True))
    if len(asked) == 1 and is_state and reply.status < 400 and is_nothing(data.get("error")):
        if id_of(data.get("order")) not in {None, asked[0]}:
            raise reply.unclear("the answer is about another order")
        return {asked[0]: data}
    error = error_in(data, status=reply.status)
    if error:
        return _refused(reply.refusal(error), error, asked, also_others=False)
    if error is not None or reply.status >= 400:
        raise unexplained(reply)
    for name in ("orders", "data", "order"):
        inner = data.get(name)
        entries = entries_in(inner, asked, ORDER_IDS)
        if entries is not None:
            return entries
        if len(asked) == 1 and isinstance(inner, Mapping) and "status" in inner:
            return {asked[0]: inner}
    # Only other ids, or none at all: no news. Anything else is no answer to what was asked.
    return {} if all(isinstance(value, Mapping) for value in data.values()) else None


def _is_marker(value: Any) -> bool:
    return says_yes(value) or says_no(value)


def _refused(failure: ProviderFailure, error: str, asked: Sequence[str], *, also_others: bool) -> dict[str, Any]:
    """An error about the whole call that is about orders only becomes the answer for each of them; others are raised."""
    about_orders = also_others or len(asked) == 1 or is_unknown_order(error)
    if isinstance(failure, RefusedOrder) and about_orders:
        return _same_for_all(asked, error)
    raise failure


def _same_for_all(asked: Sequence[str], error: str) -> dict[str, Any]:
    return {external_id: {"error": error} for external_id in asked}


def _entry_report(reply: Reply, key: str, value: Any, words: Words | None) -> UpstreamReport | Rejected | None:
    if isinstance(value, Mapping):
        report = report_of(value, words) if id_of(value.get("order")) in {None, key} else None
        return Rejected(reply.shown(report.text)) if isinstance(report, Rejected) else report
    if isinstance(value, str) and message_of(value):
        status = status_of(value, words)
        raw = text_of(value, max_chars=60)
        return UpstreamReport(status, raw_status=raw) if status else Rejected(reply.shown(message_of(value)))
    return None


def refill_id_in(reply: Reply, external_id: str) -> str:
    """Return the id of a refill that was asked for, or raise what the answer means."""
    entries = entries_in(reply.data, [external_id], ORDER_IDS)
    row = entries[external_id] if entries else reply.data
    if not isinstance(row, Mapping):
        raise reply.unclear("the answer is no object")
    refill = row.get("refill")
    inner = refill if isinstance(refill, Mapping) else row.get("data") if is_marked_success(row) else None
    places = [row, inner] if isinstance(inner, Mapping) else [row]
    errors = [error_in(place, status=reply.status) for place in places]
    error = next((each for each in errors if each is not None), None)
    found = next((each for place in places if (each := first_id(place, REFILL_IDS)) is not None), None)
    if error and found is None:
        raise reply.refusal(error, about_one_order=True)
    if error is not None or found is None or reply.status >= 300:
        raise unexplained(reply) if found is None and reply.status >= 400 else reply.unclear("it is no refill's id")
    return found


def refill_states_in(reply: Reply, asked: Sequence[str]) -> dict[str, UpstreamRefillStatus | Rejected]:
    """Return the states of refills; unknown words and missing ids are left out."""
    entries = _refill_entries(reply, asked)
    if entries is None:
        raise reply.unclear("the answer is no list of refills")
    read = ((key, _refill_state(reply, value)) for key, value in entries.items())
    return {key: state for key, state in read if state is not None}


def _refill_entries(reply: Reply, asked: Sequence[str]) -> dict[str, Any] | None:
    data = reply.data
    entries = entries_in(data, asked, (*REFILL_IDS, "id"))
    if entries is not None or not isinstance(data, Mapping):
        return entries
    error = error_in(data, status=reply.status)
    if error:
        return _refused(reply.refusal(error, about_one_order=True), error, asked, also_others=True)
    if reply.status >= 400:
        raise unexplained(reply)
    inner = data.get("data")
    if inner is not None:
        entries = entries_in(inner, asked, (*REFILL_IDS, "id"))
        return {asked[0]: inner} if entries is None and len(asked) == 1 and isinstance(inner, Mapping) else entries
    is_about_it = first_id(data, REFILL_IDS) in {None, asked[0]}
    return {asked[0]: data} if len(asked) == 1 and "status" in data and is_about_it else None


def _refill_state(reply: Reply, value: Any) -> UpstreamRefillStatus | Rejected | None:
    status = value.get("status") if isinstance(value, Mapping) else value
    error = error_in(value) or error_in(status)
    return Rejected(reply.shown(error)) if error else refill_status_of(status)


def cancels_in(reply: Reply, asked: Sequence[str]) -> dict[str, Rejected | None]:
    """Return for which orders the wish to cancel was registered (`None`) or turned down."""
    data = reply.data
    entries = entries_in(data, asked, ORDER_IDS)
    if entries is None and isinstance(data, Mapping):
        error = error_in(data, status=reply.status)
        if error:
            entries = _refused(reply.refusal(error, about_one_order=True), error, asked, also_others=True)
        elif error is not None or reply.status >= 400:
            raise unexplained(reply)
        elif len(asked) == 1 and ("cancel" in data or is_marked_success(data)):
            entries = {asked[0]: data.get("cancel", True)}
    if entries is None:
        raise reply.unclear("the answer is no list of cancels")
    read = ((key, _cancel_answer(reply, value)) for key, value in entries.items())
    return {key: answer[0] for key, answer in read if answer is not None}


def _cancel_answer(reply: Reply, value: Any) -> tuple[Rejected | None] | None:
    """A tuple, because "registered" and "no news" are different answers and both have no words."""
    if isinstance(value, Mapping):
        error = error_in(value)
        if error is not None:
            return (Rejected(reply.shown(error or "refused without a reason")),)
        inner = value.get("cancel")
        if isinstance(inner, Mapping):
            return (None,) if first_id(inner, ORDER_IDS) or is_marked_success(inner) else _refused_cancel(reply, inner)
        return _cancel_answer(reply, inner)
    if value is None:
        return None
    if value is True or id_of(value) is not None or word_of(value) in _REGISTERED:
        return (None,)
    return (Rejected(reply.shown(message_of(value)) if not is_nothing(value) else "not canceled"),)


def _refused_cancel(reply: Reply, inner: Mapping[str, Any]) -> tuple[Rejected] | None:
    error = error_in(inner)
    return (Rejected(reply.shown(error or "refused without a reason")),) if error is not None else None
