"""One call to a gateway: whatever goes wrong on the way is one failure, noted for staff without a secret in it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit

from smmpanel.kernel.http import Answer, NotSentError, Outgoing, OutgoingError, redacted
from smmpanel.kernel.logging import get_logger
from smmpanel.payments.protocol import GatewayFailedError, GatewayUnknownError, UnreadableMessageError
from smmpanel.payments.signing import read_json

SAID_MAX = 300
TIMEOUT_SECONDS = 20.0
"""A customer waits for it."""
STILL_OPEN = frozenset({408, 409})
"""Refusals after which something may have been done all the same: gateways say so while the first request is under way."""

log = get_logger()


class Request(TypedDict, total=False):
    """What is sent: at most one of `form`, `json` and `content`."""

    params: Mapping[str, str] | None
    form: Mapping[str, str] | None
    json: Any
    content: bytes | None
    headers: Mapping[str, str] | None


async def call(
    http: Outgoing,
    method: str,
    url: str,
    *,
    secrets: Sequence[str],
    also: Collection[int] = (),
    acts: bool = False,
    **request: Unpack[Request],
) -> Answer:
    """Make one call, and return its answer if its status means success or is one of `also`.

    Raises `GatewayFailedError`. `acts` is for what must not be done twice: `GatewayUnknownError` is then raised wherever it
    may have been done, and `GatewayFailedError` only where it provably was not.
    """
    try:
        answer = await http.send(method, url, secrets=secrets, timeout_seconds=TIMEOUT_SECONDS, **request)
    except OutgoingError as failure:
        _note(url, failure.text)
        raise _failure(may_be_done=acts and not isinstance(failure, NotSentError)) from None
    if 200 <= answer.status < 300 or answer.status in also:
        return answer
    _note(url, redacted(answer.body, secrets, max_chars=SAID_MAX), answered=answer.status)
    refused = 400 <= answer.status < 500 and answer.status not in STILL_OPEN
    raise _failure(may_be_done=acts and not refused)


async def call_json(
    http: Outgoing,
    method: str,
    url: str,
    *,
    secrets: Sequence[str],
    also: Collection[int] = (),
    acts: bool = False,
    **request: Unpack[Request],
) -> Mapping[str, Any]:
    """Make one call and return the JSON object of its answer, numbers as they were written. Raises as `call` does."""
    answer = await call(http, method, url, secrets=secrets, also=also, acts=acts, **request)
    try:
        return read_json(answer.body)
    except UnreadableMessageError:
        _note(url, redacted(answer.body, secrets, max_chars=SAID_MAX), answered=answer.status)
        raise _failure(may_be_done=acts) from None


def refused(url: str, said: str | bytes, secrets: Sequence[str]) -> GatewayFailedError:
    """Note an answer that says no though its status was one that is taken, and return the failure to raise."""
    _note(url, redacted(said, secrets, max_chars=SAID_MAX))
    return GatewayFailedError()


def _failure(*, may_be_done: bool) -> GatewayFailedError:
    return GatewayUnknownError() if may_be_done else GatewayFailedError()


def _note(url: str, said: str, *, answered: int | None = None) -> None:
    # The host alone: paths of some gateways carry what is nobody's business.
    log.warning("gateway_call_failed", host=urlsplit(url).netloc, answered=answered, said=said)
