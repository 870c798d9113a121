"""A panel on 127.0.0.1 that answers whatever a test tells it to."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from smmpanel.kernel.http import Outgoing
from smmpanel.providers.protocol import Connection

KEY = "0123456789abcdef0123456789abcdef"


class Asked:
    """One request that reached the panel."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = first.split(" ")
        self.path, self.query = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query))
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakePanel:
    """Answers every request with what was said last, or with a queue of answers in turn."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.port = 0
        self.http: Outgoing
        self._answers: list[bytes | None] = []
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def says(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer with bytes as they are, with anything else as JSON."""
        self._answers = [self._written(body, status, headers or {})]

    def says_in_turn(self, *bodies: Any) -> None:
        self._answers = [self._written(body, 200, {}) for body in bodies]

    def hangs_up(self) -> None:
        """Read the request and close."""
        self._answers = [None]

    @staticmethod
    def _written(body: Any, status: int, headers: dict[str, str]) -> bytes:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"Content-Type": "text/html; charset=UTF-8", "Content-Length": str(len(content)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + content

    def adapter(
        self, kind: Any, *, path: str = "/api/v2", api_key: str = KEY, timeout: float = 5.0, **options: Any
    ) -> Any:
        return kind(Connection(self.url + path, api_key, timeout, options), self.http)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                self.asked.append(Asked(head + await reader.readexactly(length)))
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    async def close(self) -> None:
        for writer in list(self._writers):
            writer.close()
        await asyncio.sleep(0)


@pytest.fixture
async def panel() -> AsyncIterator[FakePanel]:
    fake = FakePanel()
    server = await asyncio.start_server(fake.accept, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    async with Outgoing(allow=[f"127.0.0.1:{fake.port}"]) as fake.http:
        yield fake
    await fake.close()
    server.close()
    await server.wait_closed()
