"""Any gateway over HTTP: descriptions that are refused, and in which words."""

import json
from typing import Any

import pytest

from payments.gateways.describing import ASKED, INTENT, NOW, SECRET, Raw, described, gateway, notify, query
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.generic.gateway import HttpGateway
from smmpanel.payments.protocol import Account, GatewayFailedError, Message, UnreadableMessageError
from smmpanel.payments.signing import hmac_text

CONCAT = {"algo": "hmac-sha256", "payload": "fields_concat", "field_sep": "|", "location": "header:x-signature"}
ALL = ["$.order_id", "$.amount", "$.currency", "$.status"]


def refused(raw: Raw | str, *secrets: str, **more: str) -> tuple[str, str, str]:
    """Return which setting is refused, for which key, and the words."""
    with pytest.raises(InvalidInputError) as wrong:
        gateway(raw, *secrets, **more).check()
    return str(wrong.value.fields["field"]), str(wrong.value.facts.get("key", "")), str(wrong.value.fields["reason"])


def create(**more: Any) -> Raw:
    return {**described()["create"], **more}


def signing(**more: Any) -> Raw:
    """Return a description whose messages are signed so, and whose gateway cannot be asked."""
    raw = described(notify=notify(sign={**CONCAT, **more}))
    del raw["query"]
    return raw


def without(raw: Raw, *names: str) -> Raw:
    return {name: value for name, value in raw.items() if name not in names}


# What is signed must be what money depends on.


@pytest.mark.parametrize("left_out", ["order_id", "amount", "status", "currency"])
@pytest.mark.parametrize("payload", ["fields_concat", "fields_kv", "sorted_kv"])
def test_signatures_that_leave_something_out(left_out: str, payload: str) -> None:
    fields = [path for path in ALL if path != f"$.{left_out}"]
    sign = {**CONCAT, "payload": payload, "fields": fields}
    insists = described(notify=notify(sign=sign, require_status_requery=False))
    field, key, words = refused(insists)
    assert (field, key) == ("configuration", "notify.require_status_requery")
    assert {"order_id": "reference"}.get(left_out, left_out) in words
    # With a question it is taken, and messages are only ever a reason to ask.
    own = gateway(described(notify=notify(sign=sign)))
    own.check()
    assert (
        own.read(
            Message({}, json.dumps({"order_id": "A", "amount": 1, "currency": "INR", "status": "SUCCESS"}).encode()),
            "signature",
        )
        .notices[0]
        .unproved
    )
    assert refused(without(described(notify=notify(sign=sign)), "query"))[1] == "query"


@pytest.mark.parametrize(
    ("more", "path", "what"),
    [
        ({"gateway_txn_path": "$.number"}, "$.number", "gateway_txn"),
        ({"returned_path": "$.returned"}, "$.returned", "returned"),
        ({"only_when": ["$.env == live"]}, "$.env", "only_when"),
    ],
)
def test_what_else_must_be_signed_where_it_is_said(more: Raw, path: str, what: str) -> None:
    """With another number the same money would be credited again; with another environment a test's would be."""
    asks = query(**({"gateway_txn_path": "$.number"} if "gateway_txn_path" in more else {}))
    insists = described(query=asks, notify=notify(sign={**CONCAT, "fields": ALL}, require_status_requery=False, **more))
    _, key, words = refused(insists)
    assert key == "notify.require_status_requery"
    assert what in words
    body = {"order_id": "A", "amount": 1, "currency": "INR", "status": "SUCCESS", "number": "N", "env": "live"}
    for fields, unproved in ((ALL, True), ([*ALL, path], False)):
        own = gateway(described(query=asks, notify=notify(sign={**CONCAT, "fields": fields}, **more)))
        own.check()
        assert own.read(Message({}, json.dumps(body).encode()), "signature").notices[0].unproved is unproved


