"""Real worker processes for tests of crashes and of several workers at once."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from making import Shop, open_shop
from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.db import Database
from smmpanel.kernel.options import write_option
from smmpanel.kernel.settings import Settings
from smmpanel.sandbox.process import SandboxProcess

PATIENCE_SECONDS = 60
CRASHING = Path(__file__).with_name("crashing_worker.py")


@asynccontextmanager
async def open_house(url: str, home: Path, sandbox: SandboxProcess, **provider: object) -> AsyncIterator[Shop]:
    """Open a shop on a database whose keys lie in `home`, so that other processes can work for it."""
    settings = Settings(home=home, database_url=url, outgoing_allow="127.0.0.1")  # type: ignore[arg-type]
    db = Database(url, pool_size=2)
    async with db.transaction() as session:
        await write_option(session, "currency", "USD")
        await write_option(session, "preset", settings.preset)
    await db.close()
    async with open_panel(settings, url) as panel:
        yield await open_shop(panel, sandbox, **provider)


def start_worker(shop: Shop, *crash: str) -> subprocess.Popen[bytes]:
    """Start a worker; with a moment and a number, one that dies then."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMMPANEL_")}
    environment |= {
        "SMMPANEL_HOME": str(shop.panel.settings.home),
        "SMMPANEL_DATABASE_URL": shop.panel.db.url,
        "SMMPANEL_OUTGOING_ALLOW": "127.0.0.1",
    }
    command = [str(CRASHING), *crash] if crash else ["-m", "smmpanel", "worker"]
    log = (shop.panel.settings.home / "workers.log").open("ab")
    with log:
        return subprocess.Popen([sys.executable, *command], env=environment, stdout=log, stderr=log)


def kill(*workers: subprocess.Popen[bytes]) -> None:
    """End workers without asking."""
    for worker in workers:
        worker.kill()
        worker.wait()


async def until(
    holds: Callable[[], object | Awaitable[object]], workers: Sequence[subprocess.Popen[bytes]] = ()
) -> None:
    """Wait, not for ever, for something to hold; fails at once if a worker that should live has ended."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = holds()
            if await found if isinstance(found, Awaitable) else found:
                return
            assert [worker.returncode for worker in workers if worker.poll() is not None] == []
            await asyncio.sleep(0.05)
