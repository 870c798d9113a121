"""A server of one static response, run exactly as the product runs its web process: same server, same settings."""

import argparse
import asyncio
from pathlib import Path

import uvloop
from starlette.types import Receive, Scope, Send

from smmpanel.entrypoints.web import listen, run_server


class StaticAnswer:
    """Reads a request to its end and sends the bytes."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        await send(self._start)
        await send({"type": "http.response.body", "body": self._body})


async def _live(receive: Receive, send: Send) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


async def _serve(port: int, body: bytes) -> None:
    await run_server(StaticAnswer(body), listen("127.0.0.1", port, reuse_port=False))


def main() -> None:
    """Serve a file's bytes until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options.port, options.file.read_bytes()))


if __name__ == "__main__":
    main()