def test_what_was_never_allowed_is_not_believed_either() -> None:
    """Messages are taken for methods that are not offered too: what `check` refuses must not credit."""
    sign = {**CONCAT, "fields": ["$.order_id"]}
    own = gateway(described(notify=notify(sign=sign, require_status_requery=False)))
    body = json.dumps({"order_id": "A", "amount": "9999", "currency": "INR", "status": "SUCCESS"}).encode()
    message = Message({"x-signature": hmac_text(SECRET, b"A").encode()}, body)
    assert own.verify(message, NOW) == "signature"
    assert own.read(message, "signature").notices[0].unproved


@pytest.mark.parametrize(
    "sign",
    [
        {"algo": "static_token", "location": "header:authorization"},
        {"algo": "basic", "username": "u", "location": "header:authorization"},
    ],
)
def test_tokens_need_a_question(sign: Raw) -> None:
    assert refused(without(described(notify=notify(sign=sign)), "query"))[1] == "query"
    insists = described(notify=notify(sign=sign, require_status_requery=False))
    assert refused(insists)[1] == "notify.require_status_requery"
    # Or people who look at each payment.
    gateway(without(described(notify=notify(sign=sign, staff_review=True)), "query")).check()


@pytest.mark.parametrize(
    ("sign", "asked"),
    [
        ({"algo": "md5", "secret_position": "suffix"}, True),
        ({"algo": "sha1", "secret_position": "suffix"}, True),
        ({"algo": "sha256", "secret_position": "suffix"}, False),
        ({"algo": "sha256", "secret_position": "prefix"}, True),
        ({"algo": "sha512", "secret_position": "kv:key"}, False),
        ({"algo": "hmac-sha1"}, False),
        ({"algo": "hmac-sha256"}, False),
    ],
)
def test_weak_digests_need_a_question(sign: Raw, asked: bool) -> None:
    raw = signing(fields=ALL, **sign)
    if asked:
        assert refused(raw)[1] == "query"
    else:
        gateway(raw).check()
    with_question = gateway(raw | {"query": query()})
    with_question.check()
    body = json.dumps({"order_id": "A", "amount": "1", "currency": "INR", "status": "SUCCESS"}).encode()
    assert with_question.read(Message({}, body), "signature").notices[0].unproved is asked


def test_fields_without_a_separator_need_a_question() -> None:
    assert refused(signing(fields=ALL, field_sep=""))[1] == "query"
    gateway(signing(fields=ALL, field_sep="") | {"query": query()}).check()


def test_a_message_without_an_amount_needs_a_question() -> None:
    part = without(notify(), "amount_path")
    assert refused(without(described(notify=part), "query"))[1] == "query"
    own = gateway(described(notify=part))
    own.check()
    [hint] = own.read(
        Message({}, json.dumps({"order_id": "A", "currency": "INR", "status": "SUCCESS"}).encode()), "signature"
    ).notices
    assert (hint.unproved, hint.amount, hint.status) == (True, 0, "pending")


def test_a_time_that_is_not_signed_is_worth_nothing() -> None:
    for sign in (
        {"algo": "hmac-sha256", "location": "header:x-s", "timestamp_location": "header:x-t"},
        {**CONCAT, "fields": ALL, "timestamp_location": "body:$.ts"},
        {"algo": "static_token", "location": "header:x-s", "timestamp_location": "header:x-t"},
    ):
        assert refused(described(notify=notify(sign=sign)))[1] == "notify.sign.timestamp_location"
    gateway(
        described(notify=notify(sign={**CONCAT, "fields": [*ALL, "$.ts"], "timestamp_location": "body:$.ts"}))
    ).check()


# Addresses, placeholders, secrets.


@pytest.mark.parametrize(
    "url",
    [
        "http://pay.test/x",
        "ftp://pay.test/x",
        "https://{currency}.pay.test/x",
        "https://pay.test:{amount}/x",
        "https://user:pass@pay.test/x",
        "https://pay.test/x#part",
        "//pay.test/abcdef",
        "https://",
        "javascript:alert(1)",
    ],
)
def test_addresses_must_be_safe(url: str) -> None:
    assert refused(described(create=create(url=url)))[1] == "create.url"
    assert refused(described(query=query(url=url)))[1] == "query.url"


