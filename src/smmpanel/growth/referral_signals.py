"""Signs that a referral is of one's own making. They flag it for staff: people share networks and machines honestly."""

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.i18n import marked
from smmpanel.web.addresses import neighbourhood

ADDRESSES_LOOKED_AT = 200
"""So many of the referrer's latest sign-ins, and of their latest referrals, are compared."""


class Signal(StrEnum):
    """Why a referral was flagged."""

    SAME_ADDRESS = "same_address"
    SAME_DEVICE = "same_device"
    SAME_MAILBOX = "same_mailbox"
    SAME_PAYER = "same_payer"
    DEVICE_OF_REFERRAL = "device_of_referral"
    MAILBOX_OF_REFERRAL = "mailbox_of_referral"


SIGNAL_WORDS: Mapping[str, str] = {
    Signal.SAME_ADDRESS: marked("Signed up from the network of the referrer"),
    Signal.SAME_DEVICE: marked("Signed up in the browser of the referrer"),
    Signal.SAME_MAILBOX: marked("E-mail address is a variant of the referrer's"),
    Signal.SAME_PAYER: marked("Paid in from where the referrer's money comes from"),
    Signal.DEVICE_OF_REFERRAL: marked("Signed up in the browser of another of their referrals"),
    Signal.MAILBOX_OF_REFERRAL: marked("E-mail address is a variant of another of their referrals'"),
}
_SEEN_IPS = text(
    "SELECT DISTINCT ip FROM ("
    " (SELECT ip FROM login_sessions WHERE user_id = :referrer AND acted_by IS NULL ORDER BY id DESC LIMIT :most)"
    " UNION ALL (SELECT ip FROM login_history WHERE user_id = :referrer AND outcome = 'signed_in' ORDER BY id DESC LIMIT :most)"
    ") few WHERE ip IS NOT NULL"
)
_FOUND = text(
    """
SELECT EXISTS (SELECT FROM user_devices WHERE user_id = :referrer AND device = :device) AS same_device,
       (SELECT email FROM users WHERE id = :referrer) AS email,
       EXISTS (SELECT FROM user_devices d JOIN referrals r ON r.referred_id = d.user_id
                WHERE d.device = :device AND r.referrer_id = :referrer AND d.user_id <> :referred) AS device_of_referral,
       EXISTS (SELECT FROM referrals WHERE referrer_id = :referrer AND mailbox = :mailbox) AS mailbox_of_referral
"""
)


async def signals_of(
    session: AsyncSession, *, referrer: int, referred: int, mailbox: str, ip: str | None, device: str | None
) -> list[Signal]:
    """Return what speaks against a new referral; nothing mostly."""
    asked = {"referrer": referrer, "referred": referred, "mailbox": mailbox, "device": device}
    found = (await session.execute(_FOUND, asked)).one()
    signals = {
        Signal.SAME_ADDRESS: ip is not None and await _is_known_place(session, referrer, ip),
        Signal.SAME_DEVICE: found.same_device,
        Signal.SAME_MAILBOX: mailbox_of(found.email) == mailbox,
        Signal.DEVICE_OF_REFERRAL: found.device_of_referral,
        Signal.MAILBOX_OF_REFERRAL: found.mailbox_of_referral,
    }
    return [signal for signal, speaks in signals.items() if speaks]


def mailbox_of(email: str) -> str:
    """Return an address without what many providers ignore: case, dots, and whatever follows a plus.

    >>> mailbox_of("Mai.Tran+shop@Example.com")
    'maitran@example.com'
    """
    local, _, domain = email.lower().rpartition("@")
    return f"{local.partition('+')[0].replace('.', '')}@{domain.replace('googlemail.com', 'gmail.com')}"


async def _is_known_place(session: AsyncSession, referrer: int, ip: str) -> bool:
    place = neighbourhood(ip)
    seen = (await session.scalars(_SEEN_IPS, {"referrer": referrer, "most": ADDRESSES_LOOKED_AT})).all()
    return any(neighbourhood(one) == place for one in seen)
