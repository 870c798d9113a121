"""A lean HTTP/1.1 server that gives its handler the connection as well.

A fake of the outside world must be able to answer late, answer half, close without a word or never answer at all, and
must be cheap enough to share two cores with what it tests. Frameworks turn all of these into tidy error pages.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import cast

import httptools

JSON = "application/json"
HTML = "text/html; charset=utf-8"
MAX_BODY_BYTES = 16 * 1024 * 1024

_REASONS = {status.value: status.phrase for status in HTTPStatus}

Handler = Callable[["Exchange"], None]


def _head(status: int, content_type: str, length: int | None, headers: tuple[tuple[str, str], ...]) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}", f"content-type: {content_type}", framing]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Exchange:
    """One request, and the right to answer it once: properly, late, partly, or never."""

    __slots__ = ("_connection", "body", "headers", "method", "on_end", "open", "path", "query")

    def __init__(
        self, connection: "Connection", method: str, target: bytes, headers: dict[bytes, bytes], body: bytes
    ) -> None:
        self._connection = connection
        self.method = method
        path, _, query = target.partition(b"?")
        self.path = path.decode("latin-1")
        self.query = query.decode("latin-1")
        self.headers = headers
        self.body = body
        self.open = True
        self.on_end: Callable[[], None] | None = None
        """Called once when the exchange is over, whoever ended it."""

    def answer(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = JSON,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Send a complete answer; does nothing if the client has left."""
        if self.open:
            self._connection.write(_head(status, content_type, len(body), headers) + body)
            self._end()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something to this exchange later, unless the client leaves first."""
        if seconds <= 0:
            act()
        else:
            self._connection.schedule(seconds, act)

    def answer_half(self, body: bytes, *, content_type: str = JSON) -> None:
        """Promise the whole body, send half of it and close the connection."""
        if self.open:
            self._connection.write(_head(200, content_type, max(len(body), 2), ()) + body[: len(body) // 2])
            self._connection.close()

    def stream(self, chunks: Iterator[bytes], *, content_type: str) -> None:
        """Send a long answer piece by piece, as fast as the client reads, while others are served."""
        if self.open:
            self._connection.write(_head(200, content_type, None, ()))
            self._connection.pump(chunks, self._end)

    def hang(self, seconds: float) -> None:
        """Say nothing until the client leaves, or close the connection after so many seconds."""
        self.after(seconds, self.drop)

    def drop(self, *, reset: bool = False) -> None:
        """Close the TCP connection without a byte of answer; with `reset` by RST instead of FIN."""
        if self.open:
            self._connection.abort(reset=reset)

    def _end(self) -> None:
        self.leave()
        self._connection.next()

    def leave(self) -> None:
        """Mark the exchange as over, once."""
        if self.open:
            self.open = False
            if self.on_end is not None:
                self.on_end()


class Connection(asyncio.Protocol):
    """One client connection: requests are answered one at a time, in order; what is pipelined waits."""

    def __init__(self, handler: Handler, everyone: set["Connection"]) -> None:
        self._handler = handler
        self._everyone = everyone
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[Exchange, bool]] = deque()
        self._current: Exchange | None = None
        self._keep_alive = True
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._stream: tuple[Iterator[bytes], Callable[[], None]] | None = None
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0

    # What the transport tells us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is not derived from it
        self._everyone.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._everyone.discard(self)
        self._transport = None
        self._stream = None
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._current is not None:
            self._current.leave()
            self._current = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self._transport is not None:
                self.write(_head(400, "text/plain", 0, (("connection", "close"),)))
                self.close()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pump()

    # What the parser tells us.

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self.abort()
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode("latin-1")
        exchange = Exchange(self, method, self._target, self._headers, b"".join(self._body))
        self._waiting.append((exchange, self._parser.should_keep_alive()))
        self._begin()
        if self._current is None:
            self.next()

    # What an exchange asks for.

    def next(self) -> None:
        """Go on with the next request of this connection, or close it if the client wants no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._current = None
        if not self._keep_alive:
            self.close()
        elif self._waiting and self._transport is not None:
            self._current, self._keep_alive = self._waiting.popleft()
            self._handler(self._current)

    def schedule(self, seconds: float, act: Callable[[], None]) -> None:
        """Run something later; forgotten when the connection ends or the exchange is answered."""
        self._timer = self._loop.call_later(seconds, act)

    def write(self, data: bytes) -> None:
        """Hand bytes to the client, if it is still there."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close after what was written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self, *, reset: bool = False) -> None:
        """Close at once and throw away what was not sent."""
        if self._transport is None:
            return
        if reset:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def pump(self, chunks: Iterator[bytes], done: Callable[[], None]) -> None:
        """Send chunks as the client reads them, then call `done`."""
        self._stream = (chunks, done)
        self._pump()

    def _pump(self) -> None:
        if self._stream is None or self._paused:
            return
        chunks, done = self._stream
        chunk = next(chunks, None)
        if chunk is None:
            self._stream = None
            self.write(b"0\r\n\r\n")
            done()
            return
        if chunk:
            self.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if not self._paused:
            self._loop.call_soon(self._pump)


async def serve(
    handler: Handler, *, host: str, port: int, stop: asyncio.Event, on_ready: Callable[[int], None]
) -> None:
    """Answer requests until `stop` is set; `on_ready` hears the port that was bound. Closes every connection at the end."""
    everyone: set[Connection] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(handler, everyone), host, port, backlog=1024)
    on_ready(server.sockets[0].getsockname()[1])
    try:
        await stop.wait()
    finally:
        server.close()
        for connection in tuple(everyone):
            connection.abort()
        await server.wait_closed()
