"""Cryptomus and Heleket: the contract's vectors and words, and what hostile messages come to."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from payments.gateways.vectors import VECTORS
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.cryptomus import Cryptomus, Heleket
from smmpanel.payments.gateways.cryptomus_messages import digest, without_sign
from smmpanel.payments.protocol import (
    Account,
    Asked,
    CanBeAsked,
    CanRefund,
    GatewayStatus,
    Message,
    Notice,
    UnreadableMessageError,
    gives_back,
)

KEY = "cryptomus_test_payment_key"
MERCHANT = "8b03432e-385b-4670-8d06-064591096795"
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
BODY = VECTORS["cryptomus.wh.body"].encode()
SIGN = VECTORS["cryptomus.wh.sign"]
NUMBER = "62f88b36-a9d5-4fa6-aa26-e040c3dbf26d"
REFERENCE = "TOPUP-000123"
PAYMENT = Asked(REFERENCE, NUMBER, None, Decimal("25.00"), "USD", NOW, NOW)
S = GatewayStatus


def cryptomus(http: Outgoing | None = None, *keys: str, **options: str) -> Cryptomus:
    account = Account("USD", {"merchant": MERCHANT, **options}, {"secret": keys or (KEY,)})
    return Cryptomus(account, http or Outgoing())


def invoice(word: str = "paid", **more: Any) -> dict[str, Any]:
    return {
        "uuid": NUMBER,
        "order_id": REFERENCE,
        "amount": "25.00",
        "payment_amount": "25.01000000",
        "payment_amount_usd": "24.98",
        "payer_amount": "25.01000000",
        "payer_currency": "USDT",
        "currency": "USD",
        "merchant_amount": "24.75",
        "from": "TTestSender",
        "txid": "6f0d",
        "url": f"https://pay.cryptomus.com/pay/{NUMBER}",
        "status": word,
        **more,
    }


def answered(word: str = "paid", **more: Any) -> bytes:
    return json.dumps({"state": 0, "result": invoice(word, **more)}).encode()


def as_php(fields: dict[str, Any]) -> bytes:
    """Write JSON as the vendor does: compact, letters as they are, slashes escaped."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()


def signed(fields: dict[str, Any], key: str = KEY) -> bytes:
    return as_php({**fields, "sign": digest(as_php(fields), key)})


def message(word: str = "paid", **more: Any) -> bytes:
    return signed({"type": "payment", **invoice(word, **more)})


def verified(body: bytes, *keys: str) -> str | None:
    return cryptomus(None, *keys).verify(Message({}, body), NOW)


def read(body: bytes) -> list[Notice]:
    return list(cryptomus().read(Message({}, body), "md5").notices)


# Vectors of the contract.


@pytest.mark.parametrize(
    ("body", "sign"),
    [
        ("cryptomus.req.body(escaped)", "cryptomus.req.sign"),
        ("cryptomus.req.body(unescaped)", "cryptomus.req.sign.unescaped"),
        ("cryptomus.wh.unsigned", "cryptomus.wh.right.py"),
    ],
)
def test_digest_vectors(body: str, sign: str) -> None:
    assert digest(VECTORS[body].encode(), KEY) == VECTORS[sign]


def test_digest_of_nothing() -> None:
    assert digest(b"", KEY) == VECTORS["cryptomus.empty"]


def test_message_vector() -> None:
    assert without_sign(BODY) == (VECTORS["cryptomus.wh.unsigned"].encode(), SIGN.encode())
    assert verified(BODY) == "md5"
    assert verified(BODY, "new key", KEY) == "md5"


def test_what_others_make_of_the_message_is_wrong() -> None:
    for name in ("cryptomus.wh.wrong.py_compact_unescaped", "cryptomus.wh.wrong.py_ascii_escaped"):
        assert verified(BODY.replace(SIGN.encode(), VECTORS[name].encode())) is None


def test_vector_is_understood_and_not_believed() -> None:
    reading = cryptomus().read(Message({}, BODY), "md5")
    [notice] = reading.notices
    assert (notice.status, notice.amount, notice.currency) == (S.PAID, Decimal(25), "USDT")
    assert (notice.external_id, notice.reference, notice.unproved) == (NUMBER, REFERENCE, True)
    assert (notice.payer, len(notice.bank_ref or "")) == ("TTestSender", 64)


# Where the signature stands, and how often.


@pytest.mark.parametrize("place", ["first", "middle", "last", "alone"])
def test_the_signature_is_cut_out_wherever_it_stands(place: str) -> None:
    rest = {
        "first": b'{"a":"x","b":"y"}',
        "middle": b'{"a":"x","b":"y"}',
        "last": b'{"a":"x","b":"y"}',
        "alone": b"{}",
    }[place]
    member = b'"sign":"%b"' % digest(rest, KEY).encode()
    body = {
        "first": b'{%b,"a":"x","b":"y"}',
        "middle": b'{"a":"x",%b,"b":"y"}',
        "last": b'{"a":"x","b":"y",%b}',
        "alone": b"{%b}",
    }[place] % member
    assert without_sign(body) == (rest, digest(rest, KEY).encode())
    assert verified(body) == "md5"


