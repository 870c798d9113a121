"""Beginning a deposit: the request is on record with its reference before a gateway hears of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import User
from smmpanel.kernel.errors import ConflictError, InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import Money, plain
from smmpanel.kernel.panel import Panel
from smmpanel.payments.fees import in_wallet
from smmpanel.payments.methods import PREFIX, gateway_class, gateway_for, method_by
from smmpanel.payments.models import Deposit, PaymentMethod
from smmpanel.payments.protocol import Intent, Started
from smmpanel.payments.question_times import first_question
from smmpanel.payments.rates import rate_to
from smmpanel.payments.references import memo_for, new_code, new_reference
from smmpanel.payments.states import OPEN, DepositState
from smmpanel.web.formats import WITHOUT_DECIMALS

OPEN_MAX = 20
"""Deposits of one customer that wait at a time."""
KEY_MAX = 100
CODE_TRIES = 5
RETURN_PATH = "/deposits/return"
NOT_WHOLE = marked("must be a whole amount in this currency")
TOO_FINE = marked("has more than two decimals")
TOO_LOW = marked("is below the minimum of this method")
TOO_HIGH = marked("is above the maximum of this method")
LONG_KEY = marked("must be up to 100 characters")
_LOCK = text("SELECT pg_advisory_xact_lock(1347, CAST(:user AS integer))")


class TooManyOpenDepositsError(PanelError):
    """The customer begins one deposit after another and pays none."""

    code, status, message = (
        "too_many_open_deposits",
        429,
        marked("Too many deposits are waiting. Pay one, or wait until they expire."),
    )


class OtherDepositError(ConflictError):
    """The key stands for another deposit already."""

    code, message = "key_reused", marked("This was sent before with another amount or method.")


@dataclass(frozen=True, slots=True)
class NewDeposit:
    """What a customer wants to pay, by which method; once under this key."""

    user_id: int
    method_id: int
    amount: Decimal
    key: str | None = None


async def open_deposit(panel: Panel, wanted: NewDeposit) -> Deposit:
    """Begin a deposit and ask its gateway for it; no transaction is open meanwhile.

    The same key returns the deposit that it stands for, and asks the gateway again if that was broken off. Raises
    `InvalidInputError`, `TooManyOpenDepositsError`, `OtherDepositError` or `GatewayFailedError`.
    """
    async with panel.db.transaction() as session:
        method = await method_by(session, wanted.method_id)
        deposit = await _recorded(session, panel, method, wanted)
    if deposit.state != DepositState.CREATED:
        return deposit
    adapter = gateway_for(panel, method)
    started = await adapter.start(await _intent(panel, deposit))
    now = panel.clock()
    ask_at = first_question(adapter, now)
    async with panel.db.transaction() as session:
        return await _begun(session, deposit.id, started, ask_at, now=now)


async def _intent(panel: Panel, deposit: Deposit) -> Intent:
    async with panel.db.transaction() as session:
        email = await session.scalar(select(User.email).where(User.id == deposit.user_id))
    address = panel.settings.address
    return Intent(
        reference=deposit.reference,
        memo=deposit.memo,
        amount=deposit.amount,
        currency=deposit.currency,
        expires_at=deposit.expires_at,
        now=panel.clock(),
        customer=panel.public_ids.reference_of("user", deposit.user_id),
        email=email or "",
        description=f"Top-up {deposit.reference}",
        return_url=f"{address}{RETURN_PATH}/{deposit.reference}",
        notify_url=f"{address}/api/payment/{deposit.gateway}/webhook",
    )


async def _recorded(session: AsyncSession, panel: Panel, method: PaymentMethod, wanted: NewDeposit) -> Deposit:
    # One at a time for each customer, so that neither the key nor the limit is passed twice.
    await session.execute(_LOCK, {"user": wanted.user_id % 2**31})
    if wanted.key is not None and len(wanted.key) > KEY_MAX:
        raise InvalidInputError(field="key", reason=LONG_KEY)
    if (before := await _same(session, wanted)) is not None:
        return before
    check_amount(method, wanted.amount)
    waiting = select(func.count()).where(
        Deposit.user_id == wanted.user_id, Deposit.state.in_([state.value for state in OPEN])
    )
    if (await session.scalar(waiting) or 0) >= OPEN_MAX:
        raise TooManyOpenDepositsError
    now, rate = panel.clock(), await rate_to(session, method.currency, panel.currency)
    in_wallet(wanted.amount, rate.value)  # or it is refused: nothing is begun that could not be credited
    row = {
        "user_id": wanted.user_id,
        "method_id": method.id,
        "gateway": method.gateway,
        "key": wanted.key,
        "amount": wanted.amount,
        "currency": method.currency,
        "fee_percent": method.fee_percent,
        "fee_fixed": method.fee_fixed,
        "wallet_currency": panel.currency,
        "rate": rate.value,
        "rate_source": rate.source,
        "rate_at": now,
        "expires_at": now + timedelta(minutes=method.expires_minutes),
        "created_at": now,
    }
    return await insert_deposit(session, panel, method, row)


async def _same(session: AsyncSession, wanted: NewDeposit) -> Deposit | None:
    if wanted.key is None:
        return None
    found = await session.scalar(select(Deposit).where(Deposit.user_id == wanted.user_id, Deposit.key == wanted.key))
    if found is not None and (found.amount, found.method_id) != (wanted.amount, wanted.method_id):
        raise OtherDepositError
    return found


async def insert_deposit(session: AsyncSession, panel: Panel, method: PaymentMethod, row: dict[str, object]) -> Deposit:
    """Insert a deposit under a reference and a memo that nobody ever had."""
    uses_memo = gateway_class(panel, method.gateway).uses_memo
    prefix, marker = str(method.options.get(PREFIX, "")), str(method.options.get("memo_marker", ""))
    for _ in range(CODE_TRIES):
        code = new_code() if uses_memo and prefix else None
        memo = memo_for(prefix, code, marker=marker) if code else None
        names = {"reference": new_reference(), "memo_code": code, "memo": memo}
        made = insert(Deposit).values({**row, **names}).on_conflict_do_nothing().returning(Deposit)
        if (deposit := await session.scalar(made)) is not None:
            return deposit
    raise RuntimeError("no free memo code was found")  # one in a billion, five times


async def _begun(
    session: AsyncSession, deposit_id: int, started: Started, ask_at: datetime | None, *, now: datetime
) -> Deposit:
    deposit = await locked_deposit(session, deposit_id)
    if deposit.state == DepositState.CREATED:
        deposit.shown = dict(started.shown)
        deposit.external_ref = started.external_ref
        deposit.ask_at = ask_at
        if started.expires_at is not None and now < started.expires_at < deposit.expires_at:
            deposit.expires_at = started.expires_at
        deposit.state = DepositState.PENDING.value
        await session.flush()
    return deposit


async def locked_deposit(session: AsyncSession, deposit_id: int) -> Deposit:
    """Return a deposit, read afresh and locked. Locks are taken in this order: deposit, receipts, wallet."""
    wanted = select(Deposit).where(Deposit.id == deposit_id).with_for_update(key_share=True)
    return (await session.scalars(wanted.execution_options(populate_existing=True))).one()


def check_amount(method: PaymentMethod, amount: Decimal) -> None:
    """Raise `InvalidInputError` unless this much can be paid by this method."""
    places = 0 if method.currency in WITHOUT_DECIMALS else 2
    if amount != amount.quantize(Decimal(1).scaleb(-places)):
        raise InvalidInputError(field="amount", reason=NOT_WHOLE if places == 0 else TOO_FINE)
    if amount < method.minimum:
        raise InvalidInputError(field="amount", reason=TOO_LOW, minimum=_written(method.minimum, method))
    if method.maximum is not None and amount > method.maximum:
        raise InvalidInputError(field="amount", reason=TOO_HIGH, maximum=_written(method.maximum, method))


def is_over(deposit: Deposit, now: datetime) -> bool:
    """Whether its time has run out, noted or not."""
    return deposit.state == DepositState.EXPIRED or (deposit.state in OPEN and deposit.expires_at <= now)


def _written(amount: Decimal, method: PaymentMethod) -> str:
    return (
        str(Money(amount, method.currency))
        if method.currency not in WITHOUT_DECIMALS
        else f"{plain(amount).removesuffix('.00')} {method.currency}"
    )
