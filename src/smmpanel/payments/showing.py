"""What a customer who is to transfer money is shown: made from what was frozen when the deposit began."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from smmpanel.payments.models import Deposit
from smmpanel.payments.vietqr import quick_link, vietqr_payload


@dataclass(frozen=True, slots=True)
class TransferDetails:
    """Where to transfer to, how much, and what to write."""

    bank: str
    bank_name: str
    account_number: str
    account_name: str
    content: str
    amount: Decimal
    instructions: str = ""

    @property
    def has_qr(self) -> bool:
        """Whether there is a code for bank apps: Vietnamese banks only, and only for whole đồng."""
        return bool(self.bank) and self.amount == self.amount.to_integral_value()

    @property
    def qr_payload(self) -> str:
        """What the code says."""
        return vietqr_payload(self.bank, self.account_number, self.amount, self.content)

    @property
    def quick_link(self) -> str:
        """The address of the code at a public service; empty if there is none."""
        if not self.has_qr:
            return ""
        return quick_link(self.bank, self.account_number, self.account_name, self.amount, self.content)


def transfer_details(deposit: Deposit, *, rest: bool = False) -> TransferDetails | None:
    """Return what to transfer, or with `rest` what is still missing; `None` if it is not paid by transfer."""
    shown: Mapping[str, Any] = deposit.shown
    if shown.get("kind") != "transfer":
        return None
    names = ("bank", "bank_name", "account_number", "account_name", "content")
    told = {name: str(shown.get(name) or "") for name in names}
    amount = deposit.amount - deposit.received if rest and deposit.received < deposit.amount else deposit.amount
    return TransferDetails(**told, amount=amount, instructions=str(shown.get("instructions") or ""))
