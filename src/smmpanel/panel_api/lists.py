"""The answer to `services`, made once per price list and kept while it holds."""

from collections import OrderedDict

import orjson

from smmpanel.catalog.price_lists import Prices, ServiceRow, price_list
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.kernel.money import plain
from smmpanel.kernel.panel import Panel
from smmpanel.panel_api.knowing import Known

KEPT_BYTES_MAX = 16 * 1024 * 1024


class ServiceLists:
    """Rendered catalogues by price list: one for each discount, and one each for users who have own rates."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._kept: OrderedDict[Prices, tuple[str, bytes]] = OrderedDict()

    async def body_for(self, known: Known) -> bytes:
        """Return the catalogue as a caller is to see it, rendered."""
        whose = known.prices
        kept = self._kept.get(whose)
        if kept is not None and kept[0] == known.catalog:
            self._kept.move_to_end(whose)
            return kept[1]
        async with self._panel.db.transaction() as session:
            rows = await price_list(session, whose, self._panel.currency)
        body = orjson.dumps([_entry(row) for row in rows])
        self._kept.pop(whose, None)
        self._kept[whose] = (known.catalog, body)
        self._forget()
        return body

    def _forget(self) -> None:
        size = sum(len(body) for _, body in self._kept.values())
        while size > KEPT_BYTES_MAX and len(self._kept) > 1:
            _, (_, body) = self._kept.popitem(last=False)
            size -= len(body)


def _entry(row: ServiceRow) -> dict[str, object]:
    return {
        "service": row.id,
        "name": row.name,
        "type": SERVICE_TYPES[row.type].wire_name,
        "category": row.category,
        "rate": plain(row.rate),
        "min": str(row.min),
        "max": str(row.max),
        "dripfeed": row.dripfeed,
        "refill": row.refill,
        "cancel": row.cancel,
        "desc": row.description,
    }
