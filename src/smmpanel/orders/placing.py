"""Placing orders: checked, paid and queued, many at a time, each with its own answer.

Set-based from end to end: a single order is a list of one, a mass order of 10,000 lines is one call, and the reseller API
places together what arrived together. Locks are taken in the house's order: guarded links, wallets, rows of our own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.states import AccountState, refuse_inactive
from smmpanel.catalog.price_lists import sale_terms
from smmpanel.catalog.routes import routes_for
from smmpanel.catalog.stock import claim_stock
from smmpanel.kernel.errors import ConflictError, NotFoundError, PanelError
from smmpanel.kernel.money import Money
from smmpanel.ledger import (
    InsufficientFundsError,
    KeyReusedError,
    Reason,
    Transfer,
    UserAccounts,
    lock_users,
    post_fresh,
)
from smmpanel.orders.coupons import Coupons, CouponWorthlessError
from smmpanel.orders.drafting import Draft, NewOrder, check_key, draft
from smmpanel.orders.guarding import LinkInUseError, busy_links
from smmpanel.orders.inserting import insert_orders, take_order_ids
from smmpanel.orders.models import OrderKind
from smmpanel.orders.spending import DailySpends, SpendCapError
from smmpanel.orders.stocking import hand_over
from smmpanel.orders.waking import wake_for

__all__ = ["NewOrder", "OutOfStockError", "Placed", "place_order", "place_orders"]


class OutOfStockError(ConflictError):
    """Fewer units are in stock than were ordered."""

    code, message = "out_of_stock", "There are not that many in stock."


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that exists and is paid. `repeated` tells that its key had placed it before."""

    order_id: int
    charge: Money
    repeated: bool = False


Answer = Placed | PanelError


@dataclass(slots=True)
class _Batch:
    """Orders on their way through: answers fill up from the front, drafts are what is still in the running."""

    currency: str
    now: datetime
    answers: dict[int, Answer] = field(default_factory=dict)
    drafts: dict[int, Draft] = field(default_factory=dict)
    refused: dict[int, NewOrder] = field(default_factory=dict)
    """Orders that could not be placed now. If their key has placed them before, they are still that order."""
    accepted: dict[int, Draft] = field(default_factory=dict)
    twins: dict[int, int] = field(default_factory=dict)
    """Orders with the key of an earlier one of this batch, which is given."""


async def place_order(session: AsyncSession, order: NewOrder, *, currency: str, now: datetime) -> Placed:
    """Place one order or raise why not."""
    answer = (await place_orders(session, [order], currency=currency, now=now))[0]
    if isinstance(answer, PanelError):
        raise answer
    return answer


async def place_orders(
    session: AsyncSession,
    orders: Sequence[NewOrder],
    *,
    currency: str,
    now: datetime,
    dry_run: bool = False,
    states: Mapping[int, AccountState] | None = None,
) -> list[Answer]:
    """Place all orders that can be, in the order given, and say for each: placed, or why not.

    An order is paid in full when it is placed; what a wallet does not cover is refused and changes nothing. With `dry_run`
    the answers are the same except that order ids are zero, and nothing is written. `states` are those of the buyers'
    accounts, where this transaction has read them already.
    """
    batch = _Batch(currency, now)
    if states is None:
        states = await _account_states(session, {order.user_id for order in orders})
    await _check(session, batch, orders, states)
    # What is locked may have to be made first: accounts, counters. A dry run leaves not even those.
    savepoint = await session.begin_nested() if dry_run else None
    busy = await busy_links(session, batch.drafts.values())
    buyers = {one.order.user_id for one in batch.drafts.values()}
    accounts = await lock_users(session, buyers, currency) if buyers else {}
    await _answer_repeats(session, batch)
    spends = await DailySpends.read(session, [one.order for one in batch.drafts.values()], now)
    coupons = await Coupons.read(session, [one.order for one in batch.drafts.values()], now)
    _accept(batch, accounts, busy, spends, coupons)
    if savepoint is not None:
        await savepoint.rollback()
        batch.answers |= {index: Placed(0, Money(one.charge, currency)) for index, one in batch.accepted.items()}
    elif batch.accepted:
        await _write(session, batch, accounts, spends, coupons)
    _answer_twins(batch)
    return [batch.answers[index] for index in range(len(orders))]


async def _check(
    session: AsyncSession, batch: _Batch, orders: Sequence[NewOrder], states: Mapping[int, AccountState]
) -> None:
    """Validate and price everything; what fails is answered, the rest becomes drafts."""
    pairs = list({(order.user_id, order.service_id) for order in orders})
    terms = await sale_terms(session, pairs)
    routes = await routes_for(session, list({service_id for _, service_id in pairs}), batch.currency)
    for index, order in enumerate(orders):
        try:
            if order.user_id not in states:
                raise NotFoundError
            refuse_inactive(states[order.user_id])
            check_key(order)
        except PanelError as error:
            batch.answers[index] = error
            continue
        try:
            pair = (order.user_id, order.service_id)
            offered = routes.get(order.service_id, ())
            batch.drafts[index] = draft(order, terms.get(pair), offered, currency=batch.currency, now=batch.now)
        except PanelError as error:
            batch.answers[index] = error
            batch.refused[index] = order


_STATES = text("SELECT id, state FROM users WHERE id = ANY(CAST(:users AS bigint[]))")


async def _account_states(session: AsyncSession, user_ids: set[int]) -> dict[int, AccountState]:
    found = await session.execute(_STATES, {"users": list(user_ids)})
    return {user_id: AccountState(state) for user_id, state in found}


_KNOWN = text(
    "SELECT o.user_id, o.key, o.id, o.key_content, o.charge FROM orders o"
    " JOIN unnest(CAST(:users AS bigint[]), CAST(:keys AS text[])) AS asked(user_id, key)"
    " ON o.user_id = asked.user_id AND o.key = asked.key"
)


