"""What the fake of one vendor must offer. `vendors/__init__.py` says how to add one."""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl

import orjson

from smmpanel.sandbox.gateway.desk import Desk
from smmpanel.sandbox.gateway.payments import Event, Payment
from smmpanel.sandbox.http_server import JSON

Action = Literal["create", "query", "list", "refund", "page", "other"]
"""What a call is for: faults strike the calls of one of these."""
ACTIONS: tuple[Action, ...] = ("create", "query", "list", "refund", "page", "other")


class BadCallError(Exception):
    """The body of a call is not what it says it is."""


def encoded(body: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Write JSON without blanks; a `Decimal` is written as a number, to the letter."""
    return orjson.dumps(body, default=_number)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value:f}")
    raise TypeError(f"{type(value).__name__} is no JSON")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a shop, or of its customer's browser."""

    method: str
    path: str
    """Below the vendor's own address."""
    named: Mapping[str, str]
    """What stood in the path's `{names}`."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    desk: Desk

    def header(self, name: str) -> str:
        """Return a header; one that is missing is empty."""
        return self.headers.get(name, "")

    def json(self) -> dict[str, Any]:
        """Read a JSON object; fractions become `Decimal`. Raises `BadCallError`."""
        try:
            found = json.loads(self.body, parse_float=Decimal)
        except ValueError:
            raise BadCallError("the body is no JSON") from None
        if not isinstance(found, dict):
            raise BadCallError("the body is no JSON object")
        return found

    def form(self) -> dict[str, str]:
        """Read a form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def bearer(self) -> str:
        """The token of `Authorization: Bearer`, or nothing."""
        scheme, _, token = self.header("authorization").partition(" ")
        return token if scheme.lower() == "bearer" else ""

    @property
    def basic(self) -> tuple[str, str]:
        """Name and password of `Authorization: Basic`, or nothing twice."""
        scheme, _, code = self.header("authorization").partition(" ")
        if scheme.lower() != "basic":
            return "", ""
        try:
            name, _, password = base64.b64decode(code, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return name, password


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call is answered: a mapping or list as JSON (see `encoded`), text or bytes as they are."""

    body: Mapping[str, Any] | Sequence[Any] | str | bytes
    status: int = 200
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One call that a vendor takes: `Route("GET", "/transaction/verify/{reference}", "query", self._verify)`."""

    method: str
    path: str
    action: Action
    handle: Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message as it is sent. Without a URL it goes where the payment, or the shop once for all, wants it."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


class Vendor(ABC):
    """The other side of one gateway. Keeps nothing itself: payments are at the desk."""

    name: ClassVar[str]
    """The first part of its addresses, and what it is called in options."""
    title: ClassVar[str]
    gateway: ClassVar[str]
    """What the panel calls it: its messages go to `/api/payment/<gateway>/webhook`."""
    keys: ClassVar[Mapping[str, str]]
    """The secrets it shares with the shop, and what they are unless others are given."""
    currency: ClassVar[str]
    """One that it takes, for demonstrations and tests."""

    def __init__(self, keys: Mapping[str, str] | None = None, *, live: bool = False) -> None:
        self.secrets = {**self.keys, **(keys or {})}
        self.live = live
        """Whether it speaks as the real thing: for messages of the wrong environment."""

    @abstractmethod
    def setup(self, address: str) -> Mapping[str, str]:
        """Return what the panel's method is set up with, options and secrets by name, for the vendor at this address."""

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return the calls it takes, the first that fits first."""

    @abstractmethod
    def webhook(self, event: Event, now: datetime) -> Webhook | None:
        """Return the signed message about an event; `None` if this vendor tells nothing of it. Made anew for each try."""

    def takes(self, status: int, body: bytes) -> bool:  # noqa: ARG002 - some vendors read it
        """Whether an answer to a message means that it need not be sent again."""
        return 200 <= status < 300

    def return_address(self, payment: Payment) -> str:
        """Return where the customer is sent back to, with what the vendor adds."""
        return payment.return_url

    def forger(self) -> "Vendor":
        """Return somebody who speaks like this vendor and has none of its keys."""
        return type(self)({name: f"forged-{name}" for name in self.secrets}, live=self.live)

    def other_environment(self) -> "Vendor":
        """Return the same vendor speaking as the real thing."""
        return type(self)(self.secrets, live=not self.live)
