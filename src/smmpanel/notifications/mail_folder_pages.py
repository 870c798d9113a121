"""`/staff/settings/mails`: in development, the mails that would have been sent, so that their links can be followed.

Whoever reads them can sign in as their readers: the master admin sees all, others who may change settings only those to
customers.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import APIRouter, Depends
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.accounts.models import User
from smmpanel.accounts.states import Role
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.paging import Paged, key_from, paged
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.handing_over import FOLDER, KEPT
from smmpanel.notifications.models import Mail, MailState
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.pages import page
from smmpanel.web.transactions import CurrentPanel, Session

if TYPE_CHECKING:
    from smmpanel.notifications.mail_folder import KeptMail

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/settings/mails"
ROWS = 50
Looking = Annotated[Viewer, Depends(staff_with(Permission.SETTINGS_EDIT))]


class KeptLine(NamedTuple):
    """A mail that was kept."""

    id: int
    address: str
    username: str
    kind: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class MailsPage:
    """What notifications/mails.html receives."""

    mails: Sequence[KeptLine]
    subjects: Mapping[int, str]
    """By the mail's id; without those whose files are gone."""
    after: str | None
    folder: str


@dataclass(frozen=True, slots=True)
class MailPage:
    """What notifications/mail.html receives."""

    mail: KeptLine
    subject: str
    text: str
    links: Sequence[str]
    """What can be followed in it: paths of this panel."""


@router.get(PATH)
async def show_mails(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, after: CleanText = ""
) -> Response:
    """Show the mails that were kept, newest first."""
    _refuse_elsewhere(panel)
    found = await _kept(session, viewer, after=after)
    kept = await asyncio.to_thread(_read, panel, [row.id for row in found.rows])
    subjects = {mail_id: one.subject for mail_id, one in kept.items()}
    shown = MailsPage(found.rows, subjects, found.after, str(panel.settings.home / FOLDER))
    return page(request, "notifications/mails.html", shown, fragment="rows")


@router.get(PATH + "/{mail_id}")
async def show_mail(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, mail_id: RowId
) -> Response:
    """Show one mail, with the ways that it opens."""
    _refuse_elsewhere(panel)
    rows = (await _kept(session, viewer, mail_id=mail_id)).rows
    kept = (await asyncio.to_thread(_read, panel, [row.id for row in rows])).get(mail_id)
    if kept is None:
        raise NotFoundError
    ours = re.escape(panel.settings.address)
    links = list(dict.fromkeys(re.findall(rf"{ours}(/[A-Za-z0-9/_?=&.-]*)", kept.text)))
    return page(request, "notifications/mail.html", MailPage(rows[0], kept.subject, kept.text, links))


def _read(panel: Panel, ids: Sequence[int]) -> dict[int, "KeptMail"]:
    # Loaded only where mails are kept: no other process need carry what reads them.
    from smmpanel.notifications.mail_folder import read_kept

    return {mail_id: kept for mail_id in ids if (kept := read_kept(panel.settings, mail_id)) is not None}


def _refuse_elsewhere(panel: Panel) -> None:
    """Raise `NotFoundError` where mails are sent: there is nothing to read then, and nobody is to."""
    if not panel.settings.mails_go_to_folder:
        raise NotFoundError


async def _kept(
    session: AsyncSession, viewer: Viewer, *, after: str = "", mail_id: int | None = None
) -> Paged[KeptLine]:
    wanted = (
        select(Mail.id, Mail.address, User.username, Mail.kind, Mail.sent_at)
        .join(User, User.id == Mail.user_id)
        .where(Mail.state == MailState.SENT.value, Mail.said == KEPT)
        .order_by(Mail.id.desc())
        .limit(ROWS + 1)
    )
    if viewer.role is not Role.MASTER_ADMIN:
        wanted = wanted.where(User.role == Role.CUSTOMER)
    if mail_id is not None:
        wanted = wanted.where(Mail.id == mail_id)
    if (key := key_from(after or None)) is not None:
        wanted = wanted.where(Mail.id < key)
    rows = [KeptLine(*row) for row in await session.execute(wanted)]
    return paged(rows, ROWS, [row.id for row in rows])
