"""Receiving messages of gateways: proved on the raw bytes, stored, committed, answered. What they are worth is settled after.

A message that proves nothing is refused and counted. One that is stored is answered with the gateway's own word for success,
whatever it says: business is nothing that a gateway could mend by sending it again. Failures of ours are raised, so it will.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.gathering import Gatherer
from smmpanel.kernel.jobs import wake
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.registry import UnknownPluginError
from smmpanel.kernel.row_sets import insert_of, rows_in
from smmpanel.notifications.alerts import raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.inbox import SETTLE_ONCE, settle_waiting
from smmpanel.payments.methods import gateway_class, gateway_for
from smmpanel.payments.models import EventOutcome, GatewayEvent, PaymentMethod
from smmpanel.payments.protocol import Gateway, HasPublicKeys, Message, Reading, Reply, UnreadableMessageError
from smmpanel.payments.public_keys import knowing_keys
from smmpanel.payments.settling import UNCLEAR

BODY_MAX_BYTES = 64 * 1024
HEADER_KEPT_MAX = 200
TOGETHER_MAX = 64
PAUSE_SECONDS = 0.002
WEBHOOK = "webhook"
_COLUMNS = (
    "gateway",
    "method_id",
    "source",
    "event_key",
    "headers",
    "body",
    "digest",
    "verdict",
    "outcome",
    "repeats",
    "received_at",
    "due_at",
)
_INSERT = insert_of(
    GatewayEvent,
    _COLUMNS,
    "ON CONFLICT (gateway, event_key) DO UPDATE SET repeats = gateway_events.repeats + excluded.repeats + 1"
    " RETURNING gateway, event_key, digest",
)
REFUSED, DIFFERS = "payment_message_refused", "payment_message_differs"


class MessageRefusedError(PanelError):
    """The message does not prove that it is the gateway's."""

    code, status, message = "message_refused", 401, "The message could not be verified."


class MessageTooLargeError(PanelError):
    """No gateway has that much to say."""

    code, status, message = "too_large", 413, "What was sent is larger than what is taken here."


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that came for a gateway, and from where."""

    gateway: str
    message: Message
    ip: str | None


@dataclass(frozen=True, slots=True)
class _Proved:
    method: PaymentMethod
    adapter: Gateway
    verdict: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A message that is to be stored; without a reading, it makes no sense."""

    proved: _Proved
    message: Message
    reading: Reading | None


Answer = Reply | Exception


