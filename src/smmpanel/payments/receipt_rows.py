"""Writing many receipts in one statement whose text never changes: reading it anew for each batch would cost more than the rows."""

from collections.abc import Sequence

import orjson
from pydantic_core import to_jsonable_python
from sqlalchemy import Dialect, make_url, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.payments.models import Receipt

_OF_POSTGRES: Dialect = make_url("postgresql+psycopg://").get_dialect()()
# Those that the database fills in are left to it.
_COLUMNS = [column for column in Receipt.__table__.columns if column.name not in {"id", "also"}]
_NAMES = ", ".join(column.name for column in _COLUMNS)
_TYPED = ", ".join(f"{column.name} {column.type.compile(_OF_POSTGRES)}" for column in _COLUMNS)
_INSERT = text(
    f"INSERT INTO payment_receipts ({_NAMES}) SELECT {_NAMES} FROM json_to_recordset(CAST(:rows AS json)) AS v({_TYPED})"
    " RETURNING id, gateway, external_id"
)
_DEFAULTS = {"memo": "", "reason": "", "rate": 1, "fee": 0, "credited": 0}


async def insert_receipts(session: AsyncSession, receipts: Sequence[Receipt]) -> None:
    """Insert receipts that are not in the session, and give each its number."""
    if not receipts:
        return
    rows = []
    for receipt in receipts:
        values = {column.name: getattr(receipt, column.name) for column in _COLUMNS}
        filled = {name: _DEFAULTS.get(name) if value is None else value for name, value in values.items()}
        rows.append(to_jsonable_python(filled))
    found = await session.execute(_INSERT, {"rows": orjson.dumps(rows).decode()})
    ids = {(gateway, external_id): number for number, gateway, external_id in found}
    for receipt in receipts:
        receipt.id = ids[receipt.gateway, receipt.external_id]
