"""An adapter for odd panels, configured by data alone: names of parameters and fields, words, and how numbers are written."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.providers.adapters.answers import entries_in, is_nothing
from smmpanel.providers.adapters.catalogue import read_rows, service_from
from smmpanel.providers.adapters.mapped_options import PLACEHOLDER, Call, MappedOptions, StatusCall
from smmpanel.providers.adapters.options import checked, secret_values
from smmpanel.providers.adapters.reading import amount_of, id_of, message_of, text_of, word_of
from smmpanel.providers.adapters.talking import CATALOGUE_BYTES_MAX, Reply, Talk
from smmpanel.providers.adapters.words import (
    Meaning,
    is_unknown_order,
    meaning_of,
    refill_status_of,
    status_of,
    type_of,
)
from smmpanel.providers.protocol import (
    Accepted,
    Catalogue,
    Connection,
    ProviderFailure,
    RecentOrder,
    RefusedOrder,
    Rejected,
    UpstreamBalance,
    UpstreamOrder,
    UpstreamRefillStatus,
    UpstreamReport,
    UpstreamService,
)


class Mapped:
    """One panel that is described by its options."""

    slug: ClassVar[str] = "mapped"
    status_batch_max: int = 1
    supports_listing: bool = False

    def __init__(self, connection: Connection, http: Outgoing) -> None:
        self.options = checked(MappedOptions, connection.options)
        names, parts = self.options.key_parts, connection.api_key.split("|")
        if len(parts) != len(names):
            raise InvalidInputError(field="api_key", reason=f"must have the parts {'|'.join(names)}")
        self._key = dict(zip(names, parts, strict=True))
        self._base_url = connection.base_url.strip().rstrip("/")
        self._words = {word_of(word): status for word, status in self.options.status_words.items()}
        self._types = {word_of(word): slug for word, slug in self.options.type_words.items()}
        self.status_batch_max = self.options.status.batch_max
        headers = _filled(self.options.headers, self._key)
        auth = _filled(self.options.auth, self._key)
        self._sent_always = auth
        self._talk = Talk(
            http=http,
            timeout_seconds=connection.timeout_seconds,
            secrets=(*filter(None, (connection.api_key, *parts)), *secret_values(auth, headers)),
            headers=headers,
        )

    async def services(self) -> Catalogue:
        """Read the whole catalogue."""
        reply = await self._ask(self.options.services, {}, max_body_bytes=CATALOGUE_BYTES_MAX)
        return await asyncio.to_thread(self._catalogue_in, reply)

    async def add(self, order: UpstreamOrder) -> Accepted:
        """Hand in one order, once. An id beside an error or without the mark of success is `Unclear`."""
        call = self.options.add
        reply = await self._ask(call, {**order.fields, "service": order.service})
        found = id_of(_at(_at(reply.data, call.at), call.id))
        failure = self._failure_in(reply)
        if failure is not None:
            raise reply.unclear(f"an error and an order id at once: {failure.text}") if found else failure
        if found is None:
            raise reply.unclear("neither an order id nor an error")
        if not is_nothing(_at(reply.data, "error")):
            raise reply.unclear("an error beside the mark of success")
        return Accepted(found, reply.answer)

    async def status(self, external_ids: Sequence[str]) -> Mapping[str, UpstreamReport | Rejected]:
        """Ask for several orders at once; those that the answer does not mention are left out."""
        if not external_ids:
            return {}
        assert len(external_ids) <= self.status_batch_max, "the caller splits into batches"
        call = self.options.status
        ids = call.separator.join(external_ids)
        reply = await self._ask(call, {"id": ids, "ids": ids})
        failure = self._failure_in(reply)
        if failure is not None:
            return _rejected_or_raised(failure, external_ids)
        rows = self._status_rows(reply, call, external_ids)
        if rows is None:
            raise reply.unclear("the answer is no list of states")
        read = ((key, self._report_of(row, call)) for key, row in rows.items())
        return {key: report for key, report in read if report is not None}

    async def refill(self, external_id: str) -> str:
        """Ask for a refill; returns the refill's id."""
        call = self.options.refill
        if call is None:
            raise RefusedOrder("this provider cannot refill")
        reply = await self._ask(call, {"id": external_id})
        failure = self._failure_in(reply, about_one_order=True)
        if failure is not None:
            raise failure
        found = id_of(_at(_at(reply.data, call.at), call.id))
        if found is None:
            raise reply.unclear("the answer is no refill's id")
        return found

    async def refill_status(self, refill_ids: Sequence[str]) -> Mapping[str, UpstreamRefillStatus | Rejected]:
        """Ask for the state of refills, one call each."""
        call = self.options.refill_status
        found: dict[str, UpstreamRefillStatus | Rejected] = {}
        for refill_id in refill_ids if call is not None else ():
            assert call is not None
            reply = await self._ask(call, {"id": refill_id})
            failure = self._failure_in(reply, about_one_order=True)
            if failure is not None:
                found.update(_rejected_or_raised(failure, [refill_id]))
                continue
            state = refill_status_of(_at(_at(reply.data, call.at), call.status))
            if state is not None:
                found[refill_id] = state
        return found

    async def cancel(self, external_ids: Sequence[str]) -> Mapping[str, Rejected | None]:
        """Ask to cancel, one call each; without such a call all are turned down."""
        call = self.options.cancel
        if call is None:
            return dict.fromkeys(external_ids, Rejected("this provider cannot cancel"))
        found: dict[str, Rejected | None] = {}
        for external_id in external_ids:
            reply = await self._ask(call, {"id": external_id})
            failure = self._failure_in(reply, about_one_order=True)
            found[external_id] = None
            if failure is not None:
                found.update(_rejected_or_raised(failure, [external_id]))
        return found

    async def balance(self) -> UpstreamBalance:
        """Read the account's balance."""
        call = self.options.balance
        if call is None:
            raise RefusedOrder("this provider does not tell the balance")
        reply = await self._ask(call, {})
        failure = self._failure_in(reply)
        if failure is not None:
            raise failure
        amount = self._number(_at(_at(reply.data, call.at), call.balance))
        if amount is None:
            raise reply.unclear("the answer is no balance")
        return UpstreamBalance(amount, self.options.currency)

    async def recent_orders(self, limit: int) -> Sequence[RecentOrder]:
        """There is no such list here; `supports_listing` says so."""
        raise RefusedOrder(f"this provider does not list orders (asked for {limit})")

    async def _ask(self, call: Call, values: Mapping[str, str], **limits: Any) -> Reply:
        fields = _filled(call.fields, {**values, **self._key})
        params = {**fields, **self._sent_always}
        url = f"{self._base_url}/{call.path.lstrip('/')}" if call.path else self._base_url
        return await self._talk.ask(call.method, url, params, as_json=call.body == "json", **limits)

    def _failure_in(self, reply: Reply, *, about_one_order: bool = False) -> ProviderFailure | None:
        """Return what an answer refuses, or `None` if it is a success by the panel's own marks."""
        texts = (_at(reply.data, path) for path in self.options.error_paths)
        text = next((message_of(each) for each in texts if not is_nothing(each)), "")
        success = self.options.success
        if success is None:
            refused = bool(text) or reply.status >= 400
        else:
            marker = _at(reply.data, success.path)
            refused = isinstance(marker, list | Mapping) or str(marker).lower() not in success.values
            # A message without the mark may be good news. It is a refusal only if the code or our own table says so.
            if marker is None and not (text and (reply.status >= 400 or self._own_meaning_of(text))):
                return reply.unclear("the answer has no mark of success")
            if not refused and reply.status >= 400:
                return reply.unclear(f"a mark of success with HTTP {reply.status}")
        if not refused:
            return None
        if not text:
            return reply.unclear("refused without a reason")
        meaning = self._own_meaning_of(text) or meaning_of(text)
        return reply.refusal(text, meaning=meaning, about_one_order=about_one_order)

    def _own_meaning_of(self, text: str) -> Meaning | None:
        own = (words.meaning(text) for words in self.options.errors)
        return next((meaning for meaning in own if meaning is not None), None)

    def _number(self, value: Any) -> Decimal | None:
        """Read a number in the panel's own way of writing; JSON numbers mean what they say."""
        if isinstance(value, str):
            numbers = self.options.numbers
            if numbers.thousands:
                value = value.replace(numbers.thousands, "")
            value = value.replace(numbers.decimal, ".")
        return amount_of(value)

    def _whole(self, value: Any) -> int | None:
        number = self._number(value)
        return int(number) if number is not None and number == number.to_integral_value() else None

    def _catalogue_in(self, reply: Reply) -> Catalogue:
        failure = self._failure_in(reply)
        if failure is not None:
            raise failure
        rows = _at(reply.data, self.options.services.at)
        if not isinstance(rows, list):
            raise reply.unclear("the answer is no list of services")
        return read_rows(reply, rows, self._service_of)

    def _service_of(self, row: Mapping[str, Any]) -> UpstreamService | None:
        read = self.options.services.read
        word = word_of(_at(row, read.type)) if read.type else ""
        return service_from(
            external_id=_at(row, read.service),
            name=_at(row, read.name),
            category=_part(row, read.category),
            type_word=self._types.get(word) or type_of(word),
            rate=self._number(_at(row, read.rate)),
            limits=(self._whole(_at(row, read.min)), self._whole(_at(row, read.max))),
            flags=(_part(row, read.refill), _part(row, read.cancel), _part(row, read.dripfeed)),
            description=_part(row, read.description),
            average_time=_part(row, read.average_time),
        )

    def _status_rows(self, reply: Reply, call: StatusCall, asked: Sequence[str]) -> dict[str, Any] | None:
        if len(asked) == 1:
            row = _at(reply.data, call.at)
            if isinstance(row, Mapping) and _at(row, call.read.status) is not None:
                return {asked[0]: row} if id_of(_at(row, call.read.id)) in {None, asked[0]} else None
        rows = _at(reply.data, call.many_at or call.at)
        if isinstance(rows, Mapping):
            return entries_in(rows, asked, ()) or {}
        if isinstance(rows, list):
            by_id = ((id_of(_at(row, call.read.id)), row) for row in rows)
            return {key: row for key, row in by_id if key is not None and key in set(asked)}
        return None

    def _report_of(self, row: Any, call: StatusCall) -> UpstreamReport | Rejected | None:
        read = call.read
        raw = text_of(_at(row, read.status), max_chars=60)
        if not raw:
            texts = (message_of(_at(row, path)) for path in self.options.error_paths)
            text = next((each for each in texts if each), "")
            return Rejected(text) if text else None
        return UpstreamReport(
            status=status_of(raw, self._words),
            raw_status=raw,
            charge=self._number(_part(row, read.charge)),
            start_count=self._whole(_part(row, read.start_count)),
            remains=self._whole(_part(row, read.remains)),
            currency=self.options.currency,
        )


def _rejected_or_raised(failure: ProviderFailure, asked: Sequence[str]) -> dict[str, Any]:
    if isinstance(failure, RefusedOrder) and (len(asked) == 1 or is_unknown_order(failure.text)):
        return dict.fromkeys(asked, Rejected(failure.text))
    raise failure


def _filled(templates: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Fill in placeholders; a field with one that has no value is left out."""
    return {
        name: PLACEHOLDER.sub(lambda found: values[found[1]], template)
        for name, template in templates.items()
        if all(needed in values for needed in PLACEHOLDER.findall(template))
    }


def _part(data: Any, path: str | None) -> Any:
    """Follow a path that the panel may not have."""
    return None if path is None else _at(data, path)


def _at(data: Any, path: str | None) -> Any:
    """Follow a dotted path; no path means the whole, a path that leads nowhere `None`."""
    for step in path.split(".") if path else ():
        if isinstance(data, Mapping):
            data = data.get(step)
        elif isinstance(data, list) and step.isascii() and step.isdigit() and int(step) < len(data):
            data = data[int(step)]
        else:
            return None
    return data
