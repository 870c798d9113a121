"""Resident memory of everything that `smmpanel up` runs, when nothing happens."""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.figures import Figure
from benchmarks.place import Place, a_place, end, free_port, wait_for
from benchmarks.seeding import QUANTITY, Customer, Wanted, import_catalogue, make_customers, point_at
from smmpanel.sandbox.process import SandboxProcess

SERVICES = 3_000
SETTLE_SECONDS = 12
ORDER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Memory:
    """What one process holds, in kB; shared pages count in part in `pss` and wholly in `rss`."""

    pss: int
    rss: int


def measure(*, settle_seconds: float = SETTLE_SECONDS) -> Figure:
    """Start a panel that has a catalogue and customers, have it do a little of everything, let it rest, and look."""
    with a_place() as place, SandboxProcess.start(services=SERVICES, finish_after=5) as sandbox:
        services = import_catalogue(place, SERVICES)
        customers = make_customers(place, 10)
        point_at(place, sandbox)
        place.postgres.stop()
        port = free_port()
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "smmpanel", "up"],
            env=place.environment(SMMPANEL_PORT=str(port), SMMPANEL_DATABASE_URL=""),
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            _use(place, port, customers[0], services[0])
            time.sleep(settle_seconds)
            postmaster = int((place.postgres.pgdata / "postmaster.pid").read_text().split()[0])
            found = {**_memory(supervisor.pid, "panel"), **_memory(postmaster, "PostgreSQL")}
        finally:
            end(supervisor)
    return _figure(found)


def _figure(found: dict[tuple[str, int], Memory]) -> Figure:
    pss: dict[str, float] = defaultdict(float)
    for (what, _), memory in found.items():
        pss[what] += memory.pss / 1024
    total = sum(pss.values())
    rss = sum(memory.rss for memory in found.values()) / 1024
    parts = ", ".join(f"{what} {size:.0f}" for what, size in pss.items())
    return Figure(
        6,
        "memory, all processes idle",
        f"{total:.0f} MB in {len(found)} processes",
        f"({parts})",
        total,
        300,
        "at most",
        unit="MB",
        note=f"PSS, from /proc/PID/smaps_rollup: shared pages counted once; the sum of RSS, which counts them"
        f" once per process, is {rss:.0f} MB",
    )


def _use(place: Place, port: int, customer: Customer, wanted: Wanted) -> None:
    """A sign-in page, some API calls, and an order that goes through to its provider."""
    with urlopen(f"http://127.0.0.1:{port}/health", timeout=10):
        pass
    _call(port, key=customer.key, action="balance")
    _call(port, key=customer.key, action="services")
    link = wanted.link.format(number=1)
    order = _call(
        port, key=customer.key, action="add", service=str(wanted.service_id), link=link, quantity=str(QUANTITY)
    )
    assert b'"order":' in order, order
    ends = time.monotonic() + ORDER_SECONDS
    while True:
        with place.connect() as connection:
            row = connection.execute("SELECT external_id FROM orders").fetchone()
        if row is not None and row[0] is not None:
            return
        assert time.monotonic() < ends, "the order did not go through"
        time.sleep(0.2)


def _call(port: int, **fields: str) -> bytes:
    body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    with urlopen(Request(f"http://127.0.0.1:{port}/api/v2", data=body), timeout=30) as answer:
        read: bytes = answer.read()
        return read


def _memory(root: int, what: str) -> dict[tuple[str, int], Memory]:
    """Measure a process and all below it."""
    return {(what, pid): memory for pid in [root, *_below(root)] if (memory := _of(pid)) is not None}


def _below(root: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent == root:
            child = int(stat.parent.name)
            yield child
            yield from _below(child)


def _of(pid: int) -> Memory | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
        return None
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return Memory(pss=sizes["Pss"], rss=sizes["Rss"])
