"""When mails are sent, and what is done while they cannot be.

How they are sent is for `post_office`, which is loaded only by a process that has mail to send.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job, wake
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.alerts import raise_alert
from smmpanel.notifications.models import AlertLevel, Mail, MailState, Notification

KEPT = timedelta(days=90)
NOT_SET_UP = "mail_not_set_up"
ALERT_SUBJECT = "mail"
COUNTED_MAX = 1000


def wake_mail(session: AsyncSession) -> None:
    """Have mails sent soon after this transaction."""
    wake(session, send_mails.call(once="mail"))


@job(queue="mail", cron="* * * * *")
async def send_mails(panel: Panel) -> None:
    """Send whatever is due, one after the other over one line. Idempotent: each mail is claimed."""
    await _give_up_lost(panel)
    if not panel.settings.can_mail:
        await _tell_that_mails_wait(panel)
        return
    # Loaded only where there is mail to send: all other processes need not carry it.
    from smmpanel.notifications.post_office import send_due

    await send_due(panel)


async def _give_up_lost(panel: Panel) -> None:
    """Call those unknown whose sender died on the way."""
    async with panel.db.transaction() as session:
        await session.execute(
            update(Mail)
            .where(Mail.state == MailState.SENDING.value, Mail.claimed_until < panel.clock())
            .values(state=MailState.UNKNOWN.value, said="the process that sent it ended", claimed_until=None)
            .execution_options(synchronize_session=False)
        )


async def _tell_that_mails_wait(panel: Panel) -> None:
    async with panel.db.transaction() as session:
        if waiting := await mails_waiting(session, now=panel.clock()):
            await raise_alert(session, NOT_SET_UP, ALERT_SUBJECT, AlertLevel.INFO, waiting=waiting)


async def mails_waiting(session: AsyncSession, *, now: datetime) -> int:
    """Count mails that are due and not sent, up to a thousand."""
    due = select(Mail.id).where(Mail.state == MailState.WAITING.value, Mail.due_at <= now).limit(COUNTED_MAX)
    return await session.scalar(select(func.count()).select_from(due.subquery())) or 0


@job(queue="chores", cron="7 4 * * *")
async def prune_told(panel: Panel) -> None:
    """Forget mails and notifications of long ago. Idempotent."""
    before = panel.clock() - KEPT
    for row in (Mail, Notification):
        async with panel.db.transaction() as session:
            await session.execute(delete(row).where(row.created_at < before))
