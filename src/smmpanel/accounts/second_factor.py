"""The second factor: codes of an authenticator app, and recovery codes for when it is lost.

A code counts once: the time step of the last one that was taken is kept, and none up to it is taken again.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import AttemptCounter
from smmpanel.accounts.sign_in_models import RecoveryCode, SecondFactor
from smmpanel.accounts.throttling import Attempt, Limit, count_attempt, forgive
from smmpanel.kernel.crypto import SecretUnreadableError, Vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import ConflictError, PanelError

STEP_SECONDS = 30
STEPS_AROUND = 1
"""Clocks of telephones are a little off, and typing takes a while."""
RECOVERY_CODES = 10
RECOVERY_LENGTH = 12
TYPED_MAX = 40
# Without letters and digits that look alike: people write these down.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_APP_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_RECOVERY_CODE = re.compile(rf"[{_ALPHABET}]{{{RECOVERY_LENGTH}}}", re.ASCII)
_SPACES = re.compile(r"[\s-]+")

CODE_LIMIT = Limit(
    kind="second_factor:account",
    free=5,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(hours=1),
    forgotten_after=timedelta(days=1),
)


class WrongCodeError(PanelError):
    """The code is not right, or was used before: no difference is told."""

    code, status, message = "wrong_code", 401, "The code is wrong, or it was used before."


class NothingToConfirmError(ConflictError):
    """No setup is under way."""

    code, message = "nothing_to_confirm", "This took too long, or was done before. Please begin again."


@dataclass(frozen=True, slots=True)
class FactorState:
    """How it stands with a user's second factor."""

    confirmed_at: datetime | None
    codes_left: int
    waiting_secret: str | None
    """What the app is to be given, while a first code is still due."""

    @property
    def is_on(self) -> bool:
        """Whether signing in takes a code."""
        return self.confirmed_at is not None


