"""What jobs failed of: one line for each, the latest. The queue itself keeps only that they did."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, String, delete, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base, Database
from smmpanel.kernel.logging import get_logger

ERROR_MAX = 500
log = get_logger()
_ORPHANS = text("DELETE FROM job_errors e WHERE NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.id = e.job_id)")


class JobError(Base):
    """The latest failure of a job that is still in the queue."""

    __tablename__ = "job_errors"

    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    error: Mapped[str] = mapped_column(String)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


def error_line(error: BaseException) -> str:
    """Say an error in one line. What follows the first may hold parameters of statements, which are nobody's to read."""
    first = str(error).partition("\n")[0].strip()
    return f"{type(error).__name__}: {first}"[:ERROR_MAX] if first else type(error).__name__


async def note_job_error(db: Database, job_id: int, error: BaseException) -> None:
    """Keep what a job failed of. Never raises: the failure itself is what matters."""
    try:
        async with db.transaction() as session:
            written = insert(JobError).values(job_id=job_id, error=error_line(error))
            again = {"error": written.excluded.error, "at": func.now()}
            await session.execute(written.on_conflict_do_update(index_elements=[JobError.job_id], set_=again))
    except Exception:
        log.warning("job_error_not_noted", job_id=job_id, exc_info=True)


async def forget_job_error(session: AsyncSession, job_id: int) -> None:
    """Forget what a job failed of."""
    await session.execute(delete(JobError).where(JobError.job_id == job_id))


async def forget_errors_of_ended_jobs(session: AsyncSession) -> None:
    """Forget what those jobs failed of that are not in the queue any more."""
    await session.execute(_ORPHANS)
