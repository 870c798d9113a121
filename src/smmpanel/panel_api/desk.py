"""Where calls meet the database: who is calling, and orders to be placed, each in groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.api_keys import KeyClaim, KeyHasher, KeyHolder, find_keys, holder_for, touch_keys
from smmpanel.catalog.price_lists import LIST_PRICES, Prices, price_list_stamps
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.gathering import Gatherer
from smmpanel.kernel.panel import Panel
from smmpanel.orders.placing import NewOrder, Placed, place_orders
from smmpanel.panel_api.reading import Fields

PLACED_TOGETHER_MAX = 200
PLACING_PAUSE_SECONDS = 0.002
KNOWN_TOGETHER_MAX = 500


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a key, at an address."""

    claim: KeyClaim | None
    ip: str


@dataclass(frozen=True, slots=True)
class Known:
    """A caller who may act, and what decides which price list is theirs."""

    holder: KeyHolder
    catalog: str
    prices: Prices


@dataclass(frozen=True, slots=True)
class AddCall:
    """An order to be placed for whoever a key belongs to."""

    caller: Caller
    service_id: int
    fields: Fields
    key: str | None
    coupon: str


class Desk:
    """The kinds of calls that arrive by the thousand, each gathered."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self.hasher = KeyHasher(panel.vault)
        self._knowing: Gatherer[Caller, KeyHolder] = Gatherer(self._know_together, at_once=1, most=KNOWN_TOGETHER_MAX)
        self._pricing: Gatherer[Caller, Known] = Gatherer(
            self._know_prices_together, at_once=1, most=KNOWN_TOGETHER_MAX
        )
        self._adding: Gatherer[AddCall, Placed] = Gatherer(
            self._add_together, at_once=1, most=PLACED_TOGETHER_MAX, pause_seconds=PLACING_PAUSE_SECONDS
        )

    async def know(self, caller: Caller) -> KeyHolder:
        """Return who is calling; raises a `PanelError` if they may not."""
        return await self._knowing.do(caller)

    async def know_prices(self, caller: Caller) -> Known:
        """Return who is calling and which price list is theirs; raises a `PanelError` if they may not."""
        return await self._pricing.do(caller)

    async def add(self, call: AddCall) -> Placed:
        """Place an order; raises the `PanelError` that says why not."""
        return await self._adding.do(call)

    async def _know_together(self, callers: Sequence[Caller]) -> Sequence[KeyHolder | Exception]:
        now = self._panel.clock()
        async with self._panel.db.reading() as session:
            holders = await find_keys(session, _prefixes(callers))
            answers = [_holder(holders, caller) for caller in callers]
            await _note_use(session, answers, now)
        return answers

    async def _know_prices_together(self, callers: Sequence[Caller]) -> list[Known | Exception]:
        now = self._panel.clock()
        async with self._panel.db.reading() as session:
            holders = await find_keys(session, _prefixes(callers))
            answers = [_holder(holders, caller) for caller in callers]
            users = {one.user_id for one in answers if isinstance(one, KeyHolder)}
            catalog, own = await price_list_stamps(session, users)
            await _note_use(session, answers, now)
        return [
            one if isinstance(one, Exception) else Known(one, catalog, own.get(one.user_id, LIST_PRICES))
            for one in answers
        ]

    async def _add_together(self, calls: Sequence[AddCall]) -> list[Placed | Exception]:
        now = self._panel.clock()
        async with self._panel.db.transaction() as session:
            holders = await find_keys(session, _prefixes([call.caller for call in calls]))
            callers = [_holder(holders, call.caller) for call in calls]
            orders = [
                _new_order(one, call) for one, call in zip(callers, calls, strict=True) if isinstance(one, KeyHolder)
            ]
            states = {one.user_id: one.state for one in holders.values()}
            placed = iter(await place_orders(session, orders, currency=self._panel.currency, now=now, states=states))
            await _note_use(session, callers, now)
        return [next(placed) if isinstance(one, KeyHolder) else one for one in callers]


async def _note_use(session: AsyncSession, callers: Sequence[KeyHolder | Exception], now: datetime) -> None:
    due = {one.key_id for one in callers if isinstance(one, KeyHolder) and one.is_touch_due(now)}
    if due:
        await touch_keys(session, list(due), now)


def _prefixes(callers: Sequence[Caller]) -> list[str]:
    return list({caller.claim.prefix for caller in callers if caller.claim is not None})


def _holder(holders: dict[str, KeyHolder], caller: Caller) -> KeyHolder | PanelError:
    try:
        return holder_for(holders, caller.claim, caller.ip)
    except PanelError as error:
        return error


def _new_order(holder: KeyHolder, call: AddCall) -> NewOrder:
    return NewOrder(
        user_id=holder.user_id,
        service_id=call.service_id,
        raw=call.fields,
        key=call.key,
        api_key_id=holder.key_id,
        daily_cap=holder.daily_spend_cap,
        coupon=call.coupon,
    )
