"""Many rows in one parameter: the statement's text stays the same however many there are.

SQLAlchemy's `VALUES` lists are another text for each number of rows, and drivers read each text anew; for some dozen rows of
twenty columns that costs more than the rows themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from pydantic_core import to_jsonable_python
from sqlalchemy import Dialect, TextClause, make_url, text

from smmpanel.kernel.db import Base

_OF_POSTGRES: Dialect = make_url("postgresql+psycopg://").get_dialect()()


def insert_of(table: type[Base], names: Sequence[str], then: str) -> TextClause:
    """Return the statement that inserts the rows of its parameter `rows`; `then` is what follows, such as `RETURNING id`."""
    columns = [table.__table__.columns[name] for name in names]
    listed = ", ".join(names)
    typed = ", ".join(f"{column.name} {column.type.compile(_OF_POSTGRES)}" for column in columns)
    return text(
        f"INSERT INTO {table.__tablename__} ({listed})"
        f" SELECT {listed} FROM json_to_recordset(CAST(:rows AS json)) AS v({typed}) {then}"
    )


def rows_in(values: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the parameter of such a statement. Bytes are written as PostgreSQL reads them."""
    rows = [{name: _written(value) for name, value in row.items()} for row in values]
    return {"rows": orjson.dumps(rows).decode()}


def _written(value: Any) -> Any:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else to_jsonable_python(value)
