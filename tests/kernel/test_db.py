"""The database as edges borrow it."""

import psycopg
import pytest

from smmpanel.kernel.db import Database


async def pids(db, number):
    """Borrow connections, one while the others are still lent, and return whose they are."""
    if not number:
        return []
    async with db.driver() as driver:
        return [driver.info.backend_pid, *await pids(db, number - 1)]


async def test_the_driver_is_lent_as_it_is_and_what_fails_is_no_reason_to_throw_it_away(database_url):
    db = Database(database_url, pool_size=1)
    mine = await pids(db, 1)

    with pytest.raises(psycopg.errors.UndefinedTable):
        async with db.driver() as driver:
            await driver.execute("SELECT * FROM nowhere")

    assert await pids(db, 1) == mine
    await db.close()


async def test_when_one_of_the_drivers_connections_is_cut_the_others_are_not_tried(database_url):
    db = Database(database_url, pool_size=3)
    cut = await pids(db, 3)
    with psycopg.connect(database_url, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", (cut,))

    with pytest.raises(psycopg.OperationalError):
        async with db.driver() as driver:
            await driver.execute("SELECT 1")

    assert not set(await pids(db, 3)) & set(cut)
    async with db.driver() as driver:
        assert await (await driver.execute("SELECT 1")).fetchone() == (1,)
    await db.close()
