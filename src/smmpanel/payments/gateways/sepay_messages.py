"""SePay's messages: three shapes that say the same, told apart by the fields that they must have."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from email.parser import BytesParser
from email.policy import HTTP
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from smmpanel.payments.protocol import GatewayStatus, Message, Notice, Reading, UnreadableMessageError
from smmpanel.payments.references import plain_text
from smmpanel.payments.signing import amount_in, read_json, text_in

CURRENCY = "VND"
VIETNAM = timezone(timedelta(hours=7))
WHEN = "%Y-%m-%d %H:%M:%S"
FIELDS_MAX = 60
ID_MAX = 100
OUTGOING = "a transfer out of the account"
NOTHING = "a transfer of nothing"

Fields = Mapping[str, Any]


def fields_of(message: Message) -> Fields:
    """Read a message's body, JSON or either kind of form. No name may stand twice. Raises `UnreadableMessageError`."""
    kind = message.header("content-type").split(b";")[0].strip().lower()
    if kind == b"application/x-www-form-urlencoded":
        return _once(_urlencoded(message.body))
    if kind == b"multipart/form-data":
        return _once(_parts(message))
    return read_json(message.body)


def signed_text(fields: Fields, names: Sequence[str], separator: str) -> str:
    """Return what the field `signature` signs: the values of these fields, the amount as a whole number."""
    if any(name not in fields for name in names):
        raise UnreadableMessageError
    values = [f"{whole_in(fields[name]):.0f}" if name == "amount" else text_in(fields[name]) for name in names]
    return separator.join(values)


def is_blurred(fields: Fields, names: Sequence[str], separator: str) -> bool:
    """Whether the signed text could be that of other values too: one of them holds what stands between them."""
    return any(separator in text_in(fields.get(name)) for name in names)


def read_transfer(
    message: Message, accounts: AbstractSet[str], *, unproved: bool = False, signs_fields: bool = False
) -> Reading:
    """Understand a transfer. Raises `UnreadableMessageError` if it has none of the shapes.

    Where the proof `signs_fields`, only the shape made of those fields counts: in another one, others would say how much.
    """
    fields = fields_of(message)
    if signs_fields:
        told = _spec(fields)
    elif "transferAmount" in fields and "id" in fields:
        told = _native(fields, accounts)
    elif "transfer_type" in fields or "bank_account_xid" in fields:
        told = _bank_hub(fields, accounts)
    elif "signature" in fields and "transaction_id" in fields:
        told = _spec(fields)
    else:
        raise UnreadableMessageError
    key = f"{told['source']}:{told['number']}"
    if not told.pop("comes_in"):
        return Reading(key, note=OUTGOING)
    if told["amount"] == 0:
        return Reading(key, note=NOTHING)
    return Reading(key, [_notice(key, told, unproved=unproved)])


def _native(fields: Fields, accounts: AbstractSet[str]) -> dict[str, Any]:
    return {
        "source": "webhook",
        "number": number_in(fields["id"]),
        "amount": whole_in(fields["transferAmount"]),
        "account": account_of(fields.get("accountNumber"), fields.get("subAccount"), accounts),
        "texts": tuple(text_in(fields.get(name)) for name in ("content", "code", "description")),
        "bank_ref": text_in(fields.get("referenceCode")),
        "when": moment_in(fields.get("transactionDate")),
        "comes_in": _is_one(fields.get("transferType"), "in", "out"),
    }


def _bank_hub(fields: Fields, accounts: AbstractSet[str]) -> dict[str, Any]:
    comes_in = _is_one(fields.get("transfer_type"), "credit", "debit")
    told = _told("bankhub", fields, texts=("content", "payment_code"), comes_in=comes_in)
    account = account_of(fields.get("account_number"), fields.get("va"), accounts)
    return {**told, "account": account, "bank_ref": text_in(fields.get("reference_code"))}


def _spec(fields: Fields) -> dict[str, Any]:
    return _told("spec", fields, texts=("content",), comes_in=True)


def account_of(main: object, virtual: object, accounts: AbstractSet[str]) -> str:
    """Return the account that a transfer counts for: the virtual one, where that is ours and the one behind it is not said to be.

    Some banks only tell of transfers to virtual accounts: customers are then shown nothing else.
    """
    behind, before = text_in(main), text_in(virtual)
    return before if behind not in accounts and before in accounts else behind


def _told(source: str, fields: Fields, *, texts: Sequence[str], comes_in: bool) -> dict[str, Any]:
    return {
        "source": source,
        "number": number_in(fields.get("transaction_id")),
        "amount": whole_in(fields.get("amount")),
        "account": text_in(fields.get("account_number")),
        "texts": tuple(text_in(fields.get(name)) for name in texts),
        "bank_ref": "",
        "when": moment_in(fields.get("transaction_date")),
        "comes_in": comes_in,
    }


def _notice(key: str, told: Mapping[str, Any], *, unproved: bool) -> Notice:
    account, amount, bank_ref, when = told["account"], told["amount"], told["bank_ref"], told["when"]
    return Notice(
        external_id=key,
        source=told["source"],
        status=GatewayStatus.PAID,
        amount=amount,
        currency=CURRENCY,
        texts=told["texts"],
        account=account or None,
        bank_ref=bank_ref or None,
        natural_key=natural_key(account, amount, bank_ref, when, told["texts"][0]),
        occurred_at=when,
        unproved=unproved,
    )


def natural_key(account: str, amount: Decimal, bank_ref: str, when: datetime | None, content: str) -> str | None:
    """Return what a transfer looks like from every side of SePay; nothing, if too little is known of it."""
    if not bank_ref and when is None:
        return None
    # Without the bank's own reference: the second in which it happened, and what stands in it.
    moment = when.isoformat() if when else ""
    alike = bank_ref or f"{moment}/{sha256(plain_text(content).encode()).hexdigest()[:32]}"
    return f"sepay/{account}/in/{amount:f}/{alike}"


def number_in(value: object) -> str:
    """Read the number of a transfer."""
    number = text_in(value).strip()
    if not 0 < len(number) <= ID_MAX:
        raise UnreadableMessageError
    return number


def whole_in(value: object) -> Decimal:
    """Read an amount in đồng."""
    amount = amount_in(value)
    if amount < 0 or amount != amount.to_integral_value():
        raise UnreadableMessageError  # đồng have no decimals
    return amount.to_integral_value()


def _is_one(value: object, yes: str, no: str) -> bool:
    if value not in {yes, no}:
        raise UnreadableMessageError
    return value == yes


def moment_in(value: object) -> datetime | None:
    """Read a moment on Vietnam's clocks, if there is one."""
    text = text_in(value)
    if not text:
        return None
    try:
        return datetime.strptime(text, WHEN).replace(tzinfo=VIETNAM)
    except ValueError:
        raise UnreadableMessageError from None


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise UnreadableMessageError from None


def _parts(message: Message) -> list[tuple[str, str]]:
    head = b"Content-Type: " + message.header("content-type") + b"\r\n\r\n"
    found: list[tuple[str, str]] = []
    for part in BytesParser(policy=HTTP).parsebytes(head + message.body).iter_parts():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes) or len(found) >= FIELDS_MAX:
            raise UnreadableMessageError
        found.append((name, content.decode("utf-8", "replace")))
    return found


def _once(pairs: list[tuple[str, str]]) -> Fields:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UnreadableMessageError
    return fields
