"""Public keys of gateways: fetched when a message names one that is not known, and kept for good."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.payments.methods import account_of, gateway_class
from smmpanel.payments.models import GatewayKey, PaymentMethod
from smmpanel.payments.protocol import Gateway, GatewayFailedError, HasPublicKeys, Message

PAUSE = timedelta(minutes=1)
"""However many strangers name keys that there are not, the gateway is asked no more often than this."""
KEYS_MAX = 20
ASKED = ""
"""The name of the row that is no key: it says when the gateway was last asked, whatever it answered."""

# Who finds somebody asking already waits, and then looks again.
_asking: WeakValueDictionary[tuple[int, int], asyncio.Lock] = WeakValueDictionary()

log = get_logger()


async def knowing_keys(panel: Panel, method: PaymentMethod, adapter: Gateway, message: Message) -> Gateway:
    """Return the adapter with the public keys that it needs to verify a message; as it is, if it uses none."""
    if not isinstance(adapter, HasPublicKeys):
        return adapter
    known, last = await _known(panel, method.id)
    name = adapter.key_named(message)
    if _is_news(panel, name, known, last):
        place = id(asyncio.get_running_loop()), method.id
        async with _asking.setdefault(place, asyncio.Lock()):
            known, last = await _known(panel, method.id)
            if _is_news(panel, name, known, last):
                known = await _fetched(panel, method.id, adapter) | known
    account = replace(account_of(panel, method), public_keys=known)
    made: Gateway = gateway_class(panel, method.gateway)(account, panel.http)
    return made


def _is_news(panel: Panel, name: str, known: dict[str, str], last: datetime | None) -> bool:
    return bool(name) and name not in known and (last is None or panel.clock() - last >= PAUSE)


async def _known(panel: Panel, method_id: int) -> tuple[dict[str, str], datetime | None]:
    row = GatewayKey
    async with panel.db.transaction() as session:
        kept = (await session.execute(select(row.name, row.pem).where(row.method_id == method_id))).all()
        last = await session.scalar(select(func.max(row.fetched_at)).where(row.method_id == method_id))
    return {name: pem for name, pem in kept if name != ASKED}, last


async def _fetched(panel: Panel, method_id: int, adapter: HasPublicKeys) -> dict[str, str]:
    now = panel.clock()
    try:
        keys = dict(list((await adapter.fetch_public_keys(now)).items())[:KEYS_MAX])
    except GatewayFailedError:
        log.warning("payment_keys_not_fetched", method=method_id)
        keys = {}
    kept = {name: pem for name, pem in keys.items() if name != ASKED}
    rows = [{"method_id": method_id, "name": name, "pem": pem, "fetched_at": now} for name, pem in kept.items()]
    made = insert(GatewayKey).values([*rows, {"method_id": method_id, "name": ASKED, "pem": "", "fetched_at": now}])
    # A key never changes under its name: who could have it changed could have any message believed.
    refreshed = made.on_conflict_do_update(
        index_elements=[GatewayKey.method_id, GatewayKey.name], set_={"fetched_at": made.excluded.fetched_at}
    )
    async with panel.db.transaction() as session:
        await session.execute(refreshed)
    return kept
