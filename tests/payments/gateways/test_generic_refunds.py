"""Any gateway over HTTP: money that is given back when the panel asks, as a description says."""

import json
from decimal import Decimal
from typing import Any

import pytest

from payments.gateways.describing import ASKED, INTENT, REFERENCE, SECRET, Raw, described, gateway
from payments.gateways.fake_vendor import FakeVendor, Scripted, fake_vendor
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.payments.gateways.generic.gateway import HttpGateway
from smmpanel.payments.protocol import GatewayFailedError, GatewayUnknownError, Refund, Refunded, gives_back
from smmpanel.payments.signing import hmac_text

WANTED = Refund(ASKED, "any:P-7", Decimal("50000.50"), "refund-D-1-9", "wrong account")
TAKEN = (200, {"ok": True, "refund": {"id": 31, "state": "DONE"}})


def refund(**more: Any) -> Raw:
    return {
        "url": "https://pay.test/v1/orders/{reference}/refunds",
        "body": {"payment": "{gateway_txn}", "no": "{refund_key}", "sum": "{amount:number}", "why": "{reason}"},
        "success_when": "$.ok == true",
        "refused_when": "$.ok == never",
        "refund_id_path": "$.refund.id",
        "status_path": "$.refund.state",
        "status_map": {"DONE": "done", "FAILED": "failed"},
        "sign": {"algo": "hmac-sha256", "location": "header:x-signature"},
        **more,
    }


async def asked(answer: Scripted | None, vendor: FakeVendor, **more: Any) -> Refunded:
    part = refund(url=f"{vendor.url}/v1/orders/{{reference}}/refunds", **more)
    return await gateway(described(refund=part), http=vendor.answering(answer).http).refund(WANTED)


async def test_what_is_sent_is_what_is_described() -> None:
    async with fake_vendor() as vendor:
        assert await asked(TAKEN, vendor) == Refunded("refund:31", "done")
        sent = vendor.sent[0]
        assert sent.target == f"/v1/orders/{REFERENCE}/refunds"
        assert sent.body == b'{"payment":"P-7","no":"refund-D-1-9","sum":50000.50,"why":"wrong account"}'
        assert sent.headers["x-signature"] == hmac_text(SECRET, sent.body)


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        ((200, {"ok": True, "refund": {"id": 31, "state": "FAILED"}}), Refunded("refund:31", "failed")),
        ((200, {"ok": True, "refund": {"id": 31, "state": "ODD"}}), Refunded("refund:31", "pending")),
        ((200, {"ok": True, "refund": {}}), Refunded("refund-D-1-9", "pending")),
        # Refused for certain: it comes back into the wallet. All else may have been done, and is never sent again.
        ((200, {"ok": "never"}), GatewayFailedError),
        ((422, {"ok": False}), GatewayFailedError),
        ((200, {"ok": False}), GatewayUnknownError),
        ((200, b"<html>"), GatewayUnknownError),
        ((200, {"ok": {}}), GatewayUnknownError),
        ((409, {"ok": False}), GatewayUnknownError),
        ((502, b"bad gateway"), GatewayUnknownError),
        (None, GatewayUnknownError),
    ],
)
async def test_what_an_answer_means(answer: Scripted | None, came: Refunded | type[Exception]) -> None:
    async with fake_vendor() as vendor:
        if isinstance(came, Refunded):
            assert await asked(answer, vendor) == came
            return
        with pytest.raises(GatewayFailedError) as failed:
            await asked(answer, vendor)
        assert type(failed.value) is came
        assert len(vendor.sent) == 1


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"method": "GET"}, "refund.method"),
        ({"url": "http://pay.test/refunds"}, "refund.url"),
        ({"body": {"who": "{email}"}}, "refund"),
        ({"body": {"no": "{gateway_id}"}}, "create.gateway_id_path"),
        ({"status_path": None}, "refund.status_path"),
        ({"status_map": {}}, "refund.status_map"),
        ({"status_map": {"DONE": "paid"}}, "refund.status_map.DONE"),
        ({"body_mode": "browser_form_post"}, "refund.body_mode"),
    ],
)
def test_descriptions_that_are_refused(more: Raw, key: str) -> None:
    gateway(described(refund=refund())).check()
    with pytest.raises(InvalidInputError) as wrong:
        gateway(described(refund=refund(**more))).check()
    assert wrong.value.facts["key"] == key


async def test_only_who_says_how_gives_back() -> None:
    assert gives_back(gateway(described(refund=refund())))
    silent = gateway(described())
    assert isinstance(silent, HttpGateway)
    assert not gives_back(silent)
    with pytest.raises(GatewayFailedError):
        await silent.refund(WANTED)
    # What is only known of refunds means nothing where payments are begun.
    begun = json.loads(json.dumps(described()))
    begun["create"]["body"]["x"] = "{refund_key}"
    with pytest.raises(GatewayFailedError):
        await gateway(begun).start(INTENT)
