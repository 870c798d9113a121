"""Stripe: its vector, its own library on the other side, its events, its answers, and what must not be believed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import stripe

from payments.gateways.fake_vendor import FakeVendor, Scripted, fake_vendor
from payments.gateways.vectors import VECTORS
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.stripe import PROOF, Stripe
from smmpanel.payments.protocol import (
    Account,
    Asked,
    CanBeAsked,
    CanRefund,
    GatewayFailedError,
    GatewayStatus,
    GatewayUnknownError,
    Intent,
    Message,
    Notice,
    Refund,
    UnreadableMessageError,
)
from smmpanel.payments.signing import hmac_text

STAMP = 1795244560
NOW = datetime.fromtimestamp(STAMP, UTC)
KEY, SECRET = "sk_test_key_of_the_panel", "whsec_test_secret"
REFERENCE = "ABCDEFGHJKMNPQ"
INTENT = Intent(
    REFERENCE,
    None,
    Decimal("25.17"),
    "USD",
    NOW + timedelta(hours=2),
    NOW,
    email="ada@example.com",
    description=f"Top-up {REFERENCE}",
    return_url=f"https://panel.test/deposits/return/{REFERENCE}",
)
ASKED = Asked(REFERENCE, "cs_test_1", None, Decimal("25.17"), "USD", NOW, NOW, NOW + timedelta(hours=2))
REFUND = Refund(ASKED, "pi_1", Decimal("10.05"), "deposit:1:refund:1", "as asked")


def adapter(*secrets: str, key: str = KEY, http: Outgoing | None = None, **options: str) -> Stripe:
    kept = {"secret_key": (key,), "webhook_secret": secrets or (SECRET,)}
    return Stripe(Account("USD", options, kept), http or Outgoing())


def at(vendor: FakeVendor) -> Stripe:
    return adapter(http=vendor.http, base_url=vendor.url)


def signed(body: bytes | dict[str, Any], secret: str = SECRET, stamp: int = STAMP) -> Message:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = hmac_text(secret, f"{stamp}.".encode() + raw)
    return Message({PROOF: f"t={stamp},v1={signature}".encode()}, raw)


def event(kind: str, told: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": STAMP,
        "livemode": False,
        "data": {"object": told},
        **more,
    }


def session(**more: Any) -> dict[str, Any]:
    return {
        "id": "cs_test_1",
        "object": "checkout.session",
        "livemode": False,
        "client_reference_id": REFERENCE,
        "metadata": {"reference": REFERENCE},
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": "pi_1",
        "amount_total": 2517,
        "currency": "usd",
        "customer_details": {"email": "ada@example.com"},
        **more,
    }


def charge(**more: Any) -> dict[str, Any]:
    return {
        "id": "ch_1",
        "object": "charge",
        "payment_intent": "pi_1",
        "metadata": {"reference": REFERENCE},
        "amount": 2517,
        "amount_refunded": 0,
        "currency": "usd",
        "created": STAMP,
        "disputed": False,
        **more,
    }


def dispute(status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "dp_1",
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "amount": 2517,
        "currency": "usd",
        "status": status,
        "metadata": {},
        **more,
    }


def read(body: dict[str, Any]) -> list[Notice]:
    return list(adapter().read(signed(body), "signature").notices)


def expanded(status: str = "succeeded", **more: Any) -> dict[str, Any]:
    return session(payment_intent={"id": "pi_1", "status": status, "latest_charge": charge(**more)})


def answered(told: dict[str, Any], disputes: list[dict[str, Any]] | None = None) -> list[Notice]:
    whole: dict[str, Any] = {"session": told} | ({} if disputes is None else {"disputes": {"data": disputes}})
    return list(adapter().read_answer(json.dumps(whole).encode(), ASKED).notices)


def test_stripe_body_and_hdr() -> None:
    given = Message({PROOF: VECTORS["stripe.hdr"].encode()}, VECTORS["stripe.body"].encode())
    assert adapter().verify(given, NOW) == "signature"
    [notice] = adapter().read(given, "signature").notices
    assert (notice.status, notice.amount, notice.currency) == (GatewayStatus.PAID, Decimal("25.00"), "USD")
    assert (notice.reference, notice.unproved) == ("TOPUP-000123", False)
    assert adapter().read(given, "signature").event_key == "evt_test_0001"


def test_stripes_own_library_signs_what_we_take_and_takes_what_we_sign() -> None:
    payload = json.dumps(event("checkout.session.completed", session()), ensure_ascii=False)
    header = stripe.WebhookSignature.generate_signature_header(payload, SECRET, timestamp=STAMP)
    assert adapter().verify(Message({PROOF: header.encode()}, payload.encode()), NOW) == "signature"
    ours = signed(payload.encode(), stamp=STAMP)
    # Without a tolerance, since its clock is the real one.
    assert stripe.WebhookSignature.verify_header(payload, ours.header(PROOF).decode(), SECRET, tolerance=None)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(payload, ours.header(PROOF).decode(), "whsec_other", tolerance=None)
    other = stripe.WebhookSignature.generate_signature_header(payload, "whsec_other", timestamp=STAMP)
    assert adapter().verify(Message({PROOF: other.encode()}, payload.encode()), NOW) is None


def test_several_signatures_of_which_one_holds() -> None:
    body = VECTORS["stripe.body"].encode()
    good = VECTORS["stripe.hdr"].partition("v1=")[2]
    stale = hmac_text("whsec_old", f"{STAMP}.".encode() + body)
    for header in (
        f"t={STAMP},v1={stale},v1={good}",
        f"t={STAMP},v1={good},v1={stale}",
        f"t={STAMP}, v1={good},v0={stale}",
    ):
        assert adapter().verify(Message({PROOF: header.encode()}, body), NOW) == "signature"
    for header in (
        f"t={STAMP},v0={good}",
        f"t={STAMP},v1=,v0={good}",
        f"t={STAMP},v2={good}",
        f"v1={good}",
        f"t={STAMP}",
    ):
        assert adapter().verify(Message({PROOF: header.encode()}, body), NOW) is None
    rotated = Message({PROOF: f"t={STAMP},v1={stale}".encode()}, body)
    assert adapter("whsec_new", "whsec_old").verify(rotated, NOW) == "signature"


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0, "signature"), (300, "signature"), (-300, "signature"), (301, None), (-301, None)]
)
def test_times_are_near_ours(seconds: int, verdict: str | None) -> None:
    given = signed(event("checkout.session.completed", session()))
    assert adapter().verify(given, NOW + timedelta(seconds=seconds)) == verdict


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b",",
        b"=",
        b"t=,v1=",
        b"t=-1,v1=00",
        b"t=" + b"9" * 400 + b",v1=00",
        "t=１７９５２４４５６０,v1=00".encode(),
        b"\xff=\xfe,t=\xff,v1=\xff",
        b"t=1795244560" + b",v1=00" * 5000,
        f"t={STAMP},t=1,v1={VECTORS['stripe.hdr'].partition('v1=')[2]}".encode(),
    ],
)
def test_headers_that_are_none_prove_nothing(header: bytes) -> None:
    assert adapter().verify(Message({PROOF: header}, VECTORS["stripe.body"].encode()), NOW) is None


def test_a_changed_body_proves_nothing() -> None:
    header = {PROOF: VECTORS["stripe.hdr"].encode()}
    for body in (VECTORS["stripe.body"].replace("2500", "9900"), VECTORS["stripe.body"][:-1], ""):
        assert adapter().verify(Message(header, body.encode()), NOW) is None


def test_an_empty_secret_verifies_nothing() -> None:
    for kept in ({}, {"webhook_secret": ("", "")}):
        empty = Stripe(Account("USD", {}, {"secret_key": (KEY,), **kept}), Outgoing())
        assert empty.verify(signed(VECTORS["stripe.body"].encode(), ""), NOW) is None


def test_live_and_test_are_never_mixed() -> None:
    live = signed(event("checkout.session.completed", session(), livemode=True))
    assert adapter().verify(live, NOW) is None
    assert adapter(key="sk_live_1").verify(live, NOW) == "signature"
    assert adapter(key="rk_live_1").verify(signed(event("checkout.session.completed", session())), NOW) is None
    odd = signed(event("checkout.session.completed", session(), livemode="false"))
    assert adapter().verify(odd, NOW) is None


@pytest.mark.parametrize(
    ("word", "payment", "status"),
    [
        ("completed", "unpaid", GatewayStatus.PENDING),
        ("completed", "paid", GatewayStatus.PAID),
        ("completed", "no_payment_required", GatewayStatus.PAID),
        ("completed", "something new", GatewayStatus.REVIEW),
        ("async_payment_succeeded", "paid", GatewayStatus.PAID),
        ("async_payment_failed", "unpaid", GatewayStatus.FAILED),
        ("expired", "unpaid", GatewayStatus.EXPIRED),
    ],
)
def test_events_of_sessions(word: str, payment: str, status: GatewayStatus) -> None:
    [notice] = read(event(f"checkout.session.{word}", session(payment_status=payment)))
    assert (notice.status, notice.amount, notice.currency) == (status, Decimal("25.17"), "USD")
    assert (notice.external_id, notice.reference, notice.payer) == ("pi_1", REFERENCE, "ada@example.com")


def test_a_session_of_nothing_is_no_money() -> None:
    free = session(payment_status="no_payment_required", payment_intent=None, amount_total=0)
    reading = adapter().read(signed(event("checkout.session.completed", free)), "signature")
    assert (list(reading.notices), reading.note) == ([], "a session of nothing")


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [
        ("vnd", 100000, "100000"),
        ("jpy", 500, "500"),
        ("krw", 500, "500"),
        ("usd", 2517, "25.17"),
        ("ugx", 500, "5"),
        ("isk", 500, "5"),
        ("mga", 5, "5"),
        ("kwd", 1250, "1.25"),
    ],
)
async def test_currencies_without_decimals(currency: str, minor: int, amount: str) -> None:
    [notice] = read(event("checkout.session.completed", session(currency=currency, amount_total=minor)))
    assert (notice.amount, notice.currency) == (Decimal(amount), currency.upper())
    async with fake_vendor() as vendor:
        vendor.answering((200, {"id": "cs_test_1", "url": "https://checkout.stripe.com/c/1", "livemode": False}))
        await at(vendor).start(replace(INTENT, currency=currency.upper(), amount=Decimal(amount)))
        form = vendor.sent[0].form
    assert (form["line_items[0][price_data][unit_amount]"], form["line_items[0][price_data][currency]"]) == (
        str(minor),
        currency,
    )


def test_refunds_are_told_as_totals() -> None:
    [part] = read(event("charge.refunded", charge(amount_refunded=1000)))
    [whole] = read(event("charge.refunded", charge(amount_refunded=2517, refunded=True)))
    assert (part.status, part.amount, part.is_total) == (GatewayStatus.PARTIALLY_REFUNDED, Decimal("10.00"), True)
    assert (whole.status, whole.amount, whole.is_total) == (GatewayStatus.REFUNDED, Decimal("25.17"), True)
    assert part.external_id == whole.external_id == "pi_1"
    assert part.reference == whole.reference == REFERENCE
    assert part.return_id != whole.return_id
    assert read(event("charge.refunded", charge(amount_refunded=1000))) == [part]


def test_a_refund_that_failed() -> None:
    refund = {
        "id": "re_1",
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "amount": 1000,
        "currency": "usd",
        "metadata": {"reference": REFERENCE},
    }
    for kind in ("refund.failed", "refund.updated", "charge.refund.updated"):
        [failed] = read(event(kind, {**refund, "status": "failed"}))
        assert (failed.status, failed.return_id, failed.amount) == (
            GatewayStatus.REFUND_FAILED,
            "refund:re_1",
            Decimal("10.00"),
        )
        assert (failed.external_id, failed.reference) == ("pi_1", REFERENCE)
    assert read(event("refund.updated", {**refund, "status": "succeeded"})) == []


@pytest.mark.parametrize(
    ("word", "said", "status"),
    [
        ("created", "needs_response", GatewayStatus.REVERSED),
        ("created", "under_review", GatewayStatus.REVERSED),
        ("created", "warning_needs_response", GatewayStatus.REVIEW),
        ("updated", "warning_under_review", GatewayStatus.REVIEW),
        ("closed", "lost", GatewayStatus.REVERSED),
        ("closed", "won", GatewayStatus.REINSTATED),
        ("closed", "something new", GatewayStatus.REVIEW),
        ("funds_withdrawn", "needs_response", GatewayStatus.REVERSED),
        ("funds_reinstated", "under_review", GatewayStatus.REINSTATED),
    ],
)
def test_disputes(word: str, said: str, status: GatewayStatus) -> None:
    [notice] = read(event(f"charge.dispute.{word}", dispute(said)))
    assert (notice.status, notice.amount, notice.external_id, notice.return_id) == (
        status,
        Decimal("25.17"),
        "pi_1",
        "dispute:dp_1",
    )


@pytest.mark.parametrize("status", ["warning_closed", "charge_refunded"])
def test_an_inquiry_that_is_over_took_nothing(status: str) -> None:
    assert read(event("charge.dispute.closed", dispute(status))) == []


def test_other_events_do_not_concern_us() -> None:
    for kind in ("payment_intent.succeeded", "charge.succeeded", "payout.paid", "checkout.session.other"):
        reading = adapter().read(signed(event(kind, {"id": "x"})), "signature")
        assert (list(reading.notices), reading.note) == ([], kind)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"id":"evt_1","type":"checkout.session.completed"}',
        b'{"id":"evt_1","type":"checkout.session.completed","data":{"object":[]}}',
        b'{"type":"checkout.session.completed","data":{"object":{}}}',
        b'{"id":"evt_1","id":"evt_2","type":"charge.refunded","data":{"object":{}}}',
        json.dumps(event("checkout.session.completed", session(amount_total=-1))).encode(),
        json.dumps(event("checkout.session.completed", session(amount_total="1e9"))).encode(),
        json.dumps(event("checkout.session.completed", session(amount_total=25.5))).encode(),
        json.dumps(event("checkout.session.completed", session(payment_status=["paid"]))).encode(),
        json.dumps(event("checkout.session.completed", session(payment_intent=["pi_1"]))).encode(),
        json.dumps(event("charge.refunded", charge(amount_refunded=[1]))).encode(),
        json.dumps(event("charge.dispute.created", dispute("lost", id=None))).encode(),
        b'{"a":' * 20_000,
    ],
)
def test_what_cannot_be_read_is_never_half_read(body: bytes) -> None:
    given = signed(body)
    assert adapter().verify(given, NOW) == "signature"
    with pytest.raises(UnreadableMessageError):
        adapter().read(given, "signature")


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (session(status="open", payment_status="unpaid", payment_intent=None), GatewayStatus.PENDING),
        (session(status="expired", payment_status="unpaid", payment_intent=None), GatewayStatus.EXPIRED),
        (
            session(payment_status="unpaid", payment_intent={"id": "pi_1", "status": "processing"}),
            GatewayStatus.PENDING,
        ),
        (
            session(payment_status="unpaid", payment_intent={"id": "pi_1", "status": "requires_payment_method"}),
            GatewayStatus.FAILED,
        ),
        (expanded(), GatewayStatus.PAID),
    ],
)
def test_states_of_sessions_in_answers(told: dict[str, Any], status: GatewayStatus) -> None:
    [notice] = answered(told)
    assert (notice.status, notice.amount, notice.reference) == (status, Decimal("25.17"), REFERENCE)


def test_event_and_answer_give_the_same_number() -> None:
    assert read(event("checkout.session.completed", session())) == answered(expanded())


def test_answers_tell_what_was_given_back() -> None:
    paid, back, taken = answered(
        expanded(amount_refunded=1000, disputed=True), [dispute("lost"), dispute("lost", payment_intent="pi_2")]
    )
    assert [one.status for one in (paid, back, taken)] == [
        GatewayStatus.PAID,
        GatewayStatus.PARTIALLY_REFUNDED,
        GatewayStatus.REVERSED,
    ]
    assert [back] == read(event("charge.refunded", charge(amount_refunded=1000)))
    assert [replace(taken, reference=None)] == read(event("charge.dispute.closed", dispute("lost")))


def test_the_answer_to_another_question_is_not_read() -> None:
    with pytest.raises(UnreadableMessageError):
        answered(session(client_reference_id="OTHERREFERENCE"))


@pytest.mark.parametrize(
    ("key", "secrets", "options", "field"),
    [
        ("", (SECRET,), {}, "secret_key"),
        ("pk_test_public", (SECRET,), {}, "secret_key"),
        (KEY, ("",), {}, "webhook_secret"),
        (KEY, ("sk_test_no",), {}, "webhook_secret"),
        (KEY, (SECRET,), {"base_url": "ftp://stripe.example"}, "base_url"),
    ],
)
def test_what_is_missing_is_named(key: str, secrets: tuple[str, ...], options: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInputError) as wrong:
        adapter(*secrets, key=key, **options).check()
    assert wrong.value.fields["field"] == field


def test_a_key_and_a_secret_are_enough() -> None:
    ours = adapter()
    ours.check()
    assert isinstance(ours, CanBeAsked)
    assert isinstance(ours, CanRefund)
    assert ours.can_be_asked


MADE = (200, {"id": "cs_test_1", "url": "https://checkout.stripe.com/c/1", "livemode": False})


async def test_a_page_is_made_once_however_often_it_is_asked_for() -> None:
    async with fake_vendor() as vendor:
        started = await at(vendor.answering(MADE)).start(INTENT)
        await at(vendor).start(replace(INTENT, now=NOW + timedelta(minutes=1)))
        first, second = vendor.sent
    assert started.shown == {"kind": "redirect", "redirect_url": "https://checkout.stripe.com/c/1"}
    assert started.external_ref == "cs_test_1"
    assert (first.method, first.path) == ("POST", "/v1/checkout/sessions")
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.headers["content-type"] == "application/x-www-form-urlencoded"
    assert first.form == {
        "mode": "payment",
        "client_reference_id": REFERENCE,
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "2517",
        "line_items[0][price_data][product_data][name]": f"Top-up {REFERENCE}",
        "metadata[reference]": REFERENCE,
        "payment_intent_data[metadata][reference]": REFERENCE,
        "success_url": INTENT.return_url,
        "cancel_url": INTENT.return_url,
        "expires_at": str(STAMP + 7200),
        "customer_email": "ada@example.com",
    }
    assert (first.body, first.headers["idempotency-key"]) == (second.body, second.headers["idempotency-key"])
    assert first.headers["idempotency-key"].startswith(REFERENCE)


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(5, 31 * 60), (30, 31 * 60), (60, 3600), (30 * 24 * 60, 24 * 3600 - 60)]
)
async def test_pages_are_open_as_long_as_stripe_lets_them(minutes: int, seconds: int) -> None:
    async with fake_vendor() as vendor:
        await at(vendor.answering(MADE)).start(replace(INTENT, expires_at=NOW + timedelta(minutes=minutes)))
        assert int(vendor.sent[0].form["expires_at"]) - STAMP == seconds


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"error": {"type": "invalid_request_error"}}),
        (401, {"error": {}}),
        (402, b""),
        (429, b""),
        (500, b""),
        (200, b"<html>"),
        (200, {"id": "cs_test_1"}),
        (200, {"id": None, "url": "https://checkout.stripe.com/c/1"}),
        (200, {"id": "cs_test_1", "url": "javascript:alert(1)"}),
        (200, {"id": "cs_live_1", "url": "https://checkout.stripe.com/c/1", "livemode": True}),
        None,
    ],
)
async def test_no_page_is_a_failure_that_can_be_tried_again(answer: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError) as failure:
            await at(vendor.answering(answer)).start(INTENT)
    assert failure.type is GatewayFailedError


async def test_asking_for_a_session() -> None:
    async with fake_vendor() as vendor:
        ours = at(vendor.answering((200, expanded())))
        [paid] = ours.read_answer(await ours.ask(ASKED), ASKED).notices
        [sent] = vendor.sent
        assert paid.status == GatewayStatus.PAID
        assert (sent.path, sent.query) == (
            "/v1/checkout/sessions/cs_test_1",
            {"expand[]": ["payment_intent.latest_charge"]},
        )
        vendor.answering((200, expanded(disputed=True)), (200, {"object": "list", "data": [dispute("needs_response")]}))
        notices = ours.read_answer(await ours.ask(ASKED), ASKED).notices
        assert [one.status for one in notices] == [GatewayStatus.PAID, GatewayStatus.REVERSED]
        assert (vendor.sent[1].path, vendor.sent[1].query["payment_intent"]) == ("/v1/disputes", ["pi_1"])
        with pytest.raises(GatewayFailedError):
            await ours.ask(replace(ASKED, external_ref=None))


@pytest.mark.parametrize(
    "answer", [(404, {"error": {}}), (200, session(livemode=True)), (200, b"[]"), (503, b""), None]
)
async def test_an_answer_that_says_nothing_is_a_failure(answer: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError):
            await at(vendor.answering(answer)).ask(ASKED)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("succeeded", "done"),
        ("pending", "pending"),
        ("requires_action", "pending"),
        ("failed", "failed"),
        ("canceled", "failed"),
    ],
)
async def test_a_refund_is_asked_for_under_its_key(word: str, status: str) -> None:
    async with fake_vendor() as vendor:
        done = await at(vendor.answering((200, {"id": "re_1", "status": word}))).refund(REFUND)
        [sent] = vendor.sent
    assert (done.return_id, done.status) == ("refund:re_1", status)
    assert (sent.path, sent.headers["idempotency-key"]) == ("/v1/refunds", REFUND.key)
    assert (sent.form["payment_intent"], sent.form["amount"], sent.form["metadata[reference]"]) == (
        "pi_1",
        "1005",
        REFERENCE,
    )


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((400, {"error": {"code": "charge_already_refunded"}}), GatewayFailedError),
        ((409, {"error": {}}), GatewayUnknownError),
        ((500, b""), GatewayUnknownError),
        ((200, {}), GatewayUnknownError),
        (None, GatewayUnknownError),
    ],
)
async def test_a_refund_that_failed_and_one_of_which_nobody_knows(
    answer: Scripted | None, failure: type[GatewayFailedError]
) -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError) as raised:
            await at(vendor.answering(answer)).refund(REFUND)
        assert len(vendor.sent) == 1
    assert raised.type is failure