async def _answer_repeats(session: AsyncSession, batch: _Batch) -> None:
    """Answer orders whose key was used: with the same order, or with an error where the content differs.

    Runs under the wallets' locks, so of two calls with one key the second sees what the first committed.
    """
    asked_for = {index: one.order for index, one in batch.drafts.items()} | batch.refused
    keyed = {index: order for index, order in asked_for.items() if order.key is not None}
    if not keyed:
        return
    asked = {"users": [order.user_id for order in keyed.values()], "keys": [order.key for order in keyed.values()]}
    known = {(row.user_id, row.key): row for row in await session.execute(_KNOWN, asked)}
    for index, order in keyed.items():
        if row := known.get((order.user_id, order.key)):
            batch.drafts.pop(index, None)
            same = bytes(row.key_content) == order.content_hash()
            batch.answers[index] = (
                Placed(row.id, Money(row.charge, batch.currency), repeated=True)
                if same
                else KeyReusedError(key=order.key)
            )


def _accept(
    batch: _Batch,
    accounts: dict[int, UserAccounts],
    busy: set[tuple[int, str]],
    spends: DailySpends,
    coupons: Coupons,
) -> None:
    """Take orders in turn while their buyers can pay. Repeats of a key within the batch wait for `_answer_twins`."""
    available = {user: sides.wallet.balance or Decimal(0) for user, sides in accounts.items()}
    keys: dict[tuple[int, str], int] = {}
    for index, asked in batch.drafts.items():
        order = asked.order
        key = (order.user_id, order.key or "")
        if order.key is not None and key in keys:
            batch.twins[index] = keys[key]
            continue
        try:
            one = coupons.priced(asked)
        except CouponWorthlessError as error:
            batch.answers[index] = error
            continue
        refusal = _refusal(one, available[order.user_id], busy, spends, batch.currency)
        if refusal is not None:
            batch.answers[index] = refusal
            continue
        available[order.user_id] -= one.charge
        spends.add(order, one.charge)
        coupons.add(one)
        if one.guard_key is not None:
            busy.add((order.service_id, one.guard_key))
        if order.key is not None:
            keys[key] = index
        batch.accepted[index] = one


def _refusal(
    one: Draft, available: Decimal, busy: set[tuple[int, str]], spends: DailySpends, currency: str
) -> PanelError | None:
    if one.guard_key is not None and (one.order.service_id, one.guard_key) in busy:
        return LinkInUseError()
    if one.charge > available or available < 0:
        return InsufficientFundsError(needed=Money(one.charge, currency), available=Money(available, currency))
    if not spends.allows(one.order, one.charge):
        return SpendCapError(cap=Money(one.order.daily_cap or Decimal(0), currency))
    return None


async def _write(
    session: AsyncSession, batch: _Batch, accounts: dict[int, UserAccounts], spends: DailySpends, coupons: Coupons
) -> None:
    reserved = await _take_stock(session, batch, spends)
    if batch.accepted:
        placed = await insert_orders(
            session,
            list(batch.accepted.values()),
            ids=[reserved[index] for index in batch.accepted] if reserved else None,
            currency=batch.currency,
            now=batch.now,
        )
        locked = {side.id: side for both in accounts.values() for side in (both.wallet, both.held)}
        await post_fresh(
            session, locked, [_hold(order_id, one, accounts) for order_id, one in placed.items() if one.charge]
        )
        await spends.write(session)
        await coupons.write(session, placed)
        stock = [order_id for order_id, one in placed.items() if one.kind is OrderKind.STOCK]
        await hand_over(session, stock, now=batch.now)
        wake_for(session, placed.values())
        for index, (order_id, one) in zip(batch.accepted, placed.items(), strict=True):
            batch.answers[index] = Placed(order_id, Money(one.charge, batch.currency))


async def _take_stock(session: AsyncSession, batch: _Batch, spends: DailySpends) -> dict[int, int]:
    """Give stock orders their units; those that come too late are refused, and nothing of theirs has been written yet.

    Units bear the ids of their orders, so if there are any, all orders of the batch get theirs here.
    """
    stock = {index: one for index, one in batch.accepted.items() if one.kind is OrderKind.STOCK}
    if not stock:
        return {}
    ids = dict(zip(batch.accepted, await take_order_ids(session, len(batch.accepted)), strict=True))
    wants = {ids[index]: (one.order.service_id, one.content.quantity) for index, one in stock.items()}
    got = await claim_stock(session, wants, batch.now)
    for index, one in stock.items():
        if not got.get(ids[index]):
            del batch.accepted[index]
            spends.add(one.order, -one.charge)
            batch.answers[index] = OutOfStockError()
    return ids


def _hold(order_id: int, one: Draft, accounts: dict[int, UserAccounts]) -> Transfer:
    sides = accounts[one.order.user_id]
    return Transfer(
        key=f"order:{order_id}:hold",
        reason=Reason.ORDER_HOLD,
        debit=sides.wallet.id,
        credit=sides.held.id,
        amount=one.charge,
        subject=f"order:{order_id}",
    )


def _answer_twins(batch: _Batch) -> None:
    """Answer the orders that carry the key of an earlier one in the same batch, as that one was answered."""
    for index, original in batch.twins.items():
        twin, first, answer = batch.drafts[index].order, batch.drafts[original].order, batch.answers[original]
        if twin.content_hash() != first.content_hash():
            batch.answers[index] = KeyReusedError(key=twin.key)
        elif isinstance(answer, Placed):
            batch.answers[index] = Placed(answer.order_id, answer.charge, repeated=True)
        else:
            batch.answers[index] = answer
