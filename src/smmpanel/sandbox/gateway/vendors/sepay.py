"""SePay's side, and the bank's: transfers that customers make, told by signed messages and listed by the User API v2.

Nothing is asked for at SePay: whoever wants to pay fills a slip in at `/sepay/bank`, with whatever text and amount.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, uuid5

from smmpanel.sandbox.gateway.desk import Desk
from smmpanel.sandbox.gateway.look import SAFE, drawn
from smmpanel.sandbox.gateway.payments import Event, EventKind, Payment
from smmpanel.sandbox.gateway.vendor import Answer, Call, Route, Vendor, Webhook, encoded

VIETNAM = timezone(timedelta(hours=7))
WHEN = "%Y-%m-%d %H:%M:%S"
BANK, BIN, HOLDER = "ACB", "970416", "SANDBOX"
# There is no such account: whoever scans a code that is made of it pays nobody.
ACCOUNT = "0000000000"
PER_PAGE, PER_PAGE_MAX = 20, 100
LATEST = 30
AMOUNT_MAX = 12
MEMO_MAX = 100
UNAUTHORIZED = Answer({"status": "error", "message": "Unauthorized"}, status=401)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One line of the account's statement."""

    number: int
    memo: str
    account: str
    amount: int
    comes_in: bool
    at: datetime

    @property
    def when(self) -> str:
        """The moment as banks of Vietnam write it."""
        return self.at.astimezone(VIETNAM).strftime(WHEN)

    @property
    def content(self) -> str:
        """The text with what a bank puts around it."""
        return f"MBVCB.{self.number}.{self.memo}.CT tu 0011001234567 TRAN THI B"

    @property
    def reference(self) -> str:
        """The bank's own number."""
        return f"FT{self.number}"


