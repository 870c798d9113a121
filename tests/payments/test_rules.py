"""The eighteen rules of section 10 of the payment contract: each is named by a test, and those that concern everything stand here."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

import smmpanel.payments
from payments.conftest import Till
from payments.gateways.fake_vendor import fake_vendor
from smmpanel.accounts.access import Actor
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.payments.inbox import ask_gateways
from smmpanel.payments.methods import MethodTerms, add_method, edit_method, enable_method
from smmpanel.payments.protocol import Account, Message
from smmpanel.payments.receiving import MessageRefusedError, receive
from smmpanel.payments.reconciling_jobs import reconcile_latest

RULES = range(1, 19)
HERE = Path(__file__).parent
SECRET, TOKEN = "signing-secret-of-a-test-7319", "api-token-of-a-test-4826"
BANK = {
    "bank": "970416",
    "account_number": "987654321",
    "account_name": "NGUYEN VAN A",
    "memo_prefix": "HOMEMMO",
}


def test_each_rule_is_named_by_a_test() -> None:
    found = re.findall(r"def test_rule_(\d+)_", "\n".join(path.read_text() for path in HERE.rglob("test_*.py")))
    assert {int(number) for number in found} == set(RULES)


async def test_rule_16_no_adapter_verifies_against_an_empty_secret(till: Till) -> None:
    for name in till.panel.payment_gateways.names():
        kind = till.panel.payment_gateways.get(name)
        hidden = [setting.name for setting in kind.settings if setting.kind == "secret"]
        for secrets in ({}, dict.fromkeys(hidden, ("",)), dict.fromkeys(hidden, ())):
            adapter = kind(Account("VND", BANK, secrets), till.panel.http)
            for value in (b"", b"sha256=", b"Bearer ", b"Apikey ", b"Basic Og=="):
                headers = dict.fromkeys(("authorization", "x-callback-token", "verif-hash", "x-secret-key"), value)
                assert adapter.verify(Message(headers, b"{}"), till.panel.clock()) is None, name
            if hidden:
                with pytest.raises(InvalidInputError):
                    adapter.check()


async def test_rule_17_no_secret_is_logged_stored_in_the_open_or_told(till: Till) -> None:
    async with fake_vendor() as vendor:
        terms = MethodTerms(
            name="Bank",
            currency="VND",
            minimum=Decimal(10_000),
            options={**BANK, "api_url": vendor.url, "auth_mode": "apikey"},
        )
        secrets = {"secret": SECRET, "api_token": TOKEN}
        async with till.panel.db.transaction() as session:
            made = await add_method(session, till.panel, "sepay", terms, actor=Actor.cli(), secrets=secrets)
            await enable_method(session, till.panel, made.id, actor=Actor.cli())
        till.methods["sepay"] = made.id
        deposit = await till.open()
        body = till.signed(till.transfer(deposit.memo, accountNumber="987654321")).body
        with capture_logs() as logged:
            await receive(till.panel, "sepay", Message({"authorization": f"Apikey {SECRET}".encode()}, body), ip=None)
            with pytest.raises(MessageRefusedError):
                await receive(
                    till.panel, "sepay", Message({"authorization": f"Apikey {SECRET}x".encode()}, body), ip=None
                )
            # A gateway that repeats what it was told.
            vendor.answering((403, {"error": f"Bearer {TOKEN} may not do this"}))
            await till.settle()
            await ask_gateways.function(till.panel)
            await reconcile_latest.function(till.panel)
            vendor.answering(None)
            await reconcile_latest.function(till.panel)
            async with till.panel.db.transaction() as session:
                await edit_method(
                    session, till.panel, made.id, terms, actor=Actor.cli(), secrets={"secret": SECRET + "2"}
                )
    assert any(line["event"] == "gateway_call_failed" for line in logged), "what goes wrong is logged"
    told = [repr(logged)]
    async with till.panel.db.transaction() as session:
        for table in ("gateway_events", "alerts", "audit_log", "facts", "notifications", "payment_methods", "deposits"):
            told += [str(row) for row in (await session.execute(text(f"SELECT t.*::text FROM {table} t"))).scalars()]
    assert not [line for line in told if SECRET in line or TOKEN in line]


def test_rule_18_time_is_always_handed_in() -> None:
    own = re.compile(r"datetime\.now\(|utcnow\(|time\.time\(|date\.today\(")
    files = Path(smmpanel.payments.__path__[0]).rglob("*.py")
    assert [path.name for path in files if own.search(path.read_text())] == []
