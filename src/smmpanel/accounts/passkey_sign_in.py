"""Signing in with a passkey: alone, if the device made sure of its owner, or as the second proof after a password."""

from datetime import datetime, timedelta

from smmpanel.accounts.entering import Origin, SignedIn
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import LoginWay
from smmpanel.accounts.passkeys import PasskeyRefusedError, Place, take_answer
from smmpanel.accounts.second_step import enter_whole, half_of, locked_half
from smmpanel.accounts.signing_in import count_address_try
from smmpanel.accounts.states import refuse_inactive
from smmpanel.accounts.steps import StepKind, take_step
from smmpanel.accounts.throttling import forgive
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.db import Database


async def sign_in_by_passkey(
    db: Database,
    vault: Vault,
    place: Place,
    *,
    token: str | None,
    second_token: str | None,
    answer: str,
    origin: Origin,
    lifetime: timedelta,
    now: datetime,
) -> SignedIn:
    """Check what a device answered and open a session; with `second_token` it is the second proof of that step's user.

    Raises `PasskeyRefusedError` (nobody has this key, or it does not fit: no difference is told), `StepOverError`,
    `TooManyAttemptsError`, or what the account's state forbids.
    """
    tried = await count_address_try(db, origin.ip, now=now)
    async with db.transaction() as session:
        # Over before the answer is looked at: whatever it is, there is no second one.
        step = await take_step(session, vault, StepKind.PASSKEY, token, now=now)
    async with db.transaction() as session:
        proven = await take_answer(session, place, step, answer, now=now)
        if second_token is None and not proven.is_verified:
            raise PasskeyRefusedError
        if second_token is not None:
            half = half_of(await take_step(session, vault, StepKind.SECOND, second_token, now=now))
            if half.user_id != proven.user_id:
                raise PasskeyRefusedError
            user, way = await locked_half(session, half), half.way
        else:
            user, way = await locked_user(session, proven.user_id), LoginWay.PASSKEY
        await forgive(session, tried, everything=False, now=now)
        entered = await enter_whole(session, user, way, origin=origin, lifetime=lifetime, now=now)
    if entered is None:
        refuse_inactive(user.state)
        raise PasskeyRefusedError
    return SignedIn(user, entered)
