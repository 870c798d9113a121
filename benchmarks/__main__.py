"""`python -m benchmarks [NAMES or --only N] [--quick] [--json]`: one table, exit code 1 if a target is missed."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import add, crowded, memory, pages, reconciled, services, statuses, submission, webhooks
from benchmarks.figures import Figure, table
from benchmarks.place import Place, a_place, end_cleanly_when_told
from benchmarks.seeding import Customer, Wanted, import_catalogue, make_customers

CATALOGUE = 3_000
CATALOGUE_OF_PAGES = 10_000
CUSTOMERS = 1_000
NAMES = {
    "add": 1,
    "services": 2,
    "submission": 3,
    "statuses": 4,
    "crowded": 5,
    "memory": 6,
    "new-order": 7,
    "orders": 8,
    "dashboard": 9,
    "webhooks": 10,
    "reconciled": 11,
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured, and for how long."""

    add_seconds: int = 12
    services_seconds: float = 8
    submitted: int = 2_000
    followed: int = 100_000
    crowd: int = 2_000_000
    crowd_seconds: float = 24
    traded: int = 1_000_000
    opened: int = 300
    webhooks: int = 6_000
    webhook_seconds: int = 12
    listed: int = 100_000
    pages_seconds: float = 5
    settle_seconds: float = memory.SETTLE_SECONDS


QUICK = Sizes(
    add_seconds=4,
    services_seconds=2,
    submitted=400,
    followed=10_000,
    crowd=100_000,
    crowd_seconds=8,
    traded=20_000,
    opened=50,
    webhooks=600,
    webhook_seconds=4,
    listed=5_000,
    pages_seconds=2,
    settle_seconds=6,
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A panel with a catalogue and customers, on which the figures about orders are measured."""

    place: Place
    customers: list[Customer]
    services: list[Wanted]


@contextmanager
def a_stage(place: Place, catalogue: int = CATALOGUE) -> Iterator[Stage]:
    """Fill a place."""
    wanted = import_catalogue(place, catalogue)
    yield Stage(place, make_customers(place, CUSTOMERS), wanted)


def _on_stage(number: int, stage: Stage, sizes: Sizes) -> Figure:
    at = (stage.place, stage.customers, stage.services)
    match number:
        case 1:
            with stage.place.copy("add") as here:
                return add.measure(here, stage.customers, stage.services, seconds=sizes.add_seconds)
        case 3:
            return submission.measure(*at, catalogue=CATALOGUE, orders=sizes.submitted)
        case 4:
            return statuses.measure(*at, catalogue=CATALOGUE, orders=sizes.followed)
        case _:
            return crowded.measure(*at, orders=sizes.crowd, seconds=sizes.crowd_seconds)


def run(wanted: set[int], sizes: Sizes, say: Callable[[str], None]) -> Iterator[Figure]:
    """Measure the wanted figures, each as soon as what it stands on is there."""
    if wanted & {1, 2, 3, 4, 5, 10, 11}:
        with a_place() as place:
            if 2 in wanted:
                say("2: services")
                with place.copy("catalogue") as other:
                    yield services.measure(other, seconds=sizes.services_seconds)
            if 10 in wanted:
                say("10: webhooks")
                with place.copy("paying") as other:
                    payers = make_customers(other, CUSTOMERS)
                    yield webhooks.measure(other, payers, messages=sizes.webhooks, seconds=sizes.webhook_seconds)
            if 11 in wanted:
                say("11: reconciled")
                yield reconciled.measure(place, rows=sizes.listed)
            if wanted & {1, 3, 4, 5}:
                say("making customers and a catalogue")
                with a_stage(place) as stage:
                    for number in sorted(wanted & {1, 3, 4, 5}):
                        say(f"{number}: {next(name for name, its in NAMES.items() if its == number)}")
                        yield _on_stage(number, stage, sizes)
    if 6 in wanted:
        say("6: memory")
        yield memory.measure(settle_seconds=sizes.settle_seconds)
    if asked := wanted & {page.number for page in pages.PAGES}:
        say("pages: a catalogue, customers and their orders")
        with a_place() as place, a_stage(place, CATALOGUE_OF_PAGES) as stage:
            yield from pages.measure(
                place,
                stage.customers,
                stage.services,
                orders=sizes.traded,
                each=sizes.opened,
                seconds=sizes.pages_seconds,
                wanted=asked,
            )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which to measure; all of them by default")
    parser.add_argument("--only", type=int, action="append", choices=sorted(NAMES.values()), help="the same by number")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: shows that it runs, not how fast")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    end_cleanly_when_told()
    options = _options(arguments)
    wanted = {NAMES[name] for name in options.names} | set(options.only or ()) or set(NAMES.values())
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {text} …", file=sys.stderr, flush=True)

    figures = sorted(run(wanted, QUICK if options.quick else Sizes(), say), key=lambda figure: figure.number)
    print(json.dumps([figure.row() for figure in figures], indent=1) if options.json else table(figures))
    return 0 if all(figure.passed for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
