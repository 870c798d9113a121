"""One mail of every kind in every language: looked through by tests, and photographed by `make screenshots`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from smmpanel.accounts.models import User
from smmpanel.kernel.i18n import LANGUAGES
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.composing import Letter, compose
from smmpanel.notifications.mails import MailKind
from smmpanel.notifications.models import Mail, Notification

BROWSER = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Mobile"
SERVICE = "Instagram Followers [ Max 500K ] | Real | 30 Days Refill | Speed 50K/Day"
FIELDS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "new_sign_in": {"ip": "203.0.113.7", "user_agent": BROWSER},
        "low_balance": {"balance": "41250.5", "below": "50000"},
        "tier_changed": {"promoted": True, "tier": "Gold", "percent": "5"},
        "deposit": {
            "kind": "deposit_credited",
            "href": "/deposits/27",
            "amount": "500000",
            "credited": "495000",
            "currency": "VND",
        },
    }
)
"""What a mail of each kind is made from; a new kind that needs something adds it here."""
ORDERS = (
    ("order_completed", {"order_id": 918342, "service": SERVICE}),
    ("order_partial", {"order_id": 918343, "service": SERVICE, "refunded": "1284.5"}),
    ("order_canceled", {"order_id": 918344, "service": "TikTok Views", "refunded": "42500"}),
    ("orders_finished", {"n": 1204, "completed": 1198, "partial": 4, "canceled": 2}),
)


async def every_mail(panel: Panel, user_id: int) -> AsyncIterator[tuple[str, Letter]]:
    """Write a mail of every kind to a user, in every language, each with a name that says which; nothing is kept."""
    for language in LANGUAGES:
        for kind in MailKind:
            yield f"mail-{kind.value}-{language}", await _write(panel, user_id, kind, language, ORDERS)
        for each in ORDERS[:3]:
            yield f"mail-{each[0]}-{language}", await _write(panel, user_id, MailKind.ORDERS_FINISHED, language, [each])


class _NotKeptError(Exception):
    """Ends a transaction without keeping what was done in it."""


async def _write(panel: Panel, user_id: int, kind: MailKind, language: str, orders: Any) -> Letter:
    now = panel.clock()
    letter: Letter | None = None
    with suppress(_NotKeptError):
        async with panel.db.transaction() as session:
            user = await session.get_one(User, user_id)
            if kind is MailKind.VERIFY:
                user.email_verified_at = None
            fields = dict(FIELDS.get(kind.value, {}))
            if kind is MailKind.NEW_SIGN_IN:
                fields["at"] = (now - timedelta(minutes=3)).isoformat()
            if kind is MailKind.ORDERS_FINISHED:
                told = [
                    Notification(user_id=user_id, key=f"look:{n}", kind=name, fields=of, href=f"/orders/{918342 + n}")
                    for n, (name, of) in enumerate(orders)
                ]
                session.add_all(told)
                await session.flush()
                fields["first"] = told[0].id
            about = {"address": user.email, "kind": kind.value, "fields": fields, "language": language}
            letter = await compose(session, panel, Mail(id=1, key="look", user_id=user_id, **about), now=now)
            raise _NotKeptError
    assert letter is not None
    return letter
