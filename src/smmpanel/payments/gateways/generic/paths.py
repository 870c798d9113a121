"""Where something stands in a JSON document: `$.data.items[0].id`, and nothing cleverer than that."""

import re
from collections.abc import Mapping

from smmpanel.payments.protocol import UnreadableMessageError

PATTERN = r"^\$(\.[A-Za-z0-9_-]{1,64}|\[[0-9]{1,3}\]){1,8}$"
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[([0-9]+)\]")


def found_at(document: object, path: str) -> object:
    """Return what stands at a path; `None` where there is nothing."""
    found = document
    for step in _STEP.finditer(path):
        name, place = step.groups()
        if name is not None:
            found = found.get(name) if isinstance(found, Mapping) else None
        else:
            found = found[int(place)] if isinstance(found, list) and int(place) < len(found) else None
    return found


def written_at(document: object, path: str) -> str:
    """Return the text, number or truth that stands at a path, as it was written; nothing is the empty text.

    Raises `UnreadableMessageError` for an object or a list.
    """
    return as_text(found_at(document, path))


def as_text(value: object) -> str:
    """Return a value as JSON writes it, without quotes. Raises `UnreadableMessageError` for an object or a list."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    raise UnreadableMessageError


def name_of(path: str) -> str:
    """Return the last name of a path: what a field is called where pairs of names and values are signed."""
    names = [step[1] for step in _STEP.finditer(path) if step[1] is not None]
    return names[-1] if names else path


def put_at(document: dict[str, object], path: str, value: str) -> None:
    """Put a text at a path of names only, making the objects on the way."""
    *above, last = [step[1] for step in _STEP.finditer(path)]
    inner = document
    for name in above:
        deeper = inner.setdefault(name, {})
        if not isinstance(deeper, dict):
            raise TypeError(f"{path} leads through what is no object")
        inner = deeper
    inner[last] = value


def is_of_names(path: str) -> bool:
    """Whether a path goes through objects only."""
    return "[" not in path


def is_at_the_top(path: str) -> bool:
    """Whether a path names a member of the document itself."""
    return is_of_names(path) and path.count(".") == 1
