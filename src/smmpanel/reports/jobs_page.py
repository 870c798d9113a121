"""`/staff/jobs`: the queues, what was given up and why, and what runs by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.kernel.errors import ConflictError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.jobs import FAILED_KEPT_HOURS
from smmpanel.kernel.queue_lists import (
    FailedJob,
    PeriodicJob,
    QueueCount,
    failed_jobs,
    periodic_jobs,
    queue_counts,
)
from smmpanel.kernel.queue_state import last_heartbeat
from smmpanel.reports.job_deeds import drop_job, retry_job
from smmpanel.web.errors import failure_of
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/jobs"
ROWS = 25
ALIVE_SECONDS = 60
"""Workers say every ten seconds that they live."""
RETRIED = marked("Job {id} waits again")
DROPPED = marked("Job {id} dropped")
Looking = Annotated[Viewer, Depends(staff_with(Permission.SETTINGS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.SETTINGS_EDIT))]


@dataclass(frozen=True, slots=True)
class JobsPage:
    """What reports/jobs.html receives."""

    queues: Sequence[QueueCount]
    failed: Sequence[FailedJob]
    after: str | None
    periodic: Sequence[PeriodicJob]
    heartbeat: datetime | None
    alive: bool
    """Whether a worker has said lately that it lives."""
    may_edit: bool
    waiting: int
    running: int
    given_up: int
    kept_days: int = FAILED_KEPT_HOURS // 24


@router.get(PATH)
async def show_jobs(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, after: CleanText = ""
) -> Response:
    """Show how the queue is doing."""
    found = await failed_jobs(session, after=after or None, size=ROWS)
    heartbeat = await last_heartbeat(session)
    age = None if heartbeat is None else (panel.clock() - heartbeat).total_seconds()
    queues = await queue_counts(session)
    shown = JobsPage(
        queues=queues,
        failed=found.rows,
        after=found.after,
        periodic=await periodic_jobs(session),
        heartbeat=heartbeat,
        alive=age is not None and age < ALIVE_SECONDS,
        may_edit=viewer.may(Permission.SETTINGS_EDIT),
        waiting=sum(one.waiting for one in queues),
        running=sum(one.running for one in queues),
        given_up=sum(one.failed for one in queues),
    )
    return page(request, "reports/jobs.html", shown, fragment="rows")


@router.post(PATH + "/{job_id}/retry")
async def retry(request: Request, panel: CurrentPanel, viewer: Editing, session: Session, job_id: RowId) -> Response:
    """Put a failed job back into the queue."""
    try:
        async with session.begin_nested():
            name = await retry_job(session, viewer, job_id, now=panel.clock())
    except ConflictError as waits:
        return with_toast(see_other(PATH), Toast(failure_of(request, waits).message, kind="is-bad"))
    return with_toast(see_other(PATH), Toast(say(request, RETRIED, id=job_id), name))


@router.post(PATH + "/{job_id}/drop")
async def drop(request: Request, viewer: Editing, session: Session, job_id: RowId) -> Response:
    """Forget a failed job."""
    name = await drop_job(session, viewer, job_id)
    return with_toast(see_other(PATH), Toast(say(request, DROPPED, id=job_id), name))
