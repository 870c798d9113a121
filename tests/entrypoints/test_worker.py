"""The worker as a real process."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.jobs import enqueue
from smmpanel.kernel.settings import Settings
from smmpanel.ledger.rollups import roll_up

PATIENCE_SECONDS = 20


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of a panel."""
    return Settings(home=tmp_path, database_url=database_url)  # type: ignore[arg-type]


def start_worker(settings: Settings, database_url: str) -> subprocess.Popen[str]:
    own = {"SMMPANEL_HOME": str(settings.home), "SMMPANEL_DATABASE_URL": database_url}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMMPANEL_")} | own
    command = [sys.executable, "-m", "smmpanel", "worker"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_it_prepares_the_database_runs_jobs_and_ends_well_when_asked(settings, database_url):
    worker = start_worker(settings, database_url)
    try:
        with psycopg.connect(database_url, autocommit=True) as watching:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while watching.execute("SELECT count(*) FROM procrastinate_workers").fetchone() == (0,):
                assert time.monotonic() < deadline, "it did not sign in"
                await asyncio.sleep(0.1)
            async with open_panel(settings, database_url) as panel, panel.db.transaction() as session:
                await enqueue(session, roll_up.call())
            left = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'ledger.rollups.roll_up'"
            while watching.execute(left).fetchone() != (0,):
                assert time.monotonic() < deadline, "the job was not done"
                await asyncio.sleep(0.1)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE_SECONDS) == 0
            assert watching.execute("SELECT count(*) FROM procrastinate_workers").fetchone() == (0,)
    finally:
        worker.kill()
        said, _ = worker.communicate()
    assert "The password is shown this once" in said


async def test_a_database_that_cannot_be_reached_is_said_in_one_line(settings):
    worker = start_worker(settings, "postgresql://nobody@127.0.0.1:9/none")

    said, complained = worker.communicate(timeout=PATIENCE_SECONDS)

    assert (worker.returncode, said) == (5, "")
    assert complained.startswith("error: the database cannot be used")
    assert complained.count("\n") == 1
