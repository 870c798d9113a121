"""Doing together what arrives together: while one group is at the database, the next one gathers.

A lone call goes at once. Under load the groups grow by themselves, and a transaction is paid for by all who travel in it:
so where one is dear there can be a pause of a millisecond or two after a group of several, in which those who have just
been answered call again and come along with those who waited. Otherwise they would be two camps that travel in turns.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from smmpanel.kernel.db import was_rolled_back

A = TypeVar("A")
B = TypeVar("B")
PAUSED_AFTER = 4
"""Calls in a group after which a pause is worth while."""
RETRY_SECONDS = 20.0
"""How long the calls of a failed group are tried by themselves. What ails all of them must not be waited for by each."""


class Gatherer(Generic[A, B]):
    """Collects calls and hands them to `work` in groups, up to `at_once` groups at a time, each of at most `most`.

    `work` answers each call in order; an answer that is an exception is raised to that caller alone. If `work` itself
    fails and has certainly changed nothing (`undone` tells), each call of the group is tried once more by itself, so that
    one cannot spoil it for the others; those that are not reached within `retry_seconds` are told of the failure. If it
    may have changed something, all are told so, and nothing is repeated.
    """

    def __init__(
        self,
        work: Callable[[Sequence[A]], Awaitable[Sequence[B | Exception]]],
        *,
        at_once: int,
        most: int,
        undone: Callable[[Exception], bool] = was_rolled_back,
        retry_seconds: float = RETRY_SECONDS,
        pause_seconds: float = 0.0,
    ) -> None:
        self._work = work
        self._undone = undone
        self._retry_seconds = retry_seconds
        self._pause_seconds = pause_seconds
        self._most = most
        self._free = at_once
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._groups: set[asyncio.Task[None]] = set()

    async def do(self, call: A) -> B:
        """Have a call done with whatever else is waiting."""
        done: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, done))
        if self._free:
            self._free -= 1
            task = asyncio.create_task(self._run())
            self._groups.add(task)
            task.add_done_callback(self._groups.discard)
        return await done

    async def _run(self) -> None:
        try:
            # One turn of the loop: what the network has delivered already comes along.
            await asyncio.sleep(0)
            while self._waiting:
                group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._do_group(group)
                if self._pause_seconds and len(group) >= PAUSED_AFTER:
                    await asyncio.sleep(self._pause_seconds)
        finally:
            self._free += 1

    async def _do_group(self, group: Sequence[tuple[A, asyncio.Future[B]]]) -> None:
        try:
            answers = await self._work([call for call, _ in group])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers' to hear
            if len(group) > 1 and self._undone(error):
                await self._do_singly(group, error)
                return
            for _, done in group:
                _answer(done, error)
            return
        for (_, done), answer in zip(group, answers, strict=True):
            _answer(done, answer)

    async def _do_singly(self, group: Sequence[tuple[A, asyncio.Future[B]]], error: Exception) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + self._retry_seconds
        for call, done in group:
            if clock() < until:
                await self._do_group([(call, done)])
            else:
                _answer(done, error)


def _answer(done: asyncio.Future[B], answer: B | Exception) -> None:
    if done.done():  # the client has gone
        return
    if isinstance(answer, Exception):
        done.set_exception(answer)
    else:
        done.set_result(answer)