def test_a_word_like_it_in_a_text_is_no_signature() -> None:
    fields = {"type": "payment", "additional_data": 'x","sign":"0cc175b9c0f1b6a831c399e269772661', "note": "sign"}
    assert verified(signed(fields)) == "md5"


@pytest.mark.parametrize(
    "body",
    [
        BODY.replace(b'"sign"', b'"sign":"' + SIGN.encode() + b'","sign"'),
        BODY.replace(b'"network"', b'"convert":{"sign":"' + SIGN.encode() + b'"},"network"'),
        BODY.replace(b'"sign":', b'"sign" :'),
        BODY.replace(b'"sign":', b'"sign": '),
        BODY.replace(b'"sign"', b'"\\u0073ign"'),
        BODY.replace(b'"sign"', b'"Sign"'),
        BODY.replace(SIGN.encode(), SIGN.upper().encode()),
        BODY.replace(SIGN.encode(), SIGN[:-1].encode()),
        BODY.replace(b'"%b"' % SIGN.encode(), b"null"),
        BODY.replace(b'"25.00000000"', b'"2500.00000000"'),
        BODY.replace(b"\\/", b"/"),
        BODY.replace("ễ".encode(), b"\\u1ec5"),
        BODY.replace(b":", b": "),
        BODY[:-1],
        BODY + b"\n",
        VECTORS["cryptomus.wh.unsigned"].encode(),
        b"",
        b"{}",
        b"\xff\xfe",
        b'"sign":' * 5000,
    ],
)
def test_what_is_not_signed_proves_nothing(body: bytes) -> None:
    assert verified(body) is None


def test_a_second_signature_written_otherwise_is_not_read() -> None:
    # The bytes hold the name once, the document twice: the digest is right, and the message makes no sense.
    fields = b'{"type":"payment","\\u0073ign":"x"}'
    body = fields[:-1] + b',"sign":"%b"}' % digest(fields, KEY).encode()
    assert verified(body) == "md5"
    with pytest.raises(UnreadableMessageError):
        read(body)


def test_an_empty_key_proves_nothing() -> None:
    fields = {"type": "payment", **invoice()}
    assert verified(signed(fields, ""), "") is None
    assert Cryptomus(Account("USD"), Outgoing()).verify(Message({}, signed(fields, "")), NOW) is None


def test_the_payout_key_proves_nothing() -> None:
    assert verified(signed({"type": "payment", **invoice()}, "payout_key")) is None


# Words.

MAPPING = [
    ("check", [S.PENDING]),
    ("process", [S.PENDING]),
    ("confirm_check", [S.PENDING]),
    ("wrong_amount_waiting", [S.PENDING]),
    ("paid", [S.PAID]),
    ("paid_over", [S.PAID]),
    ("wrong_amount", [S.PAID]),
    ("cancel", [S.EXPIRED]),
    ("fail", [S.FAILED]),
    ("system_fail", [S.FAILED]),
    ("locked", [S.REVIEW]),
    ("refund_process", [S.PAID]),
    ("refund_paid", [S.PAID, S.REFUNDED]),
    ("refund_fail", [S.PAID, S.REFUND_FAILED]),
    ("unheard_of", [S.REVIEW]),
]


@pytest.mark.parametrize(("word", "statuses"), MAPPING)
def test_words(word: str, statuses: list[GatewayStatus]) -> None:
    told = read(message(word))
    asked = list(cryptomus().read_answer(answered(word), PAYMENT).notices)
    assert [notice.status for notice in told] == [notice.status for notice in asked] == statuses
    assert all(notice.unproved for notice in told)
    assert not any(notice.unproved for notice in asked)
    assert {notice.external_id for notice in (*told, *asked)} == {NUMBER}
    assert {notice.return_id for notice in asked if notice.status in {S.REFUNDED, S.REFUND_FAILED}} <= {
        f"{NUMBER}:refund"
    }
    assert [notice.is_total for notice in asked] == [status == S.REFUNDED for status in statuses]


@pytest.mark.parametrize(
    ("word", "more", "amount"),
    [
        # As asked for: the invoice's amount, whatever its coins are worth today.
        ("paid", {}, "25.00"),
        ("paid", {"payment_amount": None, "payer_amount": None, "payment_amount_usd": None}, "25.00"),
        # More or less: what came in, in dollars.
        ("paid_over", {"payment_amount": "31.00000000", "payment_amount_usd": "30.97"}, "30.97"),
        ("wrong_amount", {"payment_amount": "10.00000000", "payment_amount_usd": "9.99"}, "9.99"),
        # In the coins that the invoice is in.
        ("wrong_amount", {"payment_amount": "10.5", "currency": "USDT"}, "10.5"),
        ("wrong_amount", {"payment_amount": "10.00000099", "currency": "USDT"}, "10"),
        # At the invoice's own rate, where dollars are not told or not asked for.
        ("wrong_amount", {"payment_amount": "0.1", "payer_amount": "0.3", "payment_amount_usd": None}, "8.333333"),
        (
            "paid_over",
            {"payment_amount": "0.4", "payer_amount": "0.2", "payer_currency": "BTC", "currency": "EUR"},
            "50",
        ),
        # Given back: what had come in.
        ("refund_paid", {}, "25.00"),
        ("refund_paid", {"payment_amount": "31.00000000", "payment_amount_usd": "30.97"}, "30.97"),
        ("refund_process", {"payment_amount": None, "payer_amount": None, "payment_amount_usd": None}, "25.00"),
    ],
)
def test_what_came_in_is_what_counts(word: str, more: dict[str, Any], amount: str) -> None:
    notices = cryptomus().read_answer(answered(word, **more), PAYMENT).notices
    assert {notice.amount for notice in notices} == {Decimal(amount)}
    assert notices[0].status == S.PAID


