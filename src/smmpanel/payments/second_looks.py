"""The rule of two persons: above a limit, what one member of the staff decides is done when another one confirms it.

It holds for money that is credited on a person's word and for money that is paid back. Usually there is no limit, so that a
panel of one person works; the amount is the panel option `payments_two_persons_above`, in the panel's currency. What counts
is all that staff did of one kind for one deposit, so that nobody stays below the limit by parts; and for whoever changes the
limit the one before still holds for a day. Whoever has the machine's
command line may do everything.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.models import AuditEntry
from smmpanel.kernel.errors import ConflictError, ForbiddenError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.options import read_option
from smmpanel.notifications.alerts import raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.return_models import Confirmation, ConfirmationState, Deed

LIMIT_OPTION = "payments_two_persons_above"
HELD_FOR = timedelta(days=1)
"""How long a limit still holds for whoever has changed it."""
AWAITED = "payment_awaits_second"
PERMISSIONS: Mapping[Deed, Permission] = {
    Deed.APPROVE: Permission.DEPOSITS_SETTLE,
    Deed.ASSIGN: Permission.DEPOSITS_SETTLE,
    Deed.REFUND: Permission.DEPOSITS_REFUND,
}


class SamePersonError(ForbiddenError):
    """Nobody confirms what they decided themselves."""

    code, message = "same_person", marked("Somebody else has to confirm this: you decided on it first.")


class AwaitsSecondError(ConflictError):
    """Somebody decided on it before, and it waits for another person."""

    code, message = "awaits_second", marked("This waits already for a second person to confirm it.")


@dataclass(frozen=True, slots=True)
class Decided:
    """What one person has decided on. `amount` is in the money's own currency."""

    deed: Deed
    amount: Decimal
    currency: str
    deposit_id: int | None = None
    receipt_id: int | None = None
    user_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What it is about, for the audit log and for alerts."""
        return f"receipt:{self.receipt_id}" if self.receipt_id is not None else f"deposit:{self.deposit_id}"


def persons_in(actor: Actor) -> set[int]:
    """Return the people who stand behind a deed: who is signed in, and whoever acts as them."""
    return {one for one in (actor.user_id, actor.acted_by) if one is not None}


async def second_limit(session: AsyncSession) -> Decimal | None:
    """Return the amount above which two persons are needed, in the panel's currency; `None`: never."""
    return _limit(await read_option(session, LIMIT_OPTION))


async def takes_two(session: AsyncSession, actor: Actor, worth: Decimal) -> bool:
    """Whether somebody else has to confirm what this person does with so much, in the wallet's currency."""
    if actor.user_id is None:
        return False
    limits = [await second_limit(session), *await _limits_before(session, persons_in(actor))]
    return any(limit is not None and worth > limit for limit in limits)


async def _limits_before(session: AsyncSession, persons: Collection[int]) -> list[Decimal | None]:
    """Return the limits that these people have changed of late: nobody sets the rule aside for a deed of their own."""
    row = AuditEntry
    wanted = select(row.before[LIMIT_OPTION].astext).where(
        row.actor_id.in_(persons),
        row.permission == Permission.SETTINGS_EDIT.value,
        row.before.has_key(LIMIT_OPTION),
        row.at > func.now() - HELD_FOR,
    )
    return [_limit(kept) for kept in await session.scalars(wanted)]


def _limit(kept: object) -> Decimal | None:
    amount = Decimal(str(kept or 0))
    return amount if amount > 0 else None


async def put_before_another(session: AsyncSession, actor: Actor, decided: Decided, *, now: datetime) -> Confirmation:
    """Write down what somebody has decided on; told again by the same person, it is the same.

    Raises `AwaitsSecondError` if something else of the kind waits for the same money.
    """
    first = actor.acted_by or actor.user_id
    details = to_jsonable_python(dict(decided.details))
    values = {
        "deed": decided.deed.value,
        "deposit_id": decided.deposit_id,
        "receipt_id": decided.receipt_id,
        "user_id": decided.user_id,
        "amount": decided.amount,
        "currency": decided.currency,
        "details": details,
        "state": ConfirmationState.WAITING.value,
        "first_by": first,
        "first_at": now,
    }
    made = insert(Confirmation).values(values).on_conflict_do_nothing().returning(Confirmation)
    fresh = await session.scalar(made)
    if fresh is None:
        before = await session.scalar(select(Confirmation).where(*_waiting_for(decided)))
        same = (first, decided.amount, details, decided.deposit_id, decided.user_id)
        if (
            before is None
            or (before.first_by, before.amount, before.details, before.deposit_id, before.user_id) != same
        ):
            raise AwaitsSecondError
        return before
    after = {"decided": decided.deed.value, "amount": decided.amount, "confirmation": fresh.id, **details}
    await audit(session, actor, PERMISSIONS[decided.deed], decided.subject, after=after)
    told = {"amount": decided.amount, "currency": decided.currency, "deed": decided.deed.value}
    await raise_alert(session, AWAITED, decided.subject, AlertLevel.INFO, **told)
    return fresh


async def confirmations_of(session: AsyncSession, deposit_id: int, *, most: int = 100) -> list[Confirmation]:
    """Return what waited or waits for a second person for a deposit, oldest first."""
    wanted = select(Confirmation).where(Confirmation.deposit_id == deposit_id).order_by(Confirmation.id).limit(most)
    return list((await session.scalars(wanted)).all())


async def confirmations_for(session: AsyncSession, receipt_id: int, *, most: int = 100) -> list[Confirmation]:
    """Return what waited or waits for a second person for money that arrived, oldest first."""
    wanted = select(Confirmation).where(Confirmation.receipt_id == receipt_id).order_by(Confirmation.id).limit(most)
    return list((await session.scalars(wanted)).all())


async def deposits_waiting(
    session: AsyncSession, deposit_ids: Collection[int], *, deeds: Collection[Deed] = tuple(Deed)
) -> set[int]:
    """Return for which of some deposits one of these deeds waits for a second person."""
    row = Confirmation
    wanted = row.deposit_id.in_(deposit_ids), row.deed.in_([deed.value for deed in deeds])
    return await _waiting_among(session, select(row.deposit_id).where(*wanted)) if deposit_ids else set()


async def receipts_waiting(session: AsyncSession, receipt_ids: Collection[int]) -> set[int]:
    """Return which of some money waits for a second person to say whose it is."""
    wanted = select(Confirmation.receipt_id).where(Confirmation.receipt_id.in_(receipt_ids))
    return await _waiting_among(session, wanted) if receipt_ids else set()


async def confirmation_for(session: AsyncSession, receipt_id: int) -> Confirmation | None:
    """Return what waits for a second person for money in review."""
    waiting = Confirmation.state == ConfirmationState.WAITING.value
    return await session.scalar(select(Confirmation).where(Confirmation.receipt_id == receipt_id, waiting))


async def _waiting_among(session: AsyncSession, wanted: Select[int | None]) -> set[int]:
    found = await session.scalars(wanted.where(Confirmation.state == ConfirmationState.WAITING.value))
    return {one for one in found if one is not None}


def _waiting_for(decided: Decided) -> tuple[ColumnElement[bool], ...]:
    row = Confirmation
    waiting = row.state == ConfirmationState.WAITING.value
    if decided.receipt_id is not None:
        return waiting, row.receipt_id == decided.receipt_id
    return waiting, row.receipt_id.is_(None), row.deposit_id == decided.deposit_id, row.deed == decided.deed.value
