"""The worker process: runs background jobs. Run as `python -m smmpanel.entrypoints.worker`; `smmpanel worker` does so."""

import asyncio
import gc
import signal

import uvloop

from smmpanel.entrypoints.opening import open_panel
from smmpanel.entrypoints.running import run_process
from smmpanel.kernel.jobs import run_jobs
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.settings import Settings

log = get_logger()


async def work(settings: Settings, url: str) -> None:
    """Run jobs until SIGTERM or SIGINT; those under way are given time to end."""
    async with open_panel(settings, url) as panel:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, panel.stopping.set)
        log.info("working")
        gc.collect()
        gc.freeze()
        await run_jobs(panel)


def main() -> None:
    """Work with the settings of the environment."""
    run_process(work, uvloop.new_event_loop)


if __name__ == "__main__":
    main()