def test_this_machine_may_be_called_without_tls() -> None:
    gateway(described(create=create(url="http://127.0.0.1:8910/x"), query=query(url="http://localhost:8910/x"))).check()


@pytest.mark.parametrize(
    "text", ["{card}", "{gateway_id}", "{", "a}b", "{ amount }", "x {amount:number}", "{email:number}"]
)
def test_placeholders_must_be_known(text: str) -> None:
    for part in ({"body": {"a": [{"b": text}]}}, {"headers": {"X-A": text}}):
        assert refused(described(create=create(**part)))[1] == "create"
    assert "placeholder" in refused(described(create=create(url=f"https://pay.test/{text}")))[2]
    assert refused(described(query=query(body={"a": "{email}"})))[1] == "query"


def test_customers_are_never_shown_secrets() -> None:
    for mode in ("browser_form_post", "redirect_only"):
        for text in ("{secret}", "{api_key}"):
            made = create(body_mode=mode, body={"a": text})
            assert refused(described(create=made), api_key="k")[1:2] == ("create.body",)
        by_address = create(body_mode=mode, url="https://pay.test/{api_key}")
        assert refused(described(create=by_address), api_key="k")[1] == "create.body"
        token = {"algo": "static_token", "location": "body:$.token"}
        assert refused(described(create=create(body_mode=mode, sign=token)))[1] == "create.sign.location"
        assert refused(described(create=create(body_mode=mode, headers={"X-A": "1"})))[1] == "create.headers"


def test_secrets_that_are_used_must_be_there() -> None:
    assert refused(described(create=create(headers={"X-Key": "{api_key}"})))[0] == "api_key"
    assert refused(described(), "")[0] == "secret"
    bearer = {"algo": "static_token", "location": "header:authorization"}
    assert refused(described(create=create(sign=bearer)), "", notify_secret="n")[0] == "secret"
    gateway(described(), "", notify_secret="n").check()
    rsa = {"algo": "rsa-sha256", "location": "header:x-s"}
    assert refused(described(create=create(sign=rsa)), "no key at all")[0] == "secret"
    assert refused(described(notify=notify(sign={**rsa, "public_keys": ["x"]})))[1] == "notify.sign.public_keys"
    assert refused(described(notify=notify(sign=rsa)))[1] == "notify.sign.public_keys"


