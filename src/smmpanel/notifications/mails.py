"""Mails that wait to be sent: written in the transaction of what they tell, once each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

GATHERED_FOR = timedelta(minutes=10)
"""How long orders that finish are gathered before the first mail tells of them."""
APART = timedelta(hours=1)
"""Between two mails of finished orders to the same user."""


class MailKind(StrEnum):
    """What a mail tells."""

    VERIFY = "verify"
    RESET = "reset"
    NEW_SIGN_IN = "new_sign_in"
    ORDERS_FINISHED = "orders_finished"
    LOW_BALANCE = "low_balance"
    TIER_CHANGED = "tier_changed"
    DEPOSIT = "deposit"


NEWS = frozenset({MailKind.ORDERS_FINISHED, MailKind.LOW_BALANCE, MailKind.TIER_CHANGED, MailKind.DEPOSIT})
"""Sent to confirmed addresses only. The others are about who owns the account, or confirm the address themselves."""


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail to a user; without an address it goes to the account's. Its fields must not hold secrets."""

    key: str
    user_id: int
    kind: MailKind
    fields: Mapping[str, Any] = field(default_factory=dict)
    address: str | None = None


_QUEUE = text(
    "INSERT INTO mails (key, user_id, address, kind, fields, language, due_at, created_at)"
    " SELECT v.key, u.id, coalesce(v.address, u.email), v.kind, CAST(v.fields AS jsonb), u.language, :now, :now"
    " FROM unnest(CAST(:keys AS text[]), CAST(:users AS bigint[]), CAST(:addresses AS text[]), CAST(:kinds AS text[]),"
    " CAST(:fields AS text[])) AS v(key, user_id, address, kind, fields)"
    " JOIN users u ON u.id = v.user_id"
    " WHERE u.state = 'active' AND (u.email_verified_at IS NOT NULL OR v.kind <> ALL(CAST(:news AS text[])))"
    " ON CONFLICT (key) DO NOTHING"
)
_GATHER = text(
    "INSERT INTO mails (key, user_id, address, kind, fields, language, due_at, created_at)"
    " SELECT 'orders:' || u.id || ':' || v.first, u.id, u.email, CAST(:kind AS text), jsonb_build_object('first', v.first), u.language,"
    " greatest(CAST(:soon AS timestamptz), (SELECT max(m.sent_at) FROM mails m WHERE m.user_id = u.id AND m.kind = CAST(:kind AS text))"
    " + make_interval(secs => :apart)), :now"
    " FROM unnest(CAST(:users AS bigint[]), CAST(:firsts AS bigint[])) AS v(user_id, first)"
    " JOIN users u ON u.id = v.user_id"
    " WHERE u.state = 'active' AND u.email_verified_at IS NOT NULL"
    # In one order, so that two who gather for the same users cannot wait for each other in a circle.
    " ORDER BY u.id"
    " ON CONFLICT (user_id, kind) WHERE state = 'waiting' AND kind = 'orders_finished'"
    " DO UPDATE SET fields = jsonb_build_object('first',"
    " least((mails.fields ->> 'first')::bigint, (excluded.fields ->> 'first')::bigint))"
)


async def queue_mails(session: AsyncSession, mails: Sequence[NewMail], *, now: datetime) -> None:
    """Write mails that are to be sent at once, in the language of their readers; a key that was used before is left alone.

    Nobody who is suspended or banned gets mail, and news go to confirmed addresses only.
    """
    if not mails:
        return
    await session.execute(
        _QUEUE,
        {
            "keys": [mail.key for mail in mails],
            "users": [mail.user_id for mail in mails],
            "addresses": [mail.address for mail in mails],
            "kinds": [mail.kind.value for mail in mails],
            "fields": [orjson.dumps(dict(mail.fields)).decode() for mail in mails],
            "news": [kind.value for kind in NEWS],
            "now": now,
        },
    )


async def gather_orders(session: AsyncSession, firsts: Mapping[int, int], *, now: datetime) -> None:
    """Have each user mailed of orders that finished, from this notification of theirs on.

    If such a mail waits already, it tells of these as well: there is at most one, and an hour between two.
    """
    if not firsts:
        return
    await session.execute(
        _GATHER,
        {
            "kind": MailKind.ORDERS_FINISHED.value,
            "users": list(firsts),
            "firsts": list(firsts.values()),
            "soon": now + GATHERED_FOR,
            "apart": APART.total_seconds(),
            "now": now,
        },
    )
