"""How errors look in the documentation of the JSON API."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_MEANINGS = {
    400: "The request could not be read.",
    401: "Nobody is signed in, or the session has ended.",
    402: "The balance does not cover it.",
    403: "The account may not do this, or is suspended or banned.",
    404: "There is no such thing, or it is somebody else's.",
    409: "It is not possible (any more).",
    413: "Too much was sent.",
    422: "A value is missing or wrong.",
    429: "Too many tries: wait as long as `Retry-After` says.",
}


class ErrorBody(BaseModel):
    """What went wrong. Some errors carry further named facts."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(description="Stays the same, whatever the language.")
    message: str = Field(description="For people, in their language.")


class ErrorAnswer(BaseModel):
    """How every error is answered."""

    error: ErrorBody


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of a route's errors."""
    return {status: {"model": ErrorAnswer, "description": _MEANINGS[status]} for status in statuses}