async def factor_state(session: AsyncSession, vault: Vault, user_id: int) -> FactorState:
    """Return how it stands with a user's second factor."""
    row = await session.get(SecondFactor, user_id)
    if row is None:
        return FactorState(None, 0, None)
    left = await session.scalar(
        select(func.count())
        .select_from(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    )
    return FactorState(row.confirmed_at, left or 0, _opened(vault, row.waiting_secret))


async def begin_setup(session: AsyncSession, vault: Vault, viewer: Viewer) -> None:
    """Make a new secret, which counts once a first code of it is given; until then the old one goes on."""
    from pyotp import random_base32

    viewer.require_own_sign_in()
    await locked_user(session, viewer.user_id)
    row = await session.get(SecondFactor, viewer.user_id)
    if row is None:
        row = SecondFactor(user_id=viewer.user_id, last_step=0)
        session.add(row)
    row.waiting_secret = vault.seal(random_base32())


async def confirm_setup(db: Database, vault: Vault, viewer: Viewer, code: str, *, now: datetime) -> list[str]:
    """Have the waiting secret count, for somebody who gives a code of it. Returns new recovery codes, to be shown once.

    Raises `NothingToConfirmError`, `WrongCodeError` or `TooManyAttemptsError`. Takes the database: a try stays counted.
    """
    viewer.require_own_sign_in()
    tried = await _count(db, viewer.user_id, now)
    async with db.transaction() as session:
        row = await _locked_factor(session, viewer.user_id)
        if row is None or row.waiting_secret is None:
            raise NothingToConfirmError
        step = _step_of(_opened(vault, row.waiting_secret), _plain(code), now)
        if step is None:
            raise WrongCodeError
        before = {"second_factor": "on" if row.secret is not None else "off"}
        row.secret, row.waiting_secret = row.waiting_secret, None
        row.last_step, row.confirmed_at = step, now
        codes = await _new_codes(session, vault, viewer.user_id)
        await forgive(session, tried, everything=True, now=now)
        await audit(
            session,
            viewer,
            "account.second_factor",
            f"user:{viewer.user_id}",
            before=before,
            after={"second_factor": "on"},
        )
    return codes


async def cancel_setup(session: AsyncSession, viewer: Viewer) -> None:
    """Forget a secret that waits for its first code."""
    row = await _locked_factor(session, viewer.user_id)
    if row is not None:
        row.waiting_secret = None


async def renew_codes(session: AsyncSession, vault: Vault, viewer: Viewer) -> list[str]:
    """Replace all recovery codes, for somebody who has just proved who they are. Raises `NothingToConfirmError`."""
    viewer.require_own_sign_in()
    row = await _locked_factor(session, viewer.user_id)
    if row is None or row.secret is None:
        raise NothingToConfirmError
    await audit(
        session, viewer, "account.second_factor", f"user:{viewer.user_id}", after={"recovery_codes": RECOVERY_CODES}
    )
    return await _new_codes(session, vault, viewer.user_id)


async def switch_off(session: AsyncSession, viewer: Viewer) -> None:
    """Do without a second factor from now on, for somebody who has just proved who they are.

    Raises `NothingToConfirmError` if there is none.
    """
    viewer.require_own_sign_in()
    row = await _locked_factor(session, viewer.user_id)
    if row is None or row.secret is None:
        raise NothingToConfirmError
    await drop_factor(session, viewer.user_id)
    await audit(
        session,
        viewer,
        "account.second_factor",
        f"user:{viewer.user_id}",
        before={"second_factor": "on"},
        after={"second_factor": "off"},
    )


async def drop_factor(session: AsyncSession, user_id: int) -> None:
    """Take the secret, the recovery codes and the counted tries of a user away."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    await session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
    await session.execute(
        delete(AttemptCounter).where(
            AttemptCounter.kind == CODE_LIMIT.kind, AttemptCounter.subject == _subject(user_id)
        )
    )


async def count_code_try(db: Database, user_id: int, *, now: datetime) -> Attempt:
    """Count a code that is about to be looked at. Raises `TooManyAttemptsError`."""
    return await _count(db, user_id, now)


async def take_code(session: AsyncSession, vault: Vault, user_id: int, typed: str, *, now: datetime) -> bool:
    """Use up a code of the app, or a recovery code; whether it was good.

    Of two who give the same code at once, one waits here for the other, and is then refused.
    """
    row = await _locked_factor(session, user_id)
    if row is None or row.secret is None:
        return False
    code = _plain(typed)
    if _RECOVERY_CODE.fullmatch(code):
        used = await session.execute(
            update(RecoveryCode)
            .where(
                RecoveryCode.user_id == user_id,
                RecoveryCode.code_hash == _code_hash(vault, user_id, code),
                RecoveryCode.used_at.is_(None),
            )
            .values(used_at=now)
            .returning(RecoveryCode.user_id)
            .execution_options(synchronize_session=False)
        )
        return used.one_or_none() is not None
    step = _step_of(_opened(vault, row.secret), code, now)
    if step is None or step <= row.last_step:
        return False
    row.last_step = step
    return True


def looks_like_code(typed: str) -> bool:
    """Whether something typed can only be a code."""
    code = _plain(typed)
    return bool(_APP_CODE.fullmatch(code) or _RECOVERY_CODE.fullmatch(code))


def setup_address(secret: str, *, account: str, site: str) -> str:
    """Return what the picture for the app says: an `otpauth:` address."""
    from pyotp import TOTP

    return TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=account, issuer_name=site.replace(":", " "))


async def _count(db: Database, user_id: int, now: datetime) -> Attempt:
    async with db.transaction() as session:
        return await count_attempt(session, CODE_LIMIT, _subject(user_id), now=now)


def _subject(user_id: int) -> str:
    return f"user:{user_id}"


async def _locked_factor(session: AsyncSession, user_id: int) -> SecondFactor | None:
    # The user before what is theirs, as everywhere: nobody waits for another in a circle.
    await locked_user(session, user_id)
    return await session.get(SecondFactor, user_id, with_for_update=True, populate_existing=True)


def _opened(vault: Vault, sealed: bytes | None) -> str | None:
    """Open a secret; one whose key was taken out of the ring opens nothing, until staff take the factor away."""
    try:
        return None if sealed is None else vault.open(sealed)
    except SecretUnreadableError:
        return None


def _step_of(secret: str | None, code: str, now: datetime) -> int | None:
    """Return the time step, near to now, whose code this is."""
    from pyotp import TOTP

    if secret is None or not _APP_CODE.fullmatch(code):
        return None
    app, present = TOTP(secret, interval=STEP_SECONDS), int(now.timestamp()) // STEP_SECONDS
    near = range(present - STEPS_AROUND, present + STEPS_AROUND + 1)
    # All are computed: how long it takes does not tell which one it was.
    fitting = [step for step in near if hmac.compare_digest(app.generate_otp(step), code)]
    return max(fitting, default=None)


async def _new_codes(session: AsyncSession, vault: Vault, user_id: int) -> list[str]:
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(user_id=user_id, code_hash=_code_hash(vault, user_id, code)) for code in codes)
    await session.flush()
    return ["-".join(code[at : at + 4] for at in range(0, RECOVERY_LENGTH, 4)) for code in codes]


def _code_hash(vault: Vault, user_id: int, code: str) -> bytes:
    return vault.keyed_hash(f"recovery-code:{user_id}", code)


def _plain(typed: str) -> str:
    return _SPACES.sub("", typed[:TYPED_MAX]).lower()
