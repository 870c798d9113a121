"""The second person: confirms what another one decided on, and then it is done; or withdraws it."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.alerts import clear_alert
from smmpanel.payments.deciding import (
    AlreadyDecidedError,
    approve_deposit,
    assign_to_deposit,
    assign_to_user,
)
from smmpanel.payments.models import Deposit, Receipt
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.refunding import WantedRefund, ask_refund
from smmpanel.payments.return_models import Confirmation, ConfirmationState, Deed
from smmpanel.payments.second_looks import AWAITED, PERMISSIONS, SamePersonError, persons_in


async def confirm(session: AsyncSession, panel: Panel, confirmation_id: int, *, actor: Actor) -> Confirmation:
    """Do what somebody else has decided on, in both names.

    Raises `SamePersonError`, `AlreadyDecidedError`, `NotFoundError`, or why it cannot be done any more.
    """
    row = await _waiting(session, actor, confirmation_id)
    if row.first_by in persons_in(actor):
        raise SamePersonError
    now = panel.clock()
    row.second_by, row.decided_at = actor.acted_by or actor.user_id, now
    row.state = ConfirmationState.CONFIRMED.value
    await session.flush()
    row.deposit_id = await _do(session, panel, row, actor)
    await session.flush()
    await clear_alert(session, AWAITED, subject_of(row))
    return row


async def withdraw(session: AsyncSession, confirmation_id: int, *, actor: Actor, now: datetime) -> Confirmation:
    """Say that what somebody has decided on is not to be done. Raises `AlreadyDecidedError` or `NotFoundError`."""
    row = await _waiting(session, actor, confirmation_id)
    row.second_by, row.decided_at = actor.acted_by or actor.user_id, now
    row.state = ConfirmationState.WITHDRAWN.value
    await session.flush()
    await clear_alert(session, AWAITED, subject_of(row))
    after = {"withdrawn": row.deed, "confirmation": row.id}
    await audit(session, actor, PERMISSIONS[Deed(row.deed)], subject_of(row), after=after)
    return row


def subject_of(row: Confirmation) -> str:
    """Return what a deed is about, for the audit log and for alerts."""
    return f"receipt:{row.receipt_id}" if row.receipt_id is not None else f"deposit:{row.deposit_id}"


async def _do(session: AsyncSession, panel: Panel, row: Confirmation, actor: Actor) -> int:
    now, details = panel.clock(), row.details
    done: object
    match Deed(row.deed):
        case Deed.APPROVE:
            assert row.deposit_id is not None, "an approval is a deposit's"
            done = await approve_deposit(
                session,
                row.deposit_id,
                actor=actor,
                now=now,
                amount=row.amount,
                note=details["note"],
                key=details["key"],
                seen=Decimal(details["received"]) if "received" in details else None,
                confirmed=row,
            )
        case Deed.ASSIGN:
            assert row.receipt_id is not None, "money is assigned"
            if row.user_id is not None:
                done = await assign_to_user(
                    session, panel, row.receipt_id, row.user_id, actor=actor, now=now, confirmed=row
                )
            else:
                assert row.deposit_id is not None, "to somebody, or to a deposit"
                done = await assign_to_deposit(
                    session, row.receipt_id, row.deposit_id, actor=actor, now=now, confirmed=row
                )
        case Deed.REFUND:
            assert row.deposit_id is not None, "a refund is a deposit's"
            wanted = WantedRefund(
                row.deposit_id,
                details["key"],
                details["reason"],
                amount=row.amount,
                by_hand=details["by_hand"],
                bank_ref=details["bank_ref"],
            )
            await ask_refund(session, panel, wanted, actor=actor, confirmed=row)
            return row.deposit_id
    assert isinstance(done, Deposit), "what is confirmed is done"
    return done.id


async def _waiting(session: AsyncSession, actor: Actor, confirmation_id: int) -> Confirmation:
    row = await session.get(Confirmation, confirmation_id)
    if row is None:
        raise NotFoundError
    actor.require(PERMISSIONS[Deed(row.deed)])
    # Deposit, money, and only then what waits for it: whoever decides on something holds the first two when they write it down.
    if row.deposit_id is not None:
        await locked_deposit(session, row.deposit_id)
    if row.receipt_id is not None:
        await session.get_one(Receipt, row.receipt_id, with_for_update=True, populate_existing=True)
    found = await session.get_one(Confirmation, confirmation_id, with_for_update=True, populate_existing=True)
    if found.state != ConfirmationState.WAITING:
        raise AlreadyDecidedError
    return found
