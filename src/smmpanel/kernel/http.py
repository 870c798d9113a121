"""Outgoing HTTP, wrapped once: guarded addresses, time-outs, size caps, no redirects, and failures that say what may have left.

Everything that the panel calls on somebody's word (providers, gateways, webhooks) goes through `Outgoing`.
"""

import asyncio
import html
import ipaddress
import json as json_codec
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import certifi
import h11

from smmpanel.kernel.addresses import AllowList, is_public
from smmpanel.kernel.http_wire import (
    AddressForbiddenError,
    AnswerLostError,
    AnswerTooLargeError,
    NotSentError,
    OutgoingError,
    RawAnswer,
    Wire,
    unpack,
)

__all__ = [
    "AddressForbiddenError",
    "Answer",
    "AnswerLostError",
    "AnswerTooLargeError",
    "NotSentError",
    "Outgoing",
    "OutgoingError",
    "redacted",
]

USER_AGENT = "smmpanel/1.0"
HIDDEN = "[hidden]"
REDACTION_INPUT_MAX = 64 * 1024
UNPACKED_HERE_MAX = 64 * 1024
ADDRESSES_TRIED_MAX = 4
KEEP_ALIVE_SECONDS = 4.0
"""Below the five seconds after which common servers close: a request written into a closing connection is an order
of which nobody knows whether it was taken."""


_PERCENT = re.compile("%[0-9A-F]{2}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered, redirects and error codes included. Header names are lower case."""

    status: int
    body: bytes
    took_ms: int
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text, whatever bytes it is made of."""
        return self.body.decode("utf-8-sig", errors="replace")


class Target(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """Host, and port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


class Outgoing:
    """An HTTP client that keeps connections, belongs to one event loop, and calls only where it may."""

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        connect_timeout_seconds: float = 5.0,
        timeout_seconds: float = 30.0,
        max_body_bytes: int = 2 * 1024 * 1024,
        max_connections: int = 128,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
        user_agent: str = USER_AGENT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = AllowList(allow)
        self._connect_timeout_seconds = connect_timeout_seconds
        self._timeout_seconds = timeout_seconds
        self._max_body_bytes = max_body_bytes
        self._max_connections = max_connections
        self._keep_alive_seconds = keep_alive_seconds
        self._user_agent = user_agent
        self._tls = tls
        self._places = asyncio.Semaphore(max_connections)
        self._busy: set[Wire] = set()
        self._idle: dict[tuple[str, str, int], list[Wire]] = {}

    async def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
        max_body_bytes: int | None = None,
        secrets: Sequence[str] = (),
    ) -> Answer:
        """Send one request, once, and return the whole answer.

        Raises `NotSentError` if provably nothing left, `AnswerLostError` for everything after the first byte may have
        left, `AnswerTooLargeError` among it. `secrets` are kept out of the failures' texts. Redirects are answers.
        """
        limit = self._max_body_bytes if max_body_bytes is None else max_body_bytes
        seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        started = time.perf_counter()
        wire: Wire | None = None
        try:
            target = _target(url)
            body, kind = _encoded(form, json, content)
            head = self._head(method, target, params, len(body), kind | dict(headers or {}))
            async with asyncio.timeout(seconds), self._connected(target) as wire:
                raw = await wire.ask(head, body, body_max=limit)
            plain = await _unpacked(raw, limit)
        except TimeoutError:
            if wire is None:
                raise NotSentError("no connection came about in time") from None
            raise AnswerLostError(f"no whole answer within {seconds:g} seconds") from None
        except OutgoingError as failure:
            raise type(failure)(redacted(failure.text, secrets)) from None
        took_ms = round((time.perf_counter() - started) * 1000)
        return Answer(raw.status, plain, took_ms, raw.headers.get("content-type", ""), raw.headers)

    async def aclose(self) -> None:
        """Close all connections; calls under way fail as lost."""
        wires = [*self._busy, *(wire for idle in self._idle.values() for wire in idle)]
        self._idle.clear()
        for wire in wires:
            wire.drop()
        for wire in wires:
            await wire.gone()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _head(
        self, method: str, target: Target, params: Mapping[str, str] | None, length: int, headers: Mapping[str, str]
    ) -> h11.Request:
        path = target.path
        if params:
            path += ("&" if "?" in path else "?") + urlencode(params)
        lines = {
            "host": target.host_header,
            "user-agent": self._user_agent,
            "accept": "*/*",
            "accept-encoding": "gzip",
        }
        if length or method not in {"GET", "HEAD"}:
            lines["content-length"] = str(length)
        lines.update({name.lower(): value for name, value in headers.items()})
        try:
            return h11.Request(method=method, target=path, headers=list(lines.items()))
        except (h11.LocalProtocolError, UnicodeError) as wrong:
            raise NotSentError(f"the request cannot be written: {wrong}") from None

    @asynccontextmanager
    async def _connected(self, target: Target) -> AsyncIterator[Wire]:
        async with self._places:
            key = target[:3]
            wire = self._rested(key) or await self._opened(target)
            self._busy.add(wire)
            try:
                yield wire
            except BaseException:
                wire.drop()
                raise
            finally:
                self._busy.discard(wire)
            if wire.rest(now=time.monotonic(), seconds=self._keep_alive_seconds):
                self._idle.setdefault(key, []).append(wire)
            else:
                wire.drop()

    def _rested(self, key: tuple[str, str, int]) -> Wire | None:
        """Take the connection that was used last and is still good; close those that are not."""
        idle = self._idle.get(key, [])
        now = time.monotonic()
        while idle:
            wire = idle.pop()
            if wire.is_fresh(now):
                return wire
            wire.drop()
        self._idle.pop(key, None)
        return None

    async def _opened(self, target: Target) -> Wire:
        self._make_room()
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                addresses = await self._addresses(target)
                for last, address in enumerate(addresses, start=1 - len(addresses)):
                    try:
                        return await self._connect(target, address)
                    except (OSError, ssl.SSLError) as wrong:
                        if last == 0:
                            raise NotSentError(f"no connection to {target.host}: {_reason(wrong)}") from None
        except TimeoutError:
            raise NotSentError(f"no connection to {target.host} in time") from None
        raise NotSentError(f"{target.host} has no address")

    async def _connect(self, target: Target, address: str) -> Wire:
        secure = target.scheme == "https"
        # The literal address goes in, so nothing is resolved again; the name is still the one the certificate must bear.
        wire = Wire()
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: wire,
                address,
                target.port,
                ssl=self._tls_context() if secure else None,
                server_hostname=target.host if secure else None,
            )
        except BaseException:
            wire.drop()  # cancelled in the very moment in which it was opened
            raise
        return wire

    async def _addresses(self, target: Target) -> list[str]:
        """Resolve once and keep only the addresses that may be called."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as wrong:
            raise NotSentError(f"{target.host} cannot be resolved: {_reason(wrong)}") from None
        literals = list(dict.fromkeys(str(row[4][0]) for row in found))
        fit = [literal for literal in literals if self._may_call(target, literal)]
        if literals and not fit:
            raise AddressForbiddenError(f"{target.host} leads to a private or reserved address")
        return fit[:ADDRESSES_TRIED_MAX]

    def _may_call(self, target: Target, literal: str) -> bool:
        try:
            address = ipaddress.ip_address(literal)
        except ValueError:
            return False
        return is_public(address) or self._allow.admits(target.host, target.port, address)

    def _make_room(self) -> None:
        """Close the connections that have rested longest while all together would be too many."""
        resting = sum(map(len, self._idle.values()))
        while resting and len(self._busy) + resting >= self._max_connections:
            key = min(self._idle, key=lambda key: self._idle[key][0].idle_until if self._idle[key] else 0.0)
            if self._idle[key]:
                self._idle[key].pop(0).drop()
                resting -= 1
            else:
                del self._idle[key]

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.load_verify_locations(certifi.where())
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


@lru_cache(maxsize=512)
def _target(url: str) -> Target:
    """Take a URL apart; raises `AddressForbiddenError` for what is no plain http or https URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressForbiddenError("this is no URL that can be called") from None
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None or parts.password is not None:
        raise AddressForbiddenError("only plain http and https URLs can be called")
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise AddressForbiddenError("this is no host name") from None
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return Target(parts.scheme, host.rstrip("."), port or (443 if parts.scheme == "https" else 80), path)


