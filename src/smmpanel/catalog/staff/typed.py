"""What staff type into forms about services: read, and given back with what is wrong with it."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request

from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import parse_amount
from smmpanel.web.errors import failure_of

NOT_WHOLE = marked("must be a whole number")
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)


def amount_in(form: Mapping[str, str], name: str) -> Decimal | None:
    """Read an amount with either decimal sign; an empty field is none."""
    typed = form.get(name, "").strip().replace("\N{NO-BREAK SPACE}", "").replace(" ", "").replace("%", "")
    if not typed:
        return None
    if "," in typed and "." not in typed and typed.count(",") == 1:
        typed = typed.replace(",", ".")
    return parse_amount(typed, field=name)


def whole_in(form: Mapping[str, str], name: str) -> int | None:
    """Read a whole number; an empty field is none."""
    typed = re.sub(r"[\s.,]", "", form.get(name, ""))
    if not typed:
        return None
    if not _WHOLE.fullmatch(typed):
        raise InvalidInputError(field=name, reason=NOT_WHOLE)
    return int(typed)


def row_id_in(form: Mapping[str, str], name: str) -> int | None:
    """Read the id of a row that was chosen; nothing chosen, or nonsense, is none."""
    typed = form.get(name, "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 18 else None


def faults_of(request: Request, error: PanelError) -> dict[str, str]:
    """Return what is wrong, by field, in the reader's language; what belongs to no field is under the empty name."""
    if isinstance(error, InvalidInputError):
        told = failure_of(request, error).fields
        return {str(name): str(reason)[:1].upper() + str(reason)[1:] for name, reason in told.items()}
    return {"": failure_of(request, error).message}


def written(amount: Any) -> str:
    """Write a stored value into a field: no exponent, no needless zeros."""
    if amount is None:
        return ""
    if isinstance(amount, Decimal):
        return f"{amount:f}".rstrip("0").rstrip(".") if "." in f"{amount:f}" else f"{amount:f}"
    return str(amount)
