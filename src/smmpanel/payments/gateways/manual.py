"""Transfers that staff look up and enter by hand: any bank, any currency, no messages."""

from datetime import datetime
from typing import ClassVar

from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.bank_details import BANK_SETTINGS, check_bank_details, transfer_to
from smmpanel.payments.protocol import (
    Account,
    Intent,
    Message,
    Reading,
    Reply,
    Setting,
    Started,
    UnreadableMessageError,
)


class ManualTransfer:
    """Tells customers where to transfer to; a person says what has arrived."""

    slug: ClassVar[str] = "manual"
    title: ClassVar[str] = marked("Bank transfer, approved by hand")
    currencies: ClassVar[frozenset[str]] = frozenset()
    uses_memo: ClassVar[bool] = True
    approved_by_staff: ClassVar[bool] = True
    expires_minutes: ClassVar[int] = 7 * 24 * 60
    settings: ClassVar[tuple[Setting, ...]] = BANK_SETTINGS
    kept_headers: ClassVar[tuple[str, ...]] = ()
    reply: ClassVar[Reply] = Reply({"success": True})

    def __init__(self, account: Account, http: Outgoing) -> None:
        self._account = account
        self._http = http

    def check(self) -> None:
        """Raise `InvalidInputError` unless customers can transfer to this account."""
        check_bank_details(self._account)

    @property
    def accounts(self) -> frozenset[str]:
        """The account that customers are told."""
        return frozenset({self._account.option("account_number")})

    async def start(self, intent: Intent) -> Started:
        """Say where to transfer to."""
        return transfer_to(self._account, intent)

    def verify(self, _message: Message, _now: datetime) -> str | None:
        """Nobody sends messages about it, so none is ever proved."""
        return None

    def read(self, _message: Message, _verdict: str) -> Reading:
        """Nothing that it says can be read."""
        raise UnreadableMessageError