class SePay(Vendor):
    """`/sepay/bank` for people, `/sepay/v2/transactions` for the shop."""

    name: ClassVar[str] = "sepay"
    title: ClassVar[str] = "Bank transfer (SePay)"
    gateway: ClassVar[str] = "sepay"
    keys: ClassVar[Mapping[str, str]] = {"secret": "sandbox-sepay-secret", "api_token": "sandbox-sepay-token"}
    currency: ClassVar[str] = "VND"

    def setup(self, address: str) -> Mapping[str, str]:
        """A bank account, the secret of its messages, and the token of its list."""
        return {
            "bank": BIN,
            "account_number": ACCOUNT,
            "account_name": HOLDER,
            "memo_prefix": "HOMEMMO",
            "auth_mode": "hmac",
            "secret": self.secrets["secret"],
            "api_url": f"{address}/v2",
            "api_token": self.secrets["api_token"],
        }

    def routes(self) -> Sequence[Route]:
        """The bank's counter, and the list."""
        return (
            Route("GET", "/bank", "page", self._counter),
            Route("POST", "/bank", "page", self._fill_in),
            Route("GET", "/v2/transactions", "query", self._list),
            Route("GET", "/v2/bank-accounts", "query", self._accounts),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:
        """Tell of a transfer, in or out; signed with the moment of sending."""
        transfer = _told(event)
        if transfer is None:
            return None
        body = encoded(
            {
                "id": transfer.number,
                "gateway": BANK,
                "transactionDate": transfer.when,
                "accountNumber": transfer.account,
                "code": None,
                "content": transfer.content,
                "transferType": "in" if transfer.comes_in else "out",
                "transferAmount": transfer.amount,
                "accumulated": 19_077_000 + transfer.amount,
                "subAccount": None,
                "referenceCode": transfer.reference,
                "description": f"BankAPINotify {transfer.content}",
            }
        )
        stamp = str(int(now.timestamp()))
        signature = hmac.digest(self.secrets["secret"].encode(), f"{stamp}.".encode() + body, "sha256").hex()
        return Webhook(body, {"x-sepay-signature": f"sha256={signature}", "x-sepay-timestamp": stamp})

    def takes(self, status: int, body: bytes) -> bool:
        """200 or 201, and the word for success in the body."""
        return status in (200, 201) and re.search(rb'"success"\s*:\s*true', body) is not None

    # For people.

    def _counter(self, call: Call) -> Answer:
        return self._slip(call, call.query)

    def _fill_in(self, call: Call) -> Answer:
        slip = call.form()
        memo, amount = slip.get("memo", "").strip(), slip.get("amount", "").strip()
        if not (amount.isdigit() and 0 < len(amount) <= AMOUNT_MAX and int(amount)) or not 0 < len(memo) <= MEMO_MAX:
            return self._slip(call, slip, "A transfer needs a text, and an amount in whole đồng.", status=422)
        account = slip.get("account", "").strip() or ACCOUNT
        payment = call.desk.open(memo, Decimal(amount), self.currency, details={"account": account})
        return Answer("", status=303, headers=(("location", call.desk.page(payment)), *SAFE))

    def _slip(self, call: Call, slip: Mapping[str, str], problem: str = "", *, status: int = 200) -> Answer:
        given = {name: slip.get(name, "") for name in ("memo", "amount", "account")}
        latest = call.desk.payments()[: -LATEST - 1 : -1]
        page, kind = drawn("bank.html", slip=given, account=ACCOUNT, problem=problem, payments=latest)
        return Answer(page, status=status, content_type=kind, headers=SAFE)

    # For the shop.

    def _knows(self, call: Call) -> bool:
        return hmac.compare_digest(call.bearer.encode(), self.secrets["api_token"].encode())

    def _accounts(self, call: Call) -> Answer:
        if not self._knows(call):
            return UNAUTHORIZED
        account = {"account_number": ACCOUNT, "account_holder_name": HOLDER, "bank_short_name": BANK, "active": True}
        return Answer({"status": "success", "data": [account]})

    def _list(self, call: Call) -> Answer:
        if not self._knows(call):
            return UNAUTHORIZED
        asked = call.query
        try:
            page, size = int(asked.get("page", "1")), min(int(asked.get("per_page", PER_PAGE)), PER_PAGE_MAX)
        except ValueError:
            page = size = 0
        if page < 1 or size < 1:
            return Answer({"status": "error", "error_code": "validation_error"}, status=422)
        found = [one for one in _statement(call.desk) if _is_wanted(one, asked)]
        found.sort(key=lambda one: (one.at, one.number), reverse=asked.get("transaction_date_sort") != "asc")
        last = max(1, -(-len(found) // size))
        pages = {
            "total": len(found),
            "per_page": size,
            "current_page": page,
            "last_page": last,
            "has_more": page < last,
        }
        rows = [_row(one) for one in found[(page - 1) * size : page * size]]
        return Answer({"status": "success", "data": rows, "meta": {"pagination": pages}})


def _statement(desk: Desk) -> list[Transfer]:
    found = []
    for payment in desk.payments():
        for money in payment.moneys:
            found.append(_transfer(payment, money.number, money.amount, money.at, comes_in=True))
            found += [
                _transfer(payment, given.number, given.amount, given.at, comes_in=False) for given in money.given_back
            ]
    return found


def _told(event: Event) -> Transfer | None:
    if event.kind == EventKind.PAID and event.money is not None:
        money = event.money
        return _transfer(event.payment, money.number, money.amount, money.at, comes_in=True)
    if event.kind in (EventKind.REFUNDED, EventKind.CHARGED_BACK) and event.given_back is not None:
        given = event.given_back
        return _transfer(event.payment, given.number, given.amount, given.at, comes_in=False)
    return None


def _transfer(payment: Payment, number: str, amount: Decimal, at: datetime, *, comes_in: bool) -> Transfer:
    account = str(payment.details.get("account") or ACCOUNT)
    return Transfer(int(number), payment.reference, account, int(amount), comes_in, at)


def _is_wanted(transfer: Transfer, asked: Mapping[str, str]) -> bool:
    kind = asked.get("transfer_type", "")
    words = asked.get("q", "").lower()
    since, until = asked.get("transaction_date_from", ""), asked.get("transaction_date_to", "")
    # Moments that are written so compare like texts.
    return (
        kind in ("", "in" if transfer.comes_in else "out")
        and words in f"{transfer.content} {transfer.reference}".lower()
        and since <= transfer.when
        and (not until or transfer.when <= until)
    )


def _row(transfer: Transfer) -> dict[str, Any]:
    amount_in, amount_out = (transfer.amount, 0) if transfer.comes_in else (0, transfer.amount)
    return {
        "id": str(uuid5(NAMESPACE_URL, f"sepay:{transfer.number}")),
        "transaction_date": transfer.when,
        "account_number": transfer.account,
        "va": None,
        "transfer_type": "in" if transfer.comes_in else "out",
        "amount_in": amount_in,
        "amount_out": amount_out,
        "accumulated": 19_077_000 + amount_in - amount_out,
        "transaction_content": transfer.content,
        "reference_number": transfer.reference,
        "code": None,
        "bank_brand_name": BANK,
        "bank_account_id": "sandbox",
        "va_id": None,
        "webhook_success": 1,
    }
