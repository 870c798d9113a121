"""The books for staff: sums that come to zero, every transfer, and a proof that is kept."""

import re
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from sqlalchemy import event, select, text

from making import credit, make_user
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.queue_state import job_named
from smmpanel.ledger.books import kept_trial_balance
from smmpanel.ledger.proving import last_proof, verify_every_night
from smmpanel.ledger.rollups import roll_up
from staff_browser import StaffBrowser, sign_in

LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])


@pytest.fixture
async def admin(panel: Panel) -> AsyncIterator[StaffBrowser]:
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


@pytest.fixture
async def mai(db: Database) -> int:
    """A customer whose wallet was credited twice."""
    async with db.transaction() as session:
        user = await make_user(session, "mai", funds="10.5")
        await credit(session, user, "2.25")
    return user


@LANGUAGES
async def test_empty_books(admin: StaffBrowser, language: str) -> None:
    shown = await admin.get("/staff/books", params={"lang": language})

    assert shown.status_code == 200
    assert shown.text.count('class="empty"') == 2


@LANGUAGES
async def test_books_with_transfers(admin: StaffBrowser, mai: int, language: str) -> None:
    shown = await admin.get("/staff/books", params={"lang": language})

    assert shown.status_code == 200
    found = re.findall(r'href="/staff/books/transfers/(\d+)"', shown.text)
    assert len(found) == 2
    one = await admin.get(f"/staff/books/transfers/{found[0]}", params={"lang": language})
    assert one.status_code == 200
    assert one.text.count(f'href="/staff/books/transfers/{found[1]}"') == 1


async def test_the_trial_balance_is_zero_before_and_after_a_roll_up(db: Database, panel: Panel, mai: int) -> None:
    for _ in range(2):
        async with db.transaction() as session:
            trial = await kept_trial_balance(session)
        sums = {line.kind: line.balance for line in trial.lines}
        assert sums == {"wallet": Decimal("12.75"), "held": Decimal(0), "adjustments": Decimal("-12.75")}
        assert trial.balanced
        async with db.transaction() as session:
            await session.execute(text("ALTER TABLE ledger_transfers DISABLE TRIGGER USER"))
            await session.execute(text("UPDATE ledger_transfers SET created_at = now() - interval '2 hours'"))
        await roll_up.function(panel)


async def test_transfers_are_found_by_what_they_were_for(admin: StaffBrowser, mai: int, db: Database) -> None:
    async with db.transaction() as session:
        await make_user(session, "binh", funds="3")

    shown = await admin.client.get("/staff/books", params={"subject": f"user:{mai}"}, headers={"hx-request": "true"})
    none = await admin.client.get("/staff/books", params={"subject": "77"}, headers={"hx-request": "true"})

    assert shown.text.count("data-row-link") == 2
    assert 'class="empty"' in none.text


async def test_transfers_are_paged_at_a_constant_number_of_queries(admin: StaffBrowser, mai: int, db: Database) -> None:
    async def queries() -> int:
        seen: list[str] = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731
        event.listen(db.engine.sync_engine, "before_cursor_execute", listener)
        await admin.get("/staff/books")
        event.remove(db.engine.sync_engine, "before_cursor_execute", listener)
        return len(seen)

    few = await queries()
    async with db.transaction() as session:
        for _ in range(30):
            await credit(session, mai, "1")

    assert await queries() == few
    first = await admin.get("/staff/books")
    assert first.text.count("data-row-link") == 25
    after = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert after is not None
    assert (await admin.get(after[1].replace("&amp;", "&"))).text.count("data-row-link") == 7


async def test_a_proof_is_asked_for_once_and_its_result_is_kept(
    admin: StaffBrowser, mai: int, db: Database, panel: Panel
) -> None:
    await admin.get("/staff/books")
    assert (await admin.post("/staff/books/proof")).status_code == 303
    assert (await admin.post("/staff/books/proof")).status_code == 303

    async with db.transaction() as session:
        proofs = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = :name")
        assert await session.scalar(proofs, {"name": verify_every_night.name}) == 1
        assert await job_named(session, verify_every_night.name) is not None
        noted = (await session.scalars(select(AuditEntry.subject))).all()
    assert noted == ["books", "books"]
    part = await admin.get("/staff/books/proof")
    assert 'hx-trigger="every 3s"' in part.text

    await verify_every_night.function(panel)
    async with db.transaction() as session:
        await session.execute(text("DELETE FROM procrastinate_jobs"))
        proof = await last_proof(session)
    assert proof is not None
    assert (proof.transfers, proof.differences) == (2, 0)
    assert "ok-note" in (await admin.get("/staff/books/proof")).text


async def test_differences_are_shown(admin: StaffBrowser, mai: int, db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        await session.execute(text("UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'wallet'"))
    await verify_every_night.function(panel)

    shown = await admin.get("/staff/books")

    assert '<div class="alert is-bad" role="alert">' in shown.text
    assert "11.75" not in shown.text
    assert "13.75" in shown.text
    async with db.transaction() as session:
        assert not (await kept_trial_balance(session)).balanced


async def test_it_takes_the_permission(panel: Panel) -> None:
    browser = await sign_in(panel, role=Role.STAFF, permissions=[Permission.ORDERS_VIEW.value])
    assert (await browser.get("/staff/books")).status_code == 403
    assert (await browser.post("/staff/books/proof")).status_code == 403
    await browser.client.aclose()


async def test_a_transfer_that_there_is_not(admin: StaffBrowser) -> None:
    assert (await admin.get("/staff/books/transfers/9")).status_code == 404
