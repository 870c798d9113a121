"""Whose account somebody signs in to whom another site vouches for.

1. The site and its subject are known: the account that they were connected with.
2. Not known, and the site says that the e-mail address is verified: the customer's account whose own address that is and
   is confirmed here, which is connected from now on. Staff connect theirs in their account only.
3. No account has the address: a new one, if the gate is open.
Everything else is refused, with a word on what to do.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Viewer, known_permissions
from smmpanel.accounts.audit import audit
from smmpanel.accounts.entering import HalfWay, Origin, SecondFactorNeededError, SignedIn, let_in
from smmpanel.accounts.finding import find_user, locked_user
from smmpanel.accounts.models import LoginWay, User
from smmpanel.accounts.openid.tokens import Claims
from smmpanel.accounts.passwords import NO_PASSWORD
from smmpanel.accounts.sign_in_models import OutsideIdentity
from smmpanel.accounts.sign_up_gate import Gate, note_invited
from smmpanel.accounts.signing_up import USERNAME_MAX, USERNAME_MIN, Arrival, add_user, normal_email, welcome
from smmpanel.accounts.states import Role, refuse_inactive
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text

NAMES_TRIED = 8
SHOWN_MAX = 254
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+", re.ASCII)


class AddressNotVerifiedError(PanelError):
    """The other site does not say that the address is verified, so it counts for nothing."""

    code, status = "address_not_verified", 403
    message = marked(
        "The other site has not confirmed your e-mail address. Confirm it there, or sign in with your password."
    )


class ConnectFirstError(PanelError):
    """An account has the address, and may be somebody else's: its owner has to connect the other site."""

    code, status = "connect_first", 403
    message = marked(
        "An account here has this address. Sign in to it with its password, then connect the other site under Security."
    )


class ConnectedElsewhereError(ConflictError):
    """The other site's account is connected with another account here."""

    code = "connected_elsewhere"
    message = marked("This sign-in is connected with another account already.")


