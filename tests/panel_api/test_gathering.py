"""Calls that travel together: none suffers for another, and what may have been done is never done again."""

import asyncio
import threading
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from making import assert_books, make_provider, make_service
from smmpanel.kernel.errors import ConflictError
from smmpanel.kernel.gathering import Gatherer
from smmpanel.orders.models import Order

from .conftest import Client, Served

LINK = "https://www.instagram.com/someone"


class Work:
    """Notes the groups it is given; `fail` decides which of them fail."""

    def __init__(self, fail=None, at=None):
        self.groups = []
        self._fail = fail or (lambda _: None)
        self._go = at

    async def __call__(self, group):
        self.groups.append(list(group))
        if self._go is not None:
            await self._go.wait()
        await asyncio.sleep(0)
        if (error := self._fail(group)) is not None:
            raise error
        return [ConflictError() if one == "refused" else f"{one}!" for one in group]


async def all_of(gatherer, *calls):
    return await asyncio.gather(*(gatherer.do(one) for one in calls), return_exceptions=True)


async def test_what_arrives_together_travels_together_and_is_answered_apart():
    work = Work()

    answers = await all_of(Gatherer(work, at_once=1, most=10), "a", "refused", "b")

    assert work.groups == [["a", "refused", "b"]]
    assert (answers[0], answers[2]) == ("a!", "b!")
    assert isinstance(answers[1], ConflictError)


async def test_a_lone_call_goes_at_once_and_the_next_ones_gather_behind_it():
    go = asyncio.Event()
    work = Work(at=go)
    gatherer = Gatherer(work, at_once=1, most=2)
    first = asyncio.create_task(gatherer.do("a"))
    await asyncio.sleep(0.01)
    rest = [asyncio.create_task(gatherer.do(one)) for one in "bcd"]
    await asyncio.sleep(0.01)
    assert work.groups == [["a"]]

    go.set()

    assert await asyncio.gather(first, *rest) == ["a!", "b!", "c!", "d!"]
    assert work.groups == [["a"], ["b", "c"], ["d"]]


async def test_a_group_that_changed_nothing_is_tried_one_by_one():
    work = Work(lambda group: ValueError("b") if "b" in group else None)

    answers = await all_of(Gatherer(work, at_once=1, most=10), "a", "b", "c")

    assert work.groups == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert (answers[0], answers[2]) == ("a!", "c!")
    assert isinstance(answers[1], ValueError)


@pytest.mark.parametrize(
    "error",
    [
        OSError("gone"),
        ConnectionResetError("gone"),
        OperationalError("COMMIT", {}, psycopg.OperationalError("gone")),
        OperationalError("COMMIT", {}, psycopg.errors.AdminShutdown("gone"), connection_invalidated=True),
    ],
)
async def test_a_group_that_may_have_been_done_is_never_tried_again(error):
    work = Work(lambda _: error)

    answers = await all_of(Gatherer(work, at_once=1, most=10), "a", "b")

    assert work.groups == [["a", "b"]]
    assert answers == [error, error]


async def test_what_ails_all_is_not_waited_for_by_each():
    work = Work(lambda _: ValueError("all"))

    answers = await all_of(Gatherer(work, at_once=1, most=10, retry_seconds=0), "a", "b")

    assert work.groups == [["a", "b"]]
    assert [type(answer) for answer in answers] == [ValueError, ValueError]


async def test_whoever_leaves_early_does_not_disturb_the_others():
    go = asyncio.Event()
    gatherer = Gatherer(Work(at=go), at_once=1, most=10)
    leaving, staying = (asyncio.create_task(gatherer.do(one)) for one in "ab")
    await asyncio.sleep(0.01)

    leaving.cancel()
    go.set()

    assert await staying == "b!"
    assert await gatherer.do("c") == "c!"


# With the database ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def service(db, panel):
    async with db.transaction() as session:
        return await make_service(session, await make_provider(session, panel), rate="1")


async def count_orders(db, user_id):
    async with db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(Order).where(Order.user_id == user_id))


