"""The fields of an order form: made from a service's type, filled with what was typed, read back as the engine takes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from starlette.requests import Request

from smmpanel.catalog.order_fields import Field, FieldKind
from smmpanel.catalog.price_lists import ServiceRow
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.orders.pages.wording import FIELD_HINTS, FIELD_LABELS, choice_label
from smmpanel.web.languages import say

QUICK_AMOUNTS = (500, 1000, 5000, 10_000, 50_000)
USUAL_QUANTITY = 1000
USUAL_RUNS, USUAL_INTERVAL = "5", "60"
DRIP_FIELDS = ("runs", "interval")
DRIP_SWITCH = "drip"
# 5,000 and 5.000 and 5 000 mean the same; 1.5 and 10,00 are not counts, and stay as they are to be refused.
_GROUPED = re.compile(r"\d{1,3}(?:[.,\u00a0\u202f ]\d{3})+", re.ASCII)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ShownField:
    """One field as the page shows it."""

    name: str
    kind: str
    label: str
    hint: str
    value: str
    required: bool
    max_length: int
    choices: tuple[tuple[str, str], ...] = ()
    only_if: str = ""
    """`other=value`: the field matters only then."""
    counted: bool = False
    """Whether its lines are what is paid for."""


def shown_fields(request: Request, service: ServiceRow, typed: Mapping[str, str]) -> list[ShownField]:
    """Return the fields that an order of this service has, in order."""
    service_type = SERVICE_TYPES[service.type]
    return [
        ShownField(
            name=field.name,
            kind=field.kind.value,
            label=say(request, FIELD_LABELS[field.name]),
            hint=say(request, FIELD_HINTS[field.name]) if field.name in FIELD_HINTS else "",
            value=typed.get(field.name, ""),
            required=field.required,
            max_length=field.max_length,
            choices=tuple((choice, choice_label(request, field, choice)) for choice in field.choices),
            only_if="=".join(field.only_if) if field.only_if else "",
            counted=service_type.counted == field.name,
        )
        for field in service_type.fields
    ]


def drip_fields(request: Request, service: ServiceRow, typed: Mapping[str, str]) -> list[ShownField]:
    """Return the two fields of a drip-feed, if the service offers one."""
    if not can_drip(service):
        return []
    integer = FieldKind.INTEGER.value
    return [
        ShownField(
            name, integer, say(request, FIELD_LABELS[name]), "", typed.get(name, ""), required=True, max_length=10
        )
        for name in DRIP_FIELDS
    ]


def quick_amounts(service: ServiceRow) -> list[int]:
    """Return the round amounts that a service takes."""
    return [amount for amount in QUICK_AMOUNTS if service.min <= amount <= service.max]


def typed_values(service: ServiceRow, given: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed, by field; of what was not, the usual."""
    service_type = SERVICE_TYPES[service.type]
    typed = {field.name: given[field.name] for field in service_type.fields if field.name in given}
    if service_type.has_quantity and "quantity" not in typed:
        typed["quantity"] = str(max(service.min, min(USUAL_QUANTITY, service.max), 1))
    if can_drip(service):
        typed |= {"runs": given.get("runs", USUAL_RUNS), "interval": given.get("interval", USUAL_INTERVAL)}
        typed |= {DRIP_SWITCH: "on"} if given.get(DRIP_SWITCH) else {}
    return typed


def can_drip(service: ServiceRow) -> bool:
    """Whether a service can be delivered in parts."""
    return service.dripfeed and SERVICE_TYPES[service.type].dripfeed


def raw_order(service: ServiceRow, typed: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed as the engine takes it; what was left empty is left out."""
    raw = {field.name: _plain(field, typed.get(field.name, "")) for field in SERVICE_TYPES[service.type].fields}
    if typed.get(DRIP_SWITCH) and can_drip(service):
        raw |= {name: _ungrouped(typed.get(name, "").strip()) for name in DRIP_FIELDS}
    return {name: text for name, text in raw.items() if text.strip()}


def _plain(field: Field, text: str) -> str:
    match field.kind:
        case FieldKind.QUANTITY | FieldKind.INTEGER:
            return _ungrouped(text.strip())
        case FieldKind.DATE if _ISO_DATE.fullmatch(text.strip()):
            try:
                return f"{date.fromisoformat(text.strip()):%d/%m/%Y}"
            except ValueError:
                return text
        case _:
            return text


def _ungrouped(text: str) -> str:
    return re.sub(r"[^0-9]", "", text) if _GROUPED.fullmatch(text) else text
