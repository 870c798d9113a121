"""Making batches of vouchers and stopping them: by permission, on the record, the codes handed out once and never kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as insert_once
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.growth.voucher_codes import GROUP, code_hash, new_code
from smmpanel.growth.voucher_models import Voucher, VoucherBatch
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, plain, round_down

NAME_MAX, NOTE_MAX = 80, 500
CODES_MAX, USES_MAX = 10_000, 1_000_000
ROWS_AT_ONCE = 1_000
NAME_WRONG = marked("Enter a name of up to 80 characters.")
NOTE_WRONG = marked("Enter up to 500 characters.")
AMOUNT_WRONG = marked("Enter an amount above zero, with six decimals at most.")
CODES_WRONG = marked("Enter a number from 1 to 10,000.")
USES_WRONG = marked("Enter a number from 1 to 1,000,000.")
ONE_CODE = marked("Many uses go with a single code. Enter 1 code, or 1 use.")
UNTIL_WRONG = marked("Choose a time to come.")


class BatchMadeError(ConflictError):
    """The form was sent before: its codes were shown then."""

    code, message = "batch_made", marked("This batch was made before. Its codes were shown then, and are kept nowhere.")


@dataclass(frozen=True, slots=True)
class BatchTerms:
    """A batch as it is wanted. Raises `InvalidInputError` for what no batch can be."""

    name: str
    amount: Decimal
    codes: int = 1
    uses_each: int = 1
    uses_per_user: int | None = None
    valid_until: datetime | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not (self.name.strip() and len(self.name) <= NAME_MAX and self.name.isprintable()):
            raise InvalidInputError(field="name", reason=NAME_WRONG)
        if len(self.note) > NOTE_MAX:
            raise InvalidInputError(field="note", reason=NOTE_WRONG)
        if not (self.amount.is_finite() and 0 < self.amount < LIMIT and self.amount == round_down(self.amount)):
            raise InvalidInputError(field="amount", reason=AMOUNT_WRONG)
        if not 1 <= self.codes <= CODES_MAX:
            raise InvalidInputError(field="codes", reason=CODES_WRONG)
        if not 1 <= self.uses_each <= USES_MAX:
            raise InvalidInputError(field="uses_each", reason=USES_WRONG)
        if self.codes > 1 and self.uses_each > 1:
            raise InvalidInputError(field="uses_each", reason=ONE_CODE)
        if self.uses_per_user is not None and not 1 <= self.uses_per_user <= USES_MAX:
            raise InvalidInputError(field="uses_per_user", reason=USES_WRONG)


@dataclass(frozen=True, slots=True)
class MadeBatch:
    """A new batch, and its codes, which nobody can read again."""

    id: int
    codes: Sequence[str]


async def make_batch(
    session: AsyncSession, vault: Vault, actor: Actor, terms: BatchTerms, *, currency: str, key: str, now: datetime
) -> MadeBatch:
    """Make a batch and return its codes. Raises `InvalidInputError`, or `BatchMadeError` if this key made one before."""
    actor.require(Permission.VOUCHERS_EDIT)
    if terms.valid_until is not None and terms.valid_until <= now:
        raise InvalidInputError(field="valid_until", reason=UNTIL_WRONG)
    row = insert_once(VoucherBatch).values(
        key=key,
        name=terms.name.strip(),
        note=terms.note.strip(),
        amount=terms.amount,
        currency=currency,
        codes=terms.codes,
        uses_each=terms.uses_each,
        uses_per_user=terms.uses_per_user,
        valid_until=terms.valid_until,
        made_by=actor.user_id,
        created_at=now,
    )
    batch_id = await session.scalar(row.on_conflict_do_nothing().returning(VoucherBatch.id))
    if batch_id is None:
        raise BatchMadeError
    codes = [new_code() for _ in range(terms.codes)]
    for start in range(0, len(codes), ROWS_AT_ONCE):
        rows = [
            {"batch_id": batch_id, "code_hash": code_hash(vault, code), "ending": code[-GROUP:]}
            for code in codes[start : start + ROWS_AT_ONCE]
        ]
        await session.execute(insert(Voucher), rows)
    made = {
        "name": terms.name.strip(),
        "amount": plain(terms.amount),
        "currency": currency,
        "codes": terms.codes,
        "uses_each": terms.uses_each,
        "uses_per_user": terms.uses_per_user,
        "valid_until": terms.valid_until,
        "note": terms.note.strip(),
    }
    await audit(session, actor, Permission.VOUCHERS_EDIT, f"voucher_batch:{batch_id}", after=made)
    return MadeBatch(batch_id, codes)


async def stop_batch(session: AsyncSession, actor: Actor, batch_id: int, *, now: datetime) -> None:
    """Have the codes of a batch redeemed no more. What was credited stays. Raises `NotFoundError` if there is no live one."""
    actor.require(Permission.VOUCHERS_EDIT)
    wanted = select(VoucherBatch).where(VoucherBatch.id == batch_id, VoucherBatch.stopped_at.is_(None))
    batch = await session.scalar(wanted.with_for_update(key_share=True).execution_options(populate_existing=True))
    if batch is None:
        raise NotFoundError
    batch.stopped_at = now
    after = {"stopped": True, "used": batch.used}
    await audit(session, actor, Permission.VOUCHERS_EDIT, f"voucher_batch:{batch_id}", after=after)
