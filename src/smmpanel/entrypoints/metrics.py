"""`/metrics`: what Prometheus may know, in its text format. Read by those whom the settings allow, and by nobody else.

Requests are counted per process: behind one shared port, each answer holds those of the process that gave it (`process`
tells them apart). All the rest comes from the database, at most once in `KEPT_SECONDS`, in queries that read indexes.
"""

import asyncio
import hmac
import os
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from smmpanel.kernel.errors import ForbiddenError
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.queue_state import queue_state
from smmpanel.notifications.alerts import BOOKS_DIFFER
from smmpanel.web.addresses import address_in
from smmpanel.web.origins import address_of
from smmpanel.web.transactions import CurrentPanel

KEPT_SECONDS = 10.0
STATEMENT_TIMEOUT_MS = 3000
PROVIDER_WINDOW = timedelta(minutes=5)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

log = get_logger()
router = APIRouter(include_in_schema=False)

# Each part has an index of its own that holds open orders only, except the two that a provider works on.
_ORDERS = text(
    "SELECT 'pending', count(*) FROM orders WHERE status = 'pending'"
    " UNION ALL SELECT 'submitting', count(*) FROM orders WHERE status = 'submitting' AND NOT unconfirmed"
    " UNION ALL SELECT 'unconfirmed', count(*) FROM orders WHERE unconfirmed"
    " UNION ALL SELECT 'processing', count(*) FROM orders WHERE status = 'processing'"
    " UNION ALL SELECT 'in_progress', count(*) FROM orders WHERE status = 'in_progress'"
    " UNION ALL SELECT 'failed', count(*) FROM orders WHERE status = 'failed'"
)
_PROVIDERS = text(
    "SELECT p.slug, p.enabled, p.paused_at IS NOT NULL AS paused, p.balance, p.currency,"
    " coalesce(sum(h.calls), 0) AS calls, coalesce(sum(h.failures), 0) AS failures"
    " FROM providers p LEFT JOIN provider_health h ON h.provider_id = p.id AND h.minute >= :since"
    " GROUP BY p.id ORDER BY p.id"
)
_ALERTS = text(
    "SELECT kind, level, count(*) FROM alerts WHERE cleared_at IS NULL GROUP BY kind, level ORDER BY kind, level"
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Samples = Iterable[tuple[Mapping[str, object], object]]


class RequestCounter:
    """The requests of this process by route, method and status, and the time that each route took."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request. A route is a pattern, so that ids make no series of their own."""
        self.requests[route, method if method in _METHODS else "other", status] += 1
        self.seconds[route] += seconds


class Metrics:
    """What `/metrics` of one process says."""

    def __init__(self, panel: Panel) -> None:
        self.requests = RequestCounter()
        self._panel = panel
        self._read_at = float("-inf")
        self._from_database: list[str] = []
        self._reading = asyncio.Lock()

    async def render(self) -> str:
        """Write all metrics as Prometheus reads them."""
        async with self._reading:
            if time.monotonic() - self._read_at > KEPT_SECONDS:
                self._from_database = await self._read_database()
                self._read_at = time.monotonic()
        return "\n".join([*self._of_process(), *self._from_database, ""])

    def _of_process(self) -> list[str]:
        own = {"process": os.getpid()}
        counted = sorted(self.requests.requests.items())
        requests = [
            ({"route": route, "method": method, "status": status, **own}, number)
            for (route, method, status), number in counted
        ]
        seconds = [({"route": route, **own}, f"{spent:.6f}") for route, spent in sorted(self.requests.seconds.items())]
        return [
            *_family("smmpanel_http_requests_total", "counter", "Requests answered by this process.", requests),
            *_family("smmpanel_http_request_seconds_total", "counter", "Time spent on requests.", seconds),
            *_family("smmpanel_process_resident_bytes", "gauge", "Resident memory.", [(own, resident_bytes())]),
        ]

    async def _read_database(self) -> list[str]:
        try:
            async with self._panel.db.transaction() as session:
                await session.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"))
                read = [*await _orders(session), *await _jobs(session, self._panel.clock())]
                read += [*await _providers(session, self._panel.clock()), *await _alerts(session)]
        except (DBAPIError, TimeoutError) as error:
            log.warning("metrics_not_read", error=str(error).partition("\n")[0])
            return _family("smmpanel_database_up", "gauge", "Whether the database answers.", [({}, 0)])
        return [*_family("smmpanel_database_up", "gauge", "Whether the database answers.", [({}, 1)]), *read]


async def _orders(session: AsyncSession) -> list[str]:
    rows = (await session.execute(_ORDERS)).all()
    samples = [({"status": status}, number) for status, number in rows]
    return _family("smmpanel_orders_open", "gauge", "Orders that are not finished, by where they stand.", samples)


async def _jobs(session: AsyncSession, now: datetime) -> list[str]:
    state = await queue_state(session)
    jobs = [({"state": "waiting"}, state.waiting), ({"state": "running"}, state.running)]
    lines = _family("smmpanel_jobs", "gauge", "Background jobs.", [*jobs, ({"state": "failed"}, state.failed)])
    lines += _family("smmpanel_workers", "gauge", "Workers that are signed in at the job queue.", [({}, state.workers)])
    if state.last_heartbeat is not None:
        age = max((now - state.last_heartbeat).total_seconds(), 0)
        told = "Since a worker last said that it lives."
        lines += _family("smmpanel_worker_heartbeat_age_seconds", "gauge", told, [({}, f"{age:.1f}")])
    return lines


async def _providers(session: AsyncSession, now: datetime) -> list[str]:
    rows = (await session.execute(_PROVIDERS, {"since": now - PROVIDER_WINDOW})).all()
    calls = [({"provider": row.slug, "result": "answered"}, row.calls - row.failures) for row in rows]
    calls += [({"provider": row.slug, "result": "failed"}, row.failures) for row in rows]
    usable = [({"provider": row.slug}, int(row.enabled and not row.paused)) for row in rows]
    balances = [
        ({"provider": row.slug, "currency": row.currency}, row.balance) for row in rows if row.balance is not None
    ]
    return [
        *_family("smmpanel_provider_calls_5m", "gauge", "Calls to providers in the last five minutes.", calls),
        *_family("smmpanel_provider_usable", "gauge", "Whether it is switched on and not paused.", usable),
        *_family("smmpanel_provider_balance", "gauge", "Our balance there, as last read.", balances),
    ]


async def _alerts(session: AsyncSession) -> list[str]:
    rows = (await session.execute(_ALERTS)).all()
    alerts = [({"kind": kind, "level": level}, number) for kind, level, number in rows]
    differs = int(any(kind == BOOKS_DIFFER for kind, _, _ in rows))
    return [
        *_family("smmpanel_alerts_open", "gauge", "Open alerts for staff.", alerts),
        *_family("smmpanel_ledger_differs", "gauge", "Whether the books failed their last proof.", [({}, differs)]),
    ]


def _family(name: str, kind: str, told: str, samples: Samples) -> list[str]:
    lines = [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(str(said))}"' for label, said in labels.items())
        lines.append(f"{name}{{{inner}}} {value}" if inner else f"{name} {value}")
    return lines


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def resident_bytes() -> int:
    """Return the memory that this process holds; where the system does not tell, the most it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        # Kilobytes, but on macOS bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@router.get("/metrics")
async def metrics(request: Request, panel: CurrentPanel) -> PlainTextResponse:
    """Answer a scrape; from elsewhere than `SMMPANEL_METRICS_ALLOW` it needs `SMMPANEL_METRICS_TOKEN`."""
    if not _may_read(request, panel):
        raise ForbiddenError
    kept = request.app.state.metrics
    assert isinstance(kept, Metrics)
    return PlainTextResponse(await kept.render(), media_type=CONTENT_TYPE)


def _may_read(request: Request, panel: Panel) -> bool:
    token = panel.settings.metrics_token
    if token is not None:
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, f"Bearer {token.get_secret_value()}".encode())
    # Through a proxy that nobody told us of, everybody comes from the same near address.
    hidden = "x-forwarded-for" in request.headers and not panel.settings.trusted_proxies
    return not hidden and address_in(address_of(request), panel.settings.networks(panel.settings.metrics_allow))
