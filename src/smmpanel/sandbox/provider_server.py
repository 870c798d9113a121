"""The fake provider as a process: a real HTTP server that speaks API v2."""

import asyncio
import os
import sys
import traceback
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import orjson

from smmpanel.sandbox.http_server import Exchange, serve
from smmpanel.sandbox.lifetime import run_until_told
from smmpanel.sandbox.provider_actions import Provider
from smmpanel.sandbox.provider_api import answer_api
from smmpanel.sandbox.provider_control import PREFIX, answer_control
from smmpanel.sandbox.provider_settings import ProviderSettings

API_PATHS = frozenset({"/api/v2", "/api/v2/", "/api/v1", "/api/v1/"})


def _route(provider: Provider, exchange: Exchange) -> None:
    if exchange.path in API_PATHS:
        answer_api(provider, exchange)
    elif exchange.path.startswith(PREFIX):
        answer_control(provider, exchange)
    elif exchange.path == "/":
        exchange.answer(orjson.dumps({"what": "sandbox provider", "api": "/api/v2", "control": PREFIX}))
    else:
        exchange.answer(orjson.dumps({"error": "Not found"}), status=404)


def handle(provider: Provider, exchange: Exchange) -> None:
    """Answer one request. A mistake of ours is told apart from every scripted fault: 500 in plain text."""
    try:
        _route(provider, exchange)
    except Exception:  # noqa: BLE001 - the server must outlive one broken request
        text = traceback.format_exc()
        sys.stderr.write(text)
        exchange.answer(text.encode(), status=500, content_type="text/plain; charset=utf-8")


def announce(url: str) -> None:
    """Tell whoever started us, in one line of JSON, where we listen."""
    line = {"event": "ready", "url": f"{url}/api/v2", "control": f"{url}{PREFIX}", "pid": os.getpid()}
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


def run_provider(
    *,
    host: str = "127.0.0.1",
    port: int = 8900,
    services: int = 500,
    latency_ms: int = 0,
    seed: int = 1,
    key: str = "sandbox-key",
    balance: str = "1000",
    currency: str = "USD",
    finish_after: float = 240.0,
    speed: float = 1.0,
    latency_on: str = "all",
    rate_limit: int = 0,
    rate_limit_style: str = "429",
    dialect: str = "human",
    content_type: str = "application/json",
    unique_links: bool = False,
    partial_share: float = 0.0,
    cancel_share: float = 0.0,
    first_order_id: int = 1_000_001,
    exit_with_parent: bool = False,
    on_ready: Callable[[str], None] = announce,
) -> None:
    """Run a fake provider until SIGTERM or Ctrl-C. Port 0 picks a free one; `on_ready` hears the address, once it answers.

    Raises `ValueError` for settings that cannot be, before anything is started.
    """
    settings = ProviderSettings(
        services=services,
        seed=seed,
        key=key,
        balance=str(Decimal(balance)),
        currency=currency,
        latency_ms=latency_ms,
        latency_on=latency_on,
        finish_after=finish_after,
        speed=speed,
        rate_limit=rate_limit,
        rate_limit_style=rate_limit_style,
        dialect=dialect,
        content_type=content_type,
        unique_links=unique_links,
        partial_share=partial_share,
        cancel_share=cancel_share,
        first_order_id=first_order_id,
    )
    settings.check()
    provider = Provider(settings)

    async def main(stop: asyncio.Event) -> None:
        await serve(
            partial(handle, provider),
            host=host,
            port=port,
            stop=stop,
            on_ready=lambda bound: on_ready(f"http://{host}:{bound}"),
        )

    run_until_told(main, exit_with_parent=exit_with_parent)
