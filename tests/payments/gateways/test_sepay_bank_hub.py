"""SePay's Bank Hub: its messages carry an API key, and are taken by the account's configuration alone."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from payments.conftest import Till
from payments.gateways.vectors import VECTORS
from smmpanel.accounts.access import Actor
from smmpanel.ledger import balance_of
from smmpanel.payments.inbox import settle_waiting
from smmpanel.payments.methods import edit_method
from smmpanel.payments.models import PaymentMethod, Receipt, ReceiptState
from smmpanel.payments.presets import terms_of
from smmpanel.payments.protocol import Message
from smmpanel.payments.receiving import MessageRefusedError, receive

KEY = "SEPAYTESTAPIKEY0001"
APIKEY = VECTORS["sepay.apikey header"].removeprefix("Authorization: ").encode()


def transfer(memo: str | None, **more: Any) -> bytes:
    told = {
        "transaction_id": "hub-1",
        "gateway": "ACB",
        "bank_account_xid": "8f2b2f0c",
        "account_number": "123456789",
        "va": None,
        "payment_code": None,
        "content": f"{memo} chuyen tien",
        "transfer_type": "credit",
        "amount": 100000,
        "reference_code": "FT26325000009",
        "accumulated": 19077000,
        "transaction_date": "2026-11-21 14:02:37",
    }
    return json.dumps({**told, **more}).encode()


async def by_api_key(till: Till) -> None:
    async with till.panel.db.transaction() as session:
        method = await session.get_one(PaymentMethod, till.methods["sepay"])
        terms = terms_of(method)
        terms = replace(terms, options={**terms.options, "auth_mode": "apikey"})
        await edit_method(session, till.panel, method.id, terms, actor=Actor.cli(), secrets={"secret": KEY})


async def test_a_transfer_is_looked_at_before_it_is_credited(till: Till) -> None:
    await by_api_key(till)
    deposit = await till.open()
    reply = await receive(till.panel, "sepay", Message({"authorization": APIKEY}, transfer(deposit.memo)), ip=None)
    assert (reply.status, reply.body) == (200, {"success": True})
    await settle_waiting.function(till.panel)
    async with till.panel.db.transaction() as session:
        receipt = (await session.scalars(select(Receipt))).one()
        assert (receipt.state, receipt.reason, receipt.deposit_id) == (ReceiptState.REVIEW, "unproved", deposit.id)
        assert (await balance_of(session, till.user, "VND")).amount == 0


async def test_what_leaves_the_account_is_none_of_ours(till: Till) -> None:
    await by_api_key(till)
    deposit = await till.open()
    message = Message({"authorization": APIKEY}, transfer(deposit.memo, transfer_type="debit"))
    await receive(till.panel, "sepay", message, ip=None)
    await settle_waiting.function(till.panel)
    async with till.panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(Receipt)) == 0


@pytest.mark.parametrize("given", [b"", KEY.encode(), b"Bearer " + KEY.encode(), APIKEY[:-1], b"Apikey \xff"])
async def test_without_the_key_nothing_is_taken(till: Till, given: bytes) -> None:
    await by_api_key(till)
    with pytest.raises(MessageRefusedError):
        await receive(till.panel, "sepay", Message({"authorization": given}, transfer("HOMEMMO ABC123")), ip=None)
