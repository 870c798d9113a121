"""What must be true at the end of a soak: ours against the provider's log, what clients were told, the books."""

from collections import Counter
from dataclasses import dataclass

from benchmarks.place import Place
from benchmarks.seeding import with_panel
from benchmarks.soak_clients import Told
from smmpanel.accounts.access import Actor
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.proving import verify
from smmpanel.orders.proving import verify_orders
from smmpanel.orders.resolving import resolve_not_taken, resolve_taken
from smmpanel.sandbox.process import SandboxProcess

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be true, and what speaks against it."""

    what: str
    against: list[str]
    detail: str = ""

    def line(self) -> str:
        """The check as a line of the report."""
        verdict = "ok  " if not self.against else "FAIL"
        shown = f": {len(self.against)}, such as {'; '.join(self.against[:SHOWN])}" if self.against else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"  {verdict}  {self.what}{detail}{shown}"


def accepted_by_provider(sandbox: SandboxProcess) -> dict[str, list[str]]:
    """Return which orders the provider made of which link, by its own log. Links are ours alone: one per order."""
    made: dict[str, list[str]] = {}
    for row in sandbox.log("add"):
        if row["external_id"] is not None:
            made.setdefault(row["fields"]["link"], []).append(row["external_id"])
    return made


def one_to_one(place: Place, made: dict[str, list[str]], *, settled: bool = False) -> list[Check]:
    """Compare our orders with the provider's; as long as not all are settled, some of ours may be unconfirmed."""
    with place.connect() as connection:
        rows = connection.execute("SELECT id, link, external_id, unconfirmed FROM orders").fetchall()
    theirs = {ref: link for link, refs in made.items() for ref in refs}
    ours = {str(ref): str(link) for _, link, ref, _ in rows if ref is not None}
    in_doubt = {str(link) for _, link, _, unconfirmed in rows if unconfirmed}
    shared = [ref for ref, times in Counter(str(ref) for _, _, ref, _ in rows if ref is not None).items() if times > 1]
    strays = {ref: link for ref, link in theirs.items() if ref not in ours}
    return [
        Check("after settling: nothing is unconfirmed", sorted(in_doubt))
        if settled
        else Check(
            "before settling: the provider was asked", [] if made else ["its log is empty"], f"{len(theirs):,} orders"
        ),
        Check("no order was made twice at the provider", [link for link, refs in made.items() if len(refs) > 1]),
        Check("no two orders of ours have one external id", shared),
        Check(
            "every order that we say was accepted is in the provider's log, for the same link",
            [ref for ref, link in ours.items() if theirs.get(ref) != link],
            f"{len(ours):,} orders",
        ),
        Check(
            "what the provider has and we do not know of is unconfirmed here",
            [f"{ref} for {link}" for ref, link in strays.items() if link not in in_doubt],
            f"{len(strays):,} such, of {len(in_doubt):,} unconfirmed",
        ),
    ]


def unconfirmed_by_log(place: Place, made: dict[str, list[str]]) -> tuple[list[tuple[int, str]], list[int]]:
    """Look every unconfirmed order up in the provider's log: those that were taken, with their ids, and those that were not."""
    with place.connect() as connection:
        rows = connection.execute("SELECT id, link FROM orders WHERE unconfirmed ORDER BY id").fetchall()
    taken = [(int(str(order)), made[str(link)][0]) for order, link in rows if str(link) in made]
    return taken, [int(str(order)) for order, link in rows if str(link) not in made]


def settle_unconfirmed(place: Place, taken: list[tuple[int, str]], not_taken: list[int]) -> None:
    """Settle orders as staff would who have the provider's log."""

    async def work(panel: Panel) -> None:
        for order_id, ref in taken:
            async with panel.db.transaction() as session:
                await resolve_taken(session, panel, Actor.cli(), order_id, ref, now=panel.clock())
        for order_id in not_taken:
            async with panel.db.transaction() as session:
                await resolve_not_taken(session, panel, Actor.cli(), order_id, now=panel.clock())

    with_panel(place, work)


def told_the_truth(place: Place, told: Told) -> list[Check]:
    """Compare what clients were told with what there is."""
    with place.connect() as connection:
        rows = connection.execute("SELECT key, id FROM orders").fetchall()
    orders: dict[str, list[int]] = {}
    for key, order_id in rows:
        orders.setdefault(str(key), []).append(int(str(order_id)))
    return [
        Check("no client was told two things about one key", told.contradictions),
        Check(
            "every order that a client was told of exists, under its key",
            [key for key, order_id in told.orders.items() if orders.get(key) != [order_id]],
            f"{len(told.orders):,} keys",
        ),
        Check(
            "no key of a refused order has one",
            [key for key in told.refused if key in orders],
            f"{len(told.refused):,} refused",
        ),
        Check("there is no order that nobody was told of", [key for key in orders if key not in told.orders]),
    ]


def finished(place: Place) -> Check:
    """Look for orders that have not come to an end."""
    with place.connect() as connection:
        rows = connection.execute(
            "SELECT id, status, reason FROM orders WHERE status NOT IN ('completed', 'partial', 'canceled') ORDER BY id"
        ).fetchall()
        ends = connection.execute("SELECT status, count(*) FROM orders GROUP BY status ORDER BY status").fetchall()
    detail = ", ".join(f"{count} {status}" for status, count in ends)
    return Check("every order came to its end", [f"{one} {status} ({why})" for one, status, why in rows], detail)


def books(place: Place) -> list[Check]:
    """Verify the ledger, the orders against it, and that no wallet is overdrawn."""
    differences: dict[str, list[str]] = {}

    async def work(panel: Panel) -> None:
        async with panel.db.snapshot() as session:
            differences["ledger"] = [str(one) for one in (await verify(session)).differences]
            differences["orders"] = [str(one) for one in await verify_orders(session)]

    with_panel(place, work)
    with place.connect() as connection:
        overdrawn = connection.execute("SELECT owner_id, balance FROM ledger_accounts WHERE balance < 0").fetchall()
        transfers = connection.execute("SELECT count(*) FROM ledger_transfers").fetchall()
    return [
        Check("no wallet and no hold is below zero", [str(row) for row in overdrawn]),
        Check("ledger verify finds nothing", differences["ledger"], f"{transfers[0][0]:,} transfers"),
        Check("the orders and the ledger tell the same", differences["orders"]),
    ]
