"""Live pages: one stream of hints for each open page, by server-sent events. The page re-reads what it shows; nothing is sent here.

A stream that broke off is opened again by the browser and then first told to look at everything, so nothing is lost.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from smmpanel.kernel.live import listen
from smmpanel.kernel.panel import Panel

PATH = "/live"
STREAMS_PER_USER = 8
STREAMS_MAX = 2000
QUIET_SECONDS = 1.0
"""Hints within this time become one."""
HEARTBEAT_SECONDS = 20.0
STREAM_SECONDS = 300.0
"""A stream ends after this, and is opened again: then who asks is looked at anew."""
EVERYTHING = "all"


@dataclass(eq=False, slots=True)
class Stream:
    """One open page: whose it is, and what has changed since it was last told."""

    user_id: int
    is_staff: bool
    changed: set[str] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, what: str) -> None:
        """Note that something changed."""
        self.changed.add(what)
        self.wake.set()


class LiveHub:
    """All open pages of this process. One connection listens for them, from when the first one comes."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._streams: set[Stream] = set()
        self._per_user: Counter[int] = Counter()
        self._listening: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    def admits(self, user_id: int) -> bool:
        """Whether there is room for one more page of this user."""
        return len(self._streams) < STREAMS_MAX and self._per_user[user_id] < STREAMS_PER_USER

    def stop(self) -> None:
        """End all streams, so that the process can end."""
        self._stopped.set()
        for stream in self._streams:
            stream.wake.set()
        if self._listening is not None:
            self._listening.cancel()

    async def events(self, user_id: int, *, is_staff: bool) -> AsyncIterator[bytes]:
        """Yield the events of one stream: what changed, or a heartbeat."""
        stream = Stream(user_id, is_staff)
        self._streams.add(stream)
        self._per_user[user_id] += 1
        if self._listening is None:
            self._listening = asyncio.create_task(listen(self._panel.db.url, self._hear, connected=self._everything))
        else:
            stream.tell(EVERYTHING)  # something may have happened between the page and its stream
        try:
            yield b"retry: 3000\n\n"
            async with asyncio.timeout(STREAM_SECONDS):
                while not self._stopped.is_set():
                    yield await self._next(stream)
        except TimeoutError:
            return
        finally:
            self._streams.discard(stream)
            self._per_user[user_id] -= 1
            if not self._per_user[user_id]:
                del self._per_user[user_id]

    async def _next(self, stream: Stream) -> bytes:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await stream.wake.wait()
                await asyncio.sleep(QUIET_SECONDS)
        except TimeoutError:
            return b": still here\n\n"
        stream.wake.clear()
        changed, stream.changed = sorted(stream.changed), set()
        return f"event: changed\ndata: {' '.join(changed)}\n\n".encode()

    def _hear(self, what: str, user_id: int) -> None:
        for stream in self._streams:
            if stream.is_staff or stream.user_id == user_id:
                stream.tell(what)

    def _everything(self) -> None:
        for stream in self._streams:
            stream.tell(EVERYTHING)


def live_response(request: Request, user_id: int, *, is_staff: bool) -> Response:
    """Answer with a stream of hints; without room, tell the browser not to ask again."""
    hub = request.app.state.live
    assert isinstance(hub, LiveHub)
    if not hub.admits(user_id):
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(hub.events(user_id, is_staff=is_staff), media_type="text/event-stream", headers=headers)
