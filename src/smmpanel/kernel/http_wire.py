"""One HTTP/1.1 connection, and the ways in which a call can fail.

h11 reads and writes the protocol; this file only moves bytes and keeps count of what may have left, because for an order
"it was not sent" and "nobody knows" are different worlds.
"""

import asyncio
import re
import select
import zlib
from dataclasses import dataclass, field
from typing import cast

import h11

HEADER_BYTES_MAX = 64 * 1024


class OutgoingError(Exception):
    """Base of all failures of an outgoing call. `text` carries no secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class NotSentError(OutgoingError):
    """Not one byte of the request left: name not resolved, connection refused, TLS failed, no free connection."""


class AddressForbiddenError(NotSentError):
    """The URL leads to an address that we do not call, or is no URL that we can call."""


class AnswerLostError(OutgoingError):
    """The request may have left and no whole answer came back: the other side may have acted on it."""


class AnswerTooLargeError(AnswerLostError):
    """The answer was larger than allowed, as it came or when unpacked; the rest was not read."""


@dataclass(slots=True)
class RawAnswer:
    """What came back, before its body is unpacked."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class Wire(asyncio.Protocol):
    """One connection, used for one request at a time. After any failure it is closed and never used again."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_BYTES_MAX)
        self._waiting: asyncio.Future[RawAnswer] | None = None
        self._answer: RawAnswer | None = None
        self._body_max = 0
        self._gone = asyncio.get_running_loop().create_future()
        self.idle_until = 0.0

    async def ask(self, head: h11.Request, body: bytes, *, body_max: int) -> RawAnswer:
        """Send one request and wait for the whole answer. Raises `AnswerLostError` once bytes may have left."""
        transport = self._transport
        assert transport is not None, "the connection is open"
        assert self._waiting is None, "one request at a time"
        if transport.is_closing():
            raise NotSentError("the connection was closed before the request was written")
        try:
            packet = b"".join(self._h11.send(part) or b"" for part in (head, h11.Data(data=body), h11.EndOfMessage()))
        except h11.LocalProtocolError as wrong:
            self.drop()
            raise NotSentError(f"the request cannot be written: {wrong}") from None
        self._waiting = asyncio.get_running_loop().create_future()
        self._answer, self._body_max = None, body_max
        transport.write(packet)
        try:
            return await self._waiting
        except BaseException:
            self.drop()
            raise
        finally:
            self._waiting = None

    def is_fresh(self, now: float) -> bool:
        """Whether an idle connection may carry another request: still open, not too old, and silent."""
        transport = self._transport
        if transport is None or transport.is_closing() or now >= self.idle_until or self._h11.our_state is not h11.IDLE:
            return False
        # A server that has closed, or that has pushed a "408" at us, shows as readable before the event loop has told us.
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def rest(self, *, now: float, seconds: float) -> bool:
        """Make ready for another request, for so many seconds at most; false if the connection cannot be kept."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._answer is None:
            return False
        try:
            self._h11.start_next_cycle()
        except h11.LocalProtocolError:
            return False
        hint = re.search(r"timeout=(\d{1,6})", self._answer.headers.get("keep-alive", ""))
        if hint:
            seconds = min(seconds, int(hint[1]) - 1)
        self.idle_until = now + seconds
        self._answer = None
        return seconds > 0

    def drop(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    async def gone(self) -> None:
        """Wait until the connection is closed."""
        await self._gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for an answer will not get one."""
        if not self._gone.done():
            self._gone.set_result(None)
        self._fail(
            AnswerLostError(f"the connection broke before the answer: {type(error).__name__ if error else 'closed'}")
        )

    def eof_received(self) -> bool:
        """An answer without a length ends here; anything else is cut off."""
        if self._waiting is not None and not self._waiting.done():
            self._receive(b"")
        return False

    def data_received(self, data: bytes) -> None:
        """Read on, or close: a server that speaks unasked would have its words taken for the next answer."""
        if self._waiting is None or self._waiting.done():
            self.drop()
            return
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        try:
            self._h11.receive_data(data)
            while self._waiting is not None and not self._waiting.done():
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    return
                self._take(event)
        except h11.RemoteProtocolError as wrong:
            self._fail(AnswerLostError(f"the answer is not HTTP, or was cut off: {wrong}"))

    def _take(self, event: object) -> None:
        waiting = self._waiting
        assert waiting is not None
        if isinstance(event, h11.Response):
            headers: dict[str, str] = {}
            for name, value in event.headers:
                headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
            self._answer = RawAnswer(event.status_code, headers)
            if int(headers.get("content-length", "0")) > self._body_max:
                self._fail(AnswerTooLargeError(f"the answer is larger than {self._body_max} bytes"))
        elif isinstance(event, h11.Data):
            assert self._answer is not None
            self._answer.body += event.data
            if len(self._answer.body) > self._body_max:
                self._fail(AnswerTooLargeError(f"the answer is larger than {self._body_max} bytes"))
        elif isinstance(event, h11.EndOfMessage):
            assert self._answer is not None
            waiting.set_result(self._answer)
        elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            self._fail(AnswerLostError("the connection was closed or taken over instead of an answer"))

    def _fail(self, failure: AnswerLostError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(failure)
        self.drop()


def unpack(body: bytes, encoding: str, *, body_max: int) -> bytes:
    """Undo a content encoding, stopping where the result would pass the limit."""
    if not body:
        return body
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in {"", "identity"}:
            continue
        if name not in {"gzip", "x-gzip", "deflate"}:
            raise AnswerLostError("the answer is packed in a way that was not asked for")
        body = _inflate(body, raw=name == "deflate" and not _has_zlib_header(body), body_max=body_max)
    return body


def _inflate(body: bytes, *, raw: bool, body_max: int) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS | 32)
    try:
        plain = unpacker.decompress(body, body_max + 1)
    except zlib.error:
        raise AnswerLostError("the packed answer is damaged") from None
    if len(plain) > body_max:
        raise AnswerTooLargeError(f"the unpacked answer is larger than {body_max} bytes")
    if not unpacker.eof:
        raise AnswerLostError("the packed answer is cut off")
    return plain


def _has_zlib_header(body: bytes) -> bool:
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
