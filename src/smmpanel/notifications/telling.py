"""Telling users of their own affairs: in the panel, by mail, or both, as each of them wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from pydantic_core import to_jsonable_python
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.live import tell
from smmpanel.notifications.events import EVENTS, Event, Wish, wishes_of
from smmpanel.notifications.mails import MailKind, NewMail, gather_orders, queue_mails
from smmpanel.notifications.sending import wake_mail
from smmpanel.notifications.words import KINDS

LIVE_NAME = "notifications"
_MAILS = {
    Event.LOW_BALANCE: MailKind.LOW_BALANCE,
    Event.SIGN_IN: MailKind.NEW_SIGN_IN,
    Event.TIER: MailKind.TIER_CHANGED,
    Event.DEPOSITS: MailKind.DEPOSIT,
}
"""Events of which each one has a mail of its own. It is made from the notice's fields, its kind and its page."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell a user: once under this key, in the words of its kind, with the page that shows more of it."""

    user_id: int
    key: str
    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    href: str = ""

    @property
    def event(self) -> Event:
        """What it is about."""
        return KINDS[self.kind].event


_INSERT = text(
    "INSERT INTO notifications (user_id, key, kind, fields, href, created_at, read_at, hidden)"
    " SELECT v.user_id, v.key, v.kind, CAST(v.fields AS jsonb), v.href, :now,"
    " CASE WHEN v.hidden THEN CAST(:now AS timestamptz) END, v.hidden"
    " FROM unnest(CAST(:users AS bigint[]), CAST(:keys AS text[]), CAST(:kinds AS text[]), CAST(:fields AS text[]),"
    " CAST(:hrefs AS text[]), CAST(:hidden AS boolean[])) WITH ORDINALITY AS v(user_id, key, kind, fields, href, hidden, place)"
    " JOIN users u ON u.id = v.user_id ORDER BY v.user_id, v.place"
    " ON CONFLICT (user_id, key) DO NOTHING RETURNING id, user_id, key"
)


async def notify(session: AsyncSession, notices: Sequence[Notice], *, now: datetime) -> int:
    """Tell users, in one insert for all; returns how much of it was new. What was told before is not told again.

    Secrets must not be passed in.
    """
    if not notices:
        return 0
    wishes = await wishes_of(session, {notice.user_id for notice in notices})
    wanted = {
        (notice.user_id, notice.key): (notice, wish)
        for notice in notices
        if _is_wanted(wish := wishes.get((notice.user_id, notice.event), EVENTS[notice.event].default))
    }
    if not wanted:
        return 0
    rows = (await session.execute(_INSERT, _columns(list(wanted.values()), now))).all()
    fresh = [(row.id, *wanted[row.user_id, row.key]) for row in rows]
    await tell(session, LIVE_NAME, {notice.user_id for _, notice, wish in fresh if wish.in_panel})
    await _mail(session, [(number, notice) for number, notice, wish in fresh if wish.by_mail], now)
    return len(fresh)


def _is_wanted(wish: Wish) -> bool:
    return wish.in_panel or wish.by_mail


def _columns(wanted: Sequence[tuple[Notice, Wish]], now: datetime) -> dict[str, Any]:
    return {
        "users": [notice.user_id for notice, _ in wanted],
        "keys": [notice.key for notice, _ in wanted],
        "kinds": [notice.kind for notice, _ in wanted],
        "fields": [orjson.dumps(to_jsonable_python(dict(notice.fields))).decode() for notice, _ in wanted],
        "hrefs": [notice.href for notice, _ in wanted],
        # Who wants only the mail gets a row nevertheless: the mail of finished orders is made from rows.
        "hidden": [not wish.in_panel for _, wish in wanted],
        "now": now,
    }


async def _mail(session: AsyncSession, fresh: Sequence[tuple[int, Notice]], now: datetime) -> None:
    firsts: dict[int, int] = {}
    mails = []
    for number, notice in fresh:
        if notice.event is Event.ORDERS:
            firsts[notice.user_id] = min(number, firsts.get(notice.user_id, number))
        elif notice.event in _MAILS:
            key = f"{notice.user_id}:{notice.key}"
            told = {**notice.fields, "kind": notice.kind, "href": notice.href}
            mails.append(NewMail(key, notice.user_id, _MAILS[notice.event], to_jsonable_python(told)))
    await gather_orders(session, firsts, now=now)
    if mails:
        await queue_mails(session, mails, now=now)
        wake_mail(session)