def _encoded(form: Mapping[str, str] | None, json: Any, content: bytes | None) -> tuple[bytes, dict[str, str]]:
    if form is not None:
        return urlencode(form, errors="replace").encode("ascii"), {"content-type": "application/x-www-form-urlencoded"}
    if json is not None:
        text = json_codec.dumps(json, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace"), {"content-type": "application/json"}
    return content or b"", {}


async def _unpacked(raw: RawAnswer, limit: int) -> bytes:
    encoding = raw.headers.get("content-encoding", "")
    if encoding and len(raw.body) > UNPACKED_HERE_MAX:
        # A whole catalogue would hold up every other call of this process.
        return await asyncio.to_thread(unpack, bytes(raw.body), encoding, body_max=limit)
    return unpack(bytes(raw.body), encoding, body_max=limit)


def _reason(wrong: Exception) -> str:
    if isinstance(wrong, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({wrong.verify_message})"
    if isinstance(wrong, ssl.SSLError):
        return f"TLS failed ({wrong.reason})"
    return getattr(wrong, "strerror", None) or type(wrong).__name__


def redacted(text: str | bytes, secrets: Sequence[str] = (), *, max_chars: int = 2000) -> str:
    """Return text that may be stored, logged and shown: secrets hidden in every form they travel in, length capped.

    Zero bytes and broken surrogates go too, since neither the database nor a log line takes them.
    """
    if isinstance(text, bytes):
        text = text[: 4 * REDACTION_INPUT_MAX + 4].decode("utf-8-sig", errors="replace")
    shown = text[:REDACTION_INPUT_MAX]
    forms = _forms(tuple(secrets))
    for form in forms:
        shown = shown.replace(form, HIDDEN)
    if len(text) > REDACTION_INPUT_MAX and forms:
        shown = shown[: -len(forms[0])]  # the cut may have gone through a secret
    shown = shown.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return shown if len(shown) <= max_chars else shown[: max_chars - 1] + "…"


@lru_cache(maxsize=256)
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """The shapes that secrets take in a URL, a form, JSON and HTML, longest first."""
    found: set[str] = set()
    for secret in filter(None, secrets):
        percent = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
        coded = {json_codec.dumps(secret)[1:-1], json_codec.dumps(secret, ensure_ascii=False)[1:-1]}
        found |= {secret, html.escape(secret)} | percent | coded
        found |= {_PERCENT.sub(lambda escape: escape[0].lower(), form) for form in percent}
        found |= {form.replace("/", "\\/") for form in coded}
    return tuple(sorted(found, key=len, reverse=True))
