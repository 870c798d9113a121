"""The panel behind a request, and the transaction in which a request does its work."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from smmpanel.kernel.panel import Panel


def panel_of(connection: HTTPConnection) -> Panel:
    """Return the panel that a request is for."""
    panel = connection.app.state.panel
    assert isinstance(panel, Panel)
    return panel


async def open_transaction(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    """Open the request's transaction: committed before the answer leaves, rolled back if anything is raised."""
    async with panel_of(connection).db.transaction() as session:
        yield session


CurrentPanel = Annotated[Panel, Depends(panel_of)]
Session = Annotated[AsyncSession, Depends(open_transaction, scope="function")]
"""The only right way to depend on `open_transaction`: with scope "function" it commits first and answers then."""
