"""What the long-running processes have in common: settings, logs, a database that is ready, an honest end."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable

from smmpanel.entrypoints.embedded import database_for
from smmpanel.entrypoints.endings import ExitCode
from smmpanel.entrypoints.explaining import explain
from smmpanel.entrypoints.opening import is_prepared
from smmpanel.kernel.logging import configure_logging
from smmpanel.kernel.settings import Settings

Work = Callable[[Settings, str], Awaitable[None]]


def run_process(work: Work, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Run `work` on the database of the settings, preparing that if need be, and exit with what came of it."""
    try:
        settings = Settings()
        configure_logging(settings.log_format, settings.log_level)
        with database_for(settings) as url, asyncio.Runner(loop_factory=new_loop) as runner:
            if not runner.run(is_prepared(url)):
                _prepare(url)
            runner.run(_awaited(work(settings, url)))
    except KeyboardInterrupt:
        sys.exit(ExitCode.OK)
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        code, message = explained
        sys.stderr.write(f"error: {message}\n")
        sys.exit(code)


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _prepare(url: str) -> None:
    # In a process of its own: what migrates is large, and this one stays for good.
    done = subprocess.run(
        [sys.executable, "-m", "smmpanel", "migrate"], env={**os.environ, "SMMPANEL_DATABASE_URL": url}, check=False
    )
    if done.returncode:
        sys.exit(done.returncode)
