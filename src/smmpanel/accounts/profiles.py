"""What somebody may change of their own account: the name, the address, the language, the time zone."""

import re
from datetime import datetime
from functools import lru_cache
from zoneinfo import available_timezones

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.audit import audit
from smmpanel.accounts.changing_password import CurrentPasswordWrongError
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import User
from smmpanel.accounts.passwords import verify_password
from smmpanel.accounts.signing_in import count_password_try
from smmpanel.accounts.signing_up import check_username, normal_email
from smmpanel.accounts.taking_names import check_email_free, take_email, take_username
from smmpanel.accounts.throttling import forgive
from smmpanel.accounts.verifying import ask_confirmation, count_confirmation
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import LANGUAGES, marked

_AREAS = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
PHONE_TYPED_MAX = 40
_IN_PHONES = re.compile(r"[\s().-]+")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
PHONE_RULE = marked("is no telephone number in the international form")
PHONE_WRONG = marked("Enter the number with its country, such as +84 912 345 678, or leave it empty.")
LANGUAGE_RULE = marked("is none of the languages")
ZONE_RULE = marked("is no time zone")


@lru_cache(maxsize=1)
def time_zones() -> tuple[str, ...]:
    """Return the zones that one can live by, named after places, and UTC."""
    return ("UTC", *sorted(zone for zone in available_timezones() if zone.startswith(_AREAS)))


async def rename(session: AsyncSession, viewer: Viewer, username: str) -> bool:
    """Give a signed-in user another name; `False` if it is theirs already.

    Raises `InvalidInputError` or `UsernameTakenError`.
    """
    viewer.require_own_sign_in()
    user = await locked_user(session, viewer.user_id)
    if username == user.username:
        return False
    check_username(username)
    before = user.username
    await take_username(session, user, username)
    await audit(
        session,
        viewer,
        "account.rename",
        f"user:{user.id}",
        before={"username": before},
        after={"username": username},
    )
    return True


async def change_email(
    db: Database, viewer: Viewer, *, email: str, current_password: str, can_mail: bool, now: datetime
) -> bool:
    """Have a signed-in user's address replaced once a link that goes to the new one is opened; `False` if it is theirs.

    A panel that cannot send mail replaces it at once. Takes the database, as signing in does: a wrong password stays
    counted. Raises `InvalidInputError`, `EmailTakenError`, `CurrentPasswordWrongError` or `TooManyAttemptsError`.
    """
    viewer.require_own_sign_in()
    address = normal_email(email)
    async with db.transaction() as session:
        known = await session.get_one(User, viewer.user_id)
        if address.lower() == known.email.lower():
            known.pending_email = None
            return False
    tried = await count_password_try(db, viewer.user_id, now=now)
    if not await verify_password(known.password_hash, current_password):
        raise CurrentPasswordWrongError(field="current_password")
    if can_mail:
        await count_confirmation(db, viewer.user_id, now=now)
    async with db.transaction() as session:
        await forgive(session, tried, everything=True, now=now)
        user = await locked_user(session, viewer.user_id)
        if can_mail:
            await check_email_free(session, user, address)
            user.pending_email = address
            await ask_confirmation(session, user, now=now)
            return True
        before, after = {"email": user.email}, {"email": address}
        await take_email(session, user, address)
        user.email_verified_at = None
        await audit(session, viewer, "account.change_email", f"user:{user.id}", before=before, after=after)
        return True


async def set_phone(session: AsyncSession, viewer: Viewer, typed: str) -> bool:
    """Give a signed-in user a telephone number, or none; `False` if it is theirs already. Raises `InvalidInputError`.

    Numbers are kept in the international form; nobody is called, so nothing is proved by one.
    """
    viewer.require_own_sign_in()
    phone = normal_phone(typed)
    user = await locked_user(session, viewer.user_id)
    if phone == user.phone:
        return False
    # The log of deeds is kept for good, so it says that the number changed and not which it was.
    told = {"before": {"phone": user.phone is not None}, "after": {"phone": phone is not None}}
    user.phone = phone
    await audit(session, viewer, "account.change_phone", f"user:{user.id}", **told)
    return True


def normal_phone(typed: str) -> str | None:
    """Return a telephone number as it is stored, `None` if nothing was typed. Raises `InvalidInputError`."""
    plain = _IN_PHONES.sub("", typed)
    if not plain:
        return None
    plain = f"+{plain[2:]}" if plain.startswith("00") else plain
    if not _PHONE.fullmatch(plain):
        raise InvalidInputError(field="phone", reason=PHONE_RULE)
    return plain


async def choose_region(session: AsyncSession, viewer: Viewer, *, language: str, time_zone: str) -> None:
    """Set the language that a user reads and the zone that times are told in. Raises `InvalidInputError`."""
    if language not in LANGUAGES:
        raise InvalidInputError(field="language", reason=LANGUAGE_RULE)
    if time_zone not in time_zones():
        raise InvalidInputError(field="time_zone", reason=ZONE_RULE)
    user = await locked_user(session, viewer.user_id)
    user.language, user.time_zone = language, time_zone