# What is missing, strange, or in the wrong place.


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (without(described(), "create"), "create"),
        (without(described(), "name"), "name"),
        (without(described(), "notify", "query"), "notify"),
        (described(name="Tik Kart"), "name"),
        (described(color="red"), "color"),
        (described(create=create(tone="red")), "create.tone"),
        (described(create=without(create(), "url")), "create.url"),
        (described(create=without(create(), "redirect_url_path")), "create.redirect_url_path"),
        (described(create=create(body_mode="xml")), "create.body_mode"),
        (described(create=create(body_mode="form", body={"a": {"b": 1}})), "create.body.a"),
        (described(create=create(body_mode="query", body={"a": "{amount:number}"})), "create.body.a"),
        (described(create=create(redirect_url_path="data.url")), "create.redirect_url_path"),
        (described(create=create(redirect_url_path="$..url")), "create.redirect_url_path"),
        (described(create=create(redirect_url_path="$.a[*]")), "create.redirect_url_path"),
        (described(create=create(success_when="$.state = 0")), "create.success_when"),
        (described(notify=without(notify(), "sign")), "notify.sign.algo"),
        (described(notify=without(notify(), "reference_path")), "notify.reference_path"),
        (described(notify=without(notify(), "status_map")), "notify.status_map"),
        (described(notify=notify(status_map={})), "notify.status_map"),
        (described(notify=notify(status_map={"OK": "partial"})), "notify.status_map.OK"),
        (described(notify=notify(reply_status=302)), "notify.reply_status"),
        (described(notify=notify(reply_content_type="text/html\r\nX: y")), "notify.reply_content_type"),
        (described(notify=notify(ip_allowlist=["everybody"])), "notify.ip_allowlist.0"),
        (described(notify=notify(gateway_txn_path="$.txn")), "gateway_txn_path"),
        (described(notify=notify(sign={**CONCAT})), "notify.sign.fields"),
        (described(notify=notify(sign={**CONCAT, "algo": "crc32"})), "notify.sign.algo"),
        (described(notify=notify(sign={**CONCAT, "fields": ALL, "location": "cookie:a"})), "notify.sign.location"),
        (described(notify=notify(sign={"algo": "md5", "location": "header:x"})), "notify.sign.secret_position"),
        (
            described(notify=notify(sign={**CONCAT, "fields": ALL, "secret_position": "suffix"})),
            "notify.sign.secret_position",
        ),
        (described(notify=notify(sign={"algo": "basic", "location": "header:x"})), "notify.sign.username"),
        (
            described(notify=notify(sign={"algo": "hmac-sha1", "payload": "ts.body", "location": "header:x"})),
            "notify.sign.timestamp_location",
        ),
        (
            described(notify=notify(sign={**CONCAT, "payload": "sorted_kv", "fields_from": "$.names"})),
            "notify.sign.fields_from",
        ),
        (described(query=without(query(), "amount_path")), "query.amount_path"),
        (described(query=query(url="https://pay.test/{gateway_id}")), "create.gateway_id_path"),
        (described(sign="none"), "sign"),
        (described(create=create(sign={**CONCAT, "fields": ["$.order_id", "$.ordr"]})), "create.body.ordr"),
        (described(query=query(sign={**CONCAT, "fields": ["$.order_id"]})), "query.body.order_id"),
    ],
)
def test_the_key_that_is_wrong_is_named(raw: Raw, key: str) -> None:
    field, named, words = refused(raw)
    assert field == "configuration"
    assert named == key
    assert named in words


def test_what_is_common_to_signatures_is_said_once() -> None:
    common = {"algo": "hmac-sha256", "location": "header:x-signature"}
    raw = described(sign=common, notify=without(notify(), "sign"), create=create(sign={}))
    gateway(raw).check()
    assert refused(raw, "")[1] == "create.sign"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = \nb = 1", "line 1"),
        ("a = 1\nb = [", "neither TOML nor JSON"),
        ("{", "line 1"),
        ('{"a": 1,\n "b": }', "line 2"),
        ("[" * 3000, "neither TOML nor JSON"),
        ('{"a":' * 3000, "neither TOML nor JSON"),
        ('{"a":' * 20 + "1" + "}" * 20, "table"),
        ("x" * 20_001, "too long"),
        ("", "is missing"),
    ],
)
def test_what_is_no_description_at_all(text: str, words: str) -> None:
    assert words in refused(text)[2]


async def test_a_broken_description_does_nothing() -> None:
    for text in ("", "nonsense", json.dumps(described(create=create(url="http://evil.test")))):
        own = HttpGateway(Account("INR", {"configuration": text}, {"secret": (SECRET,)}), Outgoing())
        with pytest.raises(GatewayFailedError):
            await own.start(INTENT)
        with pytest.raises(GatewayFailedError):
            await own.ask(ASKED)
    for text in ("", "nonsense"):
        own = HttpGateway(Account("INR", {"configuration": text}, {"secret": (SECRET,)}), Outgoing())
        assert own.verify(Message({}, b"{}"), NOW) is None
        assert not own.can_be_asked
        assert own.reply.status == 200
        with pytest.raises(UnreadableMessageError):
            own.read(Message({}, b"{}"), "signature")
        with pytest.raises(UnreadableMessageError):
            own.read_answer(b"{}", ASKED)