class Door:
    """Where messages come in that arrive by the dozen: those that come together are stored together.

    Those that may need a gateway's keys fetched come in alone: nobody waits for a gateway but its own messages.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

        async def take(incoming: Sequence[Incoming]) -> Sequence[Answer]:
            return await receive_together(panel, incoming)

        self._taking: Gatherer[Incoming, Reply] = Gatherer(
            take, at_once=1, most=TOGETHER_MAX, pause_seconds=PAUSE_SECONDS
        )

    async def take(self, incoming: Incoming) -> Reply:
        """Take a message in: see `receive`."""
        if _may_fetch_keys(self._panel, incoming.gateway):
            return await receive(self._panel, incoming.gateway, incoming.message, ip=incoming.ip)
        return await self._taking.do(incoming)


async def receive(panel: Panel, gateway: str, message: Message, *, ip: str | None) -> Reply:
    """Take a message in, and return how it is to be answered.

    Raises `NotFoundError` for a gateway that there is not, `MessageRefusedError`, `MessageTooLargeError`, or
    `UnreadableMessageError` for one that is proved and makes no sense, which is kept.
    """
    (answer,) = await receive_together(panel, [Incoming(gateway, message, ip)])
    if isinstance(answer, Exception):
        raise answer
    return answer


async def receive_together(panel: Panel, incoming: Sequence[Incoming]) -> list[Answer]:
    """Take messages in, and return for each how it is answered, or why it is refused."""
    now = panel.clock()
    refusals = [_refusal(panel, one) for one in incoming]
    known = {one.gateway for one, refusal in zip(incoming, refusals, strict=True) if refusal is None}
    accounts = await _accounts(panel, known)
    refused: dict[int, Exception] = {}
    kept: dict[int, _Kept] = {}
    for place, (one, refusal) in enumerate(zip(incoming, refusals, strict=True)):
        proved = [] if refusal else await _proved_by(panel, accounts.get(one.gateway, ()), one.message, now)
        if not proved:
            refused[place] = refusal or MessageRefusedError()
            continue
        try:
            chosen, reading = _read(proved, one.message)
            kept[place] = _Kept(chosen, one.message, reading)
        except UnreadableMessageError as unreadable:
            kept[place], refused[place] = _Kept(proved[0], one.message, None), unreadable
    async with panel.db.transaction() as session:
        unproved = [incoming[place] for place, why in refused.items() if isinstance(why, MessageRefusedError)]
        # In one order, so that two of us who count the same cannot wait for each other.
        for one in sorted(unproved, key=lambda one: one.gateway):
            await raise_alert(session, REFUSED, f"gateway:{one.gateway}", AlertLevel.WARNING, ip=one.ip or "?")
        if kept:
            await _store(session, list(kept.values()), now)
            # Proved, and refused: their gateways speak otherwise than we know, and somebody should hear of it.
            for gateway, key in sorted(_key(_row(one, now)) for one in kept.values() if one.reading is None):
                subject = f"gateway:{gateway}"
                await raise_alert(session, UNCLEAR, subject, AlertLevel.CRITICAL, gateway=gateway, key=key)
        if any(one.reading is not None for one in kept.values()):
            wake(session, settle_waiting.call(once=SETTLE_ONCE))
    # Only now: what is answered with success is safely stored.
    return [refused.get(place) or kept[place].proved.adapter.reply for place in range(len(incoming))]


def _may_fetch_keys(panel: Panel, gateway: str) -> bool:
    try:
        return issubclass(gateway_class(panel, gateway), HasPublicKeys)
    except UnknownPluginError:
        return False


def _refusal(panel: Panel, one: Incoming) -> PanelError | None:
    try:
        gateway_class(panel, one.gateway)
    except UnknownPluginError:
        return NotFoundError()
    return MessageTooLargeError() if len(one.message.body) > BODY_MAX_BYTES else None


async def _accounts(panel: Panel, gateways: set[str]) -> Mapping[str, list[tuple[PaymentMethod, Gateway]]]:
    """Return the accounts at these gateways, offered or not, with their adapters: secrets are opened once for all."""
    if not gateways:
        return {}
    row = PaymentMethod
    wanted = select(row).where(row.gateway.in_(gateways)).order_by(row.enabled.desc(), row.position, row.id)
    async with panel.db.transaction() as session:
        methods = (await session.scalars(wanted)).all()
    found: dict[str, list[tuple[PaymentMethod, Gateway]]] = {}
    for method in methods:
        found.setdefault(method.gateway, []).append((method, gateway_for(panel, method)))
    return found


async def _proved_by(
    panel: Panel, accounts: Iterable[tuple[PaymentMethod, Gateway]], message: Message, now: datetime
) -> list[_Proved]:
    found = []
    for method, plain in accounts:
        adapter = await knowing_keys(panel, method, plain, message)
        if (verdict := adapter.verify(message, now)) is not None:
            found.append(_Proved(method, adapter, verdict))
    return found


def _read(proved: list[_Proved], message: Message) -> tuple[_Proved, Reading]:
    # Several accounts can share a secret: the one that the money arrived on speaks.
    first = proved[0], proved[0].adapter.read(message, proved[0].verdict)
    for one in proved:
        reading = one.adapter.read(message, one.verdict)
        if any(notice.account in one.adapter.accounts for notice in reading.notices):
            return one, reading
    return first


async def _store(session: AsyncSession, kept: Sequence[_Kept], now: datetime) -> None:
    rows = [_row(one, now) for one in kept]
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        first.setdefault(_key(row), row)
    came = Counter(map(_key, rows))
    # In one order, so that two of us who store the same cannot wait for each other.
    values = [{**first[key], "repeats": came[key] - 1} for key in sorted(first)]
    told = await session.execute(_INSERT, rows_in(values))
    digests = {(gateway, key): bytes(digest) for gateway, key, digest in told}
    differing = {_key(row) for row in rows if row["digest"] != digests[_key(row)]}
    for gateway, key in sorted(differing):
        # The same number with another content: the first one stands, and somebody should know.
        await raise_alert(session, DIFFERS, f"gateway:{gateway}", AlertLevel.CRITICAL, key=key)


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["gateway"], row["event_key"]


def _row(one: _Kept, now: datetime) -> dict[str, Any]:
    digest = sha256(one.message.body).digest()
    method = one.proved.method
    return {
        "gateway": method.gateway,
        "method_id": method.id,
        "source": WEBHOOK,
        "event_key": one.reading.event_key if one.reading else f"unreadable:{digest.hex()}",
        "headers": _headers(one.proved.adapter, one.message),
        "body": one.message.body,
        "digest": digest,
        "verdict": one.proved.verdict,
        "outcome": EventOutcome.WAITING.value if one.reading else EventOutcome.UNREADABLE.value,
        "received_at": now,
        "due_at": now,
    }


def _headers(adapter: Gateway, message: Message) -> dict[str, str]:
    found = {name: message.header(name) for name in adapter.kept_headers}
    return {name: value.decode("latin-1").replace("\0", "")[:HEADER_KEPT_MAX] for name, value in found.items() if value}
