"""The caller's own key of a call, in the header `Idempotency-Key` or in the body: repeated, the call is the same one."""

from typing import Annotated

from fastapi import Header

from smmpanel.api.order_forms import Key
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked

OTHER_KEY = marked("is another one than the header Idempotency-Key")

KeyHeader = Annotated[
    Key | None,
    Header(
        alias="Idempotency-Key",
        description="Made by the client, the same as `key` in the body: repeated with the same content it is the same call.",
    ),
]


def one_key(header: str | None, body: str | None) -> str | None:
    """Return the key of a call; raises `InvalidInputError` if header and body name two."""
    if header is not None and body is not None and header != body:
        raise InvalidInputError(field="key", reason=OTHER_KEY)
    return header or body
