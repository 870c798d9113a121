"""SePay's messages and rows: the proof binds what is read, and a virtual account is the same from every side."""

import json
from typing import Any

import pytest

from payments.gateways.vectors import VECTORS
from payments.test_vectors import NOW, SPEC_BODY, SPEC_SECRET, adapter
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.banks import BANKS
from smmpanel.payments.gateways.sepay import SePay
from smmpanel.payments.protocol import Account, Message, Notice
from smmpanel.payments.signing import hmac_text

NATIVE = {"id": 1, "transferAmount": 99_000_000, "transferType": "in", "accountNumber": "123456789"}
MAIN, VIRTUAL = "555000111", "96247HOMEMMO"


def watching(**options: str) -> SePay:
    usual = {"account_number": "123456789", "account_name": "NGUYEN VAN A", "memo_prefix": "HOMEMMO", "bank": "970416"}
    return SePay(Account("VND", {**usual, **options}, {"secret": (SPEC_SECRET,)}), Outgoing())


def told_by(sepay: SePay, body: dict[str, Any]) -> Notice:
    message = Message({}, json.dumps(body).encode())
    verdict = sepay.verify(message, NOW)
    assert verdict is not None
    [notice] = sepay.read(message, verdict).notices
    return notice


@pytest.mark.parametrize(
    "added", [NATIVE, {"transfer_type": "credit", "payment_code": "HOMEMMO ZZZ999", "bank_account_xid": "x"}]
)
def test_fields_that_nobody_signed_say_nothing(added: dict[str, Any]) -> None:
    notice = told_by(adapter("spec_signature", SPEC_SECRET), {**SPEC_BODY, **added})
    assert (notice.external_id, notice.amount, notice.texts) == ("spec:sepay_txn_id", 100_000, ("HOMEMMO ABC123",))
    assert not notice.unproved


def test_a_text_that_could_be_that_of_other_fields_is_not_believed() -> None:
    content = "123456789|99000000|HOMEMMO ABC123"
    text = f"T1|123456789|1000|{content}|2025-10-26 15:30:00"
    signature = hmac_text(SPEC_SECRET, text.encode())
    said = {**SPEC_BODY, "transaction_id": "T1", "amount": 1000, "content": content, "signature": signature}
    read_otherwise = {**SPEC_BODY, "transaction_id": "T1|123456789|1000", "amount": 99_000_000, "signature": signature}
    for body in (said, read_otherwise):
        assert told_by(adapter("spec_signature", SPEC_SECRET), body).unproved


@pytest.mark.parametrize("fields", ["transaction_id,amount,content", "amount", "transaction_id,account_number,content"])
def test_what_money_depends_on_must_be_signed(fields: str) -> None:
    watching(spec_fields="amount,content,account_number,transaction_id").check()
    for wrong in (fields, "transaction_id,account_number,amount,content,amount"):
        with pytest.raises(InvalidInputError) as refused:
            watching(spec_fields=wrong).check()
        assert refused.value.fields["field"] == "spec_fields"


def test_a_virtual_account_is_the_same_money_from_every_side() -> None:
    sepay = watching(account_number=VIRTUAL, auth_mode="apikey")
    native = {**json.loads(VECTORS["sepay.body"]), "accountNumber": MAIN, "subAccount": VIRTUAL}
    hub = {**SPEC_BODY, "transfer_type": "credit", "account_number": MAIN, "va": VIRTUAL}
    row = {
        "id": "6f2a", "transaction_date": native["transactionDate"], "account_number": MAIN, "va": VIRTUAL,
        "transfer_type": "in", "amount_in": native["transferAmount"], "amount_out": 0,
        "transaction_content": native["content"], "reference_number": native["referenceCode"], "code": None,
    }  # fmt: skip
    bodies = [Message({}, json.dumps(body).encode()) for body in (native, hub)]
    notices = [sepay.read(message, "apikey").notices[0] for message in bodies]
    notices += sepay.read_row(json.dumps(row).encode()).notices
    assert {notice.account for notice in notices} == {VIRTUAL}
    assert notices[0].natural_key == notices[2].natural_key
    # Where the account behind it is the one that customers are shown, it is that.
    plain = watching(account_number=MAIN).read_row(json.dumps(row).encode()).notices[0]
    assert plain.account == MAIN


def test_banks_of_the_contract_are_known() -> None:
    for number in ("970416", "970457", "422589", "458761", "546034", "963388", "963369", "801011"):
        assert number in BANKS
    assert len(BANKS) == 57
