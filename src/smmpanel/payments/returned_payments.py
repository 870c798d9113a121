"""Finding and locking the payment that money went back of."""

from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.payments.matching import STAFF, deposits_named, known_receipt
from smmpanel.payments.models import Deposit, Receipt, ReceiptState
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.protocol import Notice
from smmpanel.payments.return_models import PaymentReturn, ReturnState

RECEIPTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Payment:
    """What money went back of, as far as it is on record here; locked."""

    deposit: Deposit | None = None
    receipt: Receipt | None = None

    @property
    def credited(self) -> tuple[Deposit, Receipt] | None:
        """The deposit and the receipt, if a wallet has the money."""
        if self.deposit is None or self.receipt is None or self.receipt.state != ReceiptState.CREDITED:
            return None
        return self.deposit, self.receipt


async def payment_of(session: AsyncSession, gateway: str, notice: Notice) -> Payment:
    """Find and lock the payment that a notice is about: by the money's number, or by the deposit that it names."""
    known = await known_receipt(session, gateway, notice)
    if known is not None and known.deposit_id is not None:
        return await _locked(session, known.deposit_id, known.id)
    if known is not None:
        return Payment(receipt=known)
    named = await deposits_named(session, gateway, notice)
    if len(named) != 1:
        return Payment()
    deposit = await locked_deposit(session, named[0])
    # Told of at last while we waited for the lock; or known by another number.
    known = await known_receipt(session, gateway, notice) or await _alias_of(session, deposit, notice)
    return Payment(deposit) if known is None else await _locked(session, deposit.id, known.id)


async def is_credited(session: AsyncSession, gateway: str, notice: Notice) -> bool:
    """Whether a wallet has the very money that a notice is about."""
    known = await known_receipt(session, gateway, notice)
    return known is not None and known.state == ReceiptState.CREDITED


async def locked_payment(session: AsyncSession, row: PaymentReturn) -> tuple[Deposit, Receipt]:
    """Lock what a return took money from."""
    assert row.deposit_id is not None, "it has taken something"
    assert row.receipt_id is not None, "it has taken something"
    deposit = await locked_deposit(session, row.deposit_id)
    return deposit, await _locked_receipt(session, row.receipt_id)


async def _locked(session: AsyncSession, deposit_id: int, receipt_id: int) -> Payment:
    deposit = await locked_deposit(session, deposit_id)
    return Payment(deposit, await _locked_receipt(session, receipt_id))


async def _locked_receipt(session: AsyncSession, receipt_id: int) -> Receipt:
    wanted = select(Receipt).where(Receipt.id == receipt_id).with_for_update(key_share=True)
    return (await session.scalars(wanted.execution_options(populate_existing=True))).one()


async def _alias_of(session: AsyncSession, deposit: Deposit, notice: Notice) -> Receipt | None:
    """Return the deposit's receipt that bears the number beside its own, or the only one, if a person entered it."""
    found = (await session.scalars(select(Receipt).where(Receipt.deposit_id == deposit.id).limit(RECEIPTS_MAX))).all()
    for receipt in found:
        if notice.external_id in receipt.also:
            return receipt
    credited = [one for one in found if one.state == ReceiptState.CREDITED]
    return credited[0] if len(credited) == 1 and credited[0].source == STAFF and not credited[0].also else None


async def is_being_paid_back(session: AsyncSession, deposit_id: int) -> bool:
    """Whether some of a deposit is on its way back, so that its customer does not have it yet."""
    row = PaymentReturn
    is_open = row.state.in_([ReturnState.PENDING.value, ReturnState.UNKNOWN.value])
    return bool(await session.scalar(select(exists().where(row.deposit_id == deposit_id, is_open))))
