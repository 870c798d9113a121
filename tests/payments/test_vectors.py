"""The published and computed vectors of the contract, each by its name."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.sepay import SePay
from smmpanel.payments.gateways.sepay_messages import fields_of, signed_text
from smmpanel.payments.protocol import Account, Message, UnreadableMessageError
from smmpanel.payments.signing import hmac_text
from smmpanel.payments.vietqr import crc16, qr_png, qr_svg, quick_link, vietqr_payload

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))
STAMP = 1795244560
NOW = datetime.fromtimestamp(STAMP, UTC)
SECRET = "sepay_test_secret_123"
SPEC_SECRET = "homemmo_spec_secret"
SPEC_BODY = {
    "transaction_id": "sepay_txn_id",
    "account_number": "123456789",
    "amount": 100000,
    "content": "HOMEMMO ABC123",
    "transaction_date": "2025-10-26 15:30:00",
    "signature": VECTORS["spec.sig"],
}


def adapter(mode: str = "hmac", *secrets: str) -> SePay:
    options = {"auth_mode": mode, "account_number": "123456789", "memo_prefix": "HOMEMMO", "bank": "970416"}
    return SePay(Account("VND", options, {"secret": secrets or (SECRET,)}), Outgoing())


def signed(body: str, signature: str, stamp: int = STAMP) -> Message:
    headers = {"x-sepay-signature": signature.encode("latin-1"), "x-sepay-timestamp": str(stamp).encode()}
    return Message(headers, body.encode())


def test_sepay_body_len_and_sig() -> None:
    body = VECTORS["sepay.body"]
    assert len(body.encode()) == VECTORS["sepay.len"]
    assert adapter().verify(signed(body, VECTORS["sepay.sig"]), NOW) == "hmac"
    assert adapter("hmac", "new", SECRET).verify(signed(body, VECTORS["sepay.sig"]), NOW) == "hmac"


def test_sepay_sig_without_ts_is_wrong() -> None:
    wrong = "sha256=" + VECTORS["sepay.sig_without_ts(wrong)"]
    assert adapter().verify(signed(VECTORS["sepay.body"], wrong), NOW) is None


def test_sepay_utf8() -> None:
    message = signed(VECTORS["sepay.utf8.body"], VECTORS["sepay.utf8.sig"])
    assert adapter().verify(message, NOW) == "hmac"


def test_sepay_apikey_header() -> None:
    _, _, header = VECTORS["sepay.apikey header"].partition(": ")
    sepay = adapter("apikey", "SEPAYTESTAPIKEY0001")
    for given, verdict in ((header, "apikey"), (header.replace("Apikey", "APIKEY"), "apikey"), (header + "x", None)):
        assert sepay.verify(Message({"authorization": given.encode()}, b"{}"), NOW) == verdict


def test_spec_msg_and_sig() -> None:
    names = ("transaction_id", "account_number", "amount", "content", "transaction_date")
    message = Message({}, json.dumps(SPEC_BODY).encode())
    text = signed_text(fields_of(message), names, "|")
    assert text == VECTORS["spec.msg"]
    assert hmac_text(SPEC_SECRET, text.encode()) == VECTORS["spec.sig"]
    assert adapter("spec_signature", SPEC_SECRET).verify(message, NOW) == "spec_signature"


@pytest.mark.parametrize(
    ("name", "memo", "amount"),
    [
        ("vietqr.ours", "HOMEMMO ABC123", 100000),
        ("vietqr.ours.nospace", "HOMEMMOABC123", 100000),
        ("vietqr.ours.static", "", None),
    ],
)
def test_vietqr_ours(name: str, memo: str, amount: int | None) -> None:
    asked = None if amount is None else Decimal(amount)
    assert vietqr_payload("970416", "123456789", asked, memo) == VECTORS[name]


def test_vietqr_vcb() -> None:
    assert vietqr_payload("970436", "0123499999", Decimal(2277000), "HOMEMMO9F3K2Q") == VECTORS["vietqr.vcb"]


def test_vietqr_published() -> None:
    with_amount = "00020101021238530010A0000007270123000697041601092576788590208QRIBFTTA5303704540410005802VN62150811Chuyen tien6304BBB8"
    static = "00020101021138530010A0000007270123000697041601092576788590208QRIBFTTA53037045802VN6304AE9F"
    assert vietqr_payload("970416", "257678859", Decimal(1000), "Chuyen tien") == with_amount
    assert vietqr_payload("970416", "257678859") == static


def test_crc_check() -> None:
    assert f"{crc16(b'123456789'):04X}" == VECTORS["crc.check"]


def test_vietqr_pictures_and_quick_link() -> None:
    payload = VECTORS["vietqr.ours"]
    drawn = qr_svg(payload, "VietQR")
    assert drawn.startswith("<svg")
    assert "style=" not in drawn
    # Without a size of its own, so that a page can show it at any size, whole.
    assert re.match(r'<svg viewBox="0 0 (\d+) \1"', drawn)
    assert " width=" not in drawn
    assert qr_png(payload).startswith(b"\x89PNG")
    link = urlsplit(quick_link("970416", "123456789", "NGUYEN VAN A", Decimal(100000), "HOMEMMO ABC123"))
    assert (link.netloc, link.path) == ("img.vietqr.io", "/image/970416-123456789-compact2.png")
    assert "addInfo=HOMEMMO%20ABC123" in link.query
    assert parse_qs(link.query) == {
        "amount": ["100000"],
        "addInfo": ["HOMEMMO ABC123"],
        "accountName": ["NGUYEN VAN A"],
    }


@pytest.mark.parametrize("drift", [-301, 301, 86400])
def test_a_stamp_too_far_from_now_proves_nothing(drift: int) -> None:
    message = signed(VECTORS["sepay.body"], VECTORS["sepay.sig"])
    assert adapter().verify(message, NOW + timedelta(seconds=drift)) is None


@pytest.mark.parametrize(
    "signature", ["sha256=é", "é", "", "sha256=", VECTORS["sepay.sig"].upper(), VECTORS["sepay.sig"] + " "]
)
def test_odd_signatures_are_no_errors(signature: str) -> None:
    assert adapter().verify(signed(VECTORS["sepay.body"], signature), NOW) is None


def test_the_configured_proof_is_the_only_one() -> None:
    by_key = Message({"authorization": f"Apikey {SECRET}".encode()}, VECTORS["sepay.body"].encode())
    spec = Message({}, json.dumps(SPEC_BODY).encode())
    assert adapter("hmac").verify(by_key, NOW) is None
    assert adapter("apikey").verify(signed(VECTORS["sepay.body"], VECTORS["sepay.sig"]), NOW) is None
    assert adapter("hmac", SPEC_SECRET).verify(spec, NOW) is None
    assert adapter("apikey,hmac").verify(by_key, NOW) == "apikey"


@pytest.mark.parametrize("mode", ["hmac", "apikey", "spec_signature"])
def test_an_empty_secret_proves_nothing(mode: str) -> None:
    sepay = adapter(mode, "")
    body = VECTORS["sepay.body"]
    empty = hmac_text("", f"{STAMP}.{body}".encode())
    headers = {
        "x-sepay-signature": f"sha256={empty}".encode(),
        "x-sepay-timestamp": str(STAMP).encode(),
        "authorization": b"Apikey ",
    }
    text = hmac_text("", VECTORS["spec.msg"].encode())
    assert sepay.verify(Message(headers, body.encode()), NOW) is None
    assert sepay.verify(Message(headers, json.dumps({**SPEC_BODY, "signature": text}).encode()), NOW) is None


def test_native_shape_is_read() -> None:
    [notice] = adapter().read(Message({}, VECTORS["sepay.body"].encode()), "hmac").notices
    assert (notice.external_id, notice.amount, notice.account, notice.bank_ref) == (
        "webhook:92704",
        100000,
        "123456789",
        "FT26325000001",
    )
    assert notice.occurred_at == datetime(2026, 11, 21, 7, 2, 37, tzinfo=UTC)
    assert not notice.unproved
    assert adapter().read(Message({}, VECTORS["sepay.body"].encode()), "apikey").notices[0].unproved


def test_bank_hub_and_forms_are_read() -> None:
    hub = {**SPEC_BODY, "transfer_type": "credit", "reference_code": "FT1", "bank_account_xid": "x"}
    [notice] = adapter().read(Message({}, json.dumps(hub).encode()), "apikey").notices
    assert (notice.external_id, notice.bank_ref) == ("bankhub:sepay_txn_id", "FT1")
    form = b"id=7&transferAmount=5000&transferType=in&accountNumber=123456789&content=HOMEMMO+ABC123"
    typed = Message({"content-type": b"application/x-www-form-urlencoded"}, form)
    assert adapter().read(typed, "hmac").notices[0].amount == 5000
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name, value)
        for name, value in (
            (b"id", b"8"),
            (b"transferAmount", b"6000"),
            (b"transferType", b"in"),
            (b"content", "tiền".encode()),
        )
    )
    [notice] = (
        adapter()
        .read(Message({"content-type": b"multipart/form-data; boundary=x"}, parts + b"--x--\r\n"), "hmac")
        .notices
    )
    assert (notice.amount, notice.texts[0]) == (6000, "tiền")


@pytest.mark.parametrize(
    "body",
    [
        '{"id":1,"id":2,"transferAmount":1,"transferType":"in"}',
        '{"id":1,"transferAmount":1.5,"transferType":"in"}',
        '{"id":1,"transferAmount":1e5,"transferType":"in"}',
        '{"id":1,"transferAmount":-5,"transferType":"in"}',
        '{"id":1,"transferAmount":NaN,"transferType":"in"}',
        '{"id":{},"transferAmount":1,"transferType":"in"}',
        '{"id":1,"transferAmount":1,"transferType":"sideways"}',
        '{"id":1,"transferAmount":' + "9" * 5000 + ',"transferType":"in"}',
        "[" * 100_000,
        "[1]",
        "\xff",
        "",
        "{}",
    ],
)
def test_what_makes_no_sense_is_unreadable(body: str) -> None:
    with pytest.raises(UnreadableMessageError):
        adapter().read(Message({}, body.encode("latin-1")), "hmac")


def test_transfers_out_and_of_nothing_are_none_of_ours() -> None:
    for change in ({"transferType": "out"}, {"transferAmount": 0}):
        body = json.dumps({**json.loads(VECTORS["sepay.body"]), **change})
        reading = adapter().read(Message({}, body.encode()), "hmac")
        assert not reading.notices
        assert reading.note