@pytest.mark.parametrize(
    "more",
    [
        {"payment_amount": None, "payment_amount_usd": None},
        {"payment_amount": "0.00", "payment_amount_usd": "0.00"},
        {"payer_amount": None, "payment_amount_usd": None},
        {"payer_amount": "0", "payment_amount_usd": ""},
        {"payment_amount": "9" * 17, "payer_amount": "0.000001", "payment_amount_usd": None},
    ],
)
def test_money_of_which_nobody_knows_how_much_is_looked_at(more: dict[str, Any]) -> None:
    [notice] = cryptomus().read_answer(answered("wrong_amount", **more), PAYMENT).notices
    assert notice.status == S.REVIEW


def test_answers_have_the_status_under_either_name() -> None:
    [notice] = cryptomus().read_answer(answered("", payment_status="cancel"), PAYMENT).notices
    assert notice.status == S.EXPIRED


@pytest.mark.parametrize("kind", ["wallet", "payout"])
def test_messages_about_something_else_are_none_of_ours(kind: str) -> None:
    reading = cryptomus().read(Message({}, signed({**invoice(), "type": kind})), "md5")
    assert not reading.notices
    assert reading.note


def test_each_status_is_a_message_of_its_own_and_the_same_one_again_is_not() -> None:
    bodies = (message("confirm_check"), message("paid"), message("paid"), message("refund_paid"))
    keys = [cryptomus().read(Message({}, body), "md5").event_key for body in bodies]
    assert keys[1] == keys[2]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 60_000,
        BODY[:-1],
        message(uuid=None),
        message(uuid=""),
        message(uuid="x" * 101),
        message(uuid=["x"]),
        message(status=None),
        message(order_id=None),
        message(amount=None),
        message(amount="0.00"),
        message(amount="-25.00"),
        message(amount="25,00"),
        message(amount="1e3"),
        message(amount="９"),
        message(amount="9" * 25),
        message("wrong_amount", payment_amount="NaN", payment_amount_usd=None),
        message("wrong_amount", payment_amount=-1, payment_amount_usd=None),
        message("wrong_amount", payment_amount_usd=-1),
        message(txid=["x"]),
    ],
)
def test_what_makes_no_sense_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        read(body)


@pytest.mark.parametrize(
    "answer",
    [
        answered(order_id="TOPUP-000124"),
        answered(uuid="another"),
        answered(amount=None),
        b'{"state":1,"message":"Not found"}',
        b'{"state":0,"result":[]}',
        b'{"state":0}',
        b"<html>",
    ],
)
def test_answers_about_something_else_are_unreadable(answer: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        cryptomus().read_answer(answer, PAYMENT)


# Settings, and the other name.


def test_what_is_missing_is_named() -> None:
    cryptomus().check()
    cryptomus(refunds="sender").check()
    for wrong, field in (
        (cryptomus(None, ""), "secret"),
        (cryptomus(merchant=""), "merchant"),
        (cryptomus(merchant="my shop"), "merchant"),
        (cryptomus(refunds="both"), "refunds"),
        (cryptomus(base_url="http://api.cryptomus.com"), "base_url"),
    ):
        with pytest.raises(InvalidInputError) as raised:
            wrong.check()
        assert raised.value.fields["field"] == field


def test_it_can_be_asked_and_gives_back() -> None:
    assert isinstance(cryptomus(), CanBeAsked)
    assert isinstance(cryptomus(), CanRefund)
    assert gives_back(cryptomus(refunds="sender"))
    assert not gives_back(cryptomus(refunds="hand"))
    assert not gives_back(cryptomus())


def test_heleket_is_the_same_elsewhere() -> None:
    heleket = Heleket(Account("USD", {"merchant": MERCHANT}, {"secret": (KEY,)}), Outgoing())
    heleket.check()
    assert heleket.verify(Message({}, BODY), NOW) == "md5"
    defaults = {
        made.slug: next(setting.default for setting in made.settings if setting.name == "base_url")
        for made in (Cryptomus, Heleket)
    }
    assert defaults == {"cryptomus": "https://api.cryptomus.com", "heleket": "https://api.heleket.com"}
    assert (Cryptomus.address, Heleket.address) == tuple(defaults.values())
