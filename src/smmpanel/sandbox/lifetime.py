"""When a sandbox ends: on SIGTERM or Ctrl-C, and, if asked, with the process that started it."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

PARENT_CHECK_SECONDS = 0.5


def _watch_stdin(stop: asyncio.Event) -> None:
    """End when the other side of our standard input is closed. Only a pipe tells that; a terminal or file does not."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return

    def readable() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            stop.set()

    loop.add_reader(descriptor, readable)


async def _watch_parent(stop: asyncio.Event) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel sends no event for this
        await asyncio.sleep(PARENT_CHECK_SECONDS)
    stop.set()


def run_until_told(
    main: Callable[[asyncio.Event], Coroutine[Any, Any, None]], *, exit_with_parent: bool = False
) -> None:
    """Run `main`, whose event is set when it is time to end."""

    async def supervise() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        watcher = None
        if exit_with_parent:
            _watch_stdin(stop)
            watcher = asyncio.create_task(_watch_parent(stop))
        try:
            await main(stop)
        finally:
            if watcher is not None:
                watcher.cancel()

    uvloop.run(supervise())
