"""Xendit tells of the same money by several products and again much later: it is one credit, after it was asked."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from payments.conftest import Till
from payments.gateways.fake_vendor import FakeVendor, fake_vendor
from payments.gateways.test_xendit import KEY, PAYMENT_ID, TOKEN, event, invoice, payment, refund, session
from smmpanel.accounts.access import Actor
from smmpanel.payments.inbox import ask_gateways
from smmpanel.payments.methods import MethodTerms, add_method, enable_method
from smmpanel.payments.models import Deposit
from smmpanel.payments.opening import NewDeposit, open_deposit
from smmpanel.payments.protocol import Message
from smmpanel.payments.receiving import receive
from smmpanel.payments.states import DepositState as S

AMOUNT = Decimal(150_000)


async def _begun(till: Till, vendor: FakeVendor, **options: str) -> tuple[Till, Deposit]:
    """Offer Xendit and begin a deposit."""
    till = replace(till, panel=replace(till.panel, currency="IDR", http=vendor.http))
    terms = MethodTerms(name="Xendit", currency="IDR", minimum=Decimal(1), options={"base_url": vendor.url, **options})
    async with till.panel.db.transaction() as opened:
        secrets = {"secret_key": KEY, "callback_token": TOKEN}
        method = await add_method(opened, till.panel, "xendit", terms, actor=Actor.cli(), secrets=secrets)
        await enable_method(opened, till.panel, method.id, actor=Actor.cli())
    vendor.answering((201, session(status="ACTIVE", payment_link_url="https://xen.to/1")))
    return till, await open_deposit(till.panel, NewDeposit(till.user, method.id, AMOUNT))


async def _tell(till: Till, body: dict[str, Any], number: str) -> None:
    headers = {"x-callback-token": TOKEN.encode(), "webhook-id": number.encode()}
    await receive(till.panel, "xendit", Message(headers, json.dumps(body).encode()), ip="203.0.113.9")


async def _hear(till: Till, vendor: FakeVendor, deposit: Deposit, *refunds: dict[str, Any]) -> Deposit:
    named = {"reference_id": deposit.reference}
    vendor.answering((200, session(**named)), (200, payment(**named)), (200, {"data": list(refunds)}))
    await till.settle()
    await ask_gateways.function(till.panel)
    return await till.deposit(deposit.id)


async def test_session_capture_and_invoice_of_the_same_money_are_one_credit(till: Till) -> None:
    async with fake_vendor() as vendor:
        till, deposit = await _begun(till, vendor)
        named = {"reference_id": deposit.reference}
        await _tell(till, event("payment_session.completed", session(**named)), "wh-1")
        await _tell(till, event("payment.capture", payment(**named)), "wh-2")
        await _tell(till, invoice(external_id=deposit.reference, payment_id=PAYMENT_ID), "wh-3")
        paid = await _hear(till, vendor, deposit)
        assert (paid.state, await till.balance()) == (S.PAID, AMOUNT)
        assert len(vendor.sent) == 3, "three hints are one question"
        till = till.at(hours=20)
        await _tell(till, event("payment.capture", payment(**named)), "wh-9")
        again = await _hear(till, vendor, deposit)
        assert (again.state, await till.balance()) == (S.PAID, AMOUNT)
        assert [one.external_id for one in await till.receipts()] == [PAYMENT_ID]


async def test_what_the_message_says_is_not_what_counts(till: Till) -> None:
    async with fake_vendor() as vendor:
        till, deposit = await _begun(till, vendor)
        lie = payment(reference_id=deposit.reference, request_amount=99_000_000, captures=None)
        await _tell(till, event("payment.capture", lie), "wh-1")
        waiting = session(reference_id=deposit.reference, status="ACTIVE", payment_id=None, payment_request_id=None)
        vendor.answering((200, waiting))
        await till.settle()
        await ask_gateways.function(till.panel)
        left = await till.deposit(deposit.id)
        assert (left.state, await till.balance(), await till.receipts()) == (S.PENDING, 0, [])
        paid = await _hear(till.at(minutes=30), vendor, deposit)
        assert (paid.state, await till.balance()) == (S.PAID, AMOUNT)


async def test_a_refund_in_the_dashboard_is_taken_once(till: Till) -> None:
    async with fake_vendor() as vendor:
        till, deposit = await _begun(till, vendor)
        await _tell(till, event("payment_session.completed", session(reference_id=deposit.reference)), "wh-1")
        await _hear(till, vendor, deposit)
        given = refund(payment_id=PAYMENT_ID)
        for number in ("wh-2", "wh-3"):
            await _tell(till, event("refund.succeeded", given), number)
            back = await _hear(till, vendor, deposit, given)
            assert (back.state, await till.balance()) == (S.PARTIALLY_REFUNDED, Decimal(100_000))
