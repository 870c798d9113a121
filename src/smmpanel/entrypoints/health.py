"""`/health`: whether this process can do its work, for supervisors, load balancers and people."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse

from smmpanel.entrypoints.revisions import newest_revision
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.queue_state import last_heartbeat

KEPT_SECONDS = 1.0
"""Answers are given again for so long, so that asking often costs the database nothing."""
DATABASE_SECONDS = 2.0
WORKER_SECONDS = 45.0
"""Workers say every ten seconds that they live."""

router = APIRouter(tags=["Running"])


class Health(BaseModel):
    """How the panel is doing. `degraded` means that pages and API work while nothing is carried out behind them."""

    status: Literal["ok", "degraded", "down"]
    database: Literal["ok", "unreachable"]
    schema_version: Literal["current", "other", "unknown"]
    worker: Literal["ok", "late", "none", "unknown"]
    worker_heartbeat_age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    revision: str | None
    heartbeat: datetime | None


class HealthCheck:
    """Asks the database how things are, at most once in `KEPT_SECONDS`."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._health: Health | None = None

    async def check(self) -> Health:
        """Return how the panel is doing."""
        async with self._asking:
            if self._health is None or time.monotonic() - self._asked_at > KEPT_SECONDS:
                self._health = self._judge(await self._look())
                self._asked_at = time.monotonic()
            return self._health

    async def _look(self) -> _Seen | None:
        try:
            async with asyncio.timeout(DATABASE_SECONDS), self._panel.db.transaction() as session:
                revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
                return _Seen(revision, await last_heartbeat(session))
        except (TimeoutError, OSError, SQLAlchemyError) as error:
            if isinstance(error, DBAPIError) and not error.connection_invalidated and error.orig is not None:
                # It answered, only not as our schema would.
                return _Seen(None, None) if getattr(error.orig, "sqlstate", None) == "42P01" else None
            return None

    def _judge(self, seen: _Seen | None) -> Health:
        if seen is None:
            return Health(status="down", database="unreachable", schema_version="unknown", worker="unknown")
        schema: Literal["current", "other"] = "current" if seen.revision == newest_revision() else "other"
        age = None if seen.heartbeat is None else (self._panel.clock() - seen.heartbeat).total_seconds()
        worker: Literal["ok", "late", "none"] = "none" if age is None else "ok" if age < WORKER_SECONDS else "late"
        status: Literal["ok", "degraded", "down"] = "ok" if worker == "ok" else "degraded"
        return Health(
            status=status if schema == "current" else "down",
            database="ok",
            schema_version=schema,
            worker=worker,
            worker_heartbeat_age_seconds=None if age is None else round(max(age, 0.0), 1),
        )


@router.get("/health", summary="How the panel is doing", response_model=Health, responses={503: {"model": Health}})
async def health(
    request: Request,
    require: Annotated[
        Literal["worker"] | None, Query(description="Also answer 503 while no worker is at work.")
    ] = None,
) -> JSONResponse:
    """Answer 200 if requests can be served: the database answers and has this version's schema. Else 503."""
    kept = request.app.state.health
    assert isinstance(kept, HealthCheck)
    found = await kept.check()
    is_fine = found.status == "ok" or (found.status == "degraded" and require is None)
    return JSONResponse(found.model_dump(), 200 if is_fine else 503, {"Cache-Control": "no-store"})
