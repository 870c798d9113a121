"""Settling many messages in one transaction: those that are plain, which is nearly all of them.

Plain is money that was proved, came in time and names one deposit, and of which nothing else is known here. Whatever is odd in
any way is left to `settling`, which takes one at a time. Locks are taken in the same order as there, each kind in order of its
numbers: messages, deposits, what looks alike, wallets.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import null, select, text, union
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.arrays import any_of, any_of_ids
from smmpanel.kernel.money import round_down
from smmpanel.kernel.panel import Panel
from smmpanel.payments.asking import POLL
from smmpanel.payments.crediting import Credit, credit_receipts
from smmpanel.payments.judging import judged, moment_of
from smmpanel.payments.matching import STAFF
from smmpanel.payments.methods import gateway_for, known_prefixes, methods_of
from smmpanel.payments.models import Deposit, EventOutcome, GatewayEvent, PaymentMethod, Receipt
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import Gateway, GatewayStatus, Message, Notice, UnreadableMessageError
from smmpanel.payments.references import codes_in
from smmpanel.payments.return_models import PaymentReturn, ReturnState
from smmpanel.payments.settling import receipt_of

_LOCK_ALIKE = text(
    "SELECT pg_advisory_xact_lock(number) FROM (SELECT DISTINCT hashtextextended(one, 0) AS number"
    " FROM unnest(CAST(:keys AS text[])) AS one ORDER BY 1) AS ordered"
)


@dataclass(frozen=True, slots=True)
class _Told:
    """A message that tells of money for one deposit, as far as one can see before anything is locked."""

    event: GatewayEvent
    notice: Notice
    deposit_id: int

    @property
    def names(self) -> Sequence[Hashable]:
        """All that must be this message's alone among those that are settled together."""
        notice, gateway = self.notice, self.event.gateway
        return [
            ("deposit", self.deposit_id),
            ("money", gateway, notice.external_id),
            *([("alike", notice.natural_key)] if notice.natural_key else []),
            *([("bank", gateway, notice.bank_ref)] if notice.bank_ref else []),
        ]


@dataclass(frozen=True, slots=True)
class _Till:
    """The panel's methods and their adapters, made once for all messages."""

    methods: Mapping[int, PaymentMethod]
    adapters: Mapping[int, Gateway]
    prefixes: Sequence[str]


async def settle_plain(session: AsyncSession, panel: Panel, events: Sequence[GatewayEvent]) -> None:
    """Settle what is plain among messages that are locked; the others stay as they are."""
    methods = {method.id: method for method in await methods_of(session)}
    used = {event.method_id for event in events}
    adapters = {each: gateway_for(panel, methods[each]) for each in used}
    till = _Till(methods, adapters, await known_prefixes(session))
    told = _alone(await _naming_one(session, till, events))
    if not told:
        return
    deposits = await _locked(session, [one.deposit_id for one in told])
    await session.execute(_LOCK_ALIKE, {"keys": [one.notice.natural_key for one in told if one.notice.natural_key]})
    known = await _known_names(session, told)
    now, due = panel.clock(), list[Credit]()
    for one in told:
        deposit, event = deposits[one.deposit_id], one.event
        reason, is_sure = _judged(till, deposit, one)
        in_time = moment_of(one.notice.occurred_at, event.received_at) <= deposit.expires_at
        if not (is_sure and in_time) or not known.isdisjoint(one.names):
            continue
        receipt = receipt_of(event, one.notice, now)
        receipt.reason, receipt.deposit_id = reason, deposit.id
        due.append(Credit(deposit, receipt, deposit.rate, in_time=True))
        event.deposit_id, event.outcome = deposit.id, EventOutcome.SETTLED.value
        event.note, event.processed_at = reason, now
    if due:
        await credit_receipts(session, due, now=now)


def _judged(till: _Till, deposit: Deposit, one: _Told) -> tuple[str, bool]:
    policy = Policy.of(till.methods[deposit.method_id].policy)
    accounts = till.adapters[one.event.method_id].accounts
    return judged(deposit, one.notice, policy, accounts, now=one.event.received_at)


