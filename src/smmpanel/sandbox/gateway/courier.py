"""Sending messages to the shop: over real HTTP, again after a failure, and only to this very machine."""

import asyncio
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from smmpanel.sandbox.gateway.faults import GatewayFault, GatewayFaults
from smmpanel.sandbox.gateway.payments import Event, Payment
from smmpanel.sandbox.gateway.vendor import Vendor, Webhook

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = (0.3, 1.0, 3.0)
TOO_MUCH = 70 * 1024
ELSEWHERE = "not sent: messages go to this machine only"
NOWHERE = "not sent: nobody said where to (--notify-base)"
SILENT = "this vendor tells nothing of it"
_ANSWER_MAX = 500


@dataclass(slots=True)
class Delivery:
    """One message, and how it went."""

    number: int
    vendor: str
    payment: Payment
    event: str
    fault: str | None
    url: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    tries: list[str] = field(default_factory=list)
    """What each try was answered, or why it was not."""
    status: int = 0
    """Of the last answer; 0 without one."""
    done: bool = False
    """Whether it was taken."""

    def row(self) -> dict[str, Any]:
        """The delivery as the control interface shows it."""
        return {
            "number": self.number,
            "vendor": self.vendor,
            "reference": self.payment.reference,
            "event": self.event,
            "fault": self.fault,
            "url": self.url,
            "body": self.body.decode("utf-8", "replace"),
            "headers": dict(self.headers),
            "tries": self.tries,
            "status": self.status,
            "done": self.done,
        }


@dataclass(slots=True)
class _Way:
    """What a message waits for, and who waits for it."""

    before: asyncio.Event | None = None
    after: asyncio.Event | None = None


class Courier:
    """Carries the messages of all vendors, each as a task of its own."""

    def __init__(self, faults: GatewayFaults, clock: Callable[[], datetime], *, notify_base: str) -> None:
        self._faults = faults
        self._clock = clock
        self.notify_base = notify_base
        self.retry_seconds: tuple[float, ...] = RETRY_SECONDS
        self.deliveries: list[Delivery] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, asyncio.Event] = {}
        self._client: httpx.AsyncClient | None = None

    def carry(self, vendor: Vendor, event: Event) -> None:
        """Begin to deliver what a vendor tells of an event, as the fault script wants it."""
        rule = self._faults.strike("message", vendor.name, payment=event.payment, event=event.kind.value)
        copies = int(rule.params.get("copies", 2)) if rule is not None and rule.kind == "duplicate" else 1
        way = _Way(before=self._waiting.pop(event.payment.token, None))
        if rule is not None and rule.kind == "reorder":
            way.after = self._waiting[event.payment.token] = asyncio.Event()
        for _ in range(copies):
            self._begin(vendor, event, rule, way)

    def send_again(self, vendor: Vendor, event: Event, fault: GatewayFault | None = None) -> None:
        """Deliver a message, whatever the fault script says; with a fault of its own."""
        self._begin(vendor, event, fault, _Way())

    def of(self, payment: Payment) -> list[Delivery]:
        """Return what was sent about a payment."""
        return [one for one in self.deliveries if one.payment is payment]

    async def idle(self, seconds: float) -> bool:
        """Wait until nothing is under way; whether it is so in time."""
        while self._tasks and seconds > 0:
            started = asyncio.get_running_loop().time()
            await asyncio.wait(set(self._tasks), timeout=seconds)
            seconds -= asyncio.get_running_loop().time() - started
        return not self._tasks

    async def close(self) -> None:
        """Drop what is under way."""
        self.forget()
        if self._client is not None:
            await self._client.aclose()

    def forget(self) -> None:
        """Drop what is under way and forget what was sent."""
        for task in self._tasks:
            task.cancel()
        self.deliveries.clear()
        self._waiting.clear()

    def _begin(self, vendor: Vendor, event: Event, rule: GatewayFault | None, way: _Way) -> None:
        name = rule.kind if rule is not None else None
        delivery = Delivery(len(self.deliveries) + 1, vendor.name, event.payment, event.kind.value, name)
        self.deliveries.append(delivery)
        if name == "lose":
            delivery.tries.append("lost on the way")
            return
        task = asyncio.create_task(self._deliver(vendor, event, rule, delivery, way))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(
        self, vendor: Vendor, event: Event, rule: GatewayFault | None, delivery: Delivery, way: _Way
    ) -> None:
        try:
            if rule is not None:
                await _hold(rule, way)
            for pause in (*self.retry_seconds, None):
                delivery.done = await self._try(_speaker(vendor, rule), event, rule, delivery)
                if delivery.done or pause is None or not delivery.url:
                    return
                await asyncio.sleep(pause)
        except Exception:  # noqa: BLE001 - a mistake of ours is shown where the message would be
            text = traceback.format_exc()
            sys.stderr.write(text)
            delivery.tries.append(text)
        finally:
            if way.before is not None:
                way.before.set()

    async def _try(self, vendor: Vendor, event: Event, rule: GatewayFault | None, delivery: Delivery) -> bool:
        webhook = vendor.webhook(event, self._clock())
        if webhook is None:
            delivery.tries.append(SILENT)
            return True
        delivery.body, delivery.headers = _spoilt(webhook, rule)
        wanted = webhook.url or event.payment.notify_url
        if (problem := self._address(wanted, vendor, delivery)) is not None:
            delivery.tries.append(problem)
            return False
        try:
            headers = {name.encode(): value.encode() for name, value in delivery.headers.items()}
            answer = await self._http().post(delivery.url, content=delivery.body, headers=headers)
        except httpx.HTTPError as error:
            delivery.status = 0
            delivery.tries.append(f"no answer: {type(error).__name__}")
            return False
        delivery.status = answer.status_code
        delivery.tries.append(f"{answer.status_code} {answer.text[:_ANSWER_MAX]}")
        return vendor.takes(answer.status_code, answer.content)

    def _address(self, wanted: str, vendor: Vendor, delivery: Delivery) -> str | None:
        """Note where a message goes; returns why it does not."""
        address = wanted or f"{self.notify_base}/api/payment/{vendor.gateway}/webhook"
        if urlsplit(address).hostname not in LOOPBACK and self.notify_base:
            base, given = urlsplit(self.notify_base), urlsplit(address)
            address = urlunsplit((base.scheme, base.netloc, given.path, given.query, ""))
        if not urlsplit(address).hostname:
            return NOWHERE
        if urlsplit(address).hostname not in LOOPBACK:
            return ELSEWHERE
        delivery.url = address
        return None

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)
        return self._client


async def _hold(rule: GatewayFault, way: _Way) -> None:
    if rule.kind == "delay":
        await asyncio.sleep(float(rule.params.get("seconds", 5)))
    elif way.after is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(float(rule.params.get("seconds", 10))):
                await way.after.wait()


def _speaker(vendor: Vendor, rule: GatewayFault | None) -> Vendor:
    if rule is None:
        return vendor
    others = {"forge": vendor.forger, "other_environment": vendor.other_environment}
    return others[rule.kind]() if rule.kind in others else vendor


def _spoilt(webhook: Webhook, rule: GatewayFault | None) -> tuple[bytes, dict[str, str]]:
    headers = {"content-type": "application/json", **{name.lower(): text for name, text in webhook.headers.items()}}
    match rule.kind if rule is not None else "":
        case "cut":
            return webhook.body[: len(webhook.body) // 2], headers
        case "huge":
            return webhook.body + b" " * TOO_MUCH, headers
        case "odd_headers":
            return webhook.body, {
                name: text if name == "content-type" else f"{text}é" for name, text in headers.items()
            }
    return webhook.body, headers
