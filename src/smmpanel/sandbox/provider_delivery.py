"""How an answer reaches the client, or fails to: what each kind of fault looks like on the wire."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson

from smmpanel.sandbox.http_server import HTML, Exchange
from smmpanel.sandbox.provider_errors import error_answer, error_text, shaped
from smmpanel.sandbox.provider_faults import FaultRule

HANG_SECONDS = 600.0
RETRY_AFTER_SECONDS = 30
HUGE_MEGABYTES = 32

_BAD_GATEWAY_PAGE = """<html>
<head><title>{status} {reason}</title></head>
<body>
<center><h1>{status} {reason}</h1></center>
<hr><center>cloudflare</center>
</body>
</html>
"""
_CHALLENGE_PAGE = b"""<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head>
<body><h1>Checking if the site connection is secure</h1><p>Enable JavaScript and cookies to continue</p></body></html>
"""
_REASONS = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_GARBAGE = b'\x00\xff\xfe{"order": 12\x9f\x92 <br />\nWarning: Undefined index in /home/api.php on line 40'
_BOM = b"\xef\xbb\xbf"


def refusal_of(fault: FaultRule, dialect: str) -> tuple[int, Any, str]:
    """HTTP status, body and text of a fault that refuses; `meaning`, `dialect`, `variant_number`, `text`, `shape`,
    `detail` and `status` choose among them."""
    params = fault.params
    meaning = {"no_funds": "no_funds", "bad_key": "bad_key", "rate_limit": "too_many"}.get(
        fault.kind, str(params.get("meaning", "bad_action"))
    )
    dialect = str(params.get("dialect", dialect))
    detail, number = str(params.get("detail", "100")), int(params.get("variant_number", 0))
    text = str(params.get("text") or error_text(meaning, dialect, detail, number))
    status, body = error_answer(meaning, dialect, detail, number)
    if "text" in params or "shape" in params:
        body = shaped(text, str(params.get("shape", "plain")))
    if fault.kind == "rate_limit":
        status = int(params.get("status", 429))
    return int(params.get("status", status)), body, text


def _padded(body: bytes, megabytes: int) -> Iterator[bytes]:
    """A correct answer, and then more blanks than anybody should read."""
    yield body
    blanks = b" " * 65_536
    for _ in range(megabytes * 16):
        yield blanks


def _page(exchange: Exchange, status: int) -> None:
    page = _BAD_GATEWAY_PAGE.format(status=status, reason=_REASONS.get(status, "Error"))
    exchange.answer(page.encode(), status=status, content_type=HTML)


def _redirect(exchange: Exchange, params: dict[str, Any]) -> None:
    target = str(params.get("location", f"http://{exchange.headers.get(b'host', b'').decode('latin-1')}/login"))
    exchange.answer(b"", status=int(params.get("status", 302)), content_type=HTML, headers=(("location", target),))


def _spoil(exchange: Exchange, fault: FaultRule, body: bytes, content_type: str) -> None:
    params = dict(fault.params)
    match fault.kind:
        case "timeout":
            exchange.hang(float(params.get("seconds", HANG_SECONDS)))
        case "drop":
            exchange.drop()
        case "reset":
            exchange.drop(reset=True)
        case "cut":
            exchange.answer_half(body, content_type=content_type)
        case "status_5xx":
            _page(exchange, int(params.get("status", 502)))
        case "html_200":
            exchange.answer(_CHALLENGE_PAGE, content_type=HTML)
        case "garbage":
            exchange.answer(_GARBAGE, content_type=content_type)
        case "empty":
            exchange.answer(b"", content_type=content_type)
        case "redirect":
            _redirect(exchange, params)
        case "huge":
            exchange.stream(_padded(body, int(params.get("megabytes", HUGE_MEGABYTES))), content_type=content_type)
        case _:
            raise AssertionError(fault.kind)


def deliver(
    exchange: Exchange, fault: FaultRule | None, body: bytes, *, status: int, content_type: str, delay_seconds: float
) -> None:
    """Send an answer after the delay, the way its fault demands."""
    if fault is not None:
        delay_seconds += int(fault.params.get("delay_ms", 0)) / 1000
        if fault.kind == "slow":
            delay_seconds += int(fault.params.get("ms", 1000)) / 1000
        elif fault.kind == "bom":
            body = _BOM + body
        elif fault.kind in (
            "timeout",
            "drop",
            "reset",
            "cut",
            "status_5xx",
            "html_200",
            "garbage",
            "empty",
            "redirect",
            "huge",
        ):
            exchange.after(delay_seconds, partial(_spoil, exchange, fault, body, content_type))
            return
    headers: tuple[tuple[str, str], ...] = ()
    if status == 429:
        seconds = RETRY_AFTER_SECONDS if fault is None else fault.params.get("retry_after", RETRY_AFTER_SECONDS)
        headers = (("retry-after", str(seconds)),)
    send = partial(exchange.answer, body, status=status, content_type=content_type, headers=headers)
    exchange.after(delay_seconds, send)


def throttle(exchange: Exchange, *, wait_seconds: float, style: str, dialect: str) -> None:
    """Refuse a request that came too soon: by HTTP 429, or in words."""
    body = orjson.dumps({"error": error_text("too_many", dialect)})
    headers = (("retry-after", str(int(wait_seconds) + 1)),)
    exchange.answer(body, status=200 if style == "200" else 429, headers=() if style == "200" else headers)
