"""The post office: claim, call, record. No transaction is open while the mail server is talked to.

A mail whose answer was lost is unknown and is not sent again; what certainly was not sent is tried again, less and less
often.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime, timedelta

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings
from smmpanel.notifications.alerts import clear_alert, raise_alert
from smmpanel.notifications.composing import Letter, NothingToTellError, compose
from smmpanel.notifications.handing_over import Handed
from smmpanel.notifications.mail_folder import FolderLine, folder_line
from smmpanel.notifications.mail_line import MailLine, MailLineError, mail_line
from smmpanel.notifications.mails import MailKind
from smmpanel.notifications.models import AlertLevel, Mail, MailState
from smmpanel.notifications.sending import ALERT_SUBJECT, NOT_SET_UP

CLAIM_LASTS = timedelta(minutes=10)
TRIES_MAX = 10
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=2)
WORTHLESS_AFTER = {MailKind.RESET.value: timedelta(hours=2)}
WORTHLESS_AFTER_ELSE = timedelta(hours=24)
"""What is older than this when its turn comes tells nobody anything any more."""
FAILING = "mail_failing"

_LineOf = Callable[[Settings], AbstractAsyncContextManager[MailLine | FolderLine]]

log = get_logger()


async def send_due(panel: Panel) -> None:
    """Send whatever is due, one after the other over one line, until nothing is or the line breaks."""
    async with AsyncExitStack() as open_lines:
        line: MailLine | FolderLine | None = None
        line_of: _LineOf = folder_line if panel.settings.mails_go_to_folder else mail_line
        while not panel.stopping.is_set() and (mail := await _claim(panel)) is not None:
            letter = await _write(panel, mail)
            if letter is None:
                continue
            try:
                if line is None:
                    line = await open_lines.enter_async_context(line_of(panel.settings))
                handed = await line.hand_over(letter, now=panel.clock())
            except MailLineError as broken:
                handed = Handed("later", str(broken), line_is_up=False)
            await _record(panel, mail, handed)
            if not handed.line_is_up:
                return


_CLAIM = text(
    "UPDATE mails SET state = 'sending', tries = tries + 1, claimed_until = :until WHERE id ="
    " (SELECT id FROM mails WHERE state = 'waiting' AND due_at <= :now ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING id"
)


async def _claim(panel: Panel) -> Mail | None:
    now = panel.clock()
    async with panel.db.transaction() as session:
        claimed = await session.scalar(_CLAIM, {"now": now, "until": now + CLAIM_LASTS})
        return None if claimed is None else await session.get_one(Mail, claimed)


async def _write(panel: Panel, mail: Mail) -> Letter | None:
    """Compose a claimed mail; if there is nothing to send, say why on its row."""
    now = panel.clock()
    if mail.created_at < now - WORTHLESS_AFTER.get(mail.kind, WORTHLESS_AFTER_ELSE):
        await _drop(panel, mail, "too old to be worth sending")
        return None
    try:
        async with panel.db.transaction() as session:
            return await compose(session, panel, mail, now=now)
    except NothingToTellError:
        why = "there was nothing to tell any more"
    except Exception as wrong:
        # One mail that cannot be written must not keep all others waiting.
        log.exception("mail_not_written", mail=mail.id, kind=mail.kind)
        why = f"could not be written: {type(wrong).__name__}"
    await _drop(panel, mail, why)
    return None


async def _drop(panel: Panel, mail: Mail, why: str) -> None:
    async with panel.db.transaction() as session:
        await _settle(session, mail.id, MailState.FAILED, why)


async def _record(panel: Panel, mail: Mail, handed: Handed) -> None:
    now = panel.clock()
    async with panel.db.transaction() as session:
        if handed.how == "sent":
            await _settle(session, mail.id, MailState.SENT, handed.said, sent_at=now)
            await clear_alert(session, FAILING, ALERT_SUBJECT)
            await clear_alert(session, NOT_SET_UP, ALERT_SUBJECT)
            return
        log.warning("mail_not_sent", mail=mail.id, kind=mail.kind, how=handed.how, tries=mail.tries)
        if handed.how == "unknown":
            await _settle(session, mail.id, MailState.UNKNOWN, handed.said)
        elif handed.how == "refused" or mail.tries >= TRIES_MAX:
            await _settle(session, mail.id, MailState.FAILED, handed.said)
        else:
            await _put_back(session, mail, handed.said, now)
        if not handed.line_is_up:
            await raise_alert(session, FAILING, ALERT_SUBJECT, AlertLevel.WARNING, said=handed.said)


async def _put_back(session: AsyncSession, mail: Mail, said: str, now: datetime) -> None:
    due_at = now + min(FIRST_WAIT * 2 ** (mail.tries - 1), LONGEST_WAIT)
    # Orders that finished meanwhile may have opened another mail to gather in: then that one tells of these too.
    if mail.kind == MailKind.ORDERS_FINISHED.value and await _join_waiting(session, mail):
        await _settle(session, mail.id, MailState.FAILED, f"{said}; told by the next mail")
        return
    await _settle(session, mail.id, MailState.WAITING, said, due_at=due_at)


async def _join_waiting(session: AsyncSession, mail: Mail) -> bool:
    waiting = await session.scalar(
        select(Mail)
        .where(Mail.user_id == mail.user_id, Mail.kind == mail.kind, Mail.state == MailState.WAITING.value)
        .with_for_update()
    )
    if waiting is None:
        return False
    waiting.fields = {"first": min(int(waiting.fields["first"]), int(mail.fields["first"]))}
    return True


async def _settle(session: AsyncSession, mail_id: int, state: MailState, said: str, **more: datetime) -> None:
    await session.execute(
        update(Mail)
        .where(Mail.id == mail_id, Mail.state == MailState.SENDING.value)
        .values(state=state.value, said=said, claimed_until=None, **more)
        .execution_options(synchronize_session=False)
    )
