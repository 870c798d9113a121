"""Checking an adapter's own configuration when it is made."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from smmpanel.kernel.errors import InvalidInputError

SECRET_CHARS_MIN = 6

Options = TypeVar("Options", bound=BaseModel)


def checked(model: type[Options], given: Mapping[str, Any]) -> Options:
    """Read an adapter's options; raises `InvalidInputError` that names the first wrong one."""
    try:
        return model.model_validate(dict(given))
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        place = ".".join(("options", *(str(part) for part in first["loc"])))
        raise InvalidInputError(field=place, reason=first["msg"]) from None


def secret_values(*groups: Mapping[str, str]) -> tuple[str, ...]:
    """Return the configured values that may be keys; short ones are plain settings and would riddle the logs."""
    return tuple(value for group in groups for value in group.values() if len(value) >= SECRET_CHARS_MIN)