class LastWayInError(ConflictError):
    """Without it nobody could sign in to the account."""

    code, message = "last_way_in", marked("Set a password first: without one you could not sign in any more.")


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What is known of somebody, should an account be made for them."""

    gate: Gate
    arrival: Arrival
    language: str
    time_zone: str


async def sign_in_by_claims(
    db: Database, claims: Claims, *, newcomer: Newcomer, origin: Origin, lifetime: timedelta, now: datetime
) -> SignedIn:
    """Sign somebody in whom another site vouches for, finding or making their account by the rules above.

    Raises `AddressNotVerifiedError`, `ConnectFirstError`, `SecondFactorNeededError`, what the gate raises, or what the
    account's state forbids.
    """
    async with db.transaction() as session:
        user = await _known_user(session, claims, now) or await _found_user(session, claims, now)
        if user is None:
            user = await _new_user(session, claims, newcomer, now)
        entered = await let_in(session, user, LoginWay.OPENID, origin=origin, lifetime=lifetime, now=now)
    if entered is None:
        refuse_inactive(user.state)
        raise ConnectFirstError
    if isinstance(entered, HalfWay):
        raise SecondFactorNeededError(entered)
    return SignedIn(user, entered)


async def connect(session: AsyncSession, viewer: Viewer, claims: Claims, *, now: datetime) -> None:
    """Connect another site with the account of somebody who is signed in. Raises `ConnectedElsewhereError`."""
    viewer.require_own_sign_in()
    user = await locked_user(session, viewer.user_id)
    await _connect(session, user, claims, now, actor=viewer)


async def disconnect(session: AsyncSession, viewer: Viewer, identity_id: int) -> None:
    """Forget another site, for somebody who has just proved who they are. Raises `NotFoundError` or `LastWayInError`."""
    viewer.require_own_sign_in()
    user = await locked_user(session, viewer.user_id)
    known = await list_identities(session, viewer.user_id)
    wanted = next((one for one in known if one.id == identity_id), None)
    if wanted is None:
        raise NotFoundError
    if user.password_hash == NO_PASSWORD and len(known) == 1:
        raise LastWayInError
    await session.delete(wanted)
    before = {"issuer": wanted.issuer, "subject": wanted.subject}
    await audit(session, viewer, "account.link_sign_in", f"user:{user.id}", before=before)


async def list_identities(session: AsyncSession, user_id: int) -> Sequence[OutsideIdentity]:
    """Return the sites that an account is connected with."""
    wanted = select(OutsideIdentity).where(OutsideIdentity.user_id == user_id).order_by(OutsideIdentity.id)
    return (await session.scalars(wanted)).all()


async def _known_user(session: AsyncSession, claims: Claims, now: datetime) -> User | None:
    known = await session.scalar(
        select(OutsideIdentity).where(
            OutsideIdentity.issuer == claims.issuer, OutsideIdentity.subject == claims.subject
        )
    )
    if known is None:
        return None
    user = await locked_user(session, known.user_id)
    known.last_used_at, known.email = now, claims.email[:SHOWN_MAX] or None
    return user


async def _found_user(session: AsyncSession, claims: Claims, now: datetime) -> User | None:
    address = _address(claims)
    found = await find_user(session, address)
    if found is None:
        return None
    user = await locked_user(session, found.id)
    is_theirs = user.email_verified_at is not None and user.email.lower() == address.lower()
    if not is_theirs or user.role is not Role.CUSTOMER:
        raise ConnectFirstError
    refuse_inactive(user.state)
    await _connect(session, user, claims, now)
    return user


async def _new_user(session: AsyncSession, claims: Claims, newcomer: Newcomer, now: datetime) -> User:
    address = _address(claims)
    invitation_id = await newcomer.gate.admit(session)
    user = await add_user(
        session,
        username=await _free_name(session, claims.name or address.partition("@")[0]),
        email=address,
        password_hash=NO_PASSWORD,
        language=newcomer.language,
        time_zone=newcomer.time_zone,
    )
    user.email_verified_at = now
    note_invited(session, user.id, invitation_id)
    await _connect(session, user, claims, now)
    await welcome(session, user.id, newcomer.arrival)
    return user


async def _connect(
    session: AsyncSession, user: User, claims: Claims, now: datetime, *, actor: Actor | None = None
) -> None:
    values = {
        "user_id": user.id,
        "issuer": claims.issuer,
        "subject": claims.subject,
        "email": claims.email[:SHOWN_MAX] or None,
        "linked_at": now,
        "last_used_at": now,
    }
    made = insert(OutsideIdentity).values(values).on_conflict_do_nothing().returning(OutsideIdentity.id)
    if await session.scalar(made) is None:
        owner = await session.scalar(
            select(OutsideIdentity.user_id).where(
                OutsideIdentity.issuer == claims.issuer, OutsideIdentity.subject == claims.subject
            )
        )
        if owner != user.id:
            raise ConnectedElsewhereError
        return
    actor = actor or Actor("user", user.id, user.username, user.role, known_permissions(user.permissions))
    after = {"issuer": claims.issuer, "subject": claims.subject}
    await audit(session, actor, "account.link_sign_in", f"user:{user.id}", after=after)


def _address(claims: Claims) -> str:
    if not claims.email or not claims.email_verified:
        raise AddressNotVerifiedError
    try:
        return normal_email(claims.email)
    except InvalidInputError:
        raise AddressNotVerifiedError from None


async def _free_name(session: AsyncSession, wish: str) -> str:
    """Return a user name that nobody has, near to what somebody would like."""
    plain = _NOT_IN_NAMES.sub(".", wish).strip(".")[: USERNAME_MAX - 5].strip(".")
    base = plain if len(plain) >= USERNAME_MIN else f"user.{random_text(6).lower()}"
    names = [base, *(f"{base}{random_text(4).lower()}" for _ in range(NAMES_TRIED))]
    taken = set(
        await session.scalars(
            select(func.lower(User.username)).where(func.lower(User.username).in_([name.lower() for name in names]))
        )
    )
    return next((name for name in names if name.lower() not in taken), f"user.{random_text(12).lower()}")
