"""Where calls meet the database: who is calling, and orders to be placed, each in groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from smmpanel.accounts.api_keys import KeyClaim, KeyHasher, KeyHolder, find_keys, holder_for, touch_keys
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.gathering import Gatherer
from smmpanel.kernel.panel import Panel
from smmpanel.orders.placing import NewOrder, Placed, place_orders
from smmpanel.panel_api.knowing import KNOWN_TOGETHER_MAX, Known, find_known
from smmpanel.panel_api.reading import Fields

PLACED_TOGETHER_MAX = 200
PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a key, at an address."""

    claim: KeyClaim | None
    ip: str


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
        self._knowing: Gatherer[Caller, Known] = Gatherer(
            self._know_together, at_once=1, most=KNOWN_TOGETHER_MAX, pause_seconds=PAUSE_SECONDS
        )
        self._adding: Gatherer[AddCall, Placed] = Gatherer(
            self._add_together, at_once=1, most=PLACED_TOGETHER_MAX, pause_seconds=PAUSE_SECONDS
        )

    async def know(self, caller: Caller) -> Known:
        """Return who is calling; raises a `PanelError` if they may not."""
        return await self._knowing.do(caller)

    async def add(self, call: AddCall) -> Placed:
        """Place an order; raises the `PanelError` that says why not."""
        return await self._adding.do(call)

    async def _know_together(self, callers: Sequence[Caller]) -> list[Known | Exception]:
        now = self._panel.clock()
        async with self._panel.db.driver() as driver:
            known = await find_known(driver, _prefixes(callers))
        holders = {prefix: one.holder for prefix, one in known.items()}
        answers = [_holder(holders, caller) for caller in callers]
        if due := _to_note(answers, now):
            async with self._panel.db.reading() as session:
                await touch_keys(session, due, now)
        by_key = {one.holder.key_id: one for one in known.values()}
        return [by_key[one.key_id] if isinstance(one, KeyHolder) else one for one in answers]

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
            if due := _to_note(callers, now):
                await touch_keys(session, due, now)
        return [next(placed) if isinstance(one, KeyHolder) else one for one in callers]


def _to_note(callers: Sequence[KeyHolder | Exception], now: datetime) -> list[int]:
    return list({one.key_id for one in callers if isinstance(one, KeyHolder) and one.is_touch_due(now)})


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