async def test_an_order_that_the_database_refuses_spoils_no_other(call, reseller, service, db, logged):
    """A trigger stands for whatever nobody foresaw about one order: its whole group is rolled back first."""
    async with db.transaction() as session:
        await session.execute(
            text(
                "CREATE FUNCTION refuse_cursed() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN IF NEW.link LIKE '%cursed%' THEN RAISE 'cursed'; END IF; RETURN NEW; END $$"
            )
        )
        await session.execute(
            text("CREATE TRIGGER cursed BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse_cursed()")
        )
    people = [await reseller("5") for _ in range(12)]
    links = [LINK + ("cursed" if number % 4 == 0 else "fine") for number in range(12)]

    answers = await asyncio.gather(
        *(
            call.send(who, "add", service=service, link=link, quantity=1000)
            for who, link in zip(people, links, strict=True)
        )
    )

    cursed = [answer for answer, link in zip(answers, links, strict=True) if "cursed" in link]
    fine = [answer for answer, link in zip(answers, links, strict=True) if "fine" in link]
    assert {(one.status_code, one.json()["error"]) for one in cursed} == {
        (503, "Service temporarily unavailable, the request was not confirmed")
    }
    assert [one.status_code for one in fine] == [200] * 9
    assert len({one.json()["order"] for one in fine}) == 9
    failures = [line for line in logged if "reseller_call_failed" in line]
    assert len(failures) == 3
    for who, link in zip(people, links, strict=True):
        assert who.key not in "".join(logged)
        placed = "fine" in link
        assert (await who.balance(), await count_orders(db, who.user_id)) == ("4.00", 1) if placed else ("5.00", 0)
    async with db.transaction() as session:
        await session.execute(text("DROP TRIGGER cursed ON orders"))
    await assert_books(db)


class Cutter:
    """Stands between a panel and its database; once armed, it passes the next commit on and cuts the line before its answer."""

    def __init__(self, socket_path):
        self.socket_path, self.armed, self.cut = socket_path, False, 0

    async def serve(self, reader, writer):
        theirs, to_database = await asyncio.open_unix_connection(self.socket_path)
        dying = asyncio.Event()

        async def outward():
            while data := await reader.read(65536):
                to_database.write(data)
                await to_database.drain()
                if self.armed and b"COMMIT\x00" in data:
                    self.armed, self.cut = False, self.cut + 1
                    dying.set()

        async def inward():
            while data := await theirs.read(65536):
                if dying.is_set():
                    return  # the database has answered: it is done, and nobody is told
                writer.write(data)
                await writer.drain()

        tasks = [asyncio.create_task(outward()), asyncio.create_task(inward())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for each in (writer, to_database):
                each.close()
            await asyncio.gather(*tasks, writer.wait_closed(), to_database.wait_closed(), return_exceptions=True)


@contextmanager
def cut_line(database_url):
    """Run a cutter on a thread; yields it and the database's address through it."""
    parts = psycopg.conninfo.conninfo_to_dict(database_url)
    cutter = Cutter(f"{parts['host']}/.s.PGSQL.{parts['port']}")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(made):
        return asyncio.run_coroutine_threadsafe(made, loop).result(10)

    server = run(asyncio.start_server(cutter.serve, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    yield cutter, f"postgresql://{parts['user']}@127.0.0.1:{port}/{parts['dbname']}?sslmode=disable"

    async def stop():
        server.close()
        own = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not own]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    run(stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


async def test_a_lost_connection_is_no_refusal_and_nothing_is_done_twice(
    *, database_url, vault, tmp_path, reseller, service, db, logged
):
    who = await reseller()
    form = {"service": service, "link": LINK, "quantity": 1000, "ref_id": "once"}
    with cut_line(database_url) as (cutter, address), Served(address, vault, tmp_path) as served:
        async with httpx.AsyncClient(base_url=served.address, trust_env=False, timeout=30) as http:
            call = Client(http)
            assert await call(who, "balance") == {"balance": "100.00", "currency": "USD"}
            cutter.armed = True

            lost = await call.send(who, "add", **form)

            assert (lost.status_code, lost.json()) == (
                503,
                {"error": "Service temporarily unavailable, the request was not confirmed"},
            )
            assert lost.headers["content-type"] == "application/json"
            assert cutter.cut == 1
            assert await count_orders(db, who.user_id) == 1
            again = await call(who, "add", **form)
    assert await count_orders(db, who.user_id) == 1
    assert list(again) == ["order"]
    assert await who.balance() == "99.00"
    await assert_books(db)


async def test_without_a_database_nothing_is_refused(vault, tmp_path, reseller, service, logged):
    who = await reseller()
    with Served("postgresql://nobody@127.0.0.1:9/none", vault, tmp_path) as served:
        async with httpx.AsyncClient(base_url=served.address, trust_env=False, timeout=30) as http:
            call = Client(http)
            for action in ("add", "balance", "services", "status", "cancel"):
                answer = await call.send(who, action, service=service, link=LINK, quantity=1000, orders="1")
                assert (answer.status_code, list(answer.json())) == (503, ["error"])
