"""The actions of API v2, answered in the contract's form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from smmpanel.kernel.money import plain
from smmpanel.sandbox.provider_catalogue import Catalogue
from smmpanel.sandbox.provider_clock import ProviderClock
from smmpanel.sandbox.provider_errors import Refusal, error_text
from smmpanel.sandbox.provider_faults import FaultScript, ending_from
from smmpanel.sandbox.provider_fields import read_new_order
from smmpanel.sandbox.provider_log import ProviderLog, RateLimiter, Stats
from smmpanel.sandbox.provider_orders import Order, OrderBook
from smmpanel.sandbox.provider_outcomes import OUTCOMES
from smmpanel.sandbox.provider_settings import ProviderSettings

MAX_IDS = 100
_LISTED_ORDERS = 100
_LISTED_ORDERS_MAX = 1_000
_SMARTPANEL_ACTIONS = frozenset({"services", "add", "status", "balance"})


class Provider:
    """The whole state of one fake provider."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self.clock = ProviderClock(settings.speed)
        self.clear()

    def clear(self) -> None:
        """Begin again: no orders, faults, log or numbers; money and catalogue as at the start. Settings and time stay."""
        settings = self.settings
        self.catalogue = Catalogue.made(settings.services, seed=settings.seed, currency=settings.currency)
        self.book = OrderBook(self.settings)
        self.faults = FaultScript(self.settings.seed)
        self.log = ProviderLog()
        self.stats = Stats()
        self.limiter = RateLimiter()


@dataclass(slots=True)
class Call:
    """One request for an action. `now` is the moment by the provider's clock, by which orders move; `at` goes on record."""

    params: Mapping[str, str]
    dialect: str
    now: float
    at: float
    order: Order | None = None
    """The order that the action made or found."""


def ids_of(text: str) -> list[str]:
    """The ids in a comma list, without blanks and repetitions, in the order of the request."""
    ids = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if len(ids) > MAX_IDS:
        raise Refusal("too_many_ids")
    return ids


def _services(provider: Provider, call: Call) -> Any:
    rows = provider.catalogue.rows()
    if not rows and call.dialect == "smartpanel":
        return {"status": "success", "data": "Empty Data"}
    return rows


def _add(provider: Provider, call: Call) -> Any:
    service = provider.catalogue.by_id.get(call.params.get("service", "").strip())
    if service is None:
        raise Refusal("bad_service")
    if service.disabled:
        raise Refusal("disabled")
    new = read_new_order(service, {name: value for name, value in call.params.items() if name not in ("key", "action")})
    ending = ending_from(new.link)
    if ending is not None and ending[0] not in OUTCOMES:
        raise Refusal("link")
    order = provider.book.accept(new, now=call.now, at=call.at)
    if ending is not None:
        provider.book.end_with(order, ending[0], remains=ending[1])
    provider.faults.follow(order)
    call.order = order
    return {"order": order.id}


def _error(call: Call, refusal: Refusal) -> dict[str, str]:
    return {"error": error_text(refusal.meaning, call.dialect, refusal.detail)}


def _status(provider: Provider, call: Call) -> Any:
    book, params = provider.book, call.params
    if "orders" not in params:
        call.order = book.find(params.get("order", "").strip())
        return book.report(call.order, call.now)
    ids = ids_of(params["orders"])
    provider.stats.batch(len(ids))
    unknown = {"error": error_text("bad_order", call.dialect)}
    by_ref, report, now = book.by_ref, book.report, call.now
    found = {ref: report(by_ref[ref], now) if ref in by_ref else unknown for ref in ids}
    if call.dialect == "cmsnt" and all(row is unknown for row in found.values()):
        raise Refusal("no_ids_match")
    return found


def _as_number(ref: str) -> int | str:
    return int(ref) if ref.isascii() and ref.isdecimal() else ref


def _flag(provider: Provider, ref: str, name: str) -> bool:
    """Whether the service of an order, as it is now, offers refills or cancels."""
    order = provider.book.find(ref)
    service = provider.catalogue.by_id.get(str(order.service))
    return service is not None and bool(getattr(service, name))


def _refill_one(provider: Provider, call: Call, ref: str) -> int:
    refillable = _flag(provider, ref, "refill")
    return provider.book.refill(ref, refillable=refillable, now=call.now).id


def _each(call: Call, ids: list[str], key: str, value: str, act: Callable[[str], Any]) -> list[dict[str, Any]]:
    """Act on each id; a refusal becomes the value of that id alone."""
    rows = []
    for ref in ids:
        try:
            rows.append({key: _as_number(ref), value: act(ref)})
        except Refusal as refusal:
            rows.append({key: _as_number(ref), value: _error(call, refusal)})
    return rows


def _refill(provider: Provider, call: Call) -> Any:
    if "orders" in call.params:
        ids = ids_of(call.params["orders"])
        return _each(call, ids, "order", "refill", lambda ref: _refill_one(provider, call, ref))
    return {"refill": str(_refill_one(provider, call, call.params.get("order", "").strip()))}


def _refill_word(provider: Provider, call: Call, ref: str) -> str:
    refill = provider.book.refills.get(ref)
    if refill is None:
        raise Refusal("bad_refill")
    return refill.status(call.now)


def _refill_status(provider: Provider, call: Call) -> Any:
    if "refills" in call.params:
        ids = ids_of(call.params["refills"])
        return _each(call, ids, "refill", "status", lambda ref: _refill_word(provider, call, ref))
    return {"status": _refill_word(provider, call, call.params.get("refill", "").strip())}


def _cancel(provider: Provider, call: Call) -> Any:
    def ask(ref: str) -> int:
        provider.book.cancel(ref, cancelable=_flag(provider, ref, "cancel"), now=call.now)
        return 1

    # Some clients send one id as `order`; panels that copy the standard class take both.
    return _each(call, ids_of(call.params.get("orders", call.params.get("order", ""))), "order", "cancel", ask)


def _balance(provider: Provider, _call: Call) -> Any:
    return {"balance": plain(provider.book.balance), "currency": provider.settings.currency}


def _orders(provider: Provider, call: Call) -> Any:
    limit = call.params.get("limit", "")
    count = int(limit) if limit.isascii() and limit.isdecimal() else _LISTED_ORDERS
    book = provider.book
    newest = book.rows[: -min(count, _LISTED_ORDERS_MAX) - 1 : -1]
    return [
        {
            "order": _as_number(order.ref),
            "service": order.service,
            "link": order.link,
            "quantity": str(order.quantity),
            **book.report(order, call.now, polled=False),
            "created": datetime.fromtimestamp(order.accepted_at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        }
        for order in newest
    ]


_ACTIONS: dict[str, Callable[[Provider, Call], Any]] = {
    "services": _services,
    "add": _add,
    "status": _status,
    "refill": _refill,
    "refill_status": _refill_status,
    "cancel": _cancel,
    "balance": _balance,
    "orders": _orders,
}


def carry_out(provider: Provider, call: Call) -> Any:
    """Do what is asked and return the answer before it becomes JSON; raises `Refusal`."""
    if call.params.get("key") != provider.settings.key:
        raise Refusal("bad_key")
    name = call.params.get("action", "")
    action = _ACTIONS.get(name)
    if action is None or (call.dialect == "smartpanel" and name not in _SMARTPANEL_ACTIONS):
        raise Refusal("bad_action")
    provider.book.settle(call.now)
    return action(provider, call)
