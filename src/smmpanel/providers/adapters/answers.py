"""Understanding API v2 answers: how panels say yes and no, and how they name what they speak of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from smmpanel.providers.adapters.reading import amount_of, id_of, message_of, rows_of, text_of, whole_of
from smmpanel.providers.adapters.talking import Reply
from smmpanel.providers.adapters.words import says_no, says_yes
from smmpanel.providers.protocol import Accepted, ProviderFailure, RecentOrder, UpstreamBalance

ORDER_IDS = ("order", "order_id", "id")
REFILL_IDS = ("refill", "refill_id", "id_refill")

_MARKERS = ("status", "success", "ok", "result", "response")
_MESSAGES = ("message", "msg", "error_message", "detail", "pesan")
_NOTHING_WORDS = frozenset({"", "0", "null", "false", "none"})


def is_nothing(value: Any) -> bool:
    """Whether a value is an empty way of not saying anything, such as `"error": null` on a success."""
    return not value or (isinstance(value, str) and value.strip().lower() in _NOTHING_WORDS)


def error_in(data: Any, *, status: int = 200) -> str | None:
    """Return the words of an explicit error, `""` if it has none, or `None` if the answer is not an error."""
    if not isinstance(data, Mapping):
        return None
    said = said_in(data)
    for name in ("error", "errors"):
        value = data.get(name)
        if not is_nothing(value):
            return said if says_yes(value) else message_of(value) or said
    if any(says_no(data[name]) for name in _MARKERS if name in data):
        return said or message_of(data.get("data"))
    # Frameworks answer {"message": …} alone when a request does not pass their checks.
    return said if status >= 400 and said else None


def said_in(data: Mapping[str, Any]) -> str:
    """Return an answer's message, good or bad."""
    return message_of(next((data[name] for name in _MESSAGES if not is_nothing(data.get(name))), ""))


def is_marked_success(data: Mapping[str, Any]) -> bool:
    """Whether an answer says of itself that it is a success."""
    return any(says_yes(data[name]) for name in _MARKERS if name in data)


def first_id(data: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return the first of the named fields that holds an id."""
    return next((found for name in names if (found := id_of(data.get(name))) is not None), None)


def accepted_order(reply: Reply) -> Accepted:
    """Return the order id that an `add` was answered with, or raise what the answer means.

    An explicit error without any id is a refusal, also in words we do not know. An id together with an error, with a
    mark of failure or with a code other than 2xx contradicts itself: unclear. No id and no error: unclear.
    """
    data = reply.data
    if not isinstance(data, Mapping):
        raise unexplained(reply) if reply.status >= 400 else reply.unclear("the answer is no object")
    error = error_in(data, status=reply.status)
    if error is None and reply.status < 300:
        found = _order_id_in(data)
        if found is None:
            raise reply.unclear("neither an order id nor an error")
        return Accepted(found, reply.answer)
    if _mentions_an_id(data) or is_marked_success(data):
        raise reply.unclear(f"an error and a sign of success at once: {error}")
    raise reply.refusal(error) if error else unexplained(reply)


def _order_id_in(data: Mapping[str, Any]) -> str | None:
    """`id` alone could be anything's id: it counts only beside an explicit mark of success."""
    if not is_marked_success(data):
        return first_id(data, ORDER_IDS[:2])
    inner = data.get("data")
    return first_id(data, ORDER_IDS) or (first_id(inner, ORDER_IDS) if isinstance(inner, Mapping) else None)


def _mentions_an_id(data: Mapping[str, Any]) -> bool:
    places = (data, data.get("data"), data.get("order"))
    return any(first_id(each, ORDER_IDS) is not None for each in places if isinstance(each, Mapping))


def unexplained(reply: Reply) -> ProviderFailure:
    """Return the failure for an answer that says no by its code or its mark alone."""
    text = f"refused without a reason (HTTP {reply.status})"
    return reply.refusal(text) if reply.status in {401, 402, 403, 429} else reply.unclear(text)


def raise_error_in(reply: Reply) -> None:
    """Raise the failure that an answer is, if it is an error."""
    error = error_in(reply.data, status=reply.status)
    if error:
        raise reply.refusal(error)
    if error is not None or reply.status >= 400:
        raise unexplained(reply)


def entries_in(data: Any, asked: Sequence[str], names: Sequence[str]) -> dict[str, Any] | None:
    """Return what an answer says per id, be it an object keyed by id or a list; `None` if it is neither.

    Rows of a list are told apart by the id they bear, never by their place: a wrong guess would move money.
    """
    wanted = set(asked)
    if isinstance(data, Mapping):
        return {key.strip(): value for key, value in data.items() if key.strip() in wanted} or None
    if isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
        by_id = ((first_id(row, names), row) for row in data)
        return {key: row for key, row in by_id if key is not None and key in wanted}
    return None


def balance_in(reply: Reply) -> UpstreamBalance:
    """Return the account's balance."""
    raise_error_in(reply)
    data = reply.data
    if isinstance(data, Mapping) and "balance" not in data and isinstance(data.get("data"), Mapping):
        data = data["data"]
    amount = amount_of(data.get("balance")) if isinstance(data, Mapping) else None
    if amount is None:
        raise reply.unclear("the answer is no balance")
    return UpstreamBalance(amount, text_of(data.get("currency"), max_chars=10).upper() or None)


def recent_orders_in(reply: Reply, limit: int) -> list[RecentOrder]:
    """Return the panel's own list of our latest orders."""
    raise_error_in(reply)
    data = reply.data
    if isinstance(data, Mapping):
        data = next((data[name] for name in ("orders", "data") if isinstance(data.get(name), list | Mapping)), None)
    if not isinstance(data, list | Mapping):
        raise reply.unclear("the answer is no list of orders")
    found: list[RecentOrder] = []
    for row in rows_of(data):
        external_id = first_id(row, ORDER_IDS)
        if external_id is not None:
            service = text_of(row.get("service", row.get("service_id"))) or None
            link = text_of(row.get("link"), max_chars=4000) or None
            found.append(RecentOrder(external_id, service, link, whole_of(row.get("quantity"))))
    return found[:limit]
