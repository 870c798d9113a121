"""Flutterwave with messages of version 4: signed, and with other numbers of charges than its version 3 answers have."""

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import orjson

from smmpanel.sandbox.gateway.payments import Event, EventKind
from smmpanel.sandbox.gateway.vendor import Webhook
from smmpanel.sandbox.gateway.vendors.flutterwave import Flutterwave, as_number

_TOLD = {
    EventKind.PAID: ("charge.completed", "succeeded"),
    EventKind.CANCELED: ("charge.completed", "failed"),
    EventKind.REFUNDED: ("refund.completed", "succeeded"),
    EventKind.REFUND_FAILED: ("refund.failed", "failed"),
}


class FlutterwaveV4(Flutterwave):
    """The same calls, other messages."""

    name: ClassVar[str] = "flutterwave_v4"
    title: ClassVar[str] = "Flutterwave, messages of version 4"

    def setup(self, address: str) -> Mapping[str, str]:
        """As of version 3, but for the proof."""
        return {**super().setup(address), "proof": "flutterwave-signature"}

    def webhook(self, event: Event, now: datetime) -> Webhook | None:
        """Tell of charges and refunds, signed over the body."""
        if event.kind not in _TOLD:
            return None
        kind, status = _TOLD[event.kind]
        told = {
            "webhook_id": f"wbk_{event.number}",
            "timestamp": int(now.timestamp() * 1000),
            "type": kind,
            "data": self._data(event, status),
        }
        body = orjson.dumps(told, default=as_number)
        signature = hmac.digest(self.secrets["secret_hash"].encode(), body, "sha256")
        return Webhook(body, {"flutterwave-signature": base64.b64encode(signature).decode()})

    def _data(self, event: Event, status: str) -> dict[str, Any]:
        payment, money, given = event.payment, event.money, event.given_back
        charge = f"chg_{payment.number if money is None else money.number}"
        if given is not None:
            return {
                "id": f"rfd_{given.number}",
                "charge_id": charge,
                "reference": payment.reference,
                "amount_refunded": given.amount,
                "status": status,
            }
        return {
            "id": charge,
            "reference": payment.reference,
            "amount": payment.amount if money is None else money.amount,
            "currency": payment.currency if money is None else money.currency,
            "status": status,
            "customer": {"email": payment.email},
        }
