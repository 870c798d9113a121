"""The catalogue that the sandbox sells: made up from a seed, the same for the same seed, and editable while it runs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from smmpanel.kernel.money import plain
from smmpanel.sandbox import provider_market as market

_BLOCK_SERVICES = (2, 9)
_MAY_DRIP = frozenset({"Default", "Web Traffic"})


@dataclass(slots=True)
class Service:
    """One line of the catalogue. `rate` is per 1,000, or per package for the package types."""

    id: int
    name: str
    type: str
    category: str
    rate: Decimal
    min: int
    max: int
    dripfeed: bool
    refill: bool
    cancel: bool
    disabled: bool = False
    """Still listed, but an order for it is refused."""

    def row(self) -> dict[str, Any]:
        """The line as `action=services` shows it."""
        return {
            "service": self.id,
            "name": self.name,
            "type": self.type,
            "category": self.category,
            "rate": plain(self.rate),
            "min": str(self.min),
            "max": str(self.max),
            "dripfeed": self.dripfeed,
            "refill": self.refill,
            "cancel": self.cancel,
        }


def _short(number: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "K")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return str(number)


def _rate(rng: random.Random, product: market.Product, currency: str) -> Decimal:
    # Squared, because most of a catalogue crowds at the cheap end.
    place = rng.randrange(1_000) ** 2
    millionths = product.cheapest + (product.dearest - product.cheapest) * place // 1_000_000
    # Nobody quotes 0.283917: about three significant digits remain.
    step = max(1, 10 ** (len(str(millionths)) - 3))
    return Decimal(millionths // step * step).scaleb(-6) * market.PER_DOLLAR.get(currency, 1)


def _blocks(rng: random.Random) -> Iterator[tuple[market.Product, str, int]]:
    """An endless catalogue, block by block: product, section, how many services. Its beginning holds every type."""
    yield market.PRODUCTS[0], "", 1
    for special in market.SPECIALS:
        yield special, "", 1
    while True:
        some_special = rng.randrange(12) == 0
        product = rng.choice(market.SPECIALS if some_special else market.PRODUCTS)
        yield product, rng.choice(market.SECTIONS), rng.randint(*_BLOCK_SERVICES)


def _service(rng: random.Random, number: int, product: market.Product, section: str, currency: str) -> Service:
    refill = product.drops and product.type != "Subscriptions" and rng.random() < 0.6
    single = product.largest == 1
    largest = product.largest if single else product.largest // rng.choice((1, 1, 2, 5, 10))
    smallest = min(product.smallest * rng.choice((1, 1, 1, 2, 5)), largest) if not single else 1
    parts = [
        f"{product.platform} {product.noun}" + ("" if single else f" [ Max {_short(largest)} ]"),
        " ".join(filter(None, (rng.choice(market.QUALITIES), rng.choice(market.COUNTRIES)))),
        rng.choice(market.GUARANTEES) if refill else rng.choice(market.UNGUARANTEED),
        rng.choice(market.STARTS),
        f"Speed {_short(rng.choice(market.SPEEDS))}/Day",
    ]
    return Service(
        id=number,
        name=" | ".join(parts) + rng.choice(("", "", " ⚡", " ⭐", " 🔥")),
        type=product.type,
        category=" ".join(filter(None, (product.platform, product.noun, section and f"- {section}"))),
        rate=_rate(rng, product, currency),
        min=smallest,
        max=largest,
        dripfeed=product.type in _MAY_DRIP and rng.random() < 0.7,
        refill=refill,
        cancel=rng.random() < 0.45,
    )


def make_services(count: int, *, seed: int, currency: str = "USD") -> list[Service]:
    """Make up a catalogue. A larger one with the same seed begins with the same services."""
    rng = random.Random(seed)  # noqa: S311 - decides names and rates, not secrets
    services: list[Service] = []
    for product, section, size in _blocks(rng):
        for _ in range(size):
            if len(services) == count:
                return services
            services.append(_service(rng, len(services) + 1, product, section, currency))
    return services


@dataclass(slots=True)
class Catalogue:
    """The services on sale, as lines and as the bytes of the whole list."""

    by_id: dict[str, Service]
    _rows: list[dict[str, Any]] | None = field(default=None)
    _encoded: bytes | None = field(default=None)

    @classmethod
    def made(cls, count: int, *, seed: int, currency: str) -> "Catalogue":
        """A fresh catalogue from a seed."""
        return cls({str(service.id): service for service in make_services(count, seed=seed, currency=currency)})

    def rows(self) -> list[dict[str, Any]]:
        """Every line, category by category as panels list them. Shared: copy a line before changing it."""
        if self._rows is None:
            place: dict[str, int] = {}
            for service in self.by_id.values():
                place.setdefault(service.category, len(place))
            ordered = sorted(self.by_id.values(), key=lambda service: (place[service.category], service.id))
            self._rows = [service.row() for service in ordered]
        return self._rows

    def encoded(self) -> bytes:
        """The whole list as JSON, kept until something changes."""
        if self._encoded is None:
            self._encoded = orjson.dumps(self.rows())
        return self._encoded

    def change(self, service_id: str, changes: dict[str, Any]) -> Service:
        """Change fields of one service (`rate` as text); raises `KeyError` for an unknown service or field."""
        service = self.by_id[service_id]
        for name, value in changes.items():
            if name not in Service.__slots__ or name == "id":
                raise KeyError(name)
            setattr(service, name, Decimal(str(value)) if name == "rate" else value)
        self._forget()
        return service

    def remove(self, service_id: str) -> None:
        """Take a service off the list for good; raises `KeyError` if it is not there."""
        del self.by_id[service_id]
        self._forget()

    def _forget(self) -> None:
        self._rows = self._encoded = None
