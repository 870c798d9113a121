"""Reading a call of API v2, however a client chooses to send it: form, multipart, JSON or query string, all to flat text."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Message, Receive, Scope

from smmpanel.kernel.errors import PanelError

BODY_MAX_BYTES = 2 * 1024 * 1024
FIELDS_MAX = 100


class UnreadableCallError(PanelError):
    """What was sent is no call of this API."""

    code, status, message = "incorrect_request", 200, "Incorrect request"


class ClientGoneError(Exception):
    """The client left before it had said everything: half a call is none, even where it could be read as one."""


class CallTooLargeError(PanelError):
    """More was sent than any call needs."""

    code, status, message = "too_large", 413, "Request too large"


Fields = dict[str, str]
ID_LISTS = frozenset({"orders", "refills"})


async def read_call(scope: Scope, receive: Receive) -> Fields:
    """Return the fields of a call. A field in the body beats one of the same name in the query string.

    Raises `UnreadableCallError`, `CallTooLargeError` or `ClientGoneError`.
    """
    fields = _pairs(scope["query_string"]) if scope["query_string"] else {}
    if scope["method"] == "GET":
        return fields
    body = await _body(receive)
    if not body:
        return fields
    kind = _content_type(scope)
    if b"json" in kind or body[:1] == b"{":
        fields.update(_json_fields(body))
    elif kind.startswith(b"multipart/"):
        fields.update(await _multipart(scope, body))
    else:
        fields.update(_pairs(body))
    return fields


async def _body(receive: Receive) -> bytes:
    message = await _received(receive)
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        chunks, size = [body], len(body)
        while message.get("more_body"):
            message = await _received(receive)
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > BODY_MAX_BYTES:
                raise CallTooLargeError
            chunks.append(chunk)
        body = b"".join(chunks)
    if len(body) > BODY_MAX_BYTES:
        raise CallTooLargeError
    return body


async def _received(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


def _content_type(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type: bytes = value.lower()
            return content_type
    return b""


def _pairs(text: bytes) -> Fields:
    try:
        return dict(parse_qsl(text.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX))
    except ValueError:  # too many fields, or bytes that are no UTF-8
        raise UnreadableCallError from None


def _json_fields(body: bytes) -> Fields:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UnreadableCallError from None
    if not isinstance(read, dict) or len(read) > FIELDS_MAX:
        raise UnreadableCallError
    return {name: text for name, value in read.items() if (text := _as_text(name, value)) is not None}


def _as_text(name: str, value: Any) -> str | None:
    """Write a JSON value as a form would have sent it; lists of ids are joined with commas, others are lines."""
    if not isinstance(value, list):
        return _scalar(value)
    parts = [text for one in value if (text := _scalar(one)) is not None]
    return ("," if name in ID_LISTS else "\n").join(parts)


def _scalar(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "1" if value else "0"
        case str():
            return value
        case int():
            return str(value)
        case float():
            # Some languages write every number with a point: 1000.0 is the quantity 1000.
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else str(value)
        case _:
            raise UnreadableCallError


async def _multipart(scope: Scope, body: bytes) -> Fields:
    async def stream() -> Any:
        yield body

    try:
        parser = MultiPartParser(
            Headers(scope=scope), stream(), max_files=0, max_fields=FIELDS_MAX, max_part_size=BODY_MAX_BYTES
        )
        form = await parser.parse()
    except (MultiPartException, ValueError, KeyError, LookupError):
        raise UnreadableCallError from None
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    try:
        # A part may name its own encoding, and some of those make text that no answer can repeat.
        "".join(fields.values()).encode()
    except UnicodeEncodeError:
        raise UnreadableCallError from None
    return fields


def ids_of(fields: Mapping[str, str], name: str) -> list[str]:
    """Return a comma-separated list of ids as sent, without blanks and repeats, in the order given."""
    return list(dict.fromkeys(part for one in fields.get(name, "").split(",") if (part := one.strip())))


ID_DIGITS_MAX = 18


def id_or_none(text: str) -> int | None:
    """Read one id; `None` for anything that cannot be one of ours."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX else None
