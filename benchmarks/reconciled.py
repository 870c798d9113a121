"""A long list of a bank compared with what is on record: how long it takes, and whether memory stays flat."""

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from benchmarks.bank import ACCOUNT, BEGINS, NEW_EVERY
from benchmarks.figures import Figure
from benchmarks.place import Place, end
from benchmarks.seeding import tell_rate, with_panel
from smmpanel.accounts.access import Actor
from smmpanel.kernel.panel import Panel
from smmpanel.payments.methods import MethodTerms, add_method, enable_method
from smmpanel.payments.reconciling import reconcile

GROWTH_MB_MAX = 16
SETTLED_SHARE = 0.1
"""The first part of the way, in which caches and connections are filled."""
SAMPLE_SECONDS = 0.1
# What a webhook would have left: money that was credited to nobody in particular, which is all that comparing looks at.
_KNOWN = """
INSERT INTO payment_receipts (gateway, method_id, source, external_id, natural_key, amount, currency, account, bank_ref,
  occurred_at, state)
SELECT 'sepay', %(method)s, 'webhook', 'webhook:' || n, 'sepay/' || %(account)s || '/in/' || (50000 + n %% 1000) || '/FT' || n,
  50000 + n %% 1000, 'VND', %(account)s, 'FT' || n, %(begins)s + make_interval(secs => n), 'dismissed'
FROM generate_series(0, %(rows)s - 1) AS n WHERE n %% %(new_every)s <> 0
"""


def measure(place: Place, *, rows: int) -> Figure:
    """Have a bank list so many transfers, nearly all of which are on record, and compare."""
    with place.copy("reconciled") as here, _bank(rows) as port:
        took, growth, run = _reconcile(here, port, rows)
    new = -(-rows // NEW_EVERY)
    if run != (rows, new, 0, 0):
        raise RuntimeError(f"{rows} rows with {new} new ones were to be found: {run}")
    return Figure(
        11,
        f"reconciling {rows:,} bank rows",
        f"{took:,.1f} s",
        f"{rows / took:,.0f} rows/s",
        growth,
        GROWTH_MB_MAX,
        "at most",
        unit="MB more",
        note=f"{new:,} rows were missing here and were kept to be settled; memory from a tenth of the way to its highest",
    )


def _reconcile(place: Place, port: int, rows: int) -> tuple[float, float, tuple[int, int, int, int]]:
    found: list[tuple[float, float, tuple[int, int, int, int]]] = []

    async def work(panel: Panel) -> None:
        method_id = await _method(panel, port)
        with place.connect() as connection:
            known = {"method": method_id, "account": ACCOUNT, "begins": BEGINS, "rows": rows, "new_every": NEW_EVERY}
            connection.execute(_KNOWN, known)
            connection.execute("ANALYZE payment_receipts")
        samples: list[tuple[float, float]] = []
        watch = asyncio.create_task(_watch(samples))
        began = time.perf_counter()
        run = await reconcile(
            panel, method_id, BEGINS, BEGINS + timedelta(seconds=rows), is_whole=True, pause_seconds=0
        )
        took = time.perf_counter() - began
        watch.cancel()
        settled = [memory for at, memory in samples if at - began > took * SETTLED_SHARE]
        growth = max(settled) - settled[0]
        found.append((took, growth, (run.rows, run.missing_here, run.different, run.missing_there)))

    gc.collect()
    with_panel(place, work)
    return found[0]


async def _method(panel: Panel, port: int) -> int:
    options = {
        "bank": "970416",
        "account_number": ACCOUNT,
        "account_name": "NGUYEN VAN A",
        "memo_prefix": "BENCH",
        "api_url": f"http://127.0.0.1:{port}/v2",
    }
    terms = MethodTerms(name="Bank", currency="VND", minimum=Decimal(10_000), options=options)
    secrets = {"secret": "made-for-measuring", "api_token": "made-for-measuring"}
    async with panel.db.transaction() as session:
        await tell_rate(session, panel)
        method = await add_method(session, panel, "sepay", terms, actor=Actor.cli(), secrets=secrets)
        await enable_method(session, panel, method.id, actor=Actor.cli())
        return method.id


async def _watch(samples: list[tuple[float, float]]) -> None:
    while True:
        samples.append((time.perf_counter(), _memory_mb()))
        await asyncio.sleep(SAMPLE_SECONDS)


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@contextmanager
def _bank(rows: int) -> Iterator[int]:
    child = subprocess.Popen([sys.executable, "-m", "benchmarks.bank", str(rows)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        yield int(child.stdout.readline())
    finally:
        end(child)
