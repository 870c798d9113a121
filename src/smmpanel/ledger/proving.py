"""Proving the books: every balance recomputed from the transfers, every currency's debits against its credits."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.jobs import job
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.options import read_option, write_option
from smmpanel.kernel.panel import Panel

log = get_logger()
PROOF_OPTION = "books_proof"
"""Panel option: when the books were last verified, and what came of it."""
DIFFERENCES_KEPT = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in the books that is not as the transfers say."""

    what: str
    subject: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One kind of account in one currency: the sum of what it owes or is owed."""

    kind: str
    currency: str
    accounts: int
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of a verification. Clean books have no differences, and each currency's balances sum to zero."""

    transfers: int
    accounts: int
    trial: Sequence[TrialLine]
    differences: Sequence[Difference]


_SUMS = """
WITH moved AS (
    SELECT account_id, sum(amount) AS balance, max(id) AS last FROM (
        SELECT credit_id AS account_id, amount, id FROM ledger_transfers
        UNION ALL
        SELECT debit_id, -amount, id FROM ledger_transfers
    ) sides GROUP BY account_id
)
"""
_WRONG_BALANCES = text(
    _SUMS + "SELECT a.id, coalesce(m.balance, 0) AS expected, a.balance AS found FROM ledger_accounts a"
    " LEFT JOIN moved m ON m.account_id = a.id"
    " WHERE a.balance IS NOT NULL AND a.balance <> coalesce(m.balance, 0) ORDER BY a.id"
)
_WRONG_RUNNING_BALANCES = text(
    "SELECT * FROM ("
    " SELECT id, account_id, running, sum(signed) OVER (PARTITION BY account_id ORDER BY id) AS expected FROM ("
    "  SELECT id, credit_id AS account_id, amount AS signed, credit_balance AS running FROM ledger_transfers"
    "  UNION ALL SELECT id, debit_id, -amount, debit_balance FROM ledger_transfers) sides"
    " WHERE running IS NOT NULL) lines WHERE running <> expected ORDER BY id LIMIT 1000"
)
_TRIAL = text(
    _SUMS
    + "SELECT a.kind, a.currency, count(*) AS accounts, coalesce(sum(m.balance), 0) AS balance FROM ledger_accounts a"
    " LEFT JOIN moved m ON m.account_id = a.id GROUP BY a.kind, a.currency ORDER BY a.currency, a.kind"
)
_MIXED_CURRENCIES = text(
    "SELECT t.id, d.currency AS debit, c.currency AS credit FROM ledger_transfers t JOIN ledger_accounts d ON d.id = t.debit_id"
    " JOIN ledger_accounts c ON c.id = t.credit_id WHERE d.currency <> c.currency"
)
_WRONG_REVERSALS = text(
    "SELECT r.id FROM ledger_transfers r JOIN ledger_transfers t ON t.id = r.reverses"
    " WHERE (r.debit_id, r.credit_id, r.amount) IS DISTINCT FROM (t.credit_id, t.debit_id, t.amount)"
)
_WRONG_ROLLUPS = text(
    "SELECT s.account_id AS id, s.balance AS found, coalesce((SELECT sum(CASE WHEN credit_id = s.account_id THEN amount"
    " ELSE -amount END) FROM ledger_transfers WHERE id <= s.up_to AND s.account_id IN (debit_id, credit_id)), 0) AS expected"
    " FROM ledger_rollups s"
)
_COUNTS = text("SELECT (SELECT count(*) FROM ledger_transfers), (SELECT count(*) FROM ledger_accounts)")


async def verify(session: AsyncSession) -> Proof:
    """Recompute every balance and the trial balance from the transfers. Run it in a `Database.snapshot`."""
    differences = [
        Difference("balance", f"account:{row.id}", str(row.expected), str(row.found))
        for row in await session.execute(_WRONG_BALANCES)
    ]
    differences += [
        Difference("balance after transfer", f"transfer:{row.id}", str(row.expected), str(row.running))
        for row in await session.execute(_WRONG_RUNNING_BALANCES)
    ]
    differences += [
        Difference("currency", f"transfer:{row.id}", row.debit, row.credit)
        for row in await session.execute(_MIXED_CURRENCIES)
    ]
    differences += [
        Difference("reversal", f"transfer:{row.id}", "the transfer turned round", "something else")
        for row in await session.execute(_WRONG_REVERSALS)
    ]
    differences += [
        Difference("roll-up", f"account:{row.id}", str(row.expected), str(row.found))
        for row in await session.execute(_WRONG_ROLLUPS)
        if row.expected != row.found
    ]
    trial = [TrialLine(*row) for row in await session.execute(_TRIAL)]
    differences += _unbalanced(trial)
    transfers, accounts = (await session.execute(_COUNTS)).one()
    return Proof(transfers, accounts, trial, differences)


def _unbalanced(trial: Sequence[TrialLine]) -> list[Difference]:
    sums: dict[str, Decimal] = {}
    for line in trial:
        sums[line.currency] = sums.get(line.currency, Decimal(0)) + line.balance
    return [
        Difference("trial balance", currency, "0", str(balance)) for currency, balance in sums.items() if balance != 0
    ]


class BooksDiffer(Fact):
    """The nightly verification found differences."""

    fact = "books_differ"
    differences: int
    first: str


async def report_differences(panel: Panel, subject: str, differences: Sequence[Difference]) -> None:
    """Log what a verification came to, and raise an alert if anything differs."""
    if not differences:
        log.info("verified_against_ledger", what=subject)
        return
    first = f"{differences[0].what} of {differences[0].subject}"
    log.error("differs_from_ledger", what=subject, differences=len(differences), first=first)
    async with panel.db.transaction() as session:
        await record(session, BooksDiffer(differences=len(differences), first=first))


@dataclass(frozen=True, slots=True)
class KeptProof:
    """The last verification: when it began, how long it took, what it went through, and the first differences."""

    at: datetime
    took_seconds: float
    transfers: int
    accounts: int
    differences: int
    first: Sequence[Difference]


async def last_proof(session: AsyncSession) -> KeptProof | None:
    """Return what the last verification found; `None` if there was none yet."""
    kept: dict[str, Any] | None = await read_option(session, PROOF_OPTION)
    if kept is None:
        return None
    first = [Difference(**one) for one in kept["first"]]
    return KeptProof(**{**kept, "at": datetime.fromisoformat(kept["at"]), "first": first})


@job(queue="chores", cron="40 3 * * *")
async def verify_every_night(panel: Panel) -> None:
    """Verify the ledger, keep what was found, and raise an alert if it does not hold. Harmless to repeat."""
    began = panel.clock()
    async with panel.db.snapshot() as session:
        proof = await verify(session)
    kept = {
        "at": began.isoformat(),
        "took_seconds": (panel.clock() - began).total_seconds(),
        "transfers": proof.transfers,
        "accounts": proof.accounts,
        "differences": len(proof.differences),
        "first": [asdict(one) for one in proof.differences[:DIFFERENCES_KEPT]],
    }
    async with panel.db.transaction() as session:
        await write_option(session, PROOF_OPTION, kept)
    if not proof.differences:
        log.info("ledger_verified", transfers=proof.transfers, accounts=proof.accounts)
        return
    first = proof.differences[0]
    log.error("ledger_differs", differences=len(proof.differences), first=first.subject)
    async with panel.db.transaction() as session:
        await record(session, BooksDiffer(differences=len(proof.differences), first=f"{first.what} of {first.subject}"))
