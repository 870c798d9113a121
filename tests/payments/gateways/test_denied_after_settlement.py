"""Midtrans says that some settled payments are denied minutes later: what was credited goes back, and nothing else does."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import update

from payments.conftest import Till
from payments.gateways.fake_vendor import FakeVendor, fake_vendor
from payments.gateways.test_midtrans import KEY, digest, notification
from smmpanel.accounts.access import Actor
from smmpanel.payments.inbox import ask_gateways
from smmpanel.payments.methods import MethodTerms, add_method, enable_method
from smmpanel.payments.models import Deposit
from smmpanel.payments.opening import NewDeposit, open_deposit
from smmpanel.payments.protocol import Message
from smmpanel.payments.receiving import receive
from smmpanel.payments.states import DepositState as S

AMOUNT = Decimal(150_000)


async def _begun(till: Till, vendor: FakeVendor) -> tuple[Till, Deposit]:
    """Offer Midtrans and begin a deposit."""
    till = replace(till, panel=replace(till.panel, currency="IDR", http=vendor.http))
    options = {"environment": "sandbox", "base_url": vendor.url}
    terms = MethodTerms(name="Midtrans", currency="IDR", minimum=Decimal(1), options=options)
    async with till.panel.db.transaction() as session:
        secrets = {"server_key": KEY}
        method = await add_method(session, till.panel, "midtrans", terms, actor=Actor.cli(), secrets=secrets)
        await enable_method(session, till.panel, method.id, actor=Actor.cli())
    vendor.answering((201, {"token": "t", "redirect_url": "https://app.sandbox.midtrans.com/snap/v4/redirection/t"}))
    return till, await open_deposit(till.panel, NewDeposit(till.user, method.id, AMOUNT))


async def _told(till: Till, vendor: FakeVendor, deposit: Deposit, **more: Any) -> Deposit:
    """Have Midtrans tell how the order stands, by a notification and when it is asked."""
    fields = notification(order_id=deposit.reference, **more)
    vendor.answering((200, fields))
    body = json.dumps({**fields, "signature_key": digest(fields)}).encode()
    await receive(till.panel, "midtrans", Message({}, body), ip="203.0.113.9")
    await till.settle()
    await ask_gateways.function(till.panel)
    return await till.deposit(deposit.id)


async def test_a_denied_payment_that_was_settled_goes_back_once(till: Till) -> None:
    async with fake_vendor() as vendor:
        till, deposit = await _begun(till, vendor)
        paid = await _told(till, vendor, deposit)
        assert (paid.state, await till.balance()) == (S.PAID, AMOUNT)
        till = till.at(minutes=7)
        for _ in range(2):
            back = await _told(till, vendor, deposit, transaction_status="deny", status_code="202")
            assert (back.state, await till.balance()) == (S.REVERSED, 0)
        # The settlement again, late: it is the same money.
        late = await _told(till, vendor, deposit)
        assert (late.state, await till.balance()) == (S.REVERSED, 0)


async def test_a_try_that_is_denied_takes_nothing_of_the_one_that_was_paid(till: Till) -> None:
    async with fake_vendor() as vendor:
        till, deposit = await _begun(till, vendor)
        other = {"transaction_id": "another-try", "transaction_status": "deny", "status_code": "202"}
        failed = await _told(till, vendor, deposit, **other)
        assert (failed.state, await till.balance()) == (S.FAILED, 0)
        paid = await _told(till, vendor, deposit)
        assert (paid.state, await till.balance()) == (S.PAID, AMOUNT)
        late = await _told(till, vendor, deposit, **other)
        assert (late.state, await till.balance()) == (S.PAID, AMOUNT)


async def test_who_was_denied_can_try_again_though_no_message_of_it_arrives(till: Till) -> None:
    async with fake_vendor() as vendor:
        till, deposit = await _begun(till, vendor)
        other = {"transaction_id": "first-try", "transaction_status": "deny", "status_code": "202"}
        failed = await _told(till, vendor, deposit, **other)
        assert failed.state == S.FAILED
        vendor.answering((200, notification(order_id=deposit.reference)))
        await ask_gateways.function(till.at(minutes=30).panel)
        assert ((await till.deposit(deposit.id)).state, await till.balance()) == (S.PAID, AMOUNT)


async def test_a_notification_alone_takes_nothing(till: Till) -> None:
    async with fake_vendor() as vendor:
        till, deposit = await _begun(till, vendor)
        await _told(till, vendor, deposit)
        fields = notification(order_id=deposit.reference, transaction_status="deny", status_code="202")
        body = json.dumps({**fields, "signature_key": digest(fields)}).encode()
        await receive(till.panel, "midtrans", Message({}, body), ip=None)
        await till.settle()
        vendor.answering((503, b""))
        await ask_gateways.function(till.panel)
        assert ((await till.deposit(deposit.id)).state, await till.balance()) == (S.PAID, AMOUNT)


async def test_a_settlement_whose_message_was_lost_is_found_by_asking(till: Till) -> None:
    async with fake_vendor() as vendor:
        till, deposit = await _begun(till, vendor)
        vendor.answering((200, notification(order_id=deposit.reference)))
        async with till.panel.db.transaction() as session:
            due = till.panel.clock() - timedelta(seconds=1)
            await session.execute(update(Deposit).where(Deposit.id == deposit.id).values(ask_at=due))
        await ask_gateways.function(till.panel)
        assert ((await till.deposit(deposit.id)).state, await till.balance()) == (S.PAID, AMOUNT)
