"""Any gateway over HTTP: messages that stand in the address of a call with GET."""

import base64
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import select

from payments.conftest import Till
from payments.gateways.describing import NOW, SECRET, Raw, described, gateway, notify
from smmpanel.accounts.access import Actor
from smmpanel.entrypoints.web import build_app
from smmpanel.ledger import balance_of
from smmpanel.payments.inbox import settle_waiting
from smmpanel.payments.methods import MethodTerms, add_method, enable_method
from smmpanel.payments.models import EventOutcome, GatewayEvent
from smmpanel.payments.opening import NewDeposit, open_deposit
from smmpanel.payments.protocol import Message

PAID = {"order_id": "TOPUP-000123", "amount": "150000", "currency": "INR", "status": "SUCCESS"}
SORTED = {"algo": "hmac-sha256", "payload": "sorted_kv", "location": "query:sign"}


def by_get(sign: Mapping[str, Any] = SORTED, **more: Any) -> Raw:
    return described(notify=notify(body="query", sign=dict(sign), **more))


def digest(text: str, algorithm: str = "sha256") -> bytes:
    return hmac.digest(SECRET.encode(), text.encode(), algorithm)


def address(fields: Mapping[str, str], **more: str) -> bytes:
    """Return a query, signed as `SORTED` says."""
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return urlencode({**fields, "sign": digest(text).hex(), **more}).encode()


def told(query: bytes) -> Message:
    return Message({":query": query}, query)


def test_all_that_stands_in_the_address_is_signed() -> None:
    own = gateway(by_get())
    own.check()
    assert own.verify(told(address(PAID)), NOW) == "signature"
    [notice] = own.read(told(address(PAID)), "signature").notices
    assert (notice.reference, notice.amount, notice.status, notice.unproved) == ("TOPUP-000123", 150_000, "paid", False)
    right = address(PAID)
    for wrong in (
        address(PAID, amount="1"),
        right + b"&more=1",
        right + b"&amount=150000",
        right + b"&sign=0",
        right[: len(right) // 2],
        urlencode(PAID).encode(),
        b"",
        b"%ff=%fe&" + right,
    ):
        assert own.verify(told(wrong), NOW) is None, wrong


def test_other_proofs_in_an_address() -> None:
    raw = urlencode({**PAID, "at": str(int(NOW.timestamp()))})
    sign = {"algo": "hmac-sha256", "location": "query:sign", "encoding": "base64", "timestamp_location": "query:at"}
    whole = gateway(by_get({**sign, "payload": "sorted_kv"}))
    whole.check()
    text = "&".join(f"{name}={value}" for name, value in sorted({**PAID, "at": str(int(NOW.timestamp()))}.items()))
    written = base64.b64encode(digest(text)).decode()
    assert whole.verify(told(f"{raw}&{urlencode({'sign': written})}".encode()), NOW) == "signature"
    cut = gateway(by_get({"algo": "hmac-sha256", "location": "query:sign"}))
    cut.check()
    bare = urlencode(PAID)
    assert cut.verify(told(f"{bare}&sign={digest(bare).hex()}".encode()), NOW) == "signature"
    token = gateway(by_get({"algo": "static_token", "location": "query:key"}))
    token.check()
    assert token.verify(told(f"{bare}&key={SECRET}".encode()), NOW) == "token"
    assert token.read(told(f"{bare}&key={SECRET}".encode()), "token").notices[0].unproved


def test_blanks_in_base64_are_plus_signs() -> None:
    own = gateway(by_get({**SORTED, "encoding": "base64"}))
    for number in range(200):
        fields = {**PAID, "order_id": f"N{number}"}
        written = base64.b64encode(
            digest("&".join(f"{name}={value}" for name, value in sorted(fields.items())))
        ).decode()
        if "+" in written:
            break
    assert own.verify(told(f"{urlencode(fields)}&sign={written}".encode()), NOW) == "signature"


@pytest.fixture
async def till_by_get(till: Till) -> Till:
    """The till, with a gateway that tells by GET."""
    options = {"configuration": json.dumps({**by_get(), "create": {**REDIRECT}})}
    terms = MethodTerms(name="Any", currency="VND", minimum=Decimal(10), options=options)
    async with till.panel.db.transaction() as session:
        made = await add_method(session, till.panel, "http", terms, actor=Actor.cli(), secrets={"secret": SECRET})
        await enable_method(session, till.panel, made.id, actor=Actor.cli())
    till.methods["http"] = made.id
    return till


REDIRECT = {"url": "https://pay.test/pay", "body_mode": "redirect_only", "body": {"order": "{reference}"}}


async def test_a_call_with_get_is_credited_once(till_by_get: Till) -> None:
    till, where = till_by_get, "/api/payment/http/webhook"
    deposit = await open_deposit(till.panel, NewDeposit(till.user, till.methods["http"], Decimal(150_000)))
    transport = httpx.ASGITransport(build_app(till.panel), client=("203.0.113.7", 4711), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as http:
        query = address({**PAID, "order_id": deposit.reference, "currency": "VND"}).decode()
        for _ in range(3):
            answer = await http.get(f"{where}?{query}")
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert (await http.get(f"{where}?{query}0")).status_code == 401
        assert (await http.get(where)).status_code == 401
        assert (await http.get(f"/api/payment/sepay/webhook?{query}")).status_code == 405
        assert (await http.get("/api/payment/nobody/webhook")).status_code == 404
    await settle_waiting.function(till.panel)
    async with till.panel.db.transaction() as session:
        [event] = (await session.scalars(select(GatewayEvent))).all()
        assert (event.outcome, event.repeats, event.body) == (EventOutcome.SETTLED, 2, query.encode())
        assert (await balance_of(session, till.user, "VND")).amount == 150_000
