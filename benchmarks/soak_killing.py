"""Processes that are killed at random and come back, as under a supervisor; the database too, once or twice."""

import asyncio
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.place import Place, end

PAUSE_SECONDS = (0.3, 1.5)
AGE_SECONDS = 15.0
"""Nothing younger is killed: a process that is still starting has nothing to lose."""
LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Kept:
    """A process that is started again whenever it has ended."""

    name: str
    command: tuple[str, ...]
    child: subprocess.Popen[bytes]
    born: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Herd:
    """The web processes and workers of one place."""

    place: Place
    rng: random.Random
    kept: list[Kept] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    """Processes that ended without having been killed: of a database that had gone, say."""

    def add(self, name: str, *command: str) -> None:
        """Start a process and keep it."""
        self.kept.append(Kept(name, command, self.place.start(*command)))

    async def keep(self) -> None:
        """Start again what has ended, for good; to be cancelled."""
        while True:
            for one in self.kept:
                code = one.child.poll()
                if code is not None:
                    if code != -signal.SIGKILL:
                        self.ended[one.name] += 1
                    self.place.children.remove(one.child)
                    one.child, one.born = self.place.start(*one.command), time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)

    async def kill_at_random(self, progress: Callable[[], float], database_at: list[float]) -> None:
        """Kill one process after the other, and the database when so much of the work is done; to be cancelled."""
        while True:
            await asyncio.sleep(self.rng.uniform(*PAUSE_SECONDS))
            if database_at and progress() >= database_at[0]:
                database_at.pop(0)
                await self.kill_database()
                continue
            grown = [one for one in self.kept if time.monotonic() - one.born > AGE_SECONDS and one.child.poll() is None]
            if grown:
                one = self.rng.choice(grown)
                one.child.kill()
                self.killed[one.name] += 1

    async def kill_database(self) -> None:
        """Kill the database server without warning, and start it again."""
        pid = int((self.place.postgres.pgdata / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        self.killed["database"] += 1
        await asyncio.to_thread(self.place.postgres.start)

    def stop(self) -> None:
        """End all processes."""
        end(*(one.child for one in self.kept))
