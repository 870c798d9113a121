"""Processes that die with a payment in their hands: one credit and one notification all the same."""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from making import assert_books, make_user
from payments.conftest import Till
from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.db import Database
from smmpanel.kernel.options import write_option
from smmpanel.kernel.settings import Settings
from smmpanel.notifications.models import Notification
from smmpanel.payments.receiving import receive
from worker_processes import kill, until

DYING = Path(__file__).with_name("dying_till.py")


def environment_of(settings: Settings, url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SMMPANEL_")}
    return kept | {"SMMPANEL_HOME": str(settings.home), "SMMPANEL_DATABASE_URL": url}


def run_to_death(environment: dict[str, str], *words: str) -> int:
    return subprocess.run([sys.executable, str(DYING), *words], env=environment, check=False).returncode


def start_worker(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "smmpanel", "worker"], env=environment, stdout=quiet, stderr=quiet)


@pytest.mark.parametrize(
    ("moment", "outcomes", "credited"),
    [("verified", [], 0), ("stored", ["waiting"], 0), ("settling", ["waiting"], 0), ("settled", ["settled"], 100_000)],
)
async def test_rule_2_a_killed_process_costs_nobody_anything(
    database_url: str, tmp_path: Path, moment: str, outcomes: list[str], credited: int
) -> None:
    settings = Settings(home=tmp_path, database_url=database_url)  # type: ignore[arg-type]
    db = Database(database_url, pool_size=2)
    async with db.transaction() as session:
        await write_option(session, "currency", "VND")
        await write_option(session, "preset", "bumx")
    await db.close()
    environment = environment_of(settings, database_url)
    async with open_panel(settings, database_url) as panel:
        async with panel.db.transaction() as session:
            user = await make_user(session, funds=None)
        till = Till(panel, user)
        await till.add("sepay")
        deposit = await till.open()
        message = till.signed(till.transfer(deposit.memo))
        words = [message.header("x-sepay-signature").decode(), message.header("x-sepay-timestamp").decode()]
        died = run_to_death(environment, moment, message.body.hex(), *words)
        assert died == -signal.SIGKILL
        assert [event.outcome for event in await till.events()] == outcomes
        assert await till.balance() == credited

        # The gateway had no answer, and sends it again.
        assert (await receive(panel, "sepay", message, ip=None)).body == {"success": True}
        worker = start_worker(environment)
        try:

            async def is_told() -> bool:
                async with panel.db.transaction() as session:
                    return bool(await session.scalar(select(func.count()).select_from(Notification)))

            await until(is_told, [worker])
        finally:
            kill(worker)
        await till.settle()

        assert await till.balance() == Decimal(100_000)
        assert len(await till.facts()) == 1
        [event] = await till.events()
        assert (event.outcome, event.repeats) == ("settled", len(outcomes))
        async with panel.db.transaction() as session:
            [told] = (await session.scalars(select(Notification))).all()
        assert json.dumps(told.fields).count("100000") == 2
        await assert_books(panel.db)
