"""Any gateway over HTTP: beginning payments, reading messages and answers, asking; and what hostile ones come to."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from payments.gateways.describing import ASKED, INTENT, NOW, REFERENCE, SECRET, Raw, described, gateway, notify, query
from payments.gateways.fake_vendor import FakeVendor, fake_vendor
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.generic.gateway import HttpGateway
from smmpanel.payments.gateways.generic.paths import found_at
from smmpanel.payments.gateways.generic.placeholders import filled_address, filled_json, json_bytes
from smmpanel.payments.gateways.generic.signatures import pem_in
from smmpanel.payments.protocol import (
    CanBeAsked,
    GatewayFailedError,
    GatewayStatus,
    Message,
    Notice,
    UnreadableMessageError,
    gives_back,
)
from smmpanel.payments.signing import hmac_text

CREATED = (200, {"state": 0, "data": {"url": "https://pay.test/p/1", "id": 77}})
BODY = {"order_id": REFERENCE, "amount": "150000", "currency": "INR", "status": "SUCCESS"}


def create(vendor: FakeVendor, **more: Any) -> Raw:
    return {**described()["create"], "url": f"{vendor.url}/v1/orders", **more}


def at(vendor: FakeVendor, *secrets: str, **more: Any) -> HttpGateway:
    kinds = {name: more.pop(name) for name in ("api_key", "notify_secret") if name in more}
    raw = described(create=create(vendor), query=query(url=f"{vendor.url}/v1/orders/{{reference}}"))
    return gateway({**raw, **more}, *secrets, http=vendor.http, **kinds)


def signed(body: bytes | Mapping[str, Any], secret: str = SECRET, **headers: bytes) -> Message:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message({"x-signature": hmac_text(secret, raw).encode(), **headers}, raw)


def read(body: Mapping[str, Any], raw: Raw | None = None) -> Notice:
    [notice] = gateway(raw or described()).read(signed(body), "signature").notices
    return notice


def answered(body: Mapping[str, Any], raw: Raw | None = None) -> Notice:
    [notice] = gateway(raw or described()).read_answer(json.dumps(body).encode(), ASKED).notices
    return notice


# Beginning a payment.


async def test_values_are_inserted_as_data() -> None:
    body = {
        "order": {"id": "{reference}", "total": "{amount:number}", "minor": "{amount_minor}", "literal": "{{amount}}"},
        "who": ["{email}", "{user_id}", 7, True, None],
        "what": "{description} / {currency} / {ts} / {ts_ms}",
        "to": {"notify": "{notify_url}", "back": "{return_url}", "cancel": "{cancel_url}"},
    }
    async with fake_vendor() as vendor:
        own = at(vendor.answering(CREATED), create=create(vendor, body=body, headers={"X-Nonce": "{nonce}"}))
        own.check()
        started = await own.start(replace(INTENT, amount=Decimal("150000.50")))
        assert started.shown == {"kind": "redirect", "redirect_url": "https://pay.test/p/1"}
        sent = vendor.sent[0]
        assert sent.headers["content-type"] == "application/json"
        assert len(sent.headers["x-nonce"]) == 24
        assert b'"total":150000.50' in sent.body, "decimals are written to the letter"
        assert sent.json == {
            "order": {"id": REFERENCE, "total": 150000.5, "minor": "15000050", "literal": "{amount}"},
            "who": ['ada+"x"@example.com', "U-1", 7, True, None],
            # What stands in a value is never looked at again.
            "what": "Top-up {secret} & more / INR / 1795244560 / 1795244560000",
            "to": {"notify": INTENT.notify_url, "back": INTENT.return_url, "cancel": INTENT.return_url},
        }


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_value_changes_the_document(text: str) -> None:
    values = {"email": text.encode("utf-8", "replace").decode(), "reference": "R"}
    written = json_bytes(filled_json({"a": "{email}", "b": ["x {email} y"], "c": "{reference}"}, values))
    email = values["email"]
    assert json.loads(written) == {"a": email, "b": [f"x {email} y"], "c": "R"}
    address = filled_address("https://pay.test/o/{email}/{reference}", values)
    assert urlsplit(address).path.count("/") == 3
    assert (urlsplit(address).netloc, urlsplit(address).query, urlsplit(address).fragment) == ("pay.test", "", "")


async def test_what_an_answer_says_is_kept() -> None:
    answer = {"state": 0, "data": {"url": "https://pay.test/p", "id": 77, "qr": "0002", "till": "2026-11-21T08:00:00Z"}}
    paths = {"gateway_id_path": "$.data.id", "qr_path": "$.data.qr", "expires_path": "$.data.till"}
    async with fake_vendor() as vendor:
        made = create(vendor, success_when="$.state == 0 | 200", redirect_hosts=["pay.test"], **paths)
        started = await at(vendor.answering((200, answer)), create=made).start(INTENT)
        assert started.external_ref == "77"
        assert started.shown["qr"] == "0002"
        assert started.expires_at == datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"state": 1, "data": {"url": "https://pay.test/p"}}),
        (200, {"data": {"url": "https://pay.test/p"}}),
        (200, {"state": 0}),
        (200, {"state": 0, "data": {"url": ["https://pay.test"]}}),
        (200, {"state": 0, "data": {"url": "javascript:alert(1)"}}),
        (200, {"state": 0, "data": {"url": "http://pay.test/p"}}),
        (200, {"state": 0, "data": {"url": "https://evil.test/p"}}),
        (200, {"state": 0, "data": {"url": "https://pay.test@evil.test/p"}}),
        (200, {"state": 0, "data": {"url": "https://pay.test/p", "id": {}}}),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"state":0,"state":0,"data":{"url":"https://pay.test/p"}}'),
        (302, {"state": 0, "data": {"url": "https://pay.test/p"}}),
        (500, {}),
        None,
    ],
)
async def test_an_answer_that_is_no_success_begins_nothing(answer: Any) -> None:
    async with fake_vendor() as vendor:
        made = create(vendor, success_when="$.state == 0", redirect_hosts=["pay.test"], gateway_id_path="$.data.id")
        with pytest.raises(GatewayFailedError):
            await at(vendor.answering(answer), create=made).start(INTENT)


async def test_forms_and_queries_are_sent_as_they_are_signed() -> None:
    body = {"b": "{reference}", "a": "{description}", "flag": True, "n": 3}
    sign = {"algo": "sha256", "payload": "sorted_kv", "secret_position": "kv:key", "location": "body:$.sign"}
    async with fake_vendor() as vendor:
        own = at(vendor.answering(CREATED), create=create(vendor, body_mode="form", body=body, sign=sign))
        own.check()
        await own.start(INTENT)
        sent = vendor.sent[0]
        assert list(sent.form) == ["b", "a", "flag", "n", "sign"]
        text = f"a={INTENT.description}&b={REFERENCE}&flag=true&n=3&key={SECRET}"
        assert sent.form["sign"] == hashed(text)
        assert sent.headers["content-type"] == "application/x-www-form-urlencoded"

        asks = create(vendor, body_mode="query", method="GET", body=body, sign={**sign, "location": "query:sign"})
        await at(vendor.answering(CREATED), create=asks).start(INTENT)
        asked = vendor.sent[0]
        assert (asked.method, asked.body) == ("GET", b"")
        assert asked.query["sign"] == [hashed(text)]
        assert asked.query["a"] == [INTENT.description]


def hashed(text: str) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(text.encode())
    return digest.finalize().hex()


async def test_raw_bodies_are_signed_as_they_are_sent() -> None:
    async with fake_vendor() as vendor:
        for payload, prefix in (("raw_body", ""), ("ts.body", "1795244560000."), ("base64(raw_body)", None)):
            sign = {
                "algo": "hmac-sha512",
                "payload": payload,
                "encoding": "base64url",
                "location": "header:X-Sign#v1",
                "timestamp_location": "header:X-Sign#t" if payload == "ts.body" else None,
                "ts_unit": "ms",
                "prefix": "s:",
            }
            own = at(vendor.answering(CREATED), create=create(vendor, sign=sign))
            await own.start(INTENT)
            sent = vendor.sent[0]
            content = base64.b64encode(sent.body) if prefix is None else prefix.encode() + sent.body
            expected = hmac_text(SECRET, content, "sha512", "base64").translate(str.maketrans("+/", "-_")).rstrip("=")
            parts = dict(one.split("=", 1) for one in sent.headers["x-sign"].split(","))
            assert parts["v1"] == f"s:{expected}"
            assert parts.get("t", "1795244560000") == "1795244560000"


async def test_tokens_and_passwords() -> None:
    bearer = {"algo": "static_token", "location": "header:Authorization", "prefix": "Bearer "}
    basic = {"algo": "basic", "username": "xnd_shop", "location": "header:Authorization", "prefix": "Basic "}
    async with fake_vendor() as vendor:
        headers = {"X-Key": "{api_key}"}
        own = at(vendor.answering(CREATED), api_key="k-1", create=create(vendor, sign=bearer, headers=headers))
        own.check()
        await own.start(INTENT)
        assert vendor.sent[0].headers["authorization"] == f"Bearer {SECRET}"
        assert vendor.sent[0].headers["x-key"] == "k-1"
        await at(vendor.answering(CREATED), create=create(vendor, sign=basic)).start(INTENT)
        code = base64.b64encode(f"xnd_shop:{SECRET}".encode()).decode()
        assert vendor.sent[0].headers["authorization"] == f"Basic {code}"


async def test_the_newest_secret_signs() -> None:
    bearer = {"algo": "static_token", "location": "header:Authorization"}
    async with fake_vendor() as vendor:
        for secrets in (("new", "old"), ("new\nold",)):
            await at(vendor.answering(CREATED), *secrets, create=create(vendor, sign=bearer)).start(INTENT)
            assert vendor.sent[0].headers["authorization"] == "new"
            own = at(vendor, *secrets)
            assert own.verify(signed(BODY, "old"), NOW) == own.verify(signed(BODY, "new"), NOW) == "signature"
            assert own.verify(signed(BODY, "new\nold"), NOW) is None


async def test_customers_can_be_sent_with_a_link() -> None:
    made = {
        "url": "https://pay.test/buy?shop=1",
        "body_mode": "redirect_only",
        "body": {"ref": "{reference}", "sum": "{amount}", "back": "{return_url}"},
        "sign": {"algo": "hmac-sha1", "payload": "fields_concat", "fields": ["$.ref", "$.sum"], "location": "query:s"},
    }
    own = gateway(described(create=made, amount_decimals=2))
    own.check()
    shown = (await own.start(INTENT)).shown
    found = {name: value for name, [value] in parse_qs(urlsplit(shown["redirect_url"]).query).items()}
    signature = hmac_text(SECRET, f"{REFERENCE}150000.00".encode(), "sha1")
    assert found == {"shop": "1", "ref": REFERENCE, "sum": "150000.00", "back": INTENT.return_url, "s": signature}


async def test_amounts_are_never_rounded() -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError):
            await at(vendor.answering(CREATED), amount_decimals=0).start(replace(INTENT, amount=Decimal("1.50")))
        assert vendor.sent == []


async def test_no_line_breaks_get_into_headers() -> None:
    async with fake_vendor() as vendor:
        own = at(vendor.answering(CREATED), create=create(vendor, headers={"X-Who": "{email}"}))
        with pytest.raises(GatewayFailedError):
            await own.start(replace(INTENT, email="a@b.c\r\nX-Admin: 1"))
        assert vendor.sent == []


# Keys in two parts.

PRIVATE = rsa.generate_private_key(65537, 2048)
PRIVATE_PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC_PEM = (
    PRIVATE.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


def test_messages_signed_with_a_private_key() -> None:
    sign = {"algo": "rsa-sha256", "encoding": "base64", "location": "header:x-signature", "public_keys": [PUBLIC_PEM]}
    own = gateway(described(notify=notify(sign=sign)), "")
    own.check()
    raw = json.dumps(BODY).encode()
    right = base64.b64encode(PRIVATE.sign(raw, PKCS1v15(), hashes.SHA256()))
    assert own.verify(Message({"x-signature": right}, raw), NOW) == "signature"
    for value in (b"", right[:-4], base64.b64encode(b"x" * 256), b"\xff\xfe", right.lower()):
        assert own.verify(Message({"x-signature": value}, raw), NOW) is None
    assert own.verify(Message({"x-signature": right}, raw + b" "), NOW) is None


async def test_requests_signed_with_a_private_key() -> None:
    sign = {"algo": "rsa-sha256", "encoding": "base64", "location": "header:x-signature"}
    one_line = " ".join(PRIVATE_PEM.split("\n"))
    assert pem_in(one_line) == PRIVATE_PEM
    async with fake_vendor() as vendor:
        for written in (PRIVATE_PEM, one_line):
            own = at(vendor.answering(CREATED), written, create=create(vendor, sign=sign))
            own.check()
            await own.start(INTENT)
            sent = vendor.sent[0]
            PRIVATE.public_key().verify(
                base64.b64decode(sent.headers["x-signature"]), sent.body, PKCS1v15(), hashes.SHA256()
            )


# Messages.


@pytest.mark.parametrize(
    ("more", "status", "amount"),
    [
        ({}, GatewayStatus.PAID, "150000"),
        ({"amount": 150000}, GatewayStatus.PAID, "150000"),
        ({"status": "WAIT"}, GatewayStatus.PENDING, "150000"),
        ({"status": "BACK"}, GatewayStatus.REFUNDED, "150000"),
        ({"status": "PART"}, GatewayStatus.REVIEW, "150000"),
        ({"status": "success"}, GatewayStatus.REVIEW, "150000"),
        ({"status": "Paid in full"}, GatewayStatus.REVIEW, "150000"),
        ({"status": None}, GatewayStatus.REVIEW, "150000"),
        ({"status": True}, GatewayStatus.REVIEW, "150000"),
        ({"amount": "0.01"}, GatewayStatus.PAID, "0.01"),
    ],
)
def test_words_and_amounts(more: dict[str, Any], status: GatewayStatus, amount: str) -> None:
    notice = read({**BODY, **more})
    assert (notice.status, notice.amount, notice.unproved) == (status, Decimal(amount), False)
    assert notice.external_id == f"any:{REFERENCE}"


def test_minor_units_and_what_went_back() -> None:
    part = notify(amount_unit="minor", gateway_txn_path="$.txn", returned_path="$.back")
    raw = described(notify=part, query=query(gateway_txn_path="$.txn"))
    paid = read({**BODY, "amount": 15000050, "txn": 9}, raw)
    assert (paid.amount, paid.external_id) == (Decimal("150000.50"), "any:9")
    back = read({**BODY, "amount": 15000050, "txn": 9, "back": "50", "status": "PART"}, raw)
    assert (back.status, back.amount, back.is_total) == (GatewayStatus.PARTIALLY_REFUNDED, Decimal("0.50"), True)
    in_thousandths = described(notify=notify(amount_unit="minor", exponent=3))
    assert read({**BODY, "amount": "1500"}, in_thousandths).amount == Decimal("1.500")


def test_both_sides_of_the_same_money_look_alike() -> None:
    """Even if somebody describes two numbers for it: it is never credited twice."""
    raw = described(notify=notify(gateway_txn_path="$.txn"), query=query(gateway_txn_path="$.payment"))
    told, asked = read({**BODY, "txn": "T-1"}, raw), answered({**BODY, "payment": "P-1"}, raw)
    assert told.external_id != asked.external_id
    assert told.natural_key == asked.natural_key
    assert told.source != asked.source


def test_two_gateways_never_share_a_number() -> None:
    other = read(BODY, described(name="other"))
    mine = read(BODY)
    assert mine.external_id != other.external_id
    assert mine.natural_key != other.natural_key
    keys = {gateway(described(name=name)).read(signed(BODY), "signature").event_key for name in ("any", "other")}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        json.dumps(BODY).encode()[:-1],
        json.dumps(BODY).encode().replace(b'"amount"', b'"amount": 1, "amount"'),
        json.dumps({**BODY, "order_id": ""}).encode(),
        json.dumps({**BODY, "order_id": "X" * 101}).encode(),
        json.dumps({**BODY, "order_id": {"$": 1}}).encode(),
        json.dumps({**BODY, "status": []}).encode(),
        json.dumps({**BODY, "amount": None}).encode(),
        json.dumps({**BODY, "amount": True}).encode(),
        json.dumps({**BODY, "amount": "-1"}).encode(),
        json.dumps({**BODY, "amount": -1}).encode(),
        json.dumps({**BODY, "amount": "1e5"}).encode(),
        json.dumps({**BODY, "amount": "1,500.00"}).encode(),
        json.dumps({**BODY, "amount": "١٥٠"}).encode(),
        json.dumps({**BODY, "amount": "0.0000001"}).encode(),
        json.dumps({**BODY, "amount": "9" * 30}).encode(),
        json.dumps({**BODY, "currency": "rupee coins"}).encode(),
        json.dumps({**BODY, "currency": ""}).encode(),
        b'{"order_id":"A","status":"SUCCESS","currency":"INR","amount":NaN}',
        b'{"order_id":"A","status":"SUCCESS","currency":"INR","amount":1e400}',
        b"[" * 5000,
    ],
)
def test_what_makes_no_sense_is_not_read(body: bytes) -> None:
    own = gateway(described())
    assert own.verify(signed(body), NOW) == "signature", "it is theirs all the same"
    with pytest.raises(UnreadableMessageError):
        own.read(signed(body), "signature")


def test_a_payment_of_nothing_is_no_payment() -> None:
    assert gateway(described()).read(signed({**BODY, "amount": "0.00"}), "signature").notices == ()


def test_forms_are_read_once() -> None:
    own = gateway(described(notify=notify(body="form")))
    body = f"order_id={REFERENCE}&status=SUCCESS&amount=1500.00&currency=INR&note=%C3%A9+x".encode()
    [notice] = own.read(signed(body), "signature").notices
    assert (notice.amount, notice.reference) == (Decimal("1500.00"), REFERENCE)
    for broken in (body + b"&amount=1", b"a=%ff&" + body, b"&".join(b"a%d=1" % at for at in range(200))):
        with pytest.raises(UnreadableMessageError):
            own.read(signed(broken), "signature")


def test_a_signature_in_a_form_is_cut_out() -> None:
    sign = {"algo": "hmac-sha256", "payload": "raw_body", "location": "body:$.sign"}
    own = gateway(described(notify=notify(body="form", sign=sign)))
    body = f"order_id={REFERENCE}&status=SUCCESS&amount=1&currency=INR"
    signature = hmac_text(SECRET, body.encode())
    for whole in (f"{body}&sign={signature}", f"sign={signature}&{body}"):
        assert own.verify(Message({}, whole.encode()), NOW) == "signature"
    assert own.verify(Message({}, f"{body}&sign={signature}&sign={signature}".encode()), NOW) is None
    assert own.verify(Message({}, f"{body}&sign=".encode()), NOW) is None


def test_a_signature_in_json_is_cut_out_where_it_stands() -> None:
    sign = {"algo": "hmac-sha256", "payload": "raw_body", "location": "body:$.sign"}
    own = gateway(described(notify=notify(sign=sign)))
    signature = hmac_text(SECRET, b'{"order_id":"A","amount":1}')
    for whole in (
        f'{{"order_id":"A","amount":1,"sign":"{signature}"}}',
        f'{{"sign":"{signature}","order_id":"A","amount":1}}',
        f'{{"order_id":"A","sign":"{signature}","amount":1}}',
    ):
        assert own.verify(Message({}, whole.encode()), NOW) == "signature"
    nested = f'{{"order_id":"A","amount":1,"x":{{"sign":"{signature}"}},"sign":"{signature}"}}'
    assert own.verify(Message({}, nested.encode()), NOW) is None
    assert own.verify(Message({}, b'{"order_id":"A","amount":1,"sign":7}'), NOW) is None


def test_only_messages_of_our_environment_are_ours() -> None:
    own = gateway(described(notify=notify(only_when=["$.env == live", "$.shop == 7 | 8"])))
    ours = {**BODY, "env": "live", "shop": 7}
    assert own.verify(signed(ours), NOW) == "signature"
    for more in ({"env": "test"}, {"shop": 9}, {"shop": [7]}, {"env": None}):
        assert own.verify(signed({**ours, **more}), NOW) is None
    assert own.verify(signed(b"no json"), NOW) is None


@pytest.mark.parametrize(
    ("ip", "verdict"),
    [
        (b"203.0.113.7", "signature"),
        (b"::ffff:203.0.113.7", "signature"),
        (b"2001:db8::5", "signature"),
        (b"203.0.114.7", None),
        (b"", None),
        (b"203.0.113.7, 10.0.0.1", None),
        (b"\xff", None),
    ],
)
def test_addresses_that_messages_come_from(ip: bytes, verdict: str | None) -> None:
    own = gateway(described(notify=notify(ip_allowlist=["203.0.113.0/24", "2001:db8::/32"])))
    own.check()
    assert own.verify(signed(BODY, **{":ip": ip}), NOW) == verdict


def test_a_value_with_a_separator_in_it_only_leads_to_a_question() -> None:
    sign = {"algo": "hmac-sha256", "payload": "sorted_kv", "location": "header:x-signature"}
    own = gateway(described(notify=notify(sign=sign)))
    plain = {**BODY, "note": "hello"}
    for body, verdict, unproved in (
        (plain, "signature", False),
        ({**BODY, "note": "x&status=SUCCESS"}, "ambiguous", True),
        ({**BODY, "note=x": "1"}, "ambiguous", True),
    ):
        text = "&".join(f"{name}={value}" for name, value in sorted(body.items()))
        message = Message({"x-signature": hmac_text(SECRET, text.encode()).encode()}, json.dumps(body).encode())
        assert own.verify(message, NOW) == verdict
        assert own.read(message, verdict).notices[0].unproved is unproved


def test_tokens_prove_nothing_that_is_said() -> None:
    sign = {"algo": "static_token", "location": "query:token"}
    own = gateway(described(notify=notify(sign=sign)))
    own.check()
    message = Message({":query": f"a=1&token={SECRET}".encode()}, json.dumps(BODY).encode())
    assert own.verify(message, NOW) == "token"
    assert own.read(message, "token").notices[0].unproved
    for query_text in (b"", b"token=", b"token=x", b"&" * 50 + b"token=" + SECRET.encode(), b"\xff"):
        assert own.verify(Message({":query": query_text}, message.body), NOW) is None


def test_the_secret_of_messages_can_be_another() -> None:
    own = gateway(described(), "for requests", notify_secret="for messages")
    assert own.verify(signed(BODY, "for messages"), NOW) == "signature"
    assert own.verify(signed(BODY, "for requests"), NOW) is None


def test_replies_as_they_are_described() -> None:
    own = gateway(described(notify=notify(reply_status=202, reply_body="OK", reply_content_type="text/plain")))
    assert (own.reply.status, own.reply.body, own.reply.content_type) == (202, "OK", "text/plain")
    assert gateway(described()).reply.body == '{"status":"ok"}'


# Questions.


async def test_asks_and_understands() -> None:
    assert isinstance(gateway(described()), CanBeAsked)
    assert not gives_back(gateway(described())), "nobody has said how"
    async with fake_vendor() as vendor:
        own = at(vendor.answering((200, BODY)))
        [notice] = own.read_answer(await own.ask(ASKED), ASKED).notices
        assert (notice.status, notice.amount, notice.unproved) == (GatewayStatus.PAID, Decimal(150_000), False)
        assert vendor.sent[0].target == f"/v1/orders/{REFERENCE}"
        vendor.answering((404, b"nope"))
        assert not own.read_answer(await own.ask(ASKED), ASKED).notices
        body = {"no": "{gateway_id}", "sum": "{amount_minor}"}
        made = create(vendor, gateway_id_path="$.data.id")
        by_number = at(
            vendor, create=made, query=query(url=f"{vendor.url}/find", method="POST", body_mode="json", body=body)
        )
        by_number.check()
        await by_number.ask(replace(ASKED, now=NOW + timedelta(minutes=1)))
        assert vendor.sent[-1].json == {"no": "G-1", "sum": "15000000"}


@pytest.mark.parametrize("answer", [(500, {}), (403, {}), (200, b"oops"), (200, {"ok": False}), None])
async def test_a_gateway_that_does_not_answer(answer: Any) -> None:
    async with fake_vendor() as vendor:
        asks = query(url=f"{vendor.url}/find", success_when="$.ok == true")
        with pytest.raises(GatewayFailedError):
            await at(vendor.answering(answer), query=asks).ask(ASKED)


def test_the_answer_to_another_question_is_none() -> None:
    with pytest.raises(UnreadableMessageError):
        answered({**BODY, "order_id": "OTHER"})
    for junk in (b"[]", b"{", b"{}"):
        with pytest.raises(UnreadableMessageError):
            gateway(described()).read_answer(junk, ASKED)


async def test_secrets_never_stand_in_what_is_noted() -> None:
    async with fake_vendor() as vendor:
        own = at(vendor.answering((400, {"said": f"bad key {SECRET} k-123456"})), api_key="k-123456")
        with capture_logs() as logs, pytest.raises(GatewayFailedError):
            await own.start(INTENT)
        [noted] = logs
        assert noted["said"].count("[hidden]") == 2
        assert SECRET not in str(logs)
        assert "k-123456" not in str(logs)


async def test_private_addresses_are_not_called() -> None:
    async with Outgoing() as guarded:
        for host in ("https://169.254.169.254/latest", "https://10.0.0.1/x", "https://[::1]/x", "http://127.0.0.1:9/x"):
            made = {**described()["create"], "url": host}
            with pytest.raises(GatewayFailedError):
                await gateway(described(create=made), http=guarded).start(INTENT)


# Paths.


def test_paths_find_what_is_there_and_nothing_else() -> None:
    document = {"a": {"b": [{"c": 1}, [2]]}, "items": [], "__class__": "x"}
    assert found_at(document, "$.a.b[0].c") == 1
    assert found_at(document, "$.a.b[1][0]") == 2
    for missing in ("$.a.b[9]", "$.a.b.c", "$.items[0]", "$.a[0]", "$.x.y.z", "$.a.b[0].c.real"):
        assert found_at(document, missing) is None
