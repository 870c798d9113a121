"""How errors of the JSON API look: `{"success": false, "message", "code", "fields"}`, made by `web.errors.render_json`.

The message and the reasons of wrong fields are in the caller's language: `?lang=`, the account's language,
`Accept-Language`, or the panel's own, the first that there is. The reseller API, `/api/v2`, has its own errors.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

_MEANINGS = {
    400: "The request could not be read.",
    401: "Nobody is signed in, or the session has ended.",
    402: "The balance does not cover it.",
    403: "The account may not do this, or is suspended or banned.",
    404: "There is no such thing, or it is somebody else's.",
    409: "It is not possible (any more).",
    413: "Too much was sent.",
    415: "What was sent is not JSON, or does not say so.",
    422: "A value is missing or wrong.",
    429: "Too many tries: wait as long as `Retry-After` says.",
    503: "The payment method cannot be reached: try later, with the same key, or another one.",
}


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str = Field(description="For people, in the caller's language.", examples=["link: is missing"])
    code: str = Field(description="For programs: stays the same, whatever the language.", examples=["invalid_input"])
    fields: dict[str, Any] = Field(
        description="Of wrong values each field with what is wrong with it, nested ones with dots; of other errors named "
        "facts, such as `needed` and `available` of `insufficient_funds`, or `retry_after_seconds`.",
        examples=[{"link": "is missing"}],
    )


class ErrorAnswer(ErrorBody):
    """How every error is answered, with the status that fits."""

    success: Literal[False] = False


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of a route's errors, with the one that every route has for what nobody could read."""
    return {status: {"model": ErrorAnswer, "description": _MEANINGS[status]} for status in sorted({400, *statuses})}
