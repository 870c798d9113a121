"""A load client that costs little itself: keep-alive connections, each sending its next request when its last is answered."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode

import uvloop


@dataclass(slots=True)
class Load:
    """What a run of requests came to."""

    seconds: float = 0.0
    answered: int = 0
    refused: list[bytes] = field(default_factory=list)
    """Bodies that were not what was wanted, the first few."""
    took: list[float] = field(default_factory=list)
    largest: int = 0
    """Bytes of the largest body."""

    @property
    def per_second(self) -> float:
        """Wanted answers a second."""
        return self.answered / self.seconds

    def quantile(self, share: float) -> float:
        """The time, in milliseconds, within which this share of the requests was answered."""
        ordered = sorted(self.took)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000


def form_request(host: str, port: int, path: str, **fields: str) -> bytes:
    """Write a form POST as bytes."""
    body = urlencode(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One connection: sends, reads one answer by its Content-Length, sends again."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._buffer = bytearray()
        self._need = -1
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._next()

    def _next(self) -> None:
        request = self._run.take()
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._need < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end]).lower()
            self._need = end + 4 + int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self._buffer) >= self._need:
            end = self._buffer.find(b"\r\n\r\n")
            ok = self._buffer.startswith(b"HTTP/1.1 200 ")
            self._run.note(memoryview(self._buffer)[end + 4 :], time.perf_counter() - self._sent_at, ok=ok)
            self._buffer = bytearray()
            self._need = -1
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._run.gone()


class _Run:
    """Requests handed out to connections until the time or the supply ends."""

    def __init__(
        self,
        make: Callable[[int], bytes],
        wanted: bytes,
        connections: int,
        *,
        seconds: float | None,
        number: int | None,
    ) -> None:
        self.load = Load()
        self._make = make
        self._wanted = wanted
        self._open = connections
        self._ends = None if seconds is None else time.perf_counter() + seconds
        self._left = number
        self._given = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self) -> bytes | None:
        if (self._ends is not None and time.perf_counter() >= self._ends) or self._left == self._given:
            return None
        self._given += 1
        return self._make(self._given - 1)

    def note(self, body: memoryview, took: float, *, ok: bool) -> None:
        if ok and bytes(body[: len(self._wanted)]) == self._wanted:
            self.load.answered += 1
        elif len(self.load.refused) < 5:
            self.load.refused.append(bytes(body[:300]))
        self.load.took.append(took)
        self.load.largest = max(self.load.largest, len(body))

    def gone(self) -> None:
        self._open -= 1
        if not self._open and not self.done.done():
            self.done.set_result(None)


def drive(
    ports: Sequence[int],
    make: Callable[[int], bytes],
    *,
    wanted: bytes,
    connections: int,
    seconds: float | None = None,
    number: int | None = None,
) -> Load:
    """Send requests over so many connections, spread over ports, for a time or a number; each waits for its answer."""

    async def run() -> Load:
        loop = asyncio.get_running_loop()
        work = _Run(make, wanted, connections, seconds=seconds, number=number)
        began = time.perf_counter()
        for place in range(connections):
            await loop.create_connection(lambda: _Connection(work), "127.0.0.1", ports[place % len(ports)])
        await work.done
        work.load.seconds = time.perf_counter() - began
        return work.load

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
