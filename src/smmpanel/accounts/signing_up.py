"""Signing up."""

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import User
from smmpanel.accounts.passwords import check_password_rules, hash_password
from smmpanel.accounts.referral_codes import code_of
from smmpanel.accounts.sign_up_gate import Gate, note_invited
from smmpanel.accounts.states import Role
from smmpanel.kernel.errors import ConflictError, InvalidInputError
from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.i18n import marked

USERNAME_MIN = 3
USERNAME_MAX = 32
EMAIL_MAX = 254

_USERNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|[._-](?=[A-Za-z0-9]))+", re.ASCII)
USERNAME_RULE = marked("has 3 to 32 letters and digits, with single dots, dashes or underscores between them")
EMAIL_RULE = marked("is not an e-mail address")
USERNAME_WRONG = marked("Enter 3 to 32 letters and digits, with single dots, dashes or underscores between them.")
EMAIL_WRONG = marked("Enter an e-mail address such as name@example.com.")
"""The same two rules, as pages say them at the field."""


Via = Literal["link", "code"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a new user came from, as far as it is known."""

    ip: str | None = None
    device: str | None = None
    """A hash of the browser's random name."""
    referral_code: str | None = None
    via: Via = "code"
    """Whether the code was followed as a link or given by hand."""


UNKNOWN = Arrival()
"""Of whom nothing is known but that they are there, such as users made by commands."""


class UsernameTakenError(ConflictError):
    """Somebody has this user name, perhaps in another case."""

    code, message = "username_taken", "This user name is taken."


class EmailTakenError(ConflictError):
    """There is an account with this e-mail address."""

    code, message = "email_taken", "There is already an account with this e-mail address."


class UserRegistered(Fact):
    """Somebody made an account."""

    fact: ClassVar[str] = "user_registered"
    user_id: int
    referral_code: str | None = None
    via: Via = "code"
    ip: str | None = None
    device: str | None = None


async def register(
    session: AsyncSession,
    *,
    username: str,
    email: str,
    password: str,
    language: str = "en",
    time_zone: str = "UTC",
    role: Role = Role.CUSTOMER,
    arrival: Arrival = UNKNOWN,
    gate: Gate | None = None,
) -> User:
    """Make an account, with a referral code of its own.

    Who comes by themselves passes the gate; without one, as for users made by commands, everybody may. Raises
    `InvalidInputError`, `WeakPasswordError`, `UsernameTakenError`, `EmailTakenError`, or what the gate raises.
    """
    check_username(username)
    address = normal_email(email)
    check_password_rules(password)
    # Hashed before the first statement, so that no connection waits for it.
    password_hash = await hash_password(password)
    invitation_id = await gate.admit(session) if gate else None
    user = await add_user(
        session,
        username=username,
        email=address,
        password_hash=password_hash,
        language=language,
        time_zone=time_zone,
        role=role,
    )
    note_invited(session, user.id, invitation_id)
    await welcome(session, user.id, arrival)
    return user


async def welcome(session: AsyncSession, user_id: int, arrival: Arrival) -> None:
    """Give a new user their referral code, and record that they are there and how they came."""
    await code_of(session, user_id)
    came = UserRegistered(
        user_id=user_id,
        referral_code=arrival.referral_code,
        via=arrival.via,
        ip=arrival.ip,
        device=arrival.device,
    )
    await record(session, came)


async def add_user(
    session: AsyncSession,
    *,
    username: str,
    email: str,
    password_hash: str,
    language: str = "en",
    time_zone: str = "UTC",
    role: Role = Role.CUSTOMER,
) -> User:
    """Write the row of a new user whose values are known to be good; of two at once the second is told what is taken."""
    values = {
        "username": username,
        "email": email,
        "password_hash": password_hash,
        "language": language,
        "time_zone": time_zone,
        "role": role,
    }
    user: User | None = await session.scalar(insert(User).values(values).on_conflict_do_nothing().returning(User))
    if user is not None:
        return user
    taken = await session.scalar(select(User.id).where(func.lower(User.username) == username.lower()))
    raise UsernameTakenError(field="username") if taken is not None else EmailTakenError(field="email")


def check_username(username: str) -> None:
    """Raise `InvalidInputError` for a name that may not be chosen."""
    if not USERNAME_MIN <= len(username) <= USERNAME_MAX or _USERNAME.fullmatch(username) is None:
        raise InvalidInputError(field="username", reason=USERNAME_RULE)


def normal_email(email: str) -> str:
    """Return an e-mail address as it is stored. Raises `InvalidInputError`. Nothing is looked up."""
    try:
        read = validate_email(email.strip(), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        raise InvalidInputError(field="email", reason=EMAIL_RULE) from None
    if read.ascii_email is None or len(read.ascii_email) > EMAIL_MAX:
        raise InvalidInputError(field="email", reason=EMAIL_RULE)
    return read.ascii_email
