"""Writing many receipts in one statement whose text never changes: reading it anew for each batch would cost more than the rows."""

from collections.abc import Sequence

import orjson
from pydantic_core import to_jsonable_python
from sqlalchemy import Dialect, make_url, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.payments.models import Receipt

_OF_POSTGRES: Dialect = make_url("postgresql+psycopg://").get_dialect()()
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
_COLUMNS = [Receipt.__table__.columns[name] for name in _SAID]
_NAMES = ", ".join(column.name for column in _COLUMNS)
_TYPED = ", ".join(f"{column.name} {column.type.compile(_OF_POSTGRES)}" for column in _COLUMNS)
_INSERT = text(
    f"INSERT INTO payment_receipts ({_NAMES}) SELECT {_NAMES} FROM json_to_recordset(CAST(:rows AS json)) AS v({_TYPED})"
    " RETURNING id, gateway, external_id"
)


async def insert_receipts(session: AsyncSession, receipts: Sequence[Receipt]) -> None:
    """Insert receipts that are not in the session, and give each its number."""
    if not receipts:
        return
    rows = [to_jsonable_python({name: getattr(receipt, name) for name in _SAID}) for receipt in receipts]
    found = await session.execute(_INSERT, {"rows": orjson.dumps(rows).decode()})
    ids = {(gateway, external_id): number for number, gateway, external_id in found}
    for receipt in receipts:
        receipt.id = ids[receipt.gateway, receipt.external_id]
