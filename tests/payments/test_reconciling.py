"""What SePay lists against what is on record here: found when no message came, never credited twice, told when it differs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select

from payments.conftest import SECRET, Till
from payments.gateways.fake_vendor import FakeVendor, fake_vendor
from smmpanel.accounts.access import Actor
from smmpanel.notifications.models import Alert
from smmpanel.payments.deciding import approve_deposit
from smmpanel.payments.inbox import ask_gateways
from smmpanel.payments.methods import MethodTerms, add_method, enable_method
from smmpanel.payments.models import Deposit
from smmpanel.payments.protocol import Message
from smmpanel.payments.receiving import receive
from smmpanel.payments.reconciliation_models import Reconciliation
from smmpanel.payments.reconciling_jobs import latest_reconciliations, reconcile_latest, reconcile_whole_days
from staff_browser import sign_in

ACCOUNT = "987654321"
_numbers = count(1)


class Bank:
    """A till whose SePay account has a list."""

    def __init__(self, till: Till, vendor: FakeVendor) -> None:
        self.till, self.vendor = till, vendor

    async def connect(self, *, auth_mode: str = "hmac") -> None:
        """Set SePay up with a token for its list, in place of the account without one."""
        terms = MethodTerms(
            name="Bank",
            currency="VND",
            minimum=Decimal(10_000),
            options={
                "bank": "970416",
                "account_number": ACCOUNT,
                "account_name": "NGUYEN VAN A",
                "memo_prefix": "HOMEMMO",
                "auth_mode": auth_mode,
                "api_url": f"{self.vendor.url}/v2",
            },
        )
        panel, secrets = self.till.panel, {"secret": SECRET, "api_token": "token-of-a-test"}
        async with panel.db.transaction() as session:
            made = await add_method(session, panel, "sepay", terms, actor=Actor.cli(), secrets=secrets)
            made.created_at = panel.clock() - timedelta(days=30)
            await enable_method(session, panel, made.id, actor=Actor.cli())
        self.till.methods["sepay"] = made.id

    def row(self, told: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Return the row of the list that a message's transfer has."""
        return {
            "id": f"6a1f3c1e-0000-4000-8000-{next(_numbers):012d}",
            "transaction_date": told["transactionDate"],
            "account_number": told["accountNumber"],
            "transfer_type": told["transferType"],
            "amount_in": told["transferAmount"],
            "amount_out": 0,
            "accumulated": 0,
            "transaction_content": told["content"],
            "reference_number": told["referenceCode"],
            "code": None,
            **more,
        }

    def lists(self, *pages: list[dict[str, Any]]) -> None:
        """Have the list answered so, page by page."""
        last = len(pages) - 1
        self.vendor.answering(*((200, answer(rows, has_more=one < last)) for one, rows in enumerate(pages)))

    async def runs(self) -> list[Reconciliation]:
        """Return the comparisons of the account, newest first."""
        async with self.till.panel.db.transaction() as session:
            return list(await latest_reconciliations(session, self.till.methods["sepay"], most=10))

    async def alerts(self) -> set[str]:
        """Return what staff are told of at present."""
        async with self.till.panel.db.transaction() as session:
            return set((await session.scalars(select(Alert.kind).where(Alert.cleared_at.is_(None)))).all())


def answer(rows: list[dict[str, Any]], *, has_more: bool = False) -> dict[str, Any]:
    """Return a page of the list."""
    return {"status": "success", "data": rows, "meta": {"pagination": {"has_more": has_more}}}


@pytest.fixture
async def bank(till: Till) -> AsyncIterator[Bank]:
    """A watched bank account with a list."""
    async with fake_vendor() as vendor:
        made = Bank(till, vendor)
        await made.connect()
        yield made