def _money_in(till: _Till, event: GatewayEvent) -> Notice | None:
    """Return what a message tells, if it is one thing: money that was proved."""
    if event.source == POLL:
        return None
    headers = {name: value.encode("latin-1") for name, value in event.headers.items()}
    try:
        reading = till.adapters[event.method_id].read(Message(headers, event.body), event.verdict)
    except UnreadableMessageError:
        return None
    if len(reading.notices) != 1:
        return None
    notice = reading.notices[0]
    is_money = notice.status == GatewayStatus.PAID and 0 < notice.amount == round_down(notice.amount)
    return notice if is_money and not notice.unproved else None


async def _naming_one(session: AsyncSession, till: _Till, events: Iterable[GatewayEvent]) -> list[_Told]:
    money = [(event, notice) for event in events if (notice := _money_in(till, event)) is not None]
    names = [
        [notice.reference] if notice.reference is not None else codes_in(notice.texts, till.prefixes)
        for _, notice in money
    ]
    flat = [name for some in names for name in some]
    row = Deposit
    # One look for each index. A reference is longer than a code, so neither is mistaken for the other.
    looks = [select(row.id, row.gateway, name).where(name == any_of(flat)) for name in (row.reference, row.memo_code)]
    found = await session.execute(union(*looks)) if flat else ()
    ids = {name: (deposit_id, gateway) for deposit_id, gateway, name in found}
    told = []
    for (event, notice), some in zip(money, names, strict=True):
        named = {ids[name] for name in some if name in ids}
        if len(named) != 1:
            continue
        deposit_id, gateway = named.pop()
        # What another gateway was asked for is odd.
        if notice.reference is None or gateway == event.gateway:
            told.append(_Told(event, notice, deposit_id))
    return told


def _alone(told: Iterable[_Told]) -> list[_Told]:
    """Return those that share nothing with one before them."""
    taken: set[Hashable] = set()
    alone = []
    for one in told:
        if taken.isdisjoint(one.names):
            alone.append(one)
        taken.update(one.names)
    return alone


async def _locked(session: AsyncSession, ids: Iterable[int]) -> dict[int, Deposit]:
    wanted = select(Deposit).where(Deposit.id == any_of_ids(ids)).order_by(Deposit.id).with_for_update(key_share=True)
    found = await session.scalars(wanted.execution_options(populate_existing=True))
    return {deposit.id: deposit for deposit in found}


async def _known_names(session: AsyncSession, told: Sequence[_Told]) -> set[Hashable]:
    """Return the names under which something is on record already; staff's word for a deposit is one of them."""
    row, back = Receipt, PaymentReturn
    columns = (row.gateway, row.external_id, row.natural_key, row.bank_ref, row.deposit_id, row.source)
    notices = [one.notice for one in told]
    gateway = any_of(sorted({one.event.gateway for one in told}))
    money = any_of([notice.external_id for notice in notices])
    looks = [
        select(*columns).where(row.gateway == gateway, row.external_id == money),
        select(*columns).where(row.natural_key == any_of([one.natural_key for one in notices if one.natural_key])),
        select(*columns).where(
            row.gateway == gateway, row.bank_ref == any_of([one.bank_ref for one in notices if one.bank_ref])
        ),
        select(*columns).where(row.deposit_id == any_of_ids(one.deposit_id for one in told), row.source == STAFF),
        # What went back before it came.
        select(back.gateway, back.external_id, null(), null(), null(), null()).where(
            back.gateway == gateway,
            back.external_id == money,
            back.receipt_id.is_(None),
            back.state == ReturnState.PENDING.value,
        ),
    ]
    known: set[Hashable] = set()
    for slug, external_id, natural_key, bank_ref, deposit_id, source in await session.execute(union(*looks)):
        known |= {("money", slug, external_id), ("alike", natural_key), ("bank", slug, bank_ref)}
        if source == STAFF:
            known.add(("deposit", deposit_id))
    return known
