"""eSewa: the contract's vectors and words, what browsers may carry back, and the calls that are made."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from payments.conftest import Till
from payments.gateways.fake_vendor import FakeVendor, Scripted, fake_vendor
from payments.gateways.vectors import VECTORS
from smmpanel.accounts.access import Actor
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.esewa import Esewa
from smmpanel.payments.methods import MethodTerms, add_method
from smmpanel.payments.models import GatewayEvent
from smmpanel.payments.protocol import (
    Account,
    Asked,
    CanBeAsked,
    CanRefund,
    GatewayFailedError,
    GatewayStatus,
    Intent,
    Message,
    Notice,
    SignsReturns,
    UnreadableMessageError,
)
from smmpanel.payments.receiving import MessageRefusedError, receive
from smmpanel.payments.signing import hmac_text

SECRET = "8gBm/:&EnhH.1/q"
PRODUCT = "EPAYTEST"
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
REFERENCE = "TOPUP-000123"
DATA = VECTORS["esewa.cb.ours.data"].encode()
ALL_FIELDS = "transaction_code,status,total_amount,transaction_uuid,product_code,signed_field_names"
PAYMENT = Asked(
    REFERENCE, None, None, Decimal("1500.00"), "NPR", NOW, NOW + timedelta(minutes=1), NOW + timedelta(minutes=15)
)
S = GatewayStatus


def esewa(http: Outgoing | None = None, *secrets: str, product: str = PRODUCT, **options: str) -> Esewa:
    account = Account("NPR", {"product_code": product, **options}, {"secret": secrets or (SECRET,)})
    return Esewa(account, http or Outgoing())


def carried(secret: str = SECRET, *, signature: str | None = None, **more: Any) -> bytes:
    """Return what a browser carries back, signed over the fields that it names."""
    fields: dict[str, Any] = {
        "transaction_code": "000AWEO",
        "status": "COMPLETE",
        "total_amount": "1500.0",
        "transaction_uuid": REFERENCE,
        "product_code": PRODUCT,
        "signed_field_names": ALL_FIELDS,
        **more,
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    names = str(fields.get("signed_field_names", "")).split(",")
    text = ",".join(f"{name}={fields.get(name)}" for name in names)
    fields["signature"] = hmac_text(secret, text.encode(), "sha256", "base64") if signature is None else signature
    return base64.b64encode(json.dumps(fields).encode())


def verified(data: bytes, *secrets: str, product: str = PRODUCT) -> str | None:
    return esewa(None, *secrets, product=product).verify(Message({}, data), NOW)


def read(data: bytes) -> list[Notice]:
    return list(esewa().read(Message({}, data), "signature").notices)


def status(word: str = "COMPLETE", **more: Any) -> bytes:
    return json.dumps(
        {
            "product_code": PRODUCT,
            "transaction_uuid": REFERENCE,
            "total_amount": 1500.0,
            "status": word,
            "ref_id": "0001TS9",
            **more,
        }
    ).encode()


def asked(word: str = "COMPLETE", payment: Asked = PAYMENT, **more: Any) -> list[Notice]:
    return list(esewa().read_answer(status(word, **more), payment).notices)


# Vectors of the contract.


@pytest.mark.parametrize(
    ("name", "total", "number"),
    [
        ("esewa.110", "110", "241028"),
        ("esewa.100", "100", "11-201-13"),
        ("esewa.ours", "1500", REFERENCE),
    ],
)
async def test_form_vectors(name: str, total: str, number: str) -> None:
    started = await esewa().start(intent(amount=Decimal(total), reference=number))
    assert dict(started.shown["fields"])["signature"] == VECTORS[name]


@pytest.mark.parametrize(("total", "verdict"), [("1000.0", "signature"), ("1000", None), ("1,000.0", None)])
def test_the_published_message_holds_with_its_very_digits(total: str, verdict: str | None) -> None:
    data = carried(total_amount=total, transaction_uuid="250610-162413", signature=VECTORS["esewa.cb"])
    assert verified(data) == verdict


def test_the_published_message_holds_with_a_number_too() -> None:
    fields = json.loads(base64.b64decode(carried(transaction_uuid="250610-162413", signature=VECTORS["esewa.cb"])))
    text = json.dumps(fields).replace('"1500.0"', "1000.0")
    assert verified(base64.b64encode(text.encode())) == "signature"


def test_message_vector_with_commas() -> None:
    assert verified(DATA) == "signature"
    assert json.loads(base64.b64decode(DATA))["signature"] == VECTORS["esewa.cb.ours.sig"]
    [notice] = read(DATA)
    assert (notice.amount, notice.currency, notice.status) == (Decimal(1500), "NPR", S.PAID)
    assert (notice.external_id, notice.reference, notice.unproved) == (REFERENCE, REFERENCE, True)
    assert notice.bank_ref == "000TEST"


def test_a_signature_over_fewer_fields_is_refused() -> None:
    data = VECTORS["esewa.downgrade.data"].encode()
    fields = json.loads(base64.b64decode(data))
    # The signature itself is right: of the one field that it names.
    assert hmac_text(SECRET, b"product_code=EPAYTEST", "sha256", "base64") == VECTORS["esewa.downgrade.sig"]
    assert fields["signature"] == VECTORS["esewa.downgrade.sig"]
    assert verified(data) is None


# What browsers may carry back.


@pytest.mark.parametrize("left_out", ["transaction_code", "status", "total_amount", "transaction_uuid", "product_code"])
def test_all_that_matters_must_be_signed(left_out: str) -> None:
    names = ",".join(name for name in ALL_FIELDS.split(",") if name != left_out)
    assert verified(carried(signed_field_names=names)) is None


def test_more_fields_and_another_order_are_fine() -> None:
    names = "product_code,transaction_uuid,total_amount,status,transaction_code,note"
    assert verified(carried(signed_field_names=names, note="x")) == "signature"
    assert verified(carried(signed_field_names=ALL_FIELDS.removesuffix(",signed_field_names"))) == "signature"


@pytest.mark.parametrize(
    "data",
    [
        carried(signature=""),
        carried(signature="x"),
        carried(signature="đ"),
        carried("another secret"),
        carried(signed_field_names=None),
        carried(signed_field_names=ALL_FIELDS + ",status"),
        carried(signed_field_names=ALL_FIELDS + ",missing"),
        carried(signed_field_names=ALL_FIELDS + "," + ",".join(f"x{number}" for number in range(40))),
        carried(product_code="OTHER"),
        # Values that would let one field end in another.
        carried(transaction_code="A,status=COMPLETE"),
        carried(status="COMPLETE,total_amount=9"),
        carried(total_amount="1500,transaction_uuid=X"),
        carried(transaction_uuid=REFERENCE + ",product_code=EPAYTEST"),
        carried(transaction_uuid="x" * 65),
        carried(total_amount="-1500"),
        carried(total_amount="1e9"),
        carried(total_amount="１５００"),
        carried(total_amount=True),
        carried(total_amount=[1500]),
        carried(transaction_code=None),
        b"",
        b"=",
        b"not base64!",
        "đ".encode(),
        b"\xff\xfe",
        base64.b64encode(b"[]"),
        base64.b64encode(b"[" * 40_000),
        base64.b64encode(b"\xff\xff"),
        base64.b64encode(base64.b64decode(DATA)[:-1]),
        base64.b64encode(base64.b64decode(DATA).replace(b"1,500.0", b"1,500,000.0")),
        base64.b64encode(base64.b64decode(DATA).replace(b'"status"', b'"status":"COMPLETE","status"')),
    ],
)
def test_what_is_not_signed_whole_proves_nothing(data: bytes) -> None:
    assert verified(data) is None


async def test_the_forms_own_signature_proves_nothing() -> None:
    # The same key signs both: what a customer gets with the form must not pass for eSewa's word.
    form = dict((await esewa().start(intent())).shown["fields"])
    fields = {**form, "status": "COMPLETE", "transaction_code": "X"}
    assert verified(base64.b64encode(json.dumps(fields).encode())) is None


def test_blanks_and_missing_padding_do_no_harm() -> None:
    assert verified(b" " + DATA.rstrip(b"=") + b"\n") == "signature"


def test_several_secrets_hold_and_none_does_not() -> None:
    assert verified(DATA, "new one", SECRET) == "signature"
    assert verified(carried(""), "") is None
    assert verified(carried(product_code=""), product="") is None


def test_the_other_environment_proves_nothing() -> None:
    assert verified(DATA, product="LIVE") is None


# Words.

MAPPING = [
    ("PENDING", [S.PENDING]),
    ("AMBIGUOUS", [S.PENDING]),
    ("COMPLETE", [S.PAID]),
    ("CANCELED", [S.FAILED]),
    ("PARTIAL_REFUND", [S.PAID, S.REVIEW]),
    ("FULL_REFUND", [S.PAID, S.REFUNDED]),
]


@pytest.mark.parametrize(("word", "statuses"), MAPPING)
def test_words(word: str, statuses: list[GatewayStatus]) -> None:
    notices = asked(word)
    assert [notice.status for notice in notices] == statuses
    assert [notice.status for notice in read(carried(status=word))] == statuses
    assert all(notice.unproved for notice in read(carried(status=word)))
    assert not any(notice.unproved for notice in notices)
    assert {(notice.external_id, notice.amount) for notice in notices} == {(REFERENCE, Decimal(1500))}
    assert [notice.is_total for notice in notices] == [one == S.REFUNDED for one in statuses]


def test_words_that_nobody_knows() -> None:
    assert [notice.status for notice in asked("UNHEARD_OF")] == [S.REVIEW]
    # A browser's is no reason to bother anybody: eSewa is asked.
    assert [notice.status for notice in read(carried(status="UNHEARD_OF"))] == [S.PENDING]


@pytest.mark.parametrize(
    ("minutes", "status"), [(0, S.PENDING), (6, S.PENDING), (15, S.PENDING), (20, S.PENDING), (21, S.EXPIRED)]
)
def test_what_is_not_found_may_still_be_paid_until_the_session_is_over(minutes: int, status: GatewayStatus) -> None:
    [notice] = asked("NOT_FOUND", replace(PAYMENT, now=NOW + timedelta(minutes=minutes)))
    assert notice.status == status


def test_without_an_end_the_session_begins_with_the_deposit() -> None:
    endless = replace(PAYMENT, expires_at=None)
    assert asked("NOT_FOUND", replace(endless, now=NOW + timedelta(minutes=5)))[0].status == S.PENDING
    assert asked("NOT_FOUND", replace(endless, now=NOW + timedelta(minutes=6)))[0].status == S.EXPIRED


@pytest.mark.parametrize("total", [1500, 1500.0, "1500.0", "1,500.0", "1500.00"])
def test_amounts_are_read_however_they_are_written(total: object) -> None:
    assert asked(total_amount=total)[0].amount == Decimal(1500)


def test_another_amount_is_told_as_it_is() -> None:
    assert asked(total_amount="15.00")[0].amount == 15


@pytest.mark.parametrize(
    "answer",
    [
        status(transaction_uuid="TOPUP-000124"),
        status(product_code="OTHER"),
        status(total_amount=None),
        status(total_amount=-1),
        status(total_amount="abc"),
        status(status=None),
        status(status=["COMPLETE"]),
        b'{"code":0,"error_message":"Service is currently unavailable"}',
        b"[]",
        b"<html>",
        b"",
    ],
)
def test_answers_about_something_else_are_unreadable(answer: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        esewa().read_answer(answer, PAYMENT)


def test_the_same_message_again_is_the_same_event() -> None:
    keys = [esewa().read(Message({}, data), "").event_key for data in (DATA, DATA.rstrip(b"="), carried())]
    assert keys[0] == keys[1] != keys[2]
    assert all(len(key) < 200 for key in keys)


# Calls.


def intent(**more: Any) -> Intent:
    given = {
        "reference": REFERENCE,
        "memo": None,
        "amount": Decimal("1500.00"),
        "currency": "NPR",
        "expires_at": NOW + timedelta(minutes=15),
        "now": NOW,
        "return_url": "https://panel.test/deposits/return/TOPUP-000123",
    }
    return Intent(**{**given, **more})


async def test_the_form() -> None:
    shown = (await esewa().start(intent())).shown
    assert (shown["kind"], shown["url"]) == ("form", "https://epay.esewa.com.np/api/epay/main/v2/form")
    assert shown["fields"] == [
        ["amount", "1500"],
        ["tax_amount", "0"],
        ["product_service_charge", "0"],
        ["product_delivery_charge", "0"],
        ["total_amount", "1500"],
        ["transaction_uuid", REFERENCE],
        ["product_code", PRODUCT],
        ["success_url", "https://panel.test/deposits/return/TOPUP-000123"],
        ["failure_url", "https://panel.test/deposits/return/TOPUP-000123"],
        ["signed_field_names", "total_amount,transaction_uuid,product_code"],
        ["signature", VECTORS["esewa.ours"]],
    ]
    with_paisa = dict((await esewa().start(intent(amount=Decimal("99.50")))).shown["fields"])
    assert with_paisa["amount"] == with_paisa["total_amount"] == "99.50"


async def test_without_a_secret_there_is_no_form() -> None:
    with pytest.raises(GatewayFailedError):
        await esewa(None, "").start(intent())


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with fake_vendor() as made:
        yield made


async def test_payments_are_asked_about(vendor: FakeVendor) -> None:
    vendor.answering((200, status()))
    answer = await esewa(vendor.http, status_url=f"{vendor.url}/esewa/").ask(PAYMENT)
    assert answer == status()
    [sent] = vendor.sent
    assert (sent.method, sent.path) == ("GET", "/esewa/api/epay/transaction/status/")
    assert sent.query == {"product_code": [PRODUCT], "total_amount": ["1500"], "transaction_uuid": [REFERENCE]}


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"code": 0, "error_message": "Service is currently unavailable"}),
        (200, b"<html>"),
        (200, b""),
        (404, b""),
        (503, status()),
        None,
    ],
)
async def test_an_outage_is_no_answer(vendor: FakeVendor, answer: Scripted | None) -> None:
    vendor.answering(answer)
    with pytest.raises(GatewayFailedError):
        await esewa(vendor.http, status_url=vendor.url).ask(PAYMENT)


async def test_what_a_browser_carries_back_again_and_again_is_one_event(till: Till) -> None:
    terms = MethodTerms("eSewa", "NPR", Decimal(10), options={"product_code": PRODUCT})
    async with till.panel.db.transaction() as session:
        await add_method(session, till.panel, "esewa", terms, actor=Actor.cli(), secrets={"secret": SECRET})
    for _ in range(3):
        await receive(till.panel, "esewa", Message({}, DATA), ip="203.0.113.9")
    with pytest.raises(MessageRefusedError):
        await receive(till.panel, "esewa", Message({}, VECTORS["esewa.downgrade.data"].encode()), ip="203.0.113.9")
    async with till.panel.db.transaction() as session:
        assert (await session.execute(select(func.count(), func.sum(GatewayEvent.repeats)))).one() == (1, 2)


# Settings.


def test_what_is_missing_is_named() -> None:
    tests = {"base_url": "https://rc-epay.esewa.com.np", "status_url": "https://rc.esewa.com.np"}
    here = {"base_url": "http://127.0.0.1:8910/esewa", "status_url": "http://127.0.0.1:8910/esewa"}
    esewa(product="NP-ES-SHOP").check()
    esewa(product="NP-ES-SHOP", status_url="https://esewa.com.np").check()
    esewa(**tests).check()
    esewa(**here).check()
    for wrong, field in (
        (esewa(None, ""), "secret"),
        (esewa(product=""), "product_code"),
        (esewa(product="a b"), "product_code"),
        (esewa(base_url="http://epay.esewa.com.np"), "base_url"),
        (esewa(status_url="ftp://epay.esewa.com.np"), "status_url"),
        # Tests and real money: the product and both addresses are of one environment.
        (esewa(), "base_url"),
        (esewa(base_url=tests["base_url"]), "status_url"),
        (esewa(status_url=tests["status_url"]), "base_url"),
        (esewa(product="NP-ES-SHOP", **tests), "base_url"),
        (esewa(product="NP-ES-SHOP", status_url=here["status_url"]), "status_url"),
    ):
        with pytest.raises(InvalidInputError) as raised:
            wrong.check()
        assert raised.value.fields["field"] == field


def test_it_can_be_asked_signs_returns_and_gives_nothing_back() -> None:
    assert isinstance(esewa(), CanBeAsked)
    assert isinstance(esewa(), SignsReturns)
    assert esewa().return_field == "data"
    assert not isinstance(esewa(), CanRefund)
