"""What somebody may change of their own account: the name, the address, the language, the time zone."""

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


async def choose_region(session: AsyncSession, viewer: Viewer, *, language: str, time_zone: str) -> None:
    """Set the language that a user reads and the zone that times are told in. Raises `InvalidInputError`."""
    if language not in LANGUAGES:
        raise InvalidInputError(field="language", reason=LANGUAGE_RULE)
    if time_zone not in time_zones():
        raise InvalidInputError(field="time_zone", reason=ZONE_RULE)
    user = await locked_user(session, viewer.user_id)
    user.language, user.time_zone = language, time_zone
