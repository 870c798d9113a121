"""Receiving messages of gateways: proved on the raw bytes, stored, committed, answered. What they are worth is settled after.

A message that proves nothing is refused and counted. One that is stored is answered with the gateway's own word for success,
whatever it says: business is nothing that a gateway could mend by sending it again. Failures of ours are raised, so it will.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Boolean, ColumnElement, literal_column
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.jobs import wake
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.registry import UnknownPluginError
from smmpanel.notifications.alerts import raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.inbox import SETTLE_ONCE, settle_waiting
from smmpanel.payments.methods import gateway_class, gateway_for, methods_of
from smmpanel.payments.models import EventOutcome, GatewayEvent, PaymentMethod
from smmpanel.payments.protocol import Gateway, Message, Reading, Reply, UnreadableMessageError
from smmpanel.payments.public_keys import knowing_keys

BODY_MAX_BYTES = 64 * 1024
HEADER_KEPT_MAX = 200
WEBHOOK = "webhook"
REFUSED, DIFFERS = "payment_message_refused", "payment_message_differs"


class MessageRefusedError(PanelError):
    """The message does not prove that it is the gateway's."""

    code, status, message = "message_refused", 401, "The message could not be verified."


class MessageTooLargeError(PanelError):
    """No gateway has that much to say."""

    code, status, message = "too_large", 413, "What was sent is larger than what is taken here."


@dataclass(frozen=True, slots=True)
class _Proved:
    method: PaymentMethod
    adapter: Gateway
    verdict: str


async def receive(panel: Panel, gateway: str, message: Message, *, ip: str | None) -> Reply:
    """Take a message in, and return how it is to be answered.

    Raises `NotFoundError` for a gateway that there is not, `MessageRefusedError`, `MessageTooLargeError`, or
    `UnreadableMessageError` for one that is proved and makes no sense, which is kept.
    """
    try:
        gateway_class(panel, gateway)
    except UnknownPluginError:
        raise NotFoundError from None
    if len(message.body) > BODY_MAX_BYTES:
        raise MessageTooLargeError
    now = panel.clock()
    async with panel.db.transaction() as session:
        methods = await methods_of(session, gateway)
    proved = await _proved_by(panel, methods, message, now)
    if not proved:
        await _refuse(panel, gateway, ip)
    try:
        chosen, reading = _read(proved, message)
    except UnreadableMessageError:
        async with panel.db.transaction() as session:
            await _store(session, proved[0], message, None, now)
        raise
    async with panel.db.transaction() as session:
        await _store(session, chosen, message, reading, now)
        wake(session, settle_waiting.call(once=SETTLE_ONCE))
    return chosen.adapter.reply


async def _proved_by(panel: Panel, methods: list[PaymentMethod], message: Message, now: datetime) -> list[_Proved]:
    found = []
    for method in methods:
        adapter = await knowing_keys(panel, method, gateway_for(panel, method), message)
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


async def _refuse(panel: Panel, gateway: str, ip: str | None) -> None:
    async with panel.db.transaction() as session:
        await raise_alert(session, REFUSED, f"gateway:{gateway}", AlertLevel.WARNING, ip=ip or "?")
    raise MessageRefusedError


async def _store(
    session: AsyncSession, proved: _Proved, message: Message, reading: Reading | None, now: datetime
) -> None:
    digest = sha256(message.body).digest()
    event = {
        "gateway": proved.method.gateway,
        "method_id": proved.method.id,
        "source": WEBHOOK,
        "event_key": reading.event_key if reading else f"unreadable:{digest.hex()}",
        "headers": _kept(proved.adapter, message),
        "body": message.body,
        "digest": digest,
        "verdict": proved.verdict,
        "outcome": EventOutcome.WAITING.value if reading else EventOutcome.UNREADABLE.value,
        "received_at": now,
        "due_at": now,
    }
    stored = insert(GatewayEvent).values(event)
    once = stored.on_conflict_do_update(
        index_elements=[GatewayEvent.gateway, GatewayEvent.event_key], set_={"repeats": GatewayEvent.repeats + 1}
    )
    is_first: ColumnElement[bool] = literal_column("xmax = 0", Boolean)
    kept, is_new = (await session.execute(once.returning(GatewayEvent.digest, is_first))).one()
    if not is_new and bytes(kept) != digest:
        # The same number with another content: the first one stands, and somebody should know.
        key = str(event["event_key"])
        subject = f"gateway:{proved.method.gateway}"
        await raise_alert(session, DIFFERS, subject, AlertLevel.CRITICAL, key=key)


def _kept(adapter: Gateway, message: Message) -> dict[str, str]:
    found = {name: message.header(name) for name in adapter.kept_headers}
    return {name: value.decode("latin-1").replace("\0", "")[:HEADER_KEPT_MAX] for name, value in found.items() if value}
