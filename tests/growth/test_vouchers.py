"""Vouchers against a real database: however many try at once, a code is good for what it says and not for one credit more."""

import asyncio
import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text

from making import assert_books, make_user, staff
from smmpanel.accounts.access import MissingPermissionError, Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.growth.proving_vouchers import verify_vouchers
from smmpanel.growth.redeeming import USER_LIMIT, Redeemed, VoucherWorthlessError, redeem
from smmpanel.growth.voucher_codes import SIGNS, bare, new_code
from smmpanel.growth.voucher_making import BatchMadeError, BatchTerms, make_batch, stop_batch
from smmpanel.growth.voucher_models import Redemption, Voucher, VoucherBatch
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.ledger import balance_of, paid_in, statement

D = Decimal
BOSS = staff(None, Permission.VOUCHERS_EDIT)
_numbers = count()


async def batch(panel, key="one", by=BOSS, **more):
    terms = BatchTerms(**{"name": "Spring", "amount": D("2.5"), **more})
    async with panel.db.transaction() as session:
        return await make_batch(session, panel.vault, by, terms, currency=panel.currency, key=key, now=panel.clock())


async def people(panel, number):
    async with panel.db.transaction() as session:
        return [await make_user(session, funds=None) for _ in range(number)]


async def balance(panel, user):
    async with panel.db.transaction() as session:
        return (await balance_of(session, user, panel.currency)).amount


async def tries(panel, *asked):
    """Try codes at the same moment, each for its customer and from an address of its own."""
    made = [redeem(panel, user, code, ip=f"10.0.{next(_numbers)}.1") for user, code in asked]
    return await asyncio.gather(*made, return_exceptions=True)


def good(answers):
    assert all(isinstance(one, Redeemed | VoucherWorthlessError) for one in answers), answers
    return [isinstance(one, Redeemed) for one in answers].count(True)


@contextmanager
def statements(panel):
    """Note what the database is asked."""
    done = []

    def note(_connection, _cursor, statement, *_):
        done.append(statement)

    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield done
    finally:
        event.remove(panel.db.engine.sync_engine, "before_cursor_execute", note)


async def test_a_code_of_one_use_credits_once_however_many_try_at_once(panel):
    users = await people(panel, 6)
    made = await batch(panel)
    answers = await tries(panel, *[(user, made.codes[0]) for user in (*users, *users)])
    assert good(answers) == 1
    assert sorted([await balance(panel, user) for user in users])[-2:] == [D(0), D("2.5")]
    async with panel.db.transaction() as session:
        assert (await session.get_one(VoucherBatch, made.id)).used == 1
        assert len((await session.scalars(select(Redemption))).all()) == 1
    await assert_books(panel.db)


async def test_what_one_customer_may_redeem_holds_across_codes_and_at_the_same_moment(panel):
    mai, lan = await people(panel, 2)
    many = await batch(panel, codes=6, uses_per_user=2)
    first = await tries(panel, *[(mai, code) for code in many.codes])
    assert good(first) == 2
    shared = await batch(panel, "two", uses_each=5, uses_per_user=3)
    answers = await tries(panel, *[(user, shared.codes[0]) for user in (mai, lan) for _ in range(3)])
    assert good(answers) == 5
    assert await balance(panel, mai) + await balance(panel, lan) == D("2.5") * 7
    assert D("2.5") * 2 <= await balance(panel, lan) <= D("2.5") * 3
    # Who was refused has used nothing up: the codes that were in vain are good for somebody else.
    [anna] = await people(panel, 1)
    in_vain = [code for code, answer in zip(many.codes, first, strict=True) if not isinstance(answer, Redeemed)]
    assert good(await tries(panel, *[(anna, code) for code in in_vain[:2]])) == 2
    await assert_books(panel.db)


async def test_whatever_is_wrong_with_a_code_the_answer_is_the_same(panel):
    mai, lan = await people(panel, 2)
    used, stopped, over, mine = [
        await batch(panel, key, **more)
        for key, more in (
            ("used", {}),
            ("stopped", {}),
            ("over", {"valid_until": panel.clock() + timedelta(hours=1)}),
            ("mine", {"uses_each": 9, "uses_per_user": 1}),
        )
    ]
    made_by_mai = await batch(panel, "made by mai", by=staff(mai, Permission.VOUCHERS_EDIT), uses_each=2)
    await redeem(panel, lan, made_by_mai.codes[0], ip="192.0.2.1")
    await redeem(panel, lan, used.codes[0], ip="192.0.2.1")
    await redeem(panel, mai, mine.codes[0], ip="192.0.2.1")
    async with panel.db.transaction() as session:
        await stop_batch(session, BOSS, stopped.id, now=panel.clock())
    later = replace(panel, clock=lambda: panel.clock() + timedelta(hours=1))
    asked = [one.codes[0] for one in (used, stopped, over, mine, made_by_mai)] + [new_code(), "", "?" * 500]
    said, work = set(), set()
    for code in asked:
        with statements(panel) as done, pytest.raises(VoucherWorthlessError) as refused:
            await redeem(later, mai, code, ip="192.0.2.1")
        said.add((str(refused.value), refused.value.status, str(refused.value.fields)))
        work.add(tuple(done))
    assert len(said) == 1
    # The database is asked the same things, so that the time it takes tells nothing either.
    assert len(work) == 1
    assert await balance(panel, mai) == D("2.5")


