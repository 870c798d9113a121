"""Hints to open pages that something of theirs has changed: `NOTIFY` with names and ids, never with data.

What is told is only that it is time to look again; a page that misses a hint is late, never wrong.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.logging import get_logger

CHANNEL = "panel_live"
PAYLOAD_MAX = 7900
"""PostgreSQL takes up to 8,000 bytes."""
RECONNECT_SECONDS = 2.0
_NOTIFY = text("SELECT pg_notify(:channel, :payload)")

log = get_logger()
Hear = Callable[[str, int], None]
"""Called with what changed, such as `orders`, and whose it is."""


async def tell(session: AsyncSession, what: str, user_ids: Iterable[int]) -> None:
    """Have the pages of these users, and those of staff, look again at something once this transaction is committed.

    The commit then takes a lock that all notifying commits share: for work in the background, not for doors under load.
    """
    told = sorted(set(user_ids))
    while told:
        payload, taken = what, 0
        for user_id in told:
            longer = f"{payload} {user_id}"
            if len(longer) > PAYLOAD_MAX:
                break
            payload, taken = longer, taken + 1
        await session.execute(_NOTIFY, {"channel": CHANNEL, "payload": payload})
        told = told[taken:]


async def listen(url: str, hear: Hear, *, connected: Callable[[], None]) -> None:
    """Pass on what is told, for ever; `connected` is called each time the line is up (again), for what was missed."""
    while True:
        with suppress(psycopg.OperationalError):
            line = await psycopg.AsyncConnection.connect(url, autocommit=True, application_name="smmpanel live")
            try:
                await line.execute(f"LISTEN {CHANNEL}")
                connected()
                async for notice in line.notifies():
                    _pass_on(notice.payload, hear)
            finally:
                await line.close()
        log.warning("live_line_lost")
        await asyncio.sleep(RECONNECT_SECONDS)


def _pass_on(payload: str, hear: Hear) -> None:
    what, *user_ids = payload.split()
    for user_id in user_ids:
        if user_id.isdigit():
            hear(what, int(user_id))
