"""What API v2 offers about orders that exist: status, refill, refill status, cancel; singly and up to a hundred at a time.

The types look random and are stable in this field, and clients depend on them (contract section 7): status values are
strings, a single refill is a string, several are numbers in an array, several statuses are an object keyed by order id.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from smmpanel.accounts.api_keys import KeyHolder
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.money import plain
from smmpanel.kernel.panel import Panel
from smmpanel.orders.cancels import request_cancel
from smmpanel.orders.queries import OrderForApi, orders_for_api, refills_for_api
from smmpanel.orders.refills import request_refills
from smmpanel.panel_api import wording
from smmpanel.panel_api.reading import Fields, id_or_none, ids_of

IDS_MAX = 100


class TooManyIdsError(PanelError):
    """More ids than one call may name."""

    code, message = "too_many_ids", f"Maximum {IDS_MAX} orders"


class Tasks:
    """Looks after orders of whoever calls; others' orders are as unknown as those that do not exist."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    async def status(self, holder: KeyHolder, fields: Fields) -> dict[str, Any]:
        """Tell how orders stand: one as it is, several keyed by id, in the order asked for."""
        if "order" in fields:
            found = await self._orders(holder, [fields["order"]])
            return _status(found.get(id_or_none(fields["order"]) or 0))
        asked = _ids(fields, "orders")
        found = await self._orders(holder, asked)
        return {text: _status(found.get(id_or_none(text) or 0)) for text in asked}

    async def _orders(self, holder: KeyHolder, asked: Sequence[str]) -> Mapping[int, OrderForApi]:
        ids = [number for text in asked if (number := id_or_none(text)) is not None]
        async with self._panel.db.transaction() as session:
            return await orders_for_api(session, holder.user_id, ids)

    async def refill(self, holder: KeyHolder, fields: Fields) -> Any:
        """Ask for refills."""
        if "order" in fields:
            answer = (await self._refills(holder, [fields["order"]]))[0]
            return {"refill": str(answer)} if isinstance(answer, int) else {"error": answer}
        asked = _ids(fields, "orders")
        answers = await self._refills(holder, asked)
        return [
            {"order": _number(text), "refill": answer if isinstance(answer, int) else {"error": answer}}
            for text, answer in zip(asked, answers, strict=True)
        ]

    async def _refills(self, holder: KeyHolder, asked: Sequence[str]) -> list[int | str]:
        ids = [number for text in asked if (number := id_or_none(text)) is not None]
        async with self._panel.db.transaction() as session:
            made = await request_refills(session, holder.user_id, ids, self._panel.clock())
        answers: list[int | str] = []
        for text in asked:
            answer = made.get(id_or_none(text) or 0)
            if answer is None:
                answers.append(wording.INCORRECT_ORDER)
            else:
                answers.append(wording.wording(answer) if isinstance(answer, PanelError) else answer.id)
        return answers

    async def refill_status(self, holder: KeyHolder, fields: Fields) -> Any:
        """Tell how refills stand."""
        if "refill" in fields:
            status = (await self._refill_words(holder, [fields["refill"]]))[0]
            return {"error": wording.REFILL_NOT_FOUND} if status is None else {"status": status}
        asked = _ids(fields, "refills")
        statuses = await self._refill_words(holder, asked)
        return [
            {"refill": _number(text), "status": {"error": wording.REFILL_NOT_FOUND} if status is None else status}
            for text, status in zip(asked, statuses, strict=True)
        ]

    async def _refill_words(self, holder: KeyHolder, asked: Sequence[str]) -> list[str | None]:
        ids = [number for text in asked if (number := id_or_none(text)) is not None]
        async with self._panel.db.transaction() as session:
            words = await refills_for_api(session, holder.user_id, ids)
        return [words.get(id_or_none(text) or 0) for text in asked]

    async def cancel(self, holder: KeyHolder, fields: Fields) -> Any:
        """Ask to cancel orders: a 1 means that the request is registered, not that the order is canceled."""
        asked = _ids(fields, "orders" if "orders" in fields else "order")
        ids = [number for text in asked if (number := id_or_none(text)) is not None]
        async with self._panel.db.transaction() as session:
            made = await request_cancel(session, holder.user_id, ids, self._panel.clock())
        answers = []
        for text in asked:
            answer = made.get(id_or_none(text) or 0)
            if answer is None or isinstance(answer, PanelError):
                error = wording.INCORRECT_ORDER if answer is None else wording.wording(answer)
                answers.append({"order": _number(text), "cancel": {"error": error}})
            else:
                answers.append({"order": _number(text), "cancel": 1})
        return answers


def _ids(fields: Fields, name: str) -> list[str]:
    asked = ids_of(fields, name)
    if not asked:
        raise IncorrectRequestError
    if len(asked) > IDS_MAX:
        raise TooManyIdsError
    return asked


class IncorrectRequestError(PanelError):
    """The call names nothing to act on."""

    code, message = "incorrect_request", wording.INCORRECT_REQUEST


def _number(text: str) -> int | str:
    """Return an id as a number where it is one, and as it was sent where it is none."""
    number = id_or_none(text)
    return text if number is None else number


def _status(order: OrderForApi | None) -> dict[str, Any]:
    if order is None:
        return {"error": wording.INCORRECT_ORDER}
    return {
        "charge": plain(order.charge),
        "start_count": str(order.start_count or 0),
        "status": order.status,
        "remains": str(order.remains),
        "currency": order.currency,
    }
