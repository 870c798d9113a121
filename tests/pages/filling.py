"""Panels with little and with much in them, of the same kinds: what differs between them is only how many there are."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from benchmarks.bulk import Spread, fill
from benchmarks.place import Place
from benchmarks.seeding import Customer, Wanted, import_catalogue, make_customers, with_panel
from psycopg import sql

from smmpanel.accounts.access import VIEW_ONLY
from smmpanel.accounts.sessions import open_session
from smmpanel.entrypoints.embedded import EmbeddedPostgres
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.words import KINDS
from smmpanel.orders.timing import measure_services
from smmpanel.reports.counting import count_lately

VISITOR, CUSTOMER, VIEWER, OWNER = "visitor", "customer", "viewer", "owner"
OTHERS = (Path(__file__).parent / "others.sql").read_text("utf-8")
ROLES = (VISITOR, CUSTOMER, VIEWER, OWNER)


@dataclass(frozen=True)
class Amount:
    """How much there is of everything."""

    name: str
    services: int
    orders: int
    others: int
    """Of all that belongs to one customer, one order or the staff."""
    customers: int


NOTHING = Amount("nothing", 0, 0, 0, 0)
LITTLE = Amount("little", 60, 120, 4, 2)
MUCH = Amount("much", 10_000, 200_000, 150, 50)


@dataclass
class Filled:
    """A panel's database, and who and what is in it."""

    place: Place
    people: dict[str, int] = field(default_factory=dict)
    """One user for each role but the visitor's."""
    tokens: dict[str, str] = field(default_factory=dict)
    """The session of each role but the visitor's."""
    ids: dict[str, Any] = field(default_factory=dict)
    """What the names in addresses stand for."""


def filled(postgres: EmbeddedPostgres, template: str, home: Path, amount: Amount) -> Filled:
    """Make a panel with so much in it, in a database of its own on a server."""
    source = str(psycopg.conninfo.conninfo_to_dict(template)["dbname"])
    place = Place(home, postgres, f"pages_{amount.name}_{home.name.replace('-', '_')}".lower())
    names = {"copy": sql.Identifier(place.database), "source": sql.Identifier(source)}
    with psycopg.connect(postgres.url, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {copy} TEMPLATE {source} STRATEGY FILE_COPY").format(**names))
    place.run("init", "--preset", "automation")
    # The builders run an event loop of their own, which must not be this thread's.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_fill, place, amount).result()


def _fill(place: Place, amount: Amount) -> Filled:
    panel = Filled(place)
    services: list[Wanted] = import_catalogue(place, amount.services) if amount.services else []
    customers: list[Customer] = make_customers(place, max(amount.customers, 1))
    with place.connect() as connection:
        [owner] = connection.execute("SELECT id FROM users WHERE username = 'owner'").fetchone() or [0]
        viewer = connection.execute(
            "INSERT INTO users (username, email, password_hash, role, permissions) VALUES"
            " ('viewer', 'viewer@example.test', '-', 'staff', %s) RETURNING id",
            (sorted(VIEW_ONLY),),
        ).fetchone()
    assert viewer is not None
    people = panel.people = {CUSTOMER: customers[0].user_id, VIEWER: viewer[0], OWNER: owner}
    if amount.orders:
        fill(place, customers, services, Spread(amount.orders, open=amount.orders // 20, days=40))
        with place.connect() as connection:
            others = {"n": amount.others, "user": people[CUSTOMER], "owner": owner, "kinds": list(KINDS)}
            psycopg.ClientCursor(connection).execute(OTHERS, others)
            panel.ids = _ids(connection, people[CUSTOMER]) | {"/staff/people/{user_id}": {"user_id": people[VIEWER]}}
    with_panel(place, lambda opened: _count_and_sign_in(opened, people, panel.tokens))
    return panel


async def _count_and_sign_in(panel: Panel, people: dict[str, int], tokens: dict[str, str]) -> None:
    await measure_services.function(panel)
    await count_lately.function(panel)
    async with panel.db.transaction() as session:
        for role, user_id in people.items():
            opened = await open_session(
                session, user_id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock()
            )
            tokens[role] = opened.token


def _ids(connection: psycopg.Connection[Any], user_id: int) -> dict[str, Any]:
    found: dict[str, Any] = {"user_id": user_id}
    for name, statement in IDS.items():
        row = connection.execute(statement, {"user": user_id}).fetchone()
        assert row is not None, name
        found[name] = row[0]
    for path, names in OF_PATHS.items():
        found[path] = {}
        for name, statement in names.items():
            row = connection.execute(statement, {"user": user_id}).fetchone()
            assert row is not None, path
            found[path][name] = row[0]
    return found


IDS = {
    "order_id": "SELECT id FROM orders WHERE user_id = %(user)s AND status = 'completed' ORDER BY id LIMIT 1",
    "service_id": "SELECT id FROM services ORDER BY id LIMIT 1",
    "category_id": "SELECT id FROM categories ORDER BY id LIMIT 1",
    "provider_id": "SELECT id FROM providers ORDER BY id LIMIT 1",
    "notification_id": "SELECT min(id) FROM notifications",
    "deposit_id": "SELECT min(id) FROM deposits WHERE user_id = %(user)s",
    "proof_id": "SELECT min(id) FROM deposit_proofs",
    "reference": "SELECT reference FROM deposits WHERE user_id = %(user)s ORDER BY id LIMIT 1",
    "receipt_id": "SELECT min(id) FROM payment_receipts WHERE state = 'review'",
    "method_id": "SELECT max(id) FROM payment_methods",
    "batch_id": "SELECT min(id) FROM voucher_batches",
    "tier_id": "SELECT max(id) FROM tiers",
    "transfer_id": "SELECT max(id) FROM ledger_transfers",
}
OF_PATHS = {
    "/deposits/{deposit_id}/pay": {
        "deposit_id": "SELECT id FROM deposits WHERE shown->>'kind' = 'form' ORDER BY id LIMIT 1"
    }
}
"""What names in single addresses stand for, where it is something else."""
