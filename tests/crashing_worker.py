"""A worker whose process dies at a chosen moment: `python crashing_worker.py before|after NUMBER`.

It runs jobs like any worker. Its adapter kills the process before, or after, the call for the order of that number.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.jobs import run_jobs
from smmpanel.kernel.settings import Settings
from smmpanel.providers.protocol import Accepted, UpstreamOrder


def dying(adapter: type[Any], moment: str, number: int) -> type[Any]:
    """Return an adapter like this one that ends the process around its call of that number."""

    class Dying(adapter):  # type: ignore[misc]
        calls = 0

        async def add(self, order: UpstreamOrder) -> Accepted:
            Dying.calls += 1
            due = Dying.calls == number
            if due and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            accepted: Accepted = await super().add(order)
            if due and moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return accepted

    return Dying


async def work(moment: str, number: int) -> None:
    settings = Settings()
    assert settings.database_url is not None
    async with open_panel(settings, settings.database_url.get_secret_value()) as panel:
        adapter = panel.provider_adapters.get("panel_v2")
        panel.provider_adapters.put("panel_v2", dying(adapter, moment, number))
        await run_jobs(panel)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], int(sys.argv[2])))
