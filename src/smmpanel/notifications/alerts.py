"""Alerts for staff: raised by whoever notices, counted while they last, cleared when they are over."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.facts import on
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.paging import PAGE_SIZE, PAGE_SIZE_MAX, Paged, key_from, paged
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.proving import BooksDiffer
from smmpanel.notifications.models import Alert, AlertLevel

log = get_logger()

BOOKS_DIFFER = "books_differ"
_CLEARED_BY = {
    "provider": Permission.PROVIDERS_EDIT,
    "order": Permission.ORDERS_EDIT,
    "gateway": Permission.GATEWAYS_EDIT,
    "deposit": Permission.DEPOSITS_SETTLE,
    "event": Permission.DEPOSITS_SETTLE,
    "receipt": Permission.DEPOSITS_SETTLE,
}
"""Who may say that an alert is over, by what it is about; of everything else, whoever may change settings."""


async def raise_alert(session: AsyncSession, kind: str, subject: str, level: AlertLevel, **fields: Any) -> bool:
    """Tell staff of something; while it is open, further calls only count up and refresh its fields.

    Returns whether it is new. Secrets must not be passed in.
    """
    raised = insert(Alert).values(kind=kind, subject=subject, level=level, fields=to_jsonable_python(fields))
    counted = raised.on_conflict_do_update(
        index_elements=[Alert.kind, Alert.subject],
        index_where=Alert.cleared_at.is_(None),
        set_={
            "level": raised.excluded.level,
            "fields": raised.excluded.fields,
            "last_raised_at": func.now(),
            "times": Alert.times + 1,
        },
    ).returning(Alert.times)
    times = (await session.execute(counted)).scalar_one()
    if times == 1:
        log.warning("alert_raised", kind=kind, subject=subject, level=level.value)
    return times == 1


async def clear_alert(session: AsyncSession, kind: str, subject: str) -> bool:
    """Close the open alert of this kind about this subject; returns whether there was one."""
    cleared = (
        update(Alert)
        .where(Alert.kind == kind, Alert.subject == subject, Alert.cleared_at.is_(None))
        .values(cleared_at=func.now())
        .returning(Alert.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(cleared)).first() is not None


def clearing_of(subject: str) -> Permission:
    """Return what it takes to say that alerts about this subject are over."""
    return _CLEARED_BY.get(subject.partition(":")[0], Permission.SETTINGS_EDIT)


async def clear_by_hand(session: AsyncSession, actor: Actor, alert_id: int) -> Alert:
    """Say that what an alert tells is over. If it is not, whoever notices raises a new one.

    Raises `NotFoundError` if there is no such alert or it is not open.
    """
    wanted = select(Alert).where(Alert.id == alert_id, Alert.cleared_at.is_(None)).with_for_update()
    alert = await session.scalar(wanted.execution_options(populate_existing=True))
    if alert is None:
        raise NotFoundError
    permission = clearing_of(alert.subject)
    actor.require(permission)
    await clear_alert(session, alert.kind, alert.subject)
    await audit(session, actor, permission, alert.subject, after={"alert_cleared": alert.kind, "alert": alert.id})
    return alert


async def open_alerts(session: AsyncSession, *, after: str | None = None, size: int = PAGE_SIZE) -> Paged[Alert]:
    """Return what is open, newest first."""
    return await _alerts(session, Alert.cleared_at.is_(None), after, size)


async def cleared_alerts(session: AsyncSession, *, after: str | None = None, size: int = PAGE_SIZE) -> Paged[Alert]:
    """Return what is over, newest first."""
    return await _alerts(session, Alert.cleared_at.is_not(None), after, size)


async def _alerts(session: AsyncSession, which: ColumnElement[bool], after: str | None, size: int) -> Paged[Alert]:
    size = min(size, PAGE_SIZE_MAX)
    wanted = select(Alert).where(which).order_by(Alert.id.desc()).limit(size + 1)
    if (key := key_from(after)) is not None:
        wanted = wanted.where(Alert.id < key)
    rows: Sequence[Alert] = (await session.scalars(wanted.execution_options(populate_existing=True))).all()
    return paged(rows, size, [row.id for row in rows])


@on(BooksDiffer)
async def alert_that_books_differ(panel: Panel, fact: BooksDiffer) -> None:
    """Tell staff that the books do not hold. Told twice, it is still one alert."""
    async with panel.db.transaction() as session:
        await raise_alert(
            session,
            BOOKS_DIFFER,
            "ledger",
            AlertLevel.CRITICAL,
            differences=fact.differences,
            first=fact.first,
        )
