"""Processes that are killed at random and come back, as under a supervisor; the database too, once or twice."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.place import Place

LIFE_SECONDS = (3.0, 20.0)
"""How long a process lives once it has begun to work: before that it has nothing to lose."""
LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Kept:
    """A process that is started again whenever it has ended."""

    name: str
    command: tuple[str, ...]
    port: int | None
    child: subprocess.Popen[bytes]
    born: float = field(default_factory=time.monotonic)
    dies: float | None = None
    """When it will be killed; `None` until it works."""


@dataclass(slots=True)
class Herd:
    """The web processes and workers of one place."""

    place: Place
    rng: random.Random
    kept: list[Kept] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    """Processes that ended without having been killed: of a database that had gone, say."""
    start_seconds: float = 2.0
    """How long a web process took to answer, the last time that one was started."""

    def add(self, name: str, *command: str, port: int | None = None) -> None:
        """Start a process and keep it."""
        self.kept.append(Kept(name, command, port, self.place.start(*command)))

    async def keep(self) -> None:
        """Start again what has ended, for good; to be cancelled."""
        while True:
            for one in self.kept:
                code = one.child.poll()
                if code is not None:
                    if code != -signal.SIGKILL:
                        self.ended[one.name] += 1
                    self.place.children.remove(one.child)
                    one.child, one.born, one.dies = self.place.start(*one.command), time.monotonic(), None
                elif one.dies is None and self._works(one):
                    one.dies = time.monotonic() + self.rng.uniform(*LIFE_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    def _works(self, one: Kept) -> bool:
        age = time.monotonic() - one.born
        if one.port is None:
            return age > self.start_seconds  # a worker answers nobody, and takes about as long
        with socket.socket() as probe:
            works = probe.connect_ex(("127.0.0.1", one.port)) == 0
        if works:
            self.start_seconds = age
        return works

    async def kill_at_random(self, progress: Callable[[], float], database_at: list[float]) -> None:
        """Kill processes when their time has come, and the database when so much of the work is done; to be cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if database_at and progress() >= database_at[0]:
                database_at.pop(0)
                await self._kill_database()
            for one in self.kept:
                if one.dies is not None and time.monotonic() > one.dies and one.child.poll() is None:
                    one.child.kill()
                    self.killed[one.name] += 1

    async def _kill_database(self) -> None:
        """Kill the database server without warning, and start it again."""
        pid = int((self.place.postgres.pgdata / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        self.killed["database"] += 1
        await asyncio.to_thread(self.place.postgres.start)
