"""A server on this machine that stands in for a gateway: it answers what it is told to, and keeps what it was sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from smmpanel.kernel.http import Outgoing

Scripted = tuple[int, Any]


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


@dataclass
class FakeVendor:
    """Answers in the order given, the last one again and again; `None` hangs up after the request."""

    http: Outgoing
    port: int = 0
    answers: list[Scripted | None] = field(default_factory=lambda: [(200, {})])
    sent: list[Sent] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answering(self, *answers: Scripted | None) -> "FakeVendor":
        self.answers = list(answers)
        self.sent.clear()
        return self

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            pairs = (line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.sent.append(Sent(method, target, headers, body))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer is not None:
                status, content = answer
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Length: {len(raw)}\r\nConnection: close\r\n\r\n".encode() + raw
                )
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def fake_vendor() -> AsyncIterator[FakeVendor]:
    """Serve until the block is left."""
    async with Outgoing(allow=["127.0.0.1"]) as http:
        vendor = FakeVendor(http)
        server = await asyncio.start_server(vendor.accept, "127.0.0.1", 0)
        vendor.port = server.sockets[0].getsockname()[1]
        try:
            yield vendor
        finally:
            server.close()
            await server.wait_closed()
