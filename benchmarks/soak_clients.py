"""Resellers' clients that place orders through a rough time: they repeat what was not answered, with the same key."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from benchmarks.seeding import QUANTITY, Customer, Wanted
from smmpanel.kernel.http import Outgoing, OutgoingError

IMPATIENT_SHARE = 0.02
"""Calls whose client leaves before it can have heard the answer."""
TWIN_SHARE = 0.02
"""Orders that two calls try to place at the same time, with one key."""
IMPATIENT_SECONDS = 0.01
PATIENT_SECONDS = 30.0
PAUSE_SECONDS = 0.2


@dataclass(slots=True)
class Told:
    """What clients were told, by key."""

    orders: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    calls: int = 0
    lost: int = 0
    """Calls that were not answered, or with something that is no answer."""

    @property
    def settled(self) -> int:
        """How many keys have got their final answer."""
        return len(self.orders) + len(self.refused)


@dataclass(slots=True)
class Clients:
    """So many clients at once, until every order has its answer."""

    ports: list[int]
    customers: list[Customer]
    services: list[Wanted]
    number: int
    rng: random.Random
    told: Told = field(default_factory=Told)

    async def run(self, clients: int) -> None:
        """Place all orders."""
        numbers = iter(range(self.number))
        async with Outgoing(allow=("127.0.0.1",), max_connections=2 * clients) as http, asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client(http, numbers))

    async def _client(self, http: Outgoing, numbers: Iterator[int]) -> None:
        for number in numbers:
            if self.rng.random() < TWIN_SHARE:
                await asyncio.gather(self._order(http, number), self._order(http, number))
            else:
                await self._order(http, number)

    async def _order(self, http: Outgoing, number: int) -> None:
        key = key_of(number)
        wanted = self.services[number % len(self.services)]
        form = {
            "key": self.customers[number % len(self.customers)].key,
            "action": "add",
            "service": str(wanted.service_id),
            "link": wanted.link.format(number=number),
            "quantity": str(QUANTITY),
        }
        while (answer := await self._ask(http, form, key)) is None:  # noqa: ASYNC110 - it asks again, and that takes a pause
            await asyncio.sleep(PAUSE_SECONDS * self.rng.random())
        if isinstance(answer, int):
            if self.told.orders.setdefault(key, answer) != answer:
                self.told.contradictions.append(f"{key}: order {self.told.orders[key]}, then {answer}")
        else:
            self.told.refused[key] = answer
        if key in self.told.orders:
            # Of two calls with one key the second may find the money that the first had not: it is an order then.
            self.told.refused.pop(key, None)

    async def _ask(self, http: Outgoing, form: dict[str, str], key: str) -> int | str | None:
        """Make one call: the order's id, the words of a refusal, or `None` if the answer is lost and it must be repeated."""
        impatient = self.rng.random() < IMPATIENT_SHARE
        self.told.calls += 1
        try:
            answer = await http.send(
                "POST",
                f"http://127.0.0.1:{self.rng.choice(self.ports)}/api/v2",
                form=form,
                headers={"idempotency-key": key},
                timeout_seconds=IMPATIENT_SECONDS if impatient else PATIENT_SECONDS,
            )
        except OutgoingError:
            self.told.lost += 1
            return None
        if answer.status != 200:
            self.told.lost += 1
            return None
        said = orjson.loads(answer.body)
        return int(said["order"]) if "order" in said else str(said["error"])


def key_of(number: int) -> str:
    """Return the idempotency key of an order."""
    return f"soak-{number}"
