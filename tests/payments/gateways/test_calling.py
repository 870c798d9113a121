"""Calls to gateways: every failure becomes one of two, and nothing secret is noted."""

import socket

import pytest
from structlog.testing import capture_logs

from payments.gateways.fake_vendor import Scripted, fake_vendor
from smmpanel.payments.gateways.calling import call, call_json
from smmpanel.payments.protocol import GatewayFailedError, GatewayUnknownError

SECRETS = ("sk_test_very_secret",)


async def test_an_answer_of_success_is_returned_to_the_letter() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((201, b'{"amount": 25.170, "id": 7}'))
        said = await call_json(
            vendor.http, "POST", f"{vendor.url}/pay", json={"a": 1}, headers={"x-key": "k"}, secrets=SECRETS
        )
        [sent] = vendor.sent
    assert said == {"amount": "25.170", "id": "7"}
    assert (sent.method, sent.path, sent.json, sent.headers["x-key"]) == ("POST", "/pay", {"a": 1}, "k")


async def test_a_refusal_that_is_an_answer_too_is_returned() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((404, b'{"status": false}'))
        answer = await call(vendor.http, "GET", f"{vendor.url}/one", secrets=SECRETS, also={404})
        assert (answer.status, answer.body) == (404, b'{"status": false}')
        with pytest.raises(GatewayFailedError):
            await call(vendor.http, "GET", f"{vendor.url}/one", secrets=SECRETS)


@pytest.mark.parametrize(
    ("answer", "is_unknown"),
    [
        ((400, {}), False),
        ((401, {}), False),
        ((429, {}), False),
        ((408, {}), True),
        ((409, {}), True),
        ((302, {}), True),
        ((500, {}), True),
        ((503, b"<html>down</html>"), True),
        ((200, b"<html>welcome</html>"), True),
        ((200, b'{"a": 1, "a": 2}'), True),
        ((200, b""), True),
        ((200, b"[]"), True),
        (None, True),
    ],
)
async def test_what_may_have_been_done_is_not_known(answer: Scripted | None, *, is_unknown: bool) -> None:
    async with fake_vendor() as vendor:
        vendor.answering(answer)
        with pytest.raises(GatewayFailedError) as asked:
            await call_json(vendor.http, "GET", vendor.url, secrets=SECRETS)
        with pytest.raises(GatewayFailedError) as acted:
            await call_json(vendor.http, "POST", vendor.url, secrets=SECRETS, acts=True)
        assert len(vendor.sent) == 2
    assert asked.type is GatewayFailedError
    assert acted.type is (GatewayUnknownError if is_unknown else GatewayFailedError)


async def test_what_was_never_sent_was_not_done() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with fake_vendor() as vendor:
            with pytest.raises(GatewayFailedError) as failure:
                await call(
                    vendor.http, "POST", f"http://127.0.0.1:{closed.getsockname()[1]}", secrets=SECRETS, acts=True
                )
    assert failure.type is GatewayFailedError
    assert failure.value.fields == {}


async def test_notes_hold_no_secret() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((401, b'{"message": "Invalid key sk_test_very_secret"}'))
        with capture_logs() as logs, pytest.raises(GatewayFailedError):
            await call(vendor.http, "GET", f"{vendor.url}/private?token=sk_test_very_secret", secrets=SECRETS)
    [noted] = [one for one in logs if one["event"] == "gateway_call_failed"]
    assert noted["said"] == '{"message": "Invalid key [hidden]"}'
    assert (noted["answered"], noted["host"]) == (401, f"127.0.0.1:{vendor.port}")
    assert "secret" not in repr(noted)
