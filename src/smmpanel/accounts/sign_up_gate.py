"""Who may make an account: everybody, so many, whoever was invited, or nobody at the moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.models import User
from smmpanel.accounts.sign_in_models import Invitation, InvitedUser
from smmpanel.accounts.states import Role
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import ForbiddenError, InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.options import read_option, write_option

OPTION = "sign_up"
LIMIT_MAX = 1_000_000
CODE_MAX = 64
LIMIT_WRONG = marked("Enter a number from 1 to 1,000,000.")
SIGN_UP_LOCK = 0x5A11_0005


class SignUpMode(StrEnum):
    """Who may make an account."""

    OPEN = "open"
    LIMITED = "limited"
    INVITED = "invited"
    CLOSED = "closed"


class SignUpClosedError(ForbiddenError):
    """Nobody makes an account at the moment."""

    code, message = "sign_up_closed", "Sign-up is closed at the moment."


class SignUpFullError(ForbiddenError):
    """There are as many customers as there may be."""

    code, message = "sign_up_full", "All places are taken at the moment. With an invitation you can still join."


class InvitationNeededError(PanelError):
    """Whoever makes an account needs an invitation."""

    code, status, message = "invitation_needed", 422, "Making an account here takes an invitation."


class InvitationWorthlessError(PanelError):
    """The invitation was never ours, is used up, over or withdrawn: no difference is told."""

    code, status, message = "invitation_worthless", 422, "This invitation does not exist, or it is used up or over."


@dataclass(frozen=True, slots=True)
class SignUpRules:
    """Who may make an account, as staff decided."""

    mode: SignUpMode = SignUpMode.OPEN
    limit: int = 0
    """How many customers there may be, if it is `limited`."""

    @classmethod
    def read(cls, kept: Any) -> Self:
        """Read the option; nonsense in it closes nothing."""
        known: Mapping[str, Any] = kept if isinstance(kept, Mapping) else {}
        mode = str(known.get("mode"))
        return cls(SignUpMode(mode) if mode in list(SignUpMode) else SignUpMode.OPEN, int(known.get("limit") or 0))

    @property
    def kept(self) -> dict[str, Any]:
        """The rules as the option holds them."""
        return {"mode": self.mode.value, "limit": self.limit}


async def sign_up_rules(session: AsyncSession) -> SignUpRules:
    """Return who may make an account."""
    return SignUpRules.read(await read_option(session, OPTION))


async def change_sign_up(session: AsyncSession, actor: Actor, rules: SignUpRules) -> bool:
    """Say who may make an account; returns whether it was different. Raises `InvalidInputError`."""
    actor.require(Permission.SETTINGS_EDIT)
    if rules.mode is SignUpMode.LIMITED and not 1 <= rules.limit <= LIMIT_MAX:
        raise InvalidInputError(field="sign_up_limit", reason=LIMIT_WRONG)
    kept = await sign_up_rules(session)
    if kept == rules:
        return False
    await write_option(session, OPTION, rules.kept)
    await audit(session, actor, Permission.SETTINGS_EDIT, "settings:sign_up", before=kept.kept, after=rules.kept)
    return True


async def is_full(session: AsyncSession, rules: SignUpRules) -> bool:
    """Whether all places are taken. Counts no further than there are places."""
    if rules.mode is not SignUpMode.LIMITED:
        return False
    few = select(User.id).where(User.role == Role.CUSTOMER).limit(rules.limit).subquery()
    return (await session.scalar(select(func.count()).select_from(few)) or 0) >= rules.limit


@dataclass(frozen=True, slots=True)
class Gate:
    """The way in for somebody who makes an account, with what they brought along."""

    vault: Vault
    now: datetime
    invitation: str = ""

    async def admit(self, session: AsyncSession) -> int | None:
        """Let one person pass; returns the invitation that this used up.

        Raises `SignUpClosedError`, `SignUpFullError`, `InvitationNeededError` or `InvitationWorthlessError`. Where
        nobody needs an invitation, one that is no good does no harm.
        """
        rules = await sign_up_rules(session)
        if rules.mode is SignUpMode.CLOSED:
            raise SignUpClosedError
        used = await self._use(session) if self.invitation.strip() else None
        if used is not None or rules.mode is SignUpMode.OPEN:
            return used
        if rules.mode is SignUpMode.INVITED:
            if self.invitation.strip():
                raise InvitationWorthlessError(field="invitation_code")
            raise InvitationNeededError(field="invitation_code")
        # One at a time, so that the last place is taken once.
        await session.execute(select(func.pg_advisory_xact_lock(SIGN_UP_LOCK)))
        if await is_full(session, rules):
            raise SignUpFullError
        return None

    async def _use(self, session: AsyncSession) -> int | None:
        return await session.scalar(
            update(Invitation)
            .where(
                Invitation.code_hash == invitation_hash(self.vault, self.invitation),
                Invitation.withdrawn_at.is_(None),
                or_(Invitation.expires_at.is_(None), Invitation.expires_at > self.now),
                Invitation.uses < Invitation.max_uses,
            )
            .values(uses=Invitation.uses + 1)
            .returning(Invitation.id)
            .execution_options(synchronize_session=False)
        )


def note_invited(session: AsyncSession, user_id: int, invitation_id: int | None) -> None:
    """Remember with which invitation somebody came, if with any."""
    if invitation_id is not None:
        session.add(InvitedUser(user_id=user_id, invitation_id=invitation_id))


def invitation_hash(vault: Vault, code: str) -> bytes:
    """Return what is kept of an invitation's code, however it was typed."""
    return vault.keyed_hash("invitation", "".join(code.split()).replace("-", "").lower()[:CODE_MAX])
