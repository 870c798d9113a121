"""`python -m benchmarks.soak`: many orders through parallel clients, two web processes, workers that die and a bad provider.

At the end our orders must equal the provider's log one to one, whatever was killed when.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg

from benchmarks import soak_checks
from benchmarks.place import Place, a_place, end_cleanly_when_told, free_port, wait_for
from benchmarks.seeding import Customer, Wanted, import_catalogue, make_customers, point_at
from benchmarks.soak_checks import Check
from benchmarks.soak_clients import Clients, Told
from benchmarks.soak_killing import Herd
from smmpanel.sandbox.process import SandboxProcess

CATALOGUE = 300
CUSTOMERS = 40
POOR_SHARE = 5
"""One customer of so many has money for a part of their orders only."""
WEB_PROCESSES = 2
PROVIDER_TIMEOUT_SECONDS = 4
DATABASE_KILLED_AT = (0.3, 0.7)
STUBBORN_SECONDS = 60.0
"""How long processes are killed after the last order was placed, while many still have to be handed in."""
LOOK_SECONDS = 1.0
SAY_SECONDS = 10.0


def _either(kinds: tuple[str, ...], probability: float) -> list[dict[str, Any]]:
    """Faults that strike before the provider has done anything, and after it has taken the order."""
    return [{"kind": f"{kind}_{when}", "probability": probability} for kind in kinds for when in ("before", "after")]


ADD_FAULTS: list[dict[str, Any]] = [
    *_either(("timeout", "cut", "empty"), 0.002),
    *_either(("drop", "reset", "garbage"), 0.003),
    *_either(("status_5xx", "html_200"), 0.004),
    {"kind": "refuse", "meaning": "link", "probability": 0.01},
    {"kind": "rate_limit", "retry_after": 1, "probability": 0.0005},
    {"kind": "slow", "ms": 1500, "probability": 0.01},
    {"kind": "bom", "probability": 0.02},
]
STATUS_FAULTS: list[dict[str, Any]] = [
    *({"kind": kind, "probability": 0.01} for kind in ("drop", "status_5xx", "html_200", "garbage", "timeout")),
    {"kind": "wrong_type", "variant": "flip", "probability": 0.02},
    {"kind": "slow", "ms": 1000, "probability": 0.03},
]


@dataclass(slots=True)
class Soak:
    """One soak: its size, and what came of it."""

    orders: int
    clients: int
    workers: int
    seed: int
    seconds_max: float
    finish_after: float
    checks: list[Check] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def run(self) -> list[Check]:
        """Run it and return what was checked."""
        with (
            a_place() as place,
            SandboxProcess.start(
                services=CATALOGUE,
                seed=self.seed,
                balance=10**9,
                latency_ms=20,
                finish_after=self.finish_after,
                partial_share=0.05,
                cancel_share=0.05,
            ) as sandbox,
        ):
            place.quiet = True
            services = import_catalogue(place, CATALOGUE, seed=self.seed)
            customers = self._customers(place, services)
            point_at(place, sandbox, timeout_seconds=PROVIDER_TIMEOUT_SECONDS)
            for action, faults in (("add", ADD_FAULTS), ("status", STATUS_FAULTS)):
                for fault in faults:
                    sandbox.add_fault(action=action, **fault)
            told = asyncio.run(self._rough_time(place, sandbox, customers, services))
            place.stop_children()
            self.checks += soak_checks.told_the_truth(place, told)
            self.checks += soak_checks.books(place)
            self._say_what_was_logged(place)
        return self.checks

    def _customers(self, place: Place, services: list[Wanted]) -> list[Customer]:
        """Make customers, some of whom can pay for a part of their orders only."""
        with place.connect() as connection:
            rates = connection.execute(
                "SELECT avg(rate) FROM services WHERE id = ANY(%s)", ([one.service_id for one in services],)
            ).fetchall()
        share = Decimal(str(rates[0][0])) * self.orders / CUSTOMERS / 2
        poor = make_customers(place, CUSTOMERS // POOR_SHARE, name="poor", balance=share.quantize(Decimal("0.01")))
        return [*poor, *make_customers(place, CUSTOMERS - len(poor))]

    async def _rough_time(
        self, place: Place, sandbox: SandboxProcess, customers: list[Customer], services: list[Wanted]
    ) -> Told:
        ports = [free_port() for _ in range(WEB_PROCESSES)]
        herd = Herd(place, self.rng)
        for port in ports:
            herd.add("web", "serve", "--port", str(port), port=port)
        for _ in range(self.workers):
            herd.add("worker", "worker")
        for port in ports:
            wait_for(f"http://127.0.0.1:{port}/health")
        work = Clients(ports, customers, services, self.orders, self.rng)
        keeping = asyncio.create_task(herd.keep())
        killing = asyncio.create_task(
            herd.kill_at_random(lambda: work.told.settled / self.orders, list(DATABASE_KILLED_AT))
        )
        saying = asyncio.create_task(self._say_progress(work.told, herd))
        try:
            async with asyncio.timeout(self._left()):
                await work.run(self.clients)
            await self._until_none(
                place,
                "status = 'pending' AND due_at <= now()",
                "to hand in",
                but=self.orders // 50,
                seconds=STUBBORN_SECONDS,
            )
            killing.cancel()
            saying.cancel()
            self._say(f"all orders are placed; killed {dict(herd.killed)}, ended by themselves {dict(herd.ended)}")
            self._say(f"{work.told.calls:,} calls, {work.told.lost:,} of them not answered and repeated")
            await self._come_to_rest(place, sandbox)
        finally:
            for task in (keeping, killing, saying):
                task.cancel()
            failed = await asyncio.gather(keeping, killing, saying, return_exceptions=True)
        for failure in failed:
            if isinstance(failure, Exception):
                raise failure
        return work.told

    async def _come_to_rest(self, place: Place, sandbox: SandboxProcess) -> None:
        """Wait for what is on its way, compare, settle what is in doubt by the provider's log, wait for the ends."""
        await self._until_none(place, "status = 'pending' OR (status = 'submitting' AND NOT unconfirmed)", "to hand in")
        self._say(f"the provider made trouble: {dict(sandbox.stats()['faults'])}")
        sandbox.clear_faults()
        made = soak_checks.accepted_by_provider(sandbox)
        self.checks += soak_checks.one_to_one(place, made)
        taken, not_taken = soak_checks.unconfirmed_by_log(place, made)
        self._say(f"unconfirmed: {len(taken)} are in the provider's log, {len(not_taken)} are not; settling them so")
        await asyncio.to_thread(soak_checks.settle_unconfirmed, place, taken, not_taken)
        await self._until_none(place, "status IN ('pending', 'submitting')", "to hand in")
        made = soak_checks.accepted_by_provider(sandbox)
        self.checks += soak_checks.one_to_one(place, made, settled=True)
        await self._until_none(place, "status IN ('processing', 'in_progress')", "under way")
        self.checks.append(soak_checks.finished(place))

    async def _until_none(
        self, place: Place, condition: str, what: str, *, but: int = 0, seconds: float = float("inf")
    ) -> None:
        """Wait until no order is like that, or no more than `but`, or the time is up."""
        said = 0.0
        gives_up = time.monotonic() + min(self._left(), seconds)
        while time.monotonic() < gives_up:
            try:
                with place.connect() as connection:
                    found = connection.execute(f"SELECT count(*) FROM orders WHERE {condition}").fetchall()
            except psycopg.OperationalError:  # it was killed just now
                await asyncio.sleep(LOOK_SECONDS)
                continue
            if int(str(found[0][0])) <= but:
                return
            if time.monotonic() - said > SAY_SECONDS:
                said = time.monotonic()
                self._say(f"{found[0][0]} orders {what}")
            await asyncio.sleep(LOOK_SECONDS)

    def _left(self) -> float:
        return max(self.began + self.seconds_max - time.monotonic(), 0)

    async def _say_progress(self, told: Told, herd: Herd) -> None:
        while True:
            await asyncio.sleep(SAY_SECONDS)
            self._say(f"{told.settled:,} orders answered, {told.lost} calls lost, killed {dict(herd.killed)}")

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:4.0f} s] {text}", flush=True)

    def _say_what_was_logged(self, place: Place) -> None:
        events = Counter(
            line.split("]", 1)[1].split()[0]
            for line in place.log.read_text(errors="replace").splitlines()
            if "[error" in line or "[critical" in line
        )
        self._say(f"errors logged: {dict(events) or 'none'}")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes-max", type=float, default=30.0, help="what is not done by then has failed")
    parser.add_argument("--finish-after", type=float, default=30.0, help="seconds that the provider takes for an order")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--quick", action="store_true", help="at most 500 orders, which are done soon")
    options = parser.parse_args(arguments)
    if options.quick:
        options.orders, options.finish_after = min(options.orders, 500), 5.0
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run a soak, print what was checked, and return the exit code."""
    end_cleanly_when_told()
    options = _options(arguments)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"{options.orders:,} orders, {options.clients} clients, {options.workers} workers, seed {seed}", flush=True)
    soak = Soak(
        orders=options.orders,
        clients=options.clients,
        workers=options.workers,
        seed=seed,
        seconds_max=options.minutes_max * 60,
        finish_after=options.finish_after,
    )
    checks = soak.run()
    print("\n".join(check.line() for check in checks))
    failed = [check for check in checks if check.against]
    print(f"{len(failed)} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