async def test_guessing_waits_and_a_right_code_is_not_held_against_anybody(panel):
    [mai] = await people(panel, 1)
    made = await batch(panel, codes=20)
    for code in made.codes[:15]:
        await redeem(panel, mai, code, ip="192.0.2.1")
    for _ in range(USER_LIMIT.free):
        with pytest.raises(VoucherWorthlessError):
            await redeem(panel, mai, new_code(), ip="192.0.2.1")
    with pytest.raises(TooManyAttemptsError):
        await redeem(panel, mai, made.codes[19], ip="192.0.2.9")
    assert await balance(panel, mai) == D("2.5") * 15


async def test_a_voucher_is_no_money_that_was_paid_in_and_says_what_it_is(panel):
    [mai] = await people(panel, 1)
    made = await batch(panel)
    typed = made.codes[0].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    await redeem(panel, mai, f" {typed} ", ip="192.0.2.1")
    async with panel.db.transaction() as session:
        assert (await paid_in(session, {mai: 0}, panel.currency))[mai].amount == 0
        [line] = (await statement(session, mai, panel.currency)).rows
    assert (line.reason, line.note, line.amount.amount) == ("voucher", "Spring", D("2.5"))


async def test_codes_are_kept_nowhere_and_making_them_is_on_the_record(panel):
    made = await batch(panel, codes=30, note="For the fair")
    assert len(set(made.codes)) == 30
    assert all(re.fullmatch(f"([{SIGNS}]{{4}}-){{3}}[{SIGNS}]{{4}}", code) for code in made.codes)
    with pytest.raises(BatchMadeError):
        await batch(panel, codes=30)
    async with panel.db.transaction() as session:
        [entry] = (await session.scalars(select(AuditEntry))).all()
        kept = [str(row) for row in await session.execute(text("SELECT to_jsonb(v) FROM vouchers v"))]
        kept += [str(row) for row in await session.execute(text("SELECT to_jsonb(a) FROM audit_log a"))]
        assert len((await session.scalars(select(Voucher))).all()) == 30
        with pytest.raises(MissingPermissionError):
            await make_batch(
                session, panel.vault, staff(1, Permission.VOUCHERS_VIEW), BatchTerms("x", D(1)),
                currency="USD", key="no", now=panel.clock(),
            )  # fmt: skip
    assert (entry.permission, entry.after["codes"], entry.after["note"]) == ("vouchers.edit", 30, "For the fair")
    assert not any(bare(code) in line or code in line for code in made.codes for line in kept)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", {"name": " "}),
        ("amount", {"amount": D(0)}),
        ("amount", {"amount": D("NaN")}),
        ("codes", {"codes": 10_001}),
        ("uses_each", {"codes": 2, "uses_each": 2}),
        ("uses_per_user", {"uses_per_user": 0}),
        ("valid_until", {}),
    ],
)
async def test_a_batch_that_makes_no_sense_is_refused(panel, field, wrong):
    more = wrong or {"valid_until": panel.clock()}
    with pytest.raises(InvalidInputError) as refused:
        await batch(panel, **more)
    assert refused.value.fields["field"] == field


@given(
    uses=st.integers(1, 4),
    each=st.one_of(st.none(), st.integers(1, 3)),
    who=st.lists(st.integers(0, 2), min_size=1, max_size=7),
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_nobody_ever_gets_more_than_the_limits_and_nothing_is_left_lying(panel, uses, each, who):
    users = await people(panel, 3)
    made = await batch(panel, key=new_code(), uses_each=uses, uses_per_user=each)
    answers = await tries(panel, *[(users[one], made.codes[0]) for one in who])
    got = [
        sum(isinstance(a, Redeemed) and one == user for a, one in zip(answers, who, strict=True)) for user in range(3)
    ]
    wanted = [min(who.count(user), each or uses) for user in range(3)]
    assert good(answers) <= uses
    assert all(one <= most for one, most in zip(got, wanted, strict=True))
    # Tries that lose against each other at one moment may leave something over; tried again, it is all given.
    for user in range(3):
        for _ in range(wanted[user] - got[user]):
            [answer] = await tries(panel, (users[user], made.codes[0]))
            got[user] += isinstance(answer, Redeemed)
    assert sum(got) == min(uses, sum(wanted))
    assert [await balance(panel, user) for user in users] == [D("2.5") * one for one in got]


async def test_the_proof_sees_what_was_tampered_with(panel):
    [mai] = await people(panel, 1)
    made = await batch(panel)
    await redeem(panel, mai, made.codes[0], ip="192.0.2.1")
    await assert_books(panel.db)
    async with panel.db.transaction() as session:
        await session.execute(text("UPDATE voucher_redemptions SET amount = 1"))
        await session.execute(text("UPDATE voucher_batches SET used = 0"))
        found = await verify_vouchers(session)
    assert [(one.what, one.subject.split(":")[0], one.found) for one in found] == [
        ("voucher", "voucher", "2.500000"),
        ("uses", "voucher_batch", "0"),
    ]
