"""The one family of errors that may reach a person or a client.

Edges render them (a page, JSON, the reseller API's `{"error": …}`, a sentence in a chat); nobody else catches them.
"""

from typing import ClassVar


class PanelError(Exception):
    """An error with a stable code, an HTTP status and named fields to render it from."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    message: ClassVar[str] = "The request could not be carried out."

    def __init__(self, **fields: object) -> None:
        self.fields = fields
        super().__init__(self.message.format(**fields))

    def __str__(self) -> str:
        return self.message.format(**self.fields)


class NotFoundError(PanelError):
    """The thing does not exist, or is not for this viewer: no difference is told."""

    code, status, message = "not_found", 404, "Not found."


class ForbiddenError(PanelError):
    """The account is known and may not do this."""

    code, status, message = "forbidden", 403, "You are not allowed to do this."


class ConflictError(PanelError):
    """The state of the thing does not admit this move (any more)."""

    code, status, message = "conflict", 409, "This is no longer possible."


class InvalidInputError(PanelError):
    """A value from outside is wrong; `field` names it, `reason` says how, with `{places}` for further named facts."""

    code, status, message = "invalid_input", 422, "{field}: {reason}"

    def __init__(self, *, field: str, reason: str, **facts: object) -> None:
        self.template = reason
        """The reason before its places were filled: what catalogues translate."""
        self.facts = facts
        """What fills these places. Without any there are none: braces in the reason are then what somebody typed."""
        super().__init__(field=field, reason=reason.format(**facts) if facts else reason, **facts)
