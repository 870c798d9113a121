"""Stripe's side: Checkout sessions, refunds and disputes; events signed with the endpoint's secret over time and body."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import orjson

from smmpanel.sandbox.gateway.payments import Event, EventKind, GivenBack, Payment, PaymentState
from smmpanel.sandbox.gateway.vendor import Answer, Call, Route, Vendor, Webhook

WITHOUT_DECIMALS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
SHORTEST, LONGEST = timedelta(minutes=30), timedelta(hours=24)
_ITEM = "line_items[0][price_data]"
_SESSION = {
    PaymentState.OPEN: ("open", "unpaid"),
    PaymentState.PAID: ("complete", "paid"),
    PaymentState.CANCELED: ("expired", "unpaid"),
    PaymentState.EXPIRED: ("expired", "unpaid"),
}
_TOLD = {
    EventKind.PENDING: ("checkout.session.completed", "complete", "unpaid"),
    EventKind.PAID: ("checkout.session.completed", "complete", "paid"),
    EventKind.CANCELED: ("checkout.session.expired", "expired", "unpaid"),
    EventKind.EXPIRED: ("checkout.session.expired", "expired", "unpaid"),
}
_BACK: Mapping[EventKind, tuple[str, Mapping[str, str]]] = {
    EventKind.REFUNDED: ("charge.refunded", {}),
    EventKind.REFUND_FAILED: ("refund.failed", {"status": "failed"}),
    EventKind.CHARGED_BACK: ("charge.dispute.created", {"status": "needs_response"}),
    EventKind.DISPUTE_WON: ("charge.dispute.closed", {"status": "won"}),
}


class Stripe(Vendor):
    """`/v1/checkout/sessions`, `/v1/refunds`, `/v1/disputes`. A session is paid once, whatever is tried."""

    name: ClassVar[str] = "stripe"
    title: ClassVar[str] = "Stripe Checkout"
    gateway: ClassVar[str] = "stripe"
    keys: ClassVar[Mapping[str, str]] = {"secret_key": "sk_test_sandbox_stripe", "webhook_secret": "whsec_sandbox"}
    currency: ClassVar[str] = "USD"

    def setup(self, address: str) -> Mapping[str, str]:
        """Base address, key, and the endpoint's secret."""
        return {"base_url": address, **self.secrets}

    def routes(self) -> Sequence[Route]:
        """The calls that a shop needs."""
        return (
            Route("POST", "/v1/checkout/sessions", "create", self._create),
            Route("GET", "/v1/checkout/sessions/{number}", "query", self._retrieve),
            Route("POST", "/v1/refunds", "refund", self._refund),
            Route("GET", "/v1/disputes", "query", self._disputes),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:
        """Tell of sessions, refunds and disputes."""
        told = self._told(event)
        if told is None:
            return None
        kind, thing = told
        body = orjson.dumps(
            {
                "id": f"evt_{event.number}",
                "object": "event",
                "api_version": "2025-09-30.clover",
                "type": kind,
                "created": _at(event.at),
                "livemode": self.live,
                "data": {"object": thing},
            }
        )
        stamp = str(int(now.timestamp()))
        signature = hmac.digest(self.secrets["webhook_secret"].encode(), f"{stamp}.".encode() + body, "sha256")
        return Webhook(body, {"stripe-signature": f"t={stamp},v0={'0' * 64},v1={signature.hex()}"})

    # Calls.

    def _create(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        key, form = call.header("idempotency-key"), call.form()
        before = [one for one in call.desk.payments() if key and one.details["key"] == key]
        if before:
            if before[0].details["form"] != form:
                return _refusal(
                    "Keys for idempotent requests can only be used with the same parameters", kind="idempotency_error"
                )
            return Answer(self._session(before[0], call))
        amount, currency = form.get(f"{_ITEM}[unit_amount]", ""), form.get(f"{_ITEM}[currency]", "")
        ends = form.get("expires_at", "")
        if form.get("mode") != "payment" or not form.get("success_url") or not amount.isdigit() or not currency:
            return _refusal("Missing required param")
        expires_at = datetime.fromtimestamp(int(ends), UTC) if ends.isdigit() else call.desk.now + LONGEST
        if not SHORTEST <= expires_at - call.desk.now <= LONGEST:
            return _refusal(
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from now", param="expires_at"
            )
        payment = call.desk.open(
            form.get("client_reference_id", ""),
            _amount(int(amount), currency.upper()),
            currency.upper(),
            return_url=form["success_url"],
            cancel_url=form.get("cancel_url", ""),
            email=form.get("customer_email", ""),
            expires_at=expires_at,
            details={"key": key, "form": form},
        )
        return Answer(self._session(payment, call))

    def _retrieve(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        payment = call.desk.by_number(call.named["number"].rpartition("_")[2])
        if payment is None:
            return _refusal("No such checkout.session", status=404, code="resource_missing")
        session = self._session(payment, call)
        if any(name.startswith("expand[") for name in call.query) and payment.money is not None:
            status = {"id": _intent(payment), "object": "payment_intent", "status": "succeeded"}
            session["payment_intent"] = status | {"latest_charge": self._charge(payment, payment.returned)}
        return Answer(session)

    def _refund(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        form = call.form()
        payment = call.desk.by_number(form.get("payment_intent", "").rpartition("_")[2])
        if payment is None or payment.money is None:
            return _refusal("No such payment_intent", status=404, code="resource_missing")
        amount = form.get("amount", "")
        wanted = _amount(int(amount), payment.currency) if amount.isdigit() else None
        try:
            given = call.desk.refund(payment, wanted, key=call.header("idempotency-key"))
        except ValueError:
            return _refusal("Refund amount is greater than unrefunded amount on charge")
        return Answer(self._refunded(payment, given) | {"metadata": _metadata(form, "metadata")})

    def _disputes(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        named = call.query.get("payment_intent", "")
        rows = [
            self._dispute(payment, given)
            for payment in call.desk.payments()
            for given in _disputed(payment)
            if named in ("", _intent(payment))
        ]
        return Answer({"object": "list", "url": "/v1/disputes", "has_more": False, "data": rows})

    def _stranger(self, call: Call) -> Answer | None:
        given = call.bearer or call.basic[0]
        if hmac.compare_digest(given.encode(), self.secrets["secret_key"].encode()):
            return None
        return _refusal("Invalid API Key provided", status=401)

    # What is said of things.

    def _told(self, event: Event) -> tuple[str, dict[str, Any]] | None:
        payment, given = event.payment, event.given_back
        if event.kind in _TOLD:
            kind, status, paid = _TOLD[event.kind]
            # What was paid is the session's amount, whatever the sandbox's customer is made to pay.
            return kind, self._session(payment) | {"status": status, "payment_status": paid} | _paid(event)
        if given is None or event.kind not in _BACK:
            return None
        kind, more = _BACK[event.kind]
        if event.kind == EventKind.REFUNDED:
            return kind, self._charge(payment, event.returned)
        thing = (
            self._refunded(payment, given) if event.kind == EventKind.REFUND_FAILED else self._dispute(payment, given)
        )
        return kind, {**thing, **more}

    def _session(self, payment: Payment, call: Call | None = None) -> dict[str, Any]:
        status, paid = _SESSION[payment.state]
        money, form = payment.money, payment.details["form"]
        return {
            "id": f"cs_{'live' if self.live else 'test'}_{payment.number}",
            "object": "checkout.session",
            "livemode": self.live,
            "mode": "payment",
            "client_reference_id": payment.reference,
            "metadata": _metadata(form, "metadata"),
            "status": status,
            "payment_status": paid,
            "payment_intent": _intent(payment) if money else None,
            "amount_total": _minor(
                money.amount if money else payment.amount, money.currency if money else payment.currency
            ),
            "currency": (money.currency if money else payment.currency).lower(),
            "customer_details": {"email": payment.email} if money else None,
            "expires_at": _at(payment.expires_at or payment.created_at + LONGEST),
            "created": _at(payment.created_at),
            "url": call.desk.page(payment) if call is not None and payment.state == PaymentState.OPEN else None,
        }

    def _charge(self, payment: Payment, returned: Decimal) -> dict[str, Any]:
        money = payment.money
        assert money is not None, "a charge is money"
        return {
            "id": f"ch_{payment.number}",
            "object": "charge",
            "livemode": self.live,
            "payment_intent": _intent(payment),
            "metadata": _metadata(payment.details["form"], "payment_intent_data[metadata]"),
            "amount": _minor(money.amount, money.currency),
            "amount_refunded": _minor(returned - _lost(payment), money.currency),
            "refunded": returned - _lost(payment) >= money.amount,
            "disputed": bool(_disputed(payment)),
            "currency": money.currency.lower(),
            "created": _at(money.at),
        }

    def _refunded(self, payment: Payment, given: GivenBack) -> dict[str, Any]:
        return {
            "id": f"re_{given.number}",
            "object": "refund",
            "charge": f"ch_{payment.number}",
            "payment_intent": _intent(payment),
            "amount": _minor(given.amount, payment.currency),
            "currency": payment.currency.lower(),
            "status": "failed" if given.status == "failed" else "succeeded",
            "metadata": {},
        }

    def _dispute(self, payment: Payment, given: GivenBack) -> dict[str, Any]:
        # Its metadata are its own: the charge's are not in it.
        return {
            "id": f"dp_{given.number}",
            "object": "dispute",
            "livemode": self.live,
            "charge": f"ch_{payment.number}",
            "payment_intent": _intent(payment),
            "amount": _minor(given.amount, payment.currency),
            "currency": payment.currency.lower(),
            "status": "won" if given.status == "won" else "needs_response",
            "metadata": {},
        }


def _paid(event: Event) -> dict[str, Any]:
    money = event.money
    if money is None:
        return {}
    return {
        "payment_intent": _intent(event.payment),
        "amount_total": _minor(money.amount, money.currency),
        "currency": money.currency.lower(),
    }


def _intent(payment: Payment) -> str:
    return f"pi_{payment.number}"


def _disputed(payment: Payment) -> list[GivenBack]:
    return [given for money in payment.moneys for given in money.given_back if given.kind == "chargeback"]


def _lost(payment: Payment) -> Decimal:
    """What disputes took: no refund."""
    return sum((one.amount for one in _disputed(payment) if one.status == "done"), Decimal(0))


def _metadata(form: Mapping[str, str], name: str) -> dict[str, str]:
    begin = f"{name}["
    return {key[len(begin) : -1]: value for key, value in form.items() if key.startswith(begin)}


def _places(currency: str) -> int:
    return 0 if currency in WITHOUT_DECIMALS else 2


def _minor(amount: Decimal, currency: str) -> int:
    return int(amount.scaleb(_places(currency)))


def _amount(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-_places(currency))


def _at(moment: datetime) -> int:
    return int(moment.timestamp())


def _refusal(message: str, *, status: int = 400, kind: str = "invalid_request_error", **more: str) -> Answer:
    return Answer({"error": {"type": kind, "message": message, **more}}, status=status)
