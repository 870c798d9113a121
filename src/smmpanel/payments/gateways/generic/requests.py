"""Making a described request: its templates filled, signed over the very bytes that are sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from smmpanel.payments.gateways.generic.configuration import Create, Query, RefundCall, Sign
from smmpanel.payments.gateways.generic.paths import name_of, put_at
from smmpanel.payments.gateways.generic.placeholders import (
    Values,
    filled,
    filled_address,
    filled_json,
    json_bytes,
)
from smmpanel.payments.gateways.generic.signatures import Signed, signature_of
from smmpanel.payments.protocol import GatewayFailedError, UnreadableMessageError
from smmpanel.payments.signing import read_json

JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
IN_ADDRESS = frozenset({"query", "redirect_only"})


@dataclass(slots=True)
class Ready:
    """A request that can be sent, by us or by the customer's browser."""

    url: str
    mode: str
    headers: dict[str, str] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    """Of `json` only."""
    pairs: dict[str, str] = field(default_factory=dict)
    """Of all others, in their order."""
    in_query: dict[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> bytes:
        """The body, or what stands in the address in its place."""
        return json_bytes(self.document) if self.mode == "json" else urlencode(self.pairs).encode()

    @property
    def content(self) -> bytes | None:
        """What is sent as the body."""
        return None if self.mode in IN_ADDRESS else self.raw

    @property
    def address(self) -> str:
        """Where it is sent, with all that stands in the address."""
        said = {**(self.pairs if self.mode in IN_ADDRESS else {}), **self.in_query}
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(said)}" if said else self.url

    def put(self, location: str, value: str) -> None:
        """Put a signature or a time where it belongs."""
        kind, _, where = location.partition(":")
        if kind == "query":
            self.in_query[where] = value
        elif kind == "header":
            name, _, part = where.lower().partition("#")
            before = self.headers.get(name)
            self.headers[name] = value if not part else f"{before + ',' if before else ''}{part}={value}"
        elif self.mode == "json":
            put_at(self.document, where, value)
        else:
            self.pairs[name_of(where)] = value


def made(call: Create | Query | RefundCall, values: Values, secret: str) -> Ready:
    """Fill a request's templates and sign it. Raises `GatewayFailedError` where it cannot be signed."""
    ready = Ready(filled_address(call.url, values), call.body_mode)
    ready.headers = {name.lower(): filled(text, values) for name, text in call.headers.items()}
    if call.body_mode == "json":
        ready.document = filled_json(call.body, values)
        ready.headers.setdefault("content-type", JSON_TYPE)
    else:
        ready.pairs = {name: filled(_as_template(value), values) for name, value in call.body.items()}
        if call.body_mode == "form":
            ready.headers.setdefault("content-type", FORM_TYPE)
    if call.sign is not None:
        _sign(call.sign, ready, values, secret)
    return ready


def _sign(sign: Sign, ready: Ready, values: Values, secret: str) -> None:
    stamp = values["ts_ms" if sign.ts_unit == "ms" else "ts"]
    if not secret:
        raise GatewayFailedError
    if sign.timestamp_location is not None:
        ready.put(sign.timestamp_location, stamp)
    try:
        fields: Mapping[str, object] = read_json(ready.raw) if ready.mode == "json" else ready.pairs
        signature = signature_of(sign, Signed(ready.raw, fields, stamp), secret)
        ready.put(sign.location, sign.prefix + signature)
    except (UnreadableMessageError, ValueError, TypeError):
        raise GatewayFailedError from None


def _as_template(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
