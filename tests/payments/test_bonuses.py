"""The bonus on deposits: what the page promised when a deposit was begun is credited once its money is there, and once."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import make_user, staff
from payments.conftest import NOW
from smmpanel.accounts.access import Permission
from smmpanel.growth.deposit_bonuses import give_bonuses
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.ledger import paid_in
from smmpanel.ledger.statements import transfers_for
from smmpanel.payments.bonus_models import BonusRule
from smmpanel.payments.bonuses import RuleTerms, add_rule, best_bonus, bonus_by, stop_rule
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.deciding import approve_deposit

D = Decimal
BOSS = staff(None, Permission.VOUCHERS_EDIT)


async def rule(till, percent="5", threshold=0, **more):
    terms = RuleTerms(**{"percent": D(percent), "starts_at": NOW, "threshold": D(threshold), **more})
    async with till.panel.db.transaction() as session:
        return await add_rule(session, terms, actor=BOSS, now=till.panel.clock())


async def hear(till):
    """Tell everything that was credited, as the worker does: here twice, and at the same moment."""
    facts = [DepositCredited(**body) for body in await till.facts()]
    await asyncio.gather(*(give_bonuses(till.panel, facts) for _ in range(2)))
    await give_bonuses(till.panel, facts[::-1])


async def bonuses(till, deposit):
    async with till.panel.db.transaction() as session:
        found = await transfers_for(session, f"deposit:{deposit.id}")
    return {line.key: (line.amount.amount, line.note) for line in found if line.reason == "bonus"}


async def test_a_deposit_brings_its_bonus_once(till):
    await rule(till, "5", 1_000_000)
    small, large = await till.open(999_999), await till.open(1_000_000)
    await till.told(small.memo, 999_999)
    await till.told(large.memo, 1_000_000)
    await hear(till)
    assert await bonuses(till, small) == {}
    assert await bonuses(till, large) == {f"deposit:{large.id}:bonus": (D(50_000), "5%")}
    assert await till.balance() == D(2_049_999)
    async with till.panel.db.transaction() as session:
        assert (await paid_in(session, {till.user: 0}, "VND"))[till.user].amount == D(1_999_999)


async def test_in_parts_it_is_the_bonus_of_the_whole_and_the_best_rule_counts(till):
    await rule(till, "2")
    await rule(till, "5", 1_000_000, maximum=D(40_000))
    deposit = await till.open(1_000_000)
    await till.told(deposit.memo, 400_000)
    await hear(till)
    assert await bonuses(till, deposit) == {f"deposit:{deposit.id}:bonus": (D(8_000), "2%")}
    await till.told(deposit.memo, 600_000)
    await hear(till)
    assert sum(amount for amount, _ in (await bonuses(till, deposit)).values()) == D(40_000)
    assert await till.balance() == D(1_040_000)


async def test_what_was_promised_holds_though_the_rule_ends_and_late_money_gets_what_holds_then(till):
    made = await rule(till, "10", ends_at=NOW + timedelta(minutes=30))
    begun, late = await till.open(), await till.open()
    async with till.panel.db.transaction() as session:
        await stop_rule(session, made.id, actor=BOSS, now=NOW + timedelta(minutes=1))
    soon, later = till.at(minutes=45), till.at(hours=3)
    await soon.told(begun.memo)
    await later.told(late.memo)
    # Heard of together with what came in time, which keeps what was promised for it alone.
    await later.told(begun.memo, 50_000)
    await hear(later)
    assert await bonuses(till, begun) == {f"deposit:{begun.id}:bonus": (D(10_000), "10%")}
    assert await bonuses(till, late) == {}
    async with till.panel.db.transaction() as session:
        with pytest.raises(NotFoundError):
            await stop_rule(session, made.id, actor=BOSS, now=NOW)


async def test_a_rule_of_one_method_is_not_for_another_and_fees_bring_nothing(till):
    await till.add("manual", fee_percent=D(10))
    await rule(till, "5", 100_000, method_id=till.methods["manual"])
    watched = await till.open()
    await till.told(watched.memo)
    by_hand = await till.open(gateway="manual")
    async with till.panel.db.transaction() as session:
        boss = staff(await make_user(session, funds=None), Permission.DEPOSITS_SETTLE)
        await approve_deposit(session, by_hand.id, actor=boss, now=NOW)
    await hear(till)
    assert await bonuses(till, watched) == {}
    # 100,000 were paid, which reaches the threshold; 90,000 were credited, of which 5 % are given.
    assert await bonuses(till, by_hand) == {f"deposit:{by_hand.id}:bonus": (D(4_500), "5%")}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("percent", {"percent": "0"}),
        ("percent", {"percent": "100.01"}),
        ("threshold", {"threshold": -1}),
        ("maximum", {"maximum": D(0)}),
        ("ends_at", {"ends_at": NOW}),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(till, field, wrong):
    with pytest.raises(InvalidInputError) as refused:
        await rule(till, **wrong)
    assert refused.value.fields["field"] == field


RULES = st.builds(
    BonusRule,
    id=st.integers(1, 5),
    method_id=st.sampled_from([None, 1, 2]),
    threshold=st.integers(0, 50).map(D),
    percent=st.integers(1, 100).map(D),
    maximum=st.one_of(st.none(), st.integers(1, 20).map(D)),
    starts_at=st.sampled_from([NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)]),
    ends_at=st.sampled_from([None, NOW, NOW + timedelta(days=2)]),
    stopped_at=st.sampled_from([None, NOW, NOW + timedelta(hours=1)]),
)


@given(rules=st.lists(RULES, max_size=5), paid=st.integers(1, 100).map(D), fee=st.integers(0, 100).map(D))
def test_the_bonus_is_that_of_the_most_generous_rule_in_force_and_never_more_than_was_credited(rules, paid, fee):
    credited = paid - min(fee, paid)
    found = best_bonus(rules, method_id=1, paid=paid, credited=credited, at=NOW)
    fit = [
        bonus_by(one, credited)
        for one in rules
        if one.method_id in {None, 1}
        and one.threshold <= paid
        and one.starts_at <= NOW
        and (one.ends_at is None or one.ends_at > NOW)
        and (one.stopped_at is None or one.stopped_at > NOW)
    ]
    assert (found.amount if found else 0) == max(fit, default=0)
    assert found is None or 0 < found.amount <= credited
