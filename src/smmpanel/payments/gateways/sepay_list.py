"""SePay's User API v2: the list of all transfers on linked accounts, whether a message told of them or not.

Rows have numbers of their own there (UUIDs), so what joins them to messages is the natural key.
"""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from smmpanel.payments.gateways.sepay_messages import (
    CURRENCY,
    NOTHING,
    OUTGOING,
    VIETNAM,
    WHEN,
    account_of,
    moment_in,
    natural_key,
    number_in,
    whole_in,
)
from smmpanel.payments.protocol import GatewayStatus, LinkedAccount, Listed, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import read_json, text_in

API_URL = "https://userapi.sepay.vn/v2"
SOURCE = "v2"
ROWS_PER_PAGE = 100
"""The most that SePay hands out at once."""
PAGES_MAX = 100_000

Fields = Mapping[str, Any]


def list_query(since: datetime, until: datetime, after: str | None) -> dict[str, str]:
    """Return the query for one page of what moved between two moments, oldest first."""
    return {
        "transaction_date_from": _local(since),
        "transaction_date_to": _local(until),
        "transaction_date_sort": "asc",
        "per_page": str(ROWS_PER_PAGE),
        "page": str(_page_in(after)),
    }


def search_query(text: str, since: datetime) -> dict[str, str]:
    """Return the query for incoming transfers in whose text something stands."""
    return {
        "q": text,
        "transfer_type": "in",
        "transaction_date_from": _local(since),
        "per_page": str(ROWS_PER_PAGE),
        "page": "1",
    }


def listed_in(answer: bytes, after: str | None) -> Listed:
    """Read one page. Raises `UnreadableMessageError`; an invalid token was answered with an empty body by version 1."""
    fields = read_json(answer)
    rows = _rows(fields)
    meta = fields.get("meta")
    pages = meta.get("pagination") if isinstance(meta, dict) else None
    has_more = pages.get("has_more") if isinstance(pages, dict) else None
    if not isinstance(has_more, bool):
        raise UnreadableMessageError
    # Numbers travel on as the text that they were written with.
    return Listed([json.dumps(row).encode() for row in rows], str(_page_in(after) + 1) if has_more and rows else None)


def found_in(answer: bytes) -> list[Fields]:
    """Return the rows that a search has found."""
    return _rows(read_json(answer))


def accounts_in(answer: bytes) -> list[LinkedAccount]:
    """Read the list of linked accounts. Raises `UnreadableMessageError`."""
    return [
        LinkedAccount(
            number=text_in(row.get("account_number")),
            holder=text_in(row.get("account_holder_name")),
            bank=text_in(row.get("bank_short_name")) or text_in(row.get("bank_brand_name")),
        )
        for row in _rows(read_json(answer))
    ]


def read_listed(fields: Fields, accounts: AbstractSet[str]) -> Reading:
    """Understand a row of the list. Raises `UnreadableMessageError`."""
    key = f"{SOURCE}:{number_in(fields.get('id'))}"
    kind = fields.get("transfer_type")
    if kind == "out":
        return Reading(key, note=OUTGOING)
    amount = whole_in(fields.get("amount_in"))
    if kind not in {"in", None, ""}:
        raise UnreadableMessageError
    if amount == 0:
        return Reading(key, note=NOTHING if kind == "in" else OUTGOING)
    account, content = (
        account_of(fields.get("account_number"), fields.get("va"), accounts),
        text_in(fields.get("transaction_content")),
    )
    bank_ref, when = text_in(fields.get("reference_number")), moment_in(fields.get("transaction_date"))
    notice = Notice(
        external_id=key,
        source=SOURCE,
        status=GatewayStatus.PAID,
        amount=amount,
        currency=CURRENCY,
        texts=(content, text_in(fields.get("code"))),
        account=account or None,
        bank_ref=bank_ref or None,
        natural_key=natural_key(account, amount, bank_ref, when, content),
        occurred_at=when,
    )
    return Reading(key, [notice])


def _rows(fields: Fields) -> list[Fields]:
    rows = fields.get("data")
    if fields.get("status") != "success" or not isinstance(rows, list):
        raise UnreadableMessageError
    if any(not isinstance(row, dict) for row in rows):
        raise UnreadableMessageError
    return rows


def _local(moment: datetime) -> str:
    return moment.astimezone(VIETNAM).strftime(WHEN)


def _page_in(after: str | None) -> int:
    return min(max(int(after), 1), PAGES_MAX) if after else 1
