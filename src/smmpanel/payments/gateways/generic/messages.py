"""What a described gateway tells, in messages and in answers, as notices."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from urllib.parse import parse_qsl

from smmpanel.payments.gateways.generic.configuration import Notify, Told
from smmpanel.payments.gateways.generic.paths import found_at, written_at
from smmpanel.payments.minor_units import from_minor
from smmpanel.payments.protocol import GIVES_BACK, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, Literal, amount_in, number_in, read_base64_json, read_json

WEBHOOK, ANSWER = "webhook", "answer"
NOTHING = "a payment of nothing"
FIELDS_MAX = 100
DECIMALS_MAX = 6
_CURRENCY = re.compile(r"[A-Z]{3,5}")

S = GatewayStatus


@dataclass(frozen=True, slots=True)
class Context:
    """Whose message it is, and what is known without it."""

    name: str
    """Of the gateway: its numbers begin with it."""
    currency: str
    """Of the account: the message's, unless it says another."""
    source: str
    unproved: bool = False
    reference: str | None = None
    """What was asked about."""


def fields_of(notify: Notify, body: bytes) -> Mapping[str, object]:
    """Read a message's body. No name may stand twice. Raises `UnreadableMessageError`."""
    if notify.body == "json":
        return read_json(body)
    if notify.body == "base64_json":
        return read_base64_json(body)
    # A query is written like a form.
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise UnreadableMessageError from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UnreadableMessageError
    return fields


def reading_of(told: Told, fields: Mapping[str, object], context: Context, *, key: bytes) -> Reading:
    """Return what is told of a payment; `key` is what makes the message this one. Raises `UnreadableMessageError`."""
    event = f"{context.name}:{sha256(key).hexdigest()}"
    notice = _notice(told, fields, context)
    if notice.status == S.PAID and notice.amount == 0:
        return Reading(event, note=NOTHING)
    return Reading(event, [notice])


def _notice(told: Told, fields: Mapping[str, object], context: Context) -> Notice:
    reference = _reference(told, fields, context)
    currency = _currency(told, fields, context)
    status = told.status_of(written_at(fields, told.status_path))
    amount = Decimal(0) if told.amount_path is None else _amount(told, told.amount_path, fields, currency)
    number = reference
    if told.gateway_txn_path is not None:
        number = number_in(written_at(fields, told.gateway_txn_path) or None)
    if status == S.PAID and told.amount_path is None:
        # Only a reason to ask, then.
        status = S.PENDING
    if status in GIVES_BACK and told.returned_path is not None:
        amount = _amount(told, told.returned_path, fields, currency)
    elif status == S.PARTIALLY_REFUNDED or (status in GIVES_BACK and told.amount_path is None):
        status = S.REVIEW  # nobody says how much
    return Notice(
        external_id=f"{context.name}:{number}",
        source=context.source,
        status=status,
        amount=amount,
        currency=currency,
        reference=reference,
        # Should the two sides of a gateway call the same money by different numbers, it is the same all the same.
        natural_key=f"http:{context.name}:{reference}:{amount.normalize():f}" if status == S.PAID else None,
        unproved=context.unproved or told.amount_path is None,
        is_total=status in GIVES_BACK,
    )


def _reference(told: Told, fields: Mapping[str, object], context: Context) -> str:
    if told.reference_path is None:
        if context.reference is None:
            raise UnreadableMessageError
        return context.reference
    reference = number_in(written_at(fields, told.reference_path))
    if context.reference not in {None, reference}:
        raise UnreadableMessageError  # the answer to somebody else's question
    return reference


def _currency(told: Told, fields: Mapping[str, object], context: Context) -> str:
    if told.currency_path is None:
        return context.currency
    currency = written_at(fields, told.currency_path)[:NUMBER_MAX].upper()
    if not _CURRENCY.fullmatch(currency):
        raise UnreadableMessageError
    return currency


def _amount(told: Told, path: str, fields: Mapping[str, object], currency: str) -> Decimal:
    value = found_at(fields, path)
    if not isinstance(value, (Literal, str)):
        raise UnreadableMessageError
    if told.amount_unit == "minor":
        return from_minor(value, currency, places=told.exponent)
    amount = amount_in(value)
    if amount < 0 or amount != round(amount, DECIMALS_MAX):
        raise UnreadableMessageError
    return amount