async def test_rule_12_transfer_that_no_message_told_of_is_credited_from_the_list_once(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    told = till.transfer(deposit.memo, accountNumber=ACCOUNT)
    bank.lists([bank.row(told)], [bank.row(till.transfer("RENT", 5_000, transferType="out"))])
    await reconcile_latest.function(till.panel)
    await till.settle()
    assert await till.balance() == 100_000
    # The message comes after all, and the list is read again.
    assert (await receive(till.panel, "sepay", till.signed(told), ip=None)).status == 200
    await till.settle()
    bank.lists([bank.row(told, id="6a1f3c1e-0000-4000-8000-000000000001")])
    await reconcile_latest.function(till.panel)
    await till.settle()
    assert await till.balance() == 100_000
    (receipt,) = await till.receipts()
    assert (receipt.source, receipt.also, receipt.listed_at) == ("v2", [f"webhook:{told['id']}"], till.panel.clock())
    assert [(one.rows, one.missing_here, one.finished_at is not None) for one in await bank.runs()] == [
        (1, 0, True),
        (2, 1, True),
    ]


async def test_transfer_that_a_message_told_of_is_paired_without_another_message(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    told = till.transfer(deposit.memo, accountNumber=ACCOUNT)
    await receive(till.panel, "sepay", till.signed(told), ip=None)
    await till.settle()
    row = bank.row(told)
    for _ in range(2):
        bank.lists([row])
        await reconcile_latest.function(till.panel)
    (receipt,) = await till.receipts()
    assert receipt.also == [f"v2:{row['id']}"]
    assert receipt.listed_at is not None
    assert len(await till.events()) == 1


async def test_row_that_was_paired_is_the_same_money_when_its_deposit_is_asked_about(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    told = till.transfer(deposit.memo, 60_000, accountNumber=ACCOUNT)
    await receive(till.panel, "sepay", till.signed(told), ip=None)
    await till.settle()
    row = bank.row(told)
    bank.lists([row])
    await reconcile_latest.function(till.panel)
    bank.lists([row])
    later = till.at(minutes=30)
    await ask_gateways.function(later.panel)
    await later.settle()

    assert await till.balance() == 60_000
    assert len(await till.receipts()) == 1


async def test_two_transfers_that_look_alike_are_two_rows_and_two_credits_at_most(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    told = till.transfer(deposit.memo, accountNumber=ACCOUNT)
    bank.lists([bank.row(told), bank.row(told)])
    await reconcile_latest.function(till.panel)
    await till.settle()
    first, second = await till.receipts()
    assert (first.state, second.state, second.reason) == ("credited", "review", "same_reference")


async def test_rule_12_other_amount_under_a_known_reference_is_told_and_not_credited(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    told = till.transfer(deposit.memo, accountNumber=ACCOUNT)
    await receive(till.panel, "sepay", till.signed(told), ip=None)
    await till.settle()
    bank.lists([bank.row(told, amount_in=150_000)])
    await reconcile_latest.function(till.panel)
    await till.settle()
    assert await till.balance() == 100_000
    _, other = await till.receipts()
    assert (other.state, other.reason, other.amount) == ("review", "same_reference", 150_000)
    assert "payment_amount_differs" in await bank.alerts()
    assert (await bank.runs())[0].different == 1


async def test_rule_12_money_that_the_bank_does_not_list_is_told_once_a_day(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    told = till.transfer(deposit.memo, accountNumber=ACCOUNT)
    await receive(till.panel, "sepay", till.signed(told), ip=None)
    await till.settle()
    later = bank.till = till.at(hours=1)
    bank.lists([])
    await reconcile_latest.function(later.panel)
    assert await bank.alerts() == set()
    await reconcile_whole_days.function(later.panel)
    assert await bank.alerts() == {"payment_not_listed"}
    assert (await bank.runs())[0].missing_there == 1


@pytest.mark.parametrize(
    "broken",
    [(500, {}), (429, {"status": "error"}), (401, {"status": "error"}), (200, b""), (200, {"status": "error"}), None],
)
async def test_list_that_cannot_be_read_is_told_and_begun_again(bank: Bank, broken: Any) -> None:
    bank.vendor.answering(broken)
    await reconcile_latest.function(bank.till.panel)
    assert await bank.alerts() == {"payment_list_failing"}
    assert [one.finished_at for one in await bank.runs()] == [None]
    bank.till = bank.till.at(minutes=10)
    bank.lists([])
    await reconcile_latest.function(bank.till.panel)
    assert await bank.alerts() == set()
    bank.lists([])
    bank.till = bank.till.at(minutes=10)
    await reconcile_latest.function(bank.till.panel)
    third, second, first = await bank.runs()
    assert second.since == first.since + timedelta(minutes=10)
    assert third.since == second.until - timedelta(hours=1)


async def test_rows_that_make_no_sense_are_counted_and_the_others_taken(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    good = bank.row(till.transfer(deposit.memo, accountNumber=ACCOUNT))
    bank.lists([{**good, "amount_in": "ten"}, {**good, "id": None}, {**good, "transfer_type": "up"}, good])
    await reconcile_latest.function(till.panel)
    await till.settle()
    assert await till.balance() == 100_000
    assert [(one.rows, one.unreadable) for one in await bank.runs()] == [(4, 3)]


async def test_message_that_only_names_a_key_has_the_list_searched_before_money_is_credited(bank: Bank) -> None:
    await bank.connect(auth_mode="apikey")
    till = bank.till
    deposit = await till.open(100_000)
    told = till.transfer(deposit.memo, accountNumber=ACCOUNT)
    # What it claims is ten times what the bank knows.
    message = Message(
        {"authorization": f"Apikey {SECRET}".encode()}, till.signed({**told, "transferAmount": 10**6}).body
    )
    await receive(till.panel, "sepay", message, ip=None)
    await till.settle()
    assert ((await till.events())[0].outcome, await till.balance()) == ("hint", 0)
    bank.lists([bank.row(told)])
    await ask_gateways.function(till.panel)
    assert await till.balance() == 100_000
    assert bank.vendor.sent[0].query["q"] == [deposit.memo_code]
    assert bank.vendor.sent[0].headers["authorization"] == "Bearer token-of-a-test"


async def test_rule_12_open_deposit_is_asked_about_at_its_times_and_no_more_when_it_is_long_over(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    asked: list[datetime] = []
    bank.lists([])
    now = till.panel.clock()
    for _ in range(200):
        ask_at = (await till.deposit(deposit.id)).ask_at
        if ask_at is None:
            break
        asked.append(ask_at)
        await ask_gateways.function(replace(till.panel, clock=lambda ask_at=ask_at: ask_at))
    minutes = [round((moment - now).total_seconds() / 60) for moment in asked]
    assert minutes[:6] == [1, 3, 8, 18, 48, 78]
    assert asked[-1] < deposit.expires_at + timedelta(days=1, minutes=31)
    assert (await till.deposit(deposit.id)).asked == len(asked)


async def test_rule_12_known_money_with_another_amount_is_told_and_what_is_on_record_stands(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    told = till.transfer(deposit.memo, accountNumber=ACCOUNT)
    row = bank.row(told)
    bank.lists([row])
    await reconcile_latest.function(till.panel)
    await till.settle()
    bank.lists([{**row, "amount_in": 90_000}])
    await reconcile_latest.function(till.panel)
    await till.settle()
    assert await till.balance() == 100_000
    assert (await bank.runs())[0].different == 1
    assert await bank.alerts() == {"payment_amount_differs"}


async def test_rule_12_money_that_staff_entered_is_the_same_from_every_side(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    async with till.panel.db.transaction() as session:
        await approve_deposit(session, deposit.id, actor=Actor.cli(), now=till.panel.clock())
    told = till.transfer(deposit.memo, accountNumber=ACCOUNT)
    row = bank.row(told)
    await receive(till.panel, "sepay", till.signed(told), ip=None)
    await till.settle()
    for _ in range(2):
        bank.lists([row])
        await reconcile_latest.function(till.panel)
        await till.settle()
    bank.lists([row])
    async with till.panel.db.transaction() as session:
        (await session.get_one(Deposit, deposit.id)).ask_at = till.panel.clock()
    await ask_gateways.function(till.panel)
    assert await till.balance() == 100_000
    (receipt,) = await till.receipts()
    assert receipt.also == [f"v2:{row['id']}", f"webhook:{told['id']}"]
    # Another one of as much is another one.
    await receive(till.panel, "sepay", till.signed(till.transfer(deposit.memo, accountNumber=ACCOUNT)), ip=None)
    await till.settle()
    assert await till.balance() == 200_000


async def test_money_that_staff_entered_is_known_by_its_number_too(bank: Bank) -> None:
    till = bank.till
    deposit = await till.open(100_000)
    async with till.panel.db.transaction() as session:
        await approve_deposit(session, deposit.id, actor=Actor.cli(), now=till.panel.clock())
    row = bank.row(till.transfer(deposit.memo, accountNumber=ACCOUNT), reference_number="", transaction_date="")
    for _ in range(2):
        bank.lists([row])
        async with till.panel.db.transaction() as session:
            (await session.get_one(Deposit, deposit.id)).ask_at = till.panel.clock()
        await ask_gateways.function(till.panel)
        bank.lists([row])
        await reconcile_latest.function(till.panel)
        await till.settle()
    assert await till.balance() == 100_000


async def test_staff_see_which_accounts_sepay_watches(bank: Bank) -> None:
    admin = await sign_in(bank.till.panel)
    page = f"/staff/payment-methods/{bank.till.methods['sepay']}"
    assert 'action="' + page + '/accounts"' in (await admin.get(page)).text
    account = {"account_number": ACCOUNT, "account_holder_name": "NGUYEN VAN A", "bank_short_name": "ACB"}
    for found, says in (
        ((200, answer([account])), "The gateway watches this account"),
        ((200, answer([{**account, "account_number": "111"}])), "The gateway does not watch this account"),
        ((200, answer([])), "It watches: none"),
        ((401, {}), "The gateway could not be asked"),
        ((200, {"data": 1}), "The gateway could not be asked"),
    ):
        bank.vendor.answering(found)
        await admin.get(page)
        assert (await admin.post(f"{page}/accounts", {})).status_code == 303
        assert says in (await admin.get(page)).text
    assert bank.vendor.sent[-1].path == "/v2/bank-accounts"
    manual = await bank.till.add("manual")
    assert (await admin.post(f"/staff/payment-methods/{manual}/accounts", {})).status_code == 404
    await admin.client.aclose()


async def test_last_question_of_a_process_that_dies_is_asked_again(bank: Bank) -> None:
    deposit = await bank.till.open(100_000)
    later = bank.till.at(days=30)
    async with later.panel.db.transaction() as session:
        (await session.get_one(Deposit, deposit.id)).ask_at = later.panel.clock()
    kind = later.panel.payment_gateways.get("sepay")

    async def dies(*_: object) -> bytes:
        raise asyncio.CancelledError

    later.panel.payment_gateways.put("sepay", type("Dying", (kind,), {"ask": dies}))
    await ask_gateways.function(later.panel)
    assert (await later.deposit(deposit.id)).ask_at == later.panel.clock() + timedelta(minutes=30)
    later.panel.payment_gateways.put("sepay", kind)
    again = later.at(minutes=30)
    bank.lists([])
    await ask_gateways.function(again.panel)
    assert (await again.deposit(deposit.id)).ask_at is None
