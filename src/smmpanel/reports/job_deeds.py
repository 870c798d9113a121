"""What staff do with jobs that were given up: back into the queue, or away; both on the record."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.jobs import drop_failed_job, retry_failed_job


async def retry_job(session: AsyncSession, actor: Actor, job_id: int, *, now: datetime) -> str:
    """Put a failed job back into the queue and return its name. Jobs are idempotent: what it did before is not done twice."""
    actor.require(Permission.SETTINGS_EDIT)
    name = await retry_failed_job(session, job_id, now=now)
    await _note(session, actor, job_id, name, "waiting")
    return name


async def drop_job(session: AsyncSession, actor: Actor, job_id: int) -> str:
    """Forget a failed job and return its name."""
    actor.require(Permission.SETTINGS_EDIT)
    name = await drop_failed_job(session, job_id)
    await _note(session, actor, job_id, name, "dropped")
    return name


async def _note(session: AsyncSession, actor: Actor, job_id: int, name: str, state: str) -> None:
    before, after = {"job": name, "state": "failed"}, {"job": name, "state": state}
    await audit(session, actor, Permission.SETTINGS_EDIT, f"job:{job_id}", before=before, after=after)
