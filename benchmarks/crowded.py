"""API `add` with millions of orders in the table against an empty one."""

from benchmarks.add import adding
from benchmarks.bulk import Spread, fill
from benchmarks.figures import Figure
from benchmarks.place import Place
from benchmarks.seeding import Customer, Wanted

ROUNDS = 4
WARM_UP_SECONDS = 3


def measure(place: Place, customers: list[Customer], services: list[Wanted], *, orders: int, seconds: float) -> Figure:
    """Measure on two copies of the database in turns, so that whatever else the machine does befalls both."""
    with place.copy("crowded") as crowded, place.copy("empty") as empty:
        fill(crowded, customers, services, Spread(orders, open=orders // 100, days=730))
        ports = {"empty": empty.serve(1), "crowded": crowded.serve(1)}
        placed = dict.fromkeys(ports, 0)
        took = dict.fromkeys(ports, 0.0)
        for turn in range(ROUNDS + 1):
            for which in ports if turn % 2 else reversed(ports):
                pause = seconds / ROUNDS if turn else WARM_UP_SECONDS
                load = adding(ports[which], customers, services, seconds=pause)
                if load.refused:
                    raise RuntimeError(f"orders were refused: {load.refused}")
                if turn:
                    placed[which] += load.answered
                    took[which] += load.seconds
    each = {which: took[which] / placed[which] * 1e6 for which in ports}
    return Figure(
        5,
        f"add with {orders:,} orders there",
        f"{each['crowded']:,.0f} µs each",
        f"with none: {each['empty']:,.0f} µs each",
        each["crowded"] / each["empty"],
        1.2,
        "at most",
    )
