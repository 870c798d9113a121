"""Processes that die while they pay back: the gateway pays once at most, and the wallet follows what is known."""

import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from making import assert_books, make_user
from payments.conftest import Till
from payments.counters import S, desk_of
from payments.dying_refunder import AMOUNT, bookkeeping, clerk
from payments.test_payment_crashes import environment_of
from payments.test_returning import alerts
from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.db import Database
from smmpanel.kernel.options import write_option
from smmpanel.kernel.settings import Settings
from smmpanel.payments.refunding import resolve_refund
from smmpanel.payments.sending_refunds import look_after_refunds, send_refunds

DYING = Path(__file__).with_name("dying_refunder.py")


def run_to_death(environment: dict[str, str], *words: str) -> int:
    return subprocess.run([sys.executable, str(DYING), *words], env=environment, check=False).returncode


@pytest.mark.parametrize(
    ("moment", "state", "paid_back"), [("claimed", "done", 1), ("sent", "unknown", 0), ("called", "unknown", 1)]
)
async def test_a_killed_process_pays_back_once_at_most(
    database_url: str, tmp_path: Path, moment: str, state: str, paid_back: int
) -> None:
    settings = Settings(home=tmp_path, database_url=database_url)  # type: ignore[arg-type]
    db, book = Database(database_url, pool_size=2), tmp_path / "book"
    async with db.transaction() as session:
        await write_option(session, "currency", "VND")
        await write_option(session, "preset", "bumx")
    await db.close()
    async with open_panel(settings, database_url) as panel:
        async with panel.db.transaction() as session:
            user, staff = await make_user(session, funds=None), await make_user(session, funds=None)
        till = Till(panel, user)
        desk = await desk_of(till, refunding=True)
        await desk.told(S.PAID, 100_000)
        words = [moment, str(desk.deposit.id), str(staff), str(book)]
        environment = environment_of(settings, database_url) | {"PYTHONPATH": str(DYING.parents[1])}
        assert run_to_death(environment, *words) == -signal.SIGKILL
        assert await till.balance() == 100_000 - AMOUNT

        # Others go on: at once, and when nobody can be at it any more.
        panel.payment_gateways.put("refunding", bookkeeping(book))
        for later in (timedelta(0), timedelta(minutes=6)):
            moved = replace(panel, clock=lambda later=later: panel.clock() + later)  # type: ignore[misc]
            await look_after_refunds.function(moved)
            await send_refunds.function(moved)
        [row] = await desk.returns()
        assert row.state == state
        assert len(book.read_text().splitlines() if book.exists() else []) == paid_back
        assert await till.balance() == 100_000 - AMOUNT
        assert await alerts(till) == (["refund_unknown"] if state == "unknown" else [])
        if state == "unknown":
            async with panel.db.transaction() as session:
                was_paid, now = bool(paid_back), panel.clock()
                await resolve_refund(session, row.id, paid_back=was_paid, actor=clerk(staff), note="looked", now=now)
            assert await till.balance() == (100_000 - AMOUNT if paid_back else 100_000)
        await assert_books(panel.db)
