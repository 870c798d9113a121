"""Flutterwave: its vector, both proofs, its words, its answers, and what must not be believed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from payments.gateways.fake_vendor import FakeVendor, Scripted, fake_vendor
from payments.gateways.vectors import VECTORS
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.flutterwave import HASH, SIGNATURE, Flutterwave
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

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
KEY, SECRET = "FLWSECK_TEST-panel-X", "flw_secret_hash"
REFERENCE = "ABCDEFGHJKMNPQ"
ASKED = Asked(REFERENCE, None, None, Decimal(5000), "NGN", NOW, NOW + timedelta(minutes=5), NOW + timedelta(hours=1))
INTENT = Intent(
    REFERENCE,
    None,
    Decimal("5000.50"),
    "NGN",
    NOW + timedelta(hours=1),
    NOW,
    customer="U-1",
    email="ada@example.com",
    description=f"Top-up {REFERENCE}",
    return_url=f"https://panel.test/deposits/return/{REFERENCE}",
)
REFUND = Refund(ASKED, "285959875", Decimal("2000.50"), "deposit:1:refund:1", "as asked")


def adapter(
    proof: str = HASH, *hashes: str, key: str = KEY, http: Outgoing | None = None, **options: str
) -> Flutterwave:
    kept = {"secret_key": (key,), "secret_hash": hashes or (SECRET,)}
    return Flutterwave(Account("NGN", {"proof": proof, **options}, kept), http or Outgoing())


def at(vendor: FakeVendor) -> Flutterwave:
    return adapter(http=vendor.http, base_url=vendor.url)


def charge(**more: Any) -> dict[str, Any]:
    return {
        "id": 285959875,
        "tx_ref": REFERENCE,
        "flw_ref": "FLW-1",
        "amount": 5000,
        "charged_amount": 5070,
        "currency": "NGN",
        "status": "successful",
        "created_at": "2026-11-21T06:59:00.000Z",
        **more,
    }


def refund_row(**more: Any) -> dict[str, Any]:
    return {"id": 75923, "tx_id": 285959875, "amount_refunded": 2000, "status": "completed", **more}


def found(data: Any) -> Scripted:
    return 200, {"status": "success", "message": "fetched", "data": data}


def answered(verified: dict[str, Any], **listed: list[dict[str, Any]]) -> list[Notice]:
    lists = {name: {"status": "success", "data": rows} for name, rows in listed.items()}
    whole = {"verified": {"status": "success", "data": verified}, **lists}
    return list(adapter().read_answer(json.dumps(whole).encode(), ASKED).notices)


def test_flw_body_and_v4sig() -> None:
    given = Message({SIGNATURE: VECTORS["flw.v4sig"].encode()}, VECTORS["flw.body"].encode())
    assert adapter(SIGNATURE).verify(given, NOW) == SIGNATURE
    assert adapter(SIGNATURE, "new_hash", SECRET).verify(given, NOW) == SIGNATURE
    [notice] = adapter(SIGNATURE).read(given, SIGNATURE).notices
    assert (notice.external_id, notice.reference) == ("chg_test_1", "TOPUP-000123")
    assert (notice.status, notice.amount, notice.currency) == (GatewayStatus.PAID, Decimal(5000), "NGN")
    assert notice.unproved  # its charge has another number where it is asked about, so only the answer counts


def test_the_static_hash_proves_only_who_sent_it() -> None:
    given = Message({HASH: SECRET.encode()}, json.dumps({"event": "charge.completed", "data": charge()}).encode())
    assert adapter().verify(given, NOW) == HASH
    [notice] = adapter().read(given, HASH).notices
    assert (notice.external_id, notice.status, notice.unproved) == ("285959875", GatewayStatus.PAID, True)


def test_only_the_configured_proof_counts() -> None:
    body = VECTORS["flw.body"].encode()
    signed, hashed = {SIGNATURE: VECTORS["flw.v4sig"].encode()}, {HASH: SECRET.encode()}
    assert adapter(HASH).verify(Message(signed, body), NOW) is None
    assert adapter(SIGNATURE).verify(Message(hashed, body), NOW) is None
    assert adapter(SIGNATURE).verify(Message(signed | hashed, body.replace(b"5000", b"9000")), NOW) is None
    assert adapter("anything").verify(Message(signed | hashed, body), NOW) is None


@pytest.mark.parametrize(
    "given", [b"", b"flw_secret_has", b"FLW_SECRET_HASH", b"flw_secret_hash ", "ü".encode() * 8, b"\xff" * 44]
)
@pytest.mark.parametrize("proof", [HASH, SIGNATURE])
def test_what_is_not_the_hash_proves_nothing(proof: str, given: bytes) -> None:
    assert adapter(proof).verify(Message({HASH: given, SIGNATURE: given}, VECTORS["flw.body"].encode()), NOW) is None


def test_an_empty_hash_verifies_nothing() -> None:
    for proof in (HASH, SIGNATURE):
        empty = Flutterwave(Account("NGN", {"proof": proof}, {"secret_hash": ("",)}), Outgoing())
        assert empty.verify(Message({HASH: b"", SIGNATURE: b""}, b"{}"), NOW) is None
        assert not empty.can_be_asked


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", GatewayStatus.PENDING),
        ("successful", GatewayStatus.PAID),
        ("succeeded", GatewayStatus.PAID),
        ("failed", GatewayStatus.FAILED),
        ("held", GatewayStatus.REVIEW),
    ],
)
def test_states_of_charges(word: str, status: GatewayStatus) -> None:
    [told] = (
        adapter()
        .read(Message({}, json.dumps({"event": "charge.completed", "data": charge(status=word)}).encode()), HASH)
        .notices
    )
    [asked] = answered(charge(status=word))
    assert (asked.status, asked.amount, asked.external_id) == (status, Decimal(5000), "285959875")
    assert told == replace(asked, unproved=True)
    assert not asked.unproved


def test_the_fee_on_top_is_not_ours() -> None:
    [notice] = answered(charge(amount=5000.25, charged_amount=5100))
    assert notice.amount == Decimal("5000.25")


def test_all_money_under_a_reference_is_found() -> None:
    rows = [
        charge(),
        charge(id=2, amount=700),
        charge(id=3, status="failed"),
        charge(id=4, tx_ref="OTHERREFERENCE"),
        charge(id=5, amount=0),
    ]
    first, second = answered(charge(), transactions=rows)
    assert [(one.external_id, one.amount) for one in (first, second)] == [("285959875", 5000), ("2", 700)]
    failed, paid = answered(charge(id=3, status="failed"), transactions=[charge(id=3, status="failed"), charge()])
    assert (failed.status, paid.status) == (GatewayStatus.FAILED, GatewayStatus.PAID)


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (refund_row(), GatewayStatus.PARTIALLY_REFUNDED),
        (refund_row(amount_refunded=5000), GatewayStatus.REFUNDED),
        (refund_row(status="completed-mpgs", amount_refunded=5000), GatewayStatus.REFUNDED),
        (refund_row(status="completed-bank-transfer"), GatewayStatus.PARTIALLY_REFUNDED),
        (refund_row(status="failed"), GatewayStatus.REFUND_FAILED),
        (refund_row(status="disburse-failed"), GatewayStatus.REFUND_FAILED),
        (refund_row(status="pending-momo"), None),
        (refund_row(status="new"), None),
        (refund_row(tx_id=1), None),
    ],
)
def test_refunds_in_answers(row: dict[str, Any], status: GatewayStatus | None) -> None:
    paid, *back = answered(charge(), refunds=[row])
    assert paid.status == GatewayStatus.PAID
    assert [one.status for one in back] == ([] if status is None else [status])
    if back:
        assert (back[0].external_id, back[0].return_id, back[0].reference) == ("285959875", "refund:75923", REFERENCE)


def test_refunds_of_older_accounts_are_written_otherwise() -> None:
    _, back = answered(
        charge(), refunds=[{"id": 1, "TransactionId": 285959875, "AmountRefunded": 100, "status": "completed"}]
    )
    assert (back.amount, back.return_id) == (100, "refund:1")


@pytest.mark.parametrize("kind", ["refund.completed", "refund.failed", "chargeback.created"])
def test_messages_about_money_that_goes_back_are_hints(kind: str) -> None:
    body = json.dumps({"webhook_id": "w", "type": kind, "data": {"id": "rfd_1", "reference": REFERENCE}}).encode()
    [hint] = adapter().read(Message({}, body), SIGNATURE).notices
    assert (hint.status, hint.reference, hint.unproved) == (GatewayStatus.REVIEW, REFERENCE, True)


def test_other_events_do_not_concern_us() -> None:
    for kind in ("transfer.completed", "subscription.cancelled"):
        reading = adapter().read(Message({}, json.dumps({"event": kind, "data": []}).encode()), HASH)
        assert (list(reading.notices), reading.note) == ([], kind)


def test_events_have_keys_of_their_own() -> None:
    def key(**more: Any) -> str:
        return (
            adapter()
            .read(Message({}, json.dumps({"event": "charge.completed", "data": charge(**more)}).encode()), HASH)
            .event_key
        )

    assert key() == key() != key(status="failed")


def test_a_charge_of_nothing_is_no_money() -> None:
    reading = adapter().read(
        Message({}, json.dumps({"event": "charge.completed", "data": charge(amount=0)}).encode()), HASH
    )
    assert (list(reading.notices), reading.note) == ([], "a charge of nothing")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b'{"event":"charge.completed"}',
        b'{"event":"charge.completed","data":[]}',
        b'{"event":{},"data":{}}',
        b'{"event":"charge.completed","event":"x","data":{}}',
        json.dumps({"event": "charge.completed", "data": charge(id=None)}).encode(),
        json.dumps({"event": "charge.completed", "data": charge(tx_ref="")}).encode(),
        json.dumps({"event": "charge.completed", "data": charge(amount=-1)}).encode(),
        json.dumps({"event": "charge.completed", "data": charge(amount="1e9")}).encode(),
        json.dumps({"event": "charge.completed", "data": charge(amount=None)}).encode(),
        json.dumps({"event": "charge.completed", "data": charge(status=["successful"])}).encode(),
        b"[" * 40_000,
    ],
)
def test_what_cannot_be_read_is_never_half_read(body: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        adapter().read(Message({}, body), HASH)


@pytest.mark.parametrize(
    ("proof", "key", "hashes", "options", "field"),
    [
        (HASH, "", (SECRET,), {}, "secret_key"),
        (HASH, "FLWPUBK-public", (SECRET,), {}, "secret_key"),
        ("md5", KEY, (SECRET,), {}, "proof"),
        (HASH, KEY, ("",), {}, "secret_hash"),
        (HASH, KEY, (SECRET,), {"base_url": "http://flutterwave.example"}, "base_url"),
    ],
)
def test_what_is_missing_is_named(
    proof: str, key: str, hashes: tuple[str, ...], options: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInputError) as wrong:
        adapter(proof, *hashes, key=key, **options).check()
    assert wrong.value.fields["field"] == field


def test_a_key_and_a_hash_are_enough() -> None:
    ours = adapter()
    ours.check()
    adapter(SIGNATURE, key="FLWSECK-live-X").check()
    assert isinstance(ours, CanBeAsked)
    assert isinstance(ours, CanRefund)


async def test_a_page_is_made() -> None:
    async with fake_vendor() as vendor:
        started = await at(vendor.answering(found({"link": "https://checkout.flutterwave.com/v3/hosted/pay/1"}))).start(
            INTENT
        )
        [sent] = vendor.sent
    assert started.shown == {"kind": "redirect", "redirect_url": "https://checkout.flutterwave.com/v3/hosted/pay/1"}
    assert (sent.method, sent.path, sent.headers["authorization"]) == ("POST", "/v3/payments", f"Bearer {KEY}")
    assert sent.json == {
        "tx_ref": REFERENCE,
        "amount": "5000.50",
        "currency": "NGN",
        "redirect_url": INTENT.return_url,
        "customer": {"email": "ada@example.com", "name": "U-1"},
        "customizations": {"title": f"Top-up {REFERENCE}"},
        "meta": {"deposit": REFERENCE},
        "session_duration": 60,
    }


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"status": "error"}),
        (401, {"status": "error", "message": "Invalid authorization key"}),
        (500, b""),
        (200, b"<html>"),
        (200, {"status": "error", "message": "no", "data": None}),
        (200, {"status": "success", "data": None}),
        (200, {"status": "success", "data": {"link": "javascript:alert(1)"}}),
        None,
    ],
)
async def test_no_page_is_a_failure_that_can_be_tried_again(answer: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError) as failure:
            await at(vendor.answering(answer)).start(INTENT)
    assert failure.type is GatewayFailedError


async def test_asking_before_and_after_the_money() -> None:
    async with fake_vendor() as vendor:
        ours = at(vendor.answering(found(charge(status="pending"))))
        [notice] = ours.read_answer(await ours.ask(ASKED), ASKED).notices
        assert notice.status == GatewayStatus.PENDING
        assert [(one.path, one.query["tx_ref"]) for one in vendor.sent] == [
            ("/v3/transactions/verify_by_reference", [REFERENCE])
        ]
        vendor.answering(found(charge()), found([charge(), charge(id=2)]), found([refund_row()]))
        notices = ours.read_answer(await ours.ask(ASKED), ASKED).notices
        assert [one.status for one in notices] == [
            GatewayStatus.PAID,
            GatewayStatus.PAID,
            GatewayStatus.PARTIALLY_REFUNDED,
        ]
        assert [one.path for one in vendor.sent[1:]] == ["/v3/transactions", "/v3/refunds"]
        assert vendor.sent[1].query == {"tx_ref": [REFERENCE], "from": ["2026-11-21"], "to": ["2026-11-22"]}


async def test_no_list_is_an_empty_one() -> None:
    nothing = (404, {"status": "error", "message": "No refunds found", "data": None})
    async with fake_vendor() as vendor:
        ours = at(vendor.answering(found(charge()), nothing, nothing))
        [paid] = ours.read_answer(await ours.ask(ASKED), ASKED).notices
    assert paid.status == GatewayStatus.PAID


async def test_a_reference_that_flutterwave_does_not_know_is_an_answer() -> None:
    async with fake_vendor() as vendor:
        for status in (400, 404):
            said = {"status": "error", "message": "No transaction was found for this id", "data": None}
            ours = at(vendor.answering((status, said)))
            reading = ours.read_answer(await ours.ask(ASKED), ASKED)
            assert (list(reading.notices), reading.note) == ([], "no such transaction yet")
            late = replace(ASKED, now=NOW + timedelta(hours=1))
            [over] = ours.read_answer(await ours.ask(late), late).notices
            assert (over.status, over.reference) == (GatewayStatus.EXPIRED, REFERENCE)


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"status": "error", "message": "Something else"}),
        (401, {"status": "error", "message": "Invalid authorization key"}),
        (200, {"status": "success", "data": []}),
        (200, b"<html>"),
        (503, b""),
        None,
    ],
)
async def test_an_answer_that_says_nothing_is_a_failure(answer: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError):
            await at(vendor.answering(answer)).ask(ASKED)


def test_the_answer_to_another_question_is_not_read() -> None:
    with pytest.raises(UnreadableMessageError):
        answered(charge(tx_ref="OTHERREFERENCE"))


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("completed", "done"),
        ("completed-momo", "done"),
        ("pending", "pending"),
        ("new", "pending"),
        ("failed", "failed"),
    ],
)
async def test_a_refund_is_asked_for(word: str, status: str) -> None:
    async with fake_vendor() as vendor:
        done = await at(vendor.answering(found(refund_row(status=word)))).refund(REFUND)
        [sent] = vendor.sent
    assert (done.return_id, done.status) == ("refund:75923", status)
    assert (sent.path, sent.json["amount"]) == ("/v3/transactions/285959875/refund", "2000.50")
    assert REFUND.key in sent.json["comments"]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((400, {"status": "error", "message": "Refund amount is greater"}), GatewayFailedError),
        ((200, {"status": "error", "message": "no"}), GatewayFailedError),
        ((200, {"status": "success", "data": {}}), GatewayUnknownError),
        ((500, b""), GatewayUnknownError),
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
