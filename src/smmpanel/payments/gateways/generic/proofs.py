"""Looking for the proof of a message: where its signature and its time stand, and whether they hold."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from smmpanel.payments.gateways.generic.configuration import IN_FIELDS, TOKENS, Notify, Sign, condition_of
from smmpanel.payments.gateways.generic.messages import fields_of
from smmpanel.payments.gateways.generic.paths import written_at
from smmpanel.payments.gateways.generic.signatures import Signed, is_ambiguous, is_proved
from smmpanel.payments.protocol import Message, UnreadableMessageError

SIGNED, AMBIGUOUS, TOKEN = "signature", "ambiguous", "token"
"""How messages are proved; only the first proves what they say."""
STAMP_DIGITS_MAX = 16
PARTS_MAX = 20


def verdict_on(notify: Notify, message: Message, secrets: Sequence[str], now: datetime) -> str | None:
    """Say how a message is proved; `None` if it is not, or is not ours."""
    if notify.ip_allowlist and not _is_from(notify, message.header(":ip")):
        return None
    try:
        fields = fields_of(notify, message.body)
    except UnreadableMessageError:
        fields = None
    if fields is None and (notify.only_when or _reads_fields(notify.sign)):
        return None
    try:
        if not all(holds(condition, fields) for condition in notify.only_when):
            return None
        return _proof(notify, message, fields or {}, secrets, now)
    except UnreadableMessageError:
        return None


def holds(condition: str, fields: object) -> bool:
    """Whether there stands what must stand there. Raises `UnreadableMessageError` for an object or a list."""
    path, values = condition_of(condition)
    return written_at(fields, path) in values


def _proof(
    notify: Notify, message: Message, fields: Mapping[str, object], secrets: Sequence[str], now: datetime
) -> str | None:
    sign = notify.sign
    given = list(_standing_at(sign.location, message, fields))
    stamp = ""
    if sign.timestamp_location is not None:
        stamps = list(_standing_at(sign.timestamp_location, message, fields))
        if len(stamps) != 1 or not _is_fresh(sign, stamps[0], now):
            return None
        stamp = stamps[0]
    raw = message.body
    if sign.payload not in IN_FIELDS and sign.location.startswith("body:"):
        cut = _without_signature(notify, message.body, given)
        if cut is None:
            return None
        raw = cut
    if not is_proved(sign, Signed(raw, fields, stamp), given, secrets):
        return None
    if sign.algo in TOKENS:
        return TOKEN
    return AMBIGUOUS if is_ambiguous(sign, fields) else SIGNED


def _reads_fields(sign: Sign) -> bool:
    return sign.payload in IN_FIELDS or "body:" in f"{sign.location} {sign.timestamp_location}"


def _standing_at(location: str, message: Message, fields: Mapping[str, object]) -> Iterator[str]:
    kind, _, where = location.partition(":")
    if kind == "body":
        if found := written_at(fields, where):
            yield found
        return
    if kind == "query":
        query = message.header(":query").decode("latin-1")
        pairs = parse_qsl(query, keep_blank_values=True) if query.count("&") < PARTS_MAX else []
        yield from [value for name, value in pairs if name == where]
        return
    name, _, part = where.partition("#")
    header = message.header(name.lower()).decode("latin-1")
    if not part:
        if header:
            yield header
        return
    for one in header.split(",")[:PARTS_MAX]:
        key, _, value = one.strip().partition("=")
        if key == part:
            yield value


def _is_fresh(sign: Sign, stamp: str, now: datetime) -> bool:
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > STAMP_DIGITS_MAX:
        return False
    seconds = int(stamp) / (1000 if sign.ts_unit == "ms" else 1)
    return abs(now.timestamp() - seconds) <= sign.tolerance_s


def _is_from(notify: Notify, address: bytes) -> bool:
    try:
        sender = ipaddress.ip_address(address.decode("ascii"))
    except ValueError:
        return False
    mapped = getattr(sender, "ipv4_mapped", None)
    return any((mapped or sender) in network for network in notify.ip_allowlist)


def _without_signature(notify: Notify, body: bytes, given: Sequence[str]) -> bytes | None:
    """Cut the signature and one comma out of a message that carries it. Nothing is written anew."""
    name = notify.sign.location.removeprefix("body:$.").encode()
    if len(given) != 1 or b"." in name or not given[0].isascii():
        return None
    if is_form := notify.body in {"form", "query"}:
        member = re.compile(rb"(?:^|&)" + re.escape(name) + rb"=[^&]*")
    else:
        member = re.compile(rb'"' + re.escape(name) + rb'"\s*:\s*"' + re.escape(given[0].encode()) + rb'"')
    found = list(member.finditer(body))
    if len(found) != 1 or body.count(b'"' + name + b'"') > 1:
        return None
    start, end = found[0].span()
    comma = b"&" if is_form else b","
    if is_form:
        return (body[:start] + body[end:]).removeprefix(comma)
    if body[start - 1 : start] == comma:
        return body[: start - 1] + body[end:]
    return body[:start] + body[end:].removeprefix(comma)
