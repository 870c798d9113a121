"""Writing many receipts in one statement."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.row_sets import insert_of, rows_in
from smmpanel.payments.models import Receipt

# What is said of money that has just come; all else begins as the table says.
_SAID = (
    "gateway",
    "method_id",
    "source",
    "external_id",
    "natural_key",
    "amount",
    "currency",
    "account",
    "payer",
    "memo",
    "bank_ref",
    "occurred_at",
    "arrived_at",
    "listed_at",
    "event_id",
    "deposit_id",
    "state",
    "reason",
    "rate",
    "fee",
    "credited",
    "decided_at",
)
_INSERT = insert_of(Receipt, _SAID, "RETURNING id, gateway, external_id")


async def insert_receipts(session: AsyncSession, receipts: Sequence[Receipt]) -> None:
    """Insert receipts that are not in the session, and give each its number."""
    if not receipts:
        return
    rows = [{name: getattr(receipt, name) for name in _SAID} for receipt in receipts]
    found = await session.execute(_INSERT, rows_in(rows))
    ids = {(gateway, external_id): number for number, gateway, external_id in found}
    for receipt in receipts:
        receipt.id = ids[receipt.gateway, receipt.external_id]
