"""What messages about money do: section 10 of the contract, rule by rule (the numbers in the names are its own)."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from making import make_user
from payments.conftest import NOW, SECRET, Till
from smmpanel.accounts.access import Actor
from smmpanel.catalog.fx import set_rate
from smmpanel.ledger.statements import transfers_for
from smmpanel.notifications.models import Alert, Notification
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.expiring import expire_deposits
from smmpanel.payments.inbox import settle_waiting
from smmpanel.payments.methods import MethodTerms, edit_method, method_by
from smmpanel.payments.models import EventOutcome, ReceiptState
from smmpanel.payments.opening import NewDeposit, OtherDepositError, TooManyOpenDepositsError, open_deposit
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import UnreadableMessageError
from smmpanel.payments.receiving import MessageRefusedError, MessageTooLargeError, receive
from smmpanel.payments.references import ALPHABET, codes_in, new_code, new_reference
from smmpanel.payments.settling import put_off
from smmpanel.payments.states import GIVEN_BACK, RANKS, DepositState, advanced
from smmpanel.payments.telling import tell_of_deposits

_HERE = Path(__file__).parent
SETTLED, DUPLICATE, REVIEW, IGNORED = "settled", "duplicate", "review", "ignored"


async def test_rule_2_an_exact_transfer_is_credited_and_told_once(till: Till) -> None:
    deposit = await till.open()
    assert deposit.state == "pending"
    assert deposit.memo is not None
    assert deposit.memo.startswith("HOMEMMO ")

    assert (await till.told(deposit.memo)).body == {"success": True}

    paid = await till.deposit(deposit.id)
    assert (paid.state, paid.received, paid.credited, paid.late) == ("paid", 100_000, 100_000, False)
    assert await till.balance() == 100_000
    [fact] = await till.facts()
    for _ in range(2):
        await tell_of_deposits(till.panel, [DepositCredited.model_validate(fact)])
    async with till.panel.db.transaction() as session:
        [told] = (await session.scalars(select(Notification))).all()
    assert (told.kind, told.href) == ("deposit_credited", f"/deposits/{deposit.id}")
    assert fact["in_time"]


async def test_rule_1_one_money_one_key_whatever_tells_of_it(till: Till) -> None:
    deposit = await till.open()
    body = till.transfer(deposit.memo)
    for _ in range(3):
        await receive(till.panel, "sepay", till.signed(body), ip=None)
        await till.settle()
    # Bank Hub tells of the same transfer under another number, with the same reference of the bank.
    hub = {
        "transaction_id": "f3c1", "bank_account_xid": "x", "transfer_type": "credit", "account_number": "123456789",
        "amount": 100_000, "content": "something else", "transaction_date": body["transactionDate"],
        "reference_code": body["referenceCode"],
    }  # fmt: skip
    await receive(till.panel, "sepay", till.signed(hub), ip=None)
    await till.settle()

    first, second = await till.events()
    assert (first.outcome, first.repeats, second.outcome) == (SETTLED, 2, DUPLICATE)
    [receipt] = await till.receipts()
    assert receipt.also == ["bankhub:f3c1"]
    assert second.deposit_id == deposit.id
    assert await till.balance() == 100_000
    async with till.panel.db.transaction() as session:
        [line] = await transfers_for(session, f"deposit:{deposit.id}")
    assert line.key == f"deposit:sepay:webhook:{body['id']}"


async def test_rule_1_the_same_number_with_another_content_is_an_alert(till: Till) -> None:
    deposit = await till.open()
    body = till.transfer(deposit.memo)
    await receive(till.panel, "sepay", till.signed(body), ip=None)
    await receive(till.panel, "sepay", till.signed({**body, "transferAmount": 900_000}), ip=None)
    await till.settle()

    assert await till.balance() == 100_000
    async with till.panel.db.transaction() as session:
        assert [alert.kind for alert in await session.scalars(select(Alert))] == ["payment_message_differs"]


async def test_rule_2_what_proves_nothing_is_refused_counted_and_not_kept(till: Till) -> None:
    deposit = await till.open()
    good = till.signed(till.transfer(deposit.memo))
    cut = replace(good, body=good.body[:-1])
    changed = replace(good, body=good.body.replace(b"100000", b"900000"))
    odd = replace(good, headers={**good.headers, "x-sepay-signature": "sha256=é".encode("latin-1")})
    unsigned = replace(good, headers={})
    for message in (cut, changed, odd, unsigned, till.signed(till.transfer(deposit.memo), "other")):
        with pytest.raises(MessageRefusedError):
            await receive(till.panel, "sepay", message, ip="203.0.113.9")
    with pytest.raises(MessageRefusedError):
        await receive(till.at(minutes=6).panel, "sepay", good, ip=None)  # replayed
    with pytest.raises(MessageTooLargeError):
        await receive(till.panel, "sepay", till.signed(b" " * (64 * 1024 + 1)), ip=None)
    await till.settle()

    assert await till.events() == []
    assert await till.balance() == 0
    async with till.panel.db.transaction() as session:
        [alert] = (await session.scalars(select(Alert))).all()
    assert (alert.kind, alert.times) == ("payment_message_refused", 6)


async def test_rule_2_what_is_proved_and_makes_no_sense_is_kept(till: Till) -> None:
    with pytest.raises(UnreadableMessageError):
        await receive(till.panel, "sepay", till.signed(b'{"id": 1, "id": 2}'), ip=None)
    [event] = await till.events()
    assert (event.outcome, event.body) == (EventOutcome.UNREADABLE, b'{"id": 1, "id": 2}')
    assert "x-sepay-signature" not in event.headers
    async with till.panel.db.transaction() as session:
        assert (await session.scalars(select(Alert.kind))).all() == ["payment_message_unclear"]


async def test_rule_3_twenty_messages_and_four_workers_at_once_credit_once(till: Till) -> None:
    deposit = await till.open()
    body = till.transfer(deposit.memo)
    await asyncio.gather(*(receive(till.panel, "sepay", till.signed(body), ip=None) for _ in range(20)))
    await asyncio.gather(*(till.settle() for _ in range(4)))

    assert await till.balance() == 100_000
    assert len(await till.facts()) == 1
    [event] = await till.events()
    assert event.repeats == 19


async def test_rule_3_different_transfers_at_once_are_each_credited(till: Till) -> None:
    deposit = await till.open(100_000)
    bodies = [till.transfer(deposit.memo, 25_000) for _ in range(4)]
    await asyncio.gather(*(receive(till.panel, "sepay", till.signed(body), ip=None) for body in bodies))
    await asyncio.gather(*(till.settle() for _ in range(4)))

    assert (await till.deposit(deposit.id)).state == "paid"
    assert await till.balance() == 100_000


@given(st.lists(st.sampled_from(list(DepositState)), max_size=12))
@settings(max_examples=200, deadline=None)
def test_rule_4_no_order_of_messages_moves_a_payment_backwards(said: list[DepositState]) -> None:
    state, had_money = DepositState.CREATED, False
    for word in said:
        after = advanced(state, word)
        assert RANKS[after] >= RANKS[state]
        assert after == state or after not in GIVEN_BACK or had_money
        state = after
        had_money = had_money or state in {DepositState.PARTIAL, DepositState.PAID}


async def test_rule_4_expired_becomes_paid_only_by_money(till: Till) -> None:
    deposit = await till.open()
    later = till.at(hours=2)
    await expire_deposits.function(later.panel)
    assert (await till.deposit(deposit.id)).state == "expired"

    await later.told(deposit.memo)

    paid = await till.deposit(deposit.id)
    assert (paid.state, paid.late) == ("paid", True)
    assert [receipt.reason for receipt in await till.receipts()] == ["late"]


async def test_rule_5_another_account_is_looked_at(till: Till) -> None:
    deposit = await till.open()
    await till.told(deposit.memo, accountNumber="999999999")
    [receipt] = await till.receipts()
    assert (receipt.state, receipt.reason, receipt.deposit_id) == ("review", "wrong_account", deposit.id)
    assert await till.balance() == 0


async def test_rule_6_too_little_is_credited_and_the_rest_completes_it(till: Till) -> None:
    deposit = await till.open(100_000)
    await till.told(deposit.memo, 40_000)
    part = await till.deposit(deposit.id)
    assert (part.state, part.received, await till.balance()) == ("partial", 40_000, 40_000)

    await till.told(deposit.memo, 60_000)

    assert (await till.deposit(deposit.id)).state == "paid"
    assert await till.balance() == 100_000


async def test_rule_6_too_much_is_credited_as_it_came(till: Till) -> None:
    deposit = await till.open(100_000)
    await till.told(deposit.memo, 130_000)
    assert (await till.deposit(deposit.id)).state == "paid"
    assert await till.balance() == 130_000
    assert [receipt.reason for receipt in await till.receipts()] == ["overpaid"]


@pytest.mark.parametrize(("policy", "amount"), [(Policy(underpaid=REVIEW), 40_000), (Policy(overpaid=REVIEW), 200_000)])
async def test_rule_6_a_policy_can_have_them_looked_at(till: Till, policy: Policy, amount: int) -> None:
    await till.add("sepay", name="strict", policy=policy, options={"account_number": "55555"})
    deposit = await till.open(100_000)
    await till.told(deposit.memo, amount, accountNumber="55555")
    assert [receipt.state for receipt in await till.receipts()] == [REVIEW]
    assert await till.balance() == 0


@pytest.mark.parametrize(("repeated", "balance"), [("credit", 200_000), ("review", 100_000)])
async def test_rule_7_a_second_transfer_with_the_same_memo_is_never_dropped(
    till: Till, repeated: str, balance: int
) -> None:
    await _policy(till, Policy(repeated=repeated))
    deposit = await till.open()
    await till.told(deposit.memo)
    await till.told(deposit.memo)
    assert [receipt.reason for receipt in await till.receipts()] == ["", "repeated"]
    assert await till.balance() == balance


@pytest.mark.parametrize(("days", "state"), [(6, "credited"), (9, "review")])
async def test_rule_8_late_money_is_credited_for_some_days(till: Till, days: int, state: str) -> None:
    deposit = await till.open()
    await till.at(days=days).told(deposit.memo)
    [receipt] = await till.receipts()
    assert receipt.state == state
    if state == "credited":
        [fact] = await till.facts()
        assert not fact["in_time"]


async def test_rule_8_a_message_that_is_late_about_money_that_was_not(till: Till) -> None:
    deposit = await till.open()
    on_time = till.transfer(deposit.memo)
    later = till.at(hours=3)
    await expire_deposits.function(later.panel)
    await receive(later.panel, "sepay", later.signed(on_time), ip=None)
    await later.settle()
    paid = await till.deposit(deposit.id)
    assert (paid.state, paid.late) == ("paid", False)


async def test_rule_9_nobodys_money_waits_for_somebody(till: Till) -> None:
    one, two = await till.open(), await till.open()
    await till.told("HOMEMMO ZZZZZZ")
    await till.told("thanks")
    await till.told(f"{one.memo} {two.memo}")
    receipts = await till.receipts()
    assert [(r.state, r.reason) for r in receipts] == [
        (REVIEW, "unmatched"),
        (REVIEW, "unmatched"),
        (REVIEW, "ambiguous"),
    ]
    assert [event.outcome for event in await till.events()] == [REVIEW] * 3
    assert await till.balance() == 0


async def test_rule_10_fees_are_lines_of_their_own_and_the_fixed_part_is_paid_once(till: Till) -> None:
    await till.add(
        "sepay", name="dear", fee_percent=Decimal(2), fee_fixed=Decimal(1_000), options={"account_number": "7777"}
    )
    deposit = await till.open(100_000)
    for amount in (40_000, 60_000):
        await till.told(deposit.memo, amount, accountNumber="7777")
    done = await till.deposit(deposit.id)
    assert (done.received, done.fees, done.credited) == (100_000, 3_000, 97_000)
    assert await till.balance() == 97_000
    async with till.panel.db.transaction() as session:
        lines = await transfers_for(session, f"deposit:{deposit.id}")
    assert [(line.reason, line.amount.amount) for line in lines] == [
        ("deposit", 40_000), ("deposit_fee", 1_800), ("deposit", 60_000), ("deposit_fee", 1_200),
    ]  # fmt: skip


async def test_rule_11_the_rate_of_the_beginning_holds_until_the_end(till: Till) -> None:
    dollars = replace(till, panel=replace(till.panel, currency="USD"))
    await _rate(dollars, "0.00004")
    await dollars.add("sepay", name="dollars")
    deposit = await dollars.open(100_000)
    await _rate(dollars, "0.00005")
    await dollars.told(deposit.memo, 50_000)
    await dollars.at(hours=2).told(deposit.memo, 50_000)
    assert await dollars.balance() == Decimal("4.5")
    assert [receipt.rate for receipt in await till.receipts()] == [Decimal("0.00004"), Decimal("0.00005")]


async def test_rule_16_a_key_that_is_proved_but_signs_nothing_is_looked_at(till: Till) -> None:
    await till.add("sepay", name="by key", secret="KEY1", options={"auth_mode": "apikey", "account_number": "4444"})
    deposit = await till.open()
    plain = till.signed(till.transfer(deposit.memo, accountNumber="4444"))
    await receive(till.panel, "sepay", replace(plain, headers={"authorization": b"Apikey KEY1"}), ip=None)
    await till.settle()
    [receipt] = await till.receipts()
    assert (receipt.state, receipt.reason) == (REVIEW, "unproved")


async def test_rule_16_secrets_overlap_while_they_are_changed(till: Till) -> None:
    deposit = await till.open()
    async with till.panel.db.transaction() as session:
        method = await method_by(session, till.methods["sepay"])
        terms = MethodTerms(method.name, "VND", method.minimum, options=method.options)
        await edit_method(
            session, till.panel, method.id, terms, actor=Actor.cli(), secrets={"secret": "new"}, keep_old_secrets=True
        )
    for secret in ("new", SECRET):
        body = till.transfer(deposit.memo, 50_000)
        await receive(till.panel, "sepay", till.signed(body, secret), ip=None)
    await till.settle()
    assert await till.balance() == 100_000


async def test_what_breaks_is_put_off_and_then_credited(till: Till) -> None:
    deposit = await till.open()
    await receive(till.panel, "sepay", till.signed(till.transfer(deposit.memo)), ip=None)
    async with till.panel.db.transaction() as session:
        await session.execute(text("ALTER TABLE ledger_transfers RENAME TO away"))
    await till.settle()
    [event] = await till.events()
    assert (event.outcome, event.tries) == ("waiting", 1)
    assert event.due_at > NOW
    async with till.panel.db.transaction() as session:
        await session.execute(text("ALTER TABLE away RENAME TO ledger_transfers"))
    await till.settle()
    assert await till.balance() == 0
    for _ in range(2):
        await put_off(till.panel, event.id)
    async with till.panel.db.transaction() as session:
        assert (await session.scalars(select(Alert.kind))).all() == ["payment_message_failing"]

    await till.at(minutes=10).settle()

    assert await till.balance() == 100_000


async def test_a_settled_message_is_not_settled_again(till: Till) -> None:
    deposit = await till.open()
    await till.told(deposit.memo)
    async with till.panel.db.transaction() as session:
        await session.execute(text("UPDATE gateway_events SET outcome = 'waiting'"))
    await settle_waiting.function(till.panel)
    assert await till.balance() == 100_000
    assert [event.outcome for event in await till.events()] == [DUPLICATE]


async def test_one_key_is_one_deposit_and_open_ones_are_limited(till: Till) -> None:
    same = {(await till.open(key="k")).id for _ in range(3)}
    assert len(same) == 1
    with pytest.raises(OtherDepositError):
        await till.open(50_000, key="k")
    for _ in range(19):
        await till.open()
    with pytest.raises(TooManyOpenDepositsError):
        await till.open()
    async with till.panel.db.transaction() as session:
        other = await make_user(session, funds=None)
    assert (
        await open_deposit(till.panel, NewDeposit(other, till.methods["sepay"], Decimal(10_000)))
    ).state == "pending"


async def test_a_transfer_recognises_deposits_of_a_prefix_that_was_changed(till: Till) -> None:
    deposit = await till.open()
    async with till.panel.db.transaction() as session:
        method = await method_by(session, till.methods["sepay"])
        terms = MethodTerms(method.name, "VND", method.minimum, options={**method.options, "memo_prefix": "OTHER"})
        await edit_method(session, till.panel, method.id, terms, actor=Actor.cli(), secrets={})
    await till.told(deposit.memo)
    assert await till.balance() == 100_000


@pytest.mark.parametrize(
    "content",
    [
        "HOMEMMO ABC234",
        "homemmoabc234",
        "MBVCB.3278907687.HOMEMMO ABC234.CT tu 0123",
        "CT DEN:HOMEMMOABC234CHUYENTIEN-GD 123456",
        "Nguyễn Văn A chuyển HOMEMMO-ABC234",
        "HOME MMO ABC 234",
        "HOMEMMO/ABC234;",
        "HOMEMMOHOMEMMO ABC234",
        "x" * 500 + "HOMEMMO  ABC234",
    ],
)
def test_codes_are_found_in_whatever_banks_make_of_them(content: str) -> None:
    assert "ABC234" in codes_in([content], ["HOMEMMO"])


def test_codes_are_not_found_where_there_are_none() -> None:
    assert codes_in(["HOMEMM0 ABC234", "ABC234", "HOMEMMO ABC", ""], ["HOMEMMO"]) == []
    assert codes_in(["HOMEMMO ABC234"], []) == []


def test_references_and_codes_have_no_look_alikes() -> None:
    assert not set(ALPHABET) & set("01OIL")
    made = {new_code() for _ in range(200)} | {new_reference() for _ in range(200)}
    assert len(made) == 400
    assert all(set(one) <= set(ALPHABET) for one in made)


async def test_vector_sepay_body_is_credited(till: Till) -> None:
    body = (json.loads((_HERE / "vectors.json").read_text("utf-8")))["sepay.body"]
    deposit = await till.open()
    async with till.panel.db.transaction() as session:
        await session.execute(text("UPDATE deposits SET memo_code = 'ABC123', memo = 'HOMEMMO ABC123'"))
    await receive(till.panel, "sepay", till.signed(body.encode()), ip=None)
    await till.settle()
    assert (await till.deposit(deposit.id)).state == "paid"
    assert [r.state for r in await till.receipts()] == [ReceiptState.CREDITED]


async def _policy(till: Till, policy: Policy) -> None:
    async with till.panel.db.transaction() as session:
        (await method_by(session, till.methods["sepay"])).policy = policy.checked()


async def _rate(till: Till, rate: str) -> None:
    async with till.panel.db.transaction() as session:
        await set_rate(session, "VND", "USD", Decimal(rate), currency="USD", actor=Actor.cli(), now=NOW)
