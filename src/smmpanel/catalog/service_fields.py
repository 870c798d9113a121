"""What of services and categories is edited by hand, and what each field may be."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict

from smmpanel.catalog.models import ServiceMode
from smmpanel.catalog.platforms import PLATFORMS
from smmpanel.catalog.pricing import MarkupRule
from smmpanel.catalog.service_types import SERVICE_TYPES, type_named
from smmpanel.catalog.upstream_lines import DESCRIPTION_MAX, NAME_MAX, QUANTITY_LIMIT
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, round_up

POSITION_MAX = 2**31 - 1
REFILL_DAYS_MAX = 36_500
PERCENT_PLACES = Decimal("0.0001")
PERCENT_LIMIT = Decimal(10) ** 5
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class ServiceFields(TypedDict, total=False):
    """What may be said of a service; what is not given stays, or gets its default."""

    category_id: int
    name: str
    description: str
    average_time: str
    type: str
    mode: str
    min: int
    max: int
    dripfeed: bool
    refill: bool
    refill_days: int | None
    cancel: bool
    cost: Decimal | None
    """Of manual and stock services only; that of others follows their first route."""
    fixed_rate: Decimal | None
    markup_percent: Decimal | None
    markup_fixed: Decimal | None
    rounding_step: Decimal | None
    allow_below_cost: bool
    link_guard: bool
    enabled: bool
    position: int


class CategoryFields(TypedDict, total=False):
    """What may be said of a category."""

    name: str
    platform: str | None
    position: int
    enabled: bool
    markup_percent: Decimal | None
    markup_fixed: Decimal | None
    rounding_step: Decimal | None


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How a field is checked, and its column's type in arrays."""

    sql: str
    check: Callable[[str, Any], Any]
    nullable: bool = False


def checked(rules: Mapping[str, FieldRule], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as they are stored; raises `InvalidInputError` for the first that cannot be."""
    values = {}
    for name, value in fields.items():
        rule = rules.get(name)
        if rule is None:
            raise InvalidInputError(field=name, reason=marked("is not a field that can be changed"))
        if value is None and not rule.nullable:
            raise InvalidInputError(field=name, reason=marked("must not be empty"))
        values[name] = None if value is None else rule.check(name, value)
    return values


def merged(before: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields of a service after an edit; raises `InvalidInputError` if one is wrong or they do not go together."""
    fields = {**before, **checked(SERVICE_FIELDS, edits)}
    if fields["mode"] == ServiceMode.PROVIDER and fields["cost"] != before["cost"]:
        raise InvalidInputError(field="cost", reason=marked("follows the provider's rate"))
    for name in ("category_id", "name", "min", "max"):
        if fields[name] is None:
            raise InvalidInputError(field=name, reason=marked("is needed"))
    if fields["max"] < fields["min"]:
        raise InvalidInputError(field="max", reason=marked("must not be less than min"))
    if fields["dripfeed"] and not SERVICE_TYPES[fields["type"]].dripfeed:
        raise InvalidInputError(
            field="dripfeed", reason=marked("is not possible for {type}"), type=SERVICE_TYPES[fields["type"]].wire_name
        )
    MarkupRule(fields["markup_percent"], fields["markup_fixed"], fields["rounding_step"])
    if fields["mode"] != ServiceMode.PROVIDER and fields["fixed_rate"] is None and fields["cost"] is None:
        raise InvalidInputError(field="fixed_rate", reason=marked("is needed for a service of our own without a cost"))
    return fields


def _words(limit: int, *, lines: bool = False, needed: bool = False) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidInputError(field=name, reason=marked("must be text"))
        tidy = value.strip() if lines else " ".join(value.split())
        if _UNSTORABLE.search(tidy):
            raise InvalidInputError(field=name, reason=marked("contains characters that cannot be stored"))
        if len(tidy) > limit:
            raise InvalidInputError(field=name, reason=marked("must have at most {most} characters"), most=limit)
        if needed and not tidy:
            raise InvalidInputError(field=name, reason=marked("must not be empty"))
        return tidy

    return check


def _whole(least: int, most: int) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidInputError(
                field=name, reason=marked("must be a whole number from {least} to {most}"), least=least, most=most
            )
        return value

    return check


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError(field=name, reason=marked("must be yes or no"))
    return value


def _amount(name: str, value: Any) -> Decimal:
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value < LIMIT:
        raise InvalidInputError(field=name, reason=marked("must be a number of reasonable size, and not negative"))
    return round_up(value)


def _percent(name: str, value: Any) -> Decimal:
    if not isinstance(value, Decimal) or not value.is_finite() or not -100 < value < PERCENT_LIMIT:
        raise InvalidInputError(field=name, reason=marked("must be a percentage of more than -100"))
    return value.quantize(PERCENT_PLACES)


def _type(name: str, value: Any) -> str:
    found = type_named(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidInputError(field=name, reason=marked("is not a known service type"))
    return found.slug


def _one_of(words: Mapping[str, Any]) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> str:
        if value not in words:
            raise InvalidInputError(field=name, reason=marked("must be one of {choices}"), choices=", ".join(words))
        return str(value)

    return check


_MODES = {mode.value: mode for mode in ServiceMode}
_AMOUNT = FieldRule("numeric", _amount, nullable=True)
_PERCENT = FieldRule("numeric", _percent, nullable=True)
_FLAG = FieldRule("boolean", _flag)
_POSITION = FieldRule("integer", _whole(-POSITION_MAX, POSITION_MAX))

SERVICE_FIELDS: Mapping[str, FieldRule] = {
    "category_id": FieldRule("bigint", _whole(1, 2**63 - 1)),
    "name": FieldRule("text", _words(NAME_MAX, needed=True)),
    "description": FieldRule("text", _words(DESCRIPTION_MAX, lines=True)),
    "average_time": FieldRule("text", _words(NAME_MAX)),
    "type": FieldRule("text", _type),
    "mode": FieldRule("text", _one_of(_MODES)),
    "min": FieldRule("bigint", _whole(1, QUANTITY_LIMIT)),
    "max": FieldRule("bigint", _whole(1, QUANTITY_LIMIT)),
    "dripfeed": _FLAG,
    "refill": _FLAG,
    "refill_days": FieldRule("integer", _whole(1, REFILL_DAYS_MAX), nullable=True),
    "cancel": _FLAG,
    "cost": _AMOUNT,
    "fixed_rate": _AMOUNT,
    "markup_percent": _PERCENT,
    "markup_fixed": _AMOUNT,
    "rounding_step": _AMOUNT,
    "allow_below_cost": _FLAG,
    "link_guard": _FLAG,
    "enabled": _FLAG,
    "position": _POSITION,
}
CATEGORY_FIELDS: Mapping[str, FieldRule] = {
    "name": FieldRule("text", _words(NAME_MAX, needed=True)),
    "platform": FieldRule("text", _one_of(PLATFORMS), nullable=True),
    "position": _POSITION,
    "enabled": _FLAG,
    "markup_percent": _PERCENT,
    "markup_fixed": _AMOUNT,
    "rounding_step": _AMOUNT,
}
NEW_SERVICE: Mapping[str, Any] = {
    **dict.fromkeys(SERVICE_FIELDS),
    **dict.fromkeys(("dripfeed", "refill", "cancel", "allow_below_cost", "link_guard"), False),
    "description": "",
    "average_time": "",
    "type": "default",
    "mode": "provider",
    "enabled": True,
    "position": 0,
}
NEW_CATEGORY: Mapping[str, Any] = {**dict.fromkeys(CATEGORY_FIELDS), "enabled": True, "name": "", "position": 0}
