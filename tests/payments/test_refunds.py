"""Paying deposits back (the contract's rule 14): the unspent part, once, and nobody guesses what a gateway did."""

from decimal import Decimal

import pytest
from sqlalchemy import select, text

from making import make_user, staff
from payments.conftest import Till
from payments.counters import Desk, S, desk_of
from payments.telling_gateway import TellingGateway, told
from payments.test_returning import alerts, spend
from smmpanel.accounts.access import Actor, MissingPermissionError, Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.growth.deposit_bonuses import give_bonuses
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.payments.bonuses import RuleTerms, add_rule
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.deciding import AlreadyDecidedError, OwnDepositError, approve_deposit
from smmpanel.payments.inbox import ask_gateways
from smmpanel.payments.protocol import GatewayFailedError, GatewayUnknownError, Refund, Refunded
from smmpanel.payments.refunding import (
    NotByGatewayError,
    OtherRefundError,
    Refundable,
    WantedRefund,
    ask_refund,
    refundable,
    resolve_refund,
)
from smmpanel.payments.return_models import PaymentReturn
from smmpanel.payments.sending_refunds import look_after_refunds, send_refunds

P = Permission


async def clerk(till: Till, *more: Permission) -> Actor:
    """Somebody of the staff who may pay back."""
    async with till.panel.db.transaction() as session:
        return staff(await make_user(session, funds=None), P.DEPOSITS_REFUND, *more)


async def want(desk: Desk, actor: Actor, amount: int | str | None = None, **more: object) -> PaymentReturn:
    given = {"key": "k1", "reason": "wrong account", **more}
    wanted = WantedRefund(desk.deposit.id, amount=None if amount is None else Decimal(amount), **given)  # type: ignore[arg-type]
    async with desk.till.panel.db.transaction() as session:
        row = await ask_refund(session, desk.till.panel, wanted, actor=actor)
    assert isinstance(row, PaymentReturn)
    return row


async def paid_desk(till: Till, **more: object) -> Desk:
    desk = await desk_of(till, refunding=True, **more)  # type: ignore[arg-type]
    await desk.told(S.PAID, 100_000)
    return desk


def counter_of(till: Till):  # type: ignore[no-untyped-def]
    return till.panel.payment_gateways.get("refunding").counter


async def limits(desk: Desk) -> Refundable:
    async with desk.till.panel.db.transaction() as session:
        return await refundable(session, desk.till.panel, await desk.now())


async def test_rule_14_the_money_leaves_first_and_the_gateway_is_asked_once(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    counter = counter_of(till)

    async def look(_: Refund) -> None:
        assert await till.balance() == 60_000

    counter.during = look
    counter.refunds.append(Refunded("re_1", "done", "ok"))
    row = await want(desk, actor, 40_000)
    assert (row.state, row.taken, await till.balance()) == ("pending", 40_000, 60_000)
    for _ in range(2):
        await send_refunds.function(till.panel)
        assert (await want(desk, actor, 40_000)).id == row.id

    [asked] = counter.asked_back
    assert (asked.external_id, asked.amount, asked.reason) == (desk.money, 40_000, "wrong account")
    [row] = await desk.returns()
    assert (row.state, row.return_id, row.is_named) == ("done", "re_1", True)
    assert (await desk.now()).state == "partially_refunded"
    # Its webhook is no second refund.
    assert await desk.told(S.PARTIALLY_REFUNDED, 40_000, return_id="re_1") == "duplicate"
    assert await till.balance() == 60_000
    async with till.panel.db.transaction() as session:
        [entry] = (await session.scalars(select(AuditEntry).where(AuditEntry.permission == P.DEPOSITS_REFUND))).all()
    assert entry.actor_id == actor.user_id
    with pytest.raises(OtherRefundError):
        await want(desk, actor, 30_000)


async def test_rule_14_what_is_spent_is_only_paid_back_by_who_may(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    await spend(till, 70_000)
    assert (await limits(desk)).unspent == 30_000
    with pytest.raises(InvalidInputError):
        await want(desk, actor, 30_001)
    with pytest.raises(MissingPermissionError):
        await want(desk, staff(actor.user_id, P.DEPOSITS_SETTLE), 1_000)
    with pytest.raises(OwnDepositError):
        await want(desk, staff(till.user, P.DEPOSITS_REFUND), 1_000)
    boss = await clerk(till, P.DEPOSITS_REFUND_OVER)
    with pytest.raises(InvalidInputError):
        await want(desk, boss, 100_001)
    counter_of(till).refunds.append(Refunded("re_1", "done"))
    await want(desk, boss, 100_000)
    await send_refunds.function(till.panel)
    assert ((await desk.now()).state, await till.balance()) == ("refunded", -70_000)


async def test_rule_10_a_bonus_is_not_paid_out(till: Till) -> None:
    async with till.panel.db.transaction() as session:
        terms = RuleTerms(Decimal(10), till.panel.clock())
        await add_rule(session, terms, actor=Actor.cli(), now=till.panel.clock())
    desk, actor = await paid_desk(till), await clerk(till)
    [credited] = await till.facts()
    await give_bonuses(till.panel, [DepositCredited.model_validate(credited)])
    await spend(till, 55_000)
    # 55,000 are left: 50,000 with the 5,000 that they brought.
    assert (await limits(desk)).unspent == 50_000
    counter_of(till).refunds.append(Refunded("re_1", "done"))
    assert (await want(desk, actor)).amount == 50_000
    await send_refunds.function(till.panel)


async def test_rule_14_a_failed_refund_returns_the_money(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    counter_of(till).refunds.extend(
        [GatewayFailedError(), Refunded("re_2", "failed", "no balance"), Refunded("re_3", "pending")]
    )
    for key in ("a", "b"):
        row = await want(desk, actor, 40_000, key=key)
        await send_refunds.function(till.panel)
        assert await till.balance() == 100_000
    assert [(one.state, one.said_by_gateway) for one in await desk.returns()] == [
        ("failed", "gateway_failed"),
        ("failed", "no balance"),
    ]
    row = await want(desk, actor, 40_000, key="c")
    await send_refunds.function(till.panel)
    assert (await desk.returns())[2].state == "pending"
    assert (await desk.now()).ask_at == till.panel.clock()
    assert await desk.told(S.REFUND_FAILED, 40_000, return_id="re_3") == "settled"
    assert ((await desk.returns())[2].state, await till.balance()) == ("failed", 100_000)
    assert row.taken == 40_000


async def test_a_gateway_that_cannot_any_more_was_not_asked(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    await want(desk, actor, 40_000)
    till.panel.payment_gateways.put("refunding", TellingGateway)
    await send_refunds.function(till.panel)
    assert ((await desk.returns())[0].state, await till.balance()) == ("failed", 100_000)


async def test_rule_14_what_nobody_knows_is_not_sent_again(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    counter = counter_of(till)
    counter.refunds.append(GatewayUnknownError())
    await want(desk, actor, 40_000)
    for _ in range(3):
        await send_refunds.function(till.panel)
        await look_after_refunds.function(till.panel)
    assert len(counter.asked_back) == 1
    assert ((await desk.returns())[0].state, await till.balance()) == ("unknown", 60_000)
    assert await alerts(till) == ["refund_unknown"]
    # The gateway is asked how the payment stands, and that settles it.
    refunded = desk.notice(S.PARTIALLY_REFUNDED, 40_000, return_id="re_9")
    counter.answer = told("asked", desk.notice(S.PAID, 100_000), refunded)
    await ask_gateways.function(till.panel)
    [row] = await desk.returns()
    assert (row.state, row.return_id, await till.balance()) == ("done", "re_9", 60_000)
    assert await alerts(till) == []


@pytest.mark.parametrize(("paid_back", "left"), [(True, 60_000), (False, 100_000)])
async def test_staff_say_what_became_of_it(till: Till, paid_back: bool, left: int) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    counter_of(till).refunds.append(GatewayUnknownError())
    row = await want(desk, actor, 40_000)
    now = till.panel.clock()
    async with till.panel.db.transaction() as session:
        with pytest.raises(AlreadyDecidedError):
            await resolve_refund(session, row.id, paid_back=paid_back, actor=actor, note="seen", now=now)
    await send_refunds.function(till.panel)
    async with till.panel.db.transaction() as session:
        with pytest.raises(InvalidInputError):
            await resolve_refund(session, row.id, paid_back=paid_back, actor=actor, note=" ", now=now)
        await resolve_refund(session, row.id, paid_back=paid_back, actor=actor, note="seen", now=now)
    async with till.panel.db.transaction() as session:
        with pytest.raises(AlreadyDecidedError):
            await resolve_refund(session, row.id, paid_back=not paid_back, actor=actor, note="seen", now=now)
    assert await till.balance() == left
    assert await alerts(till) == []


async def test_a_webhook_that_overtakes_the_answer_is_the_same_refund(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    counter = counter_of(till)

    async def overtake(_: Refund) -> None:
        assert await desk.told(S.PARTIALLY_REFUNDED, 40_000, return_id="re_1") == "settled"

    counter.during = overtake
    counter.refunds.append(Refunded("re_1", "pending"))
    await want(desk, actor, 40_000)
    await send_refunds.function(till.panel)
    [row] = await desk.returns()
    assert (row.state, row.return_id, await till.balance()) == ("done", "re_1", 60_000)


async def test_a_refund_made_at_the_gateway_is_not_the_one_that_nobody_sent_yet(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    await want(desk, actor, 40_000)
    assert await desk.told(S.PARTIALLY_REFUNDED, 40_000, return_id="dashboard") == "settled"
    assert await till.balance() == 20_000
    counter_of(till).refunds.append(Refunded("re_1", "done"))
    await send_refunds.function(till.panel)
    assert [(one.return_id, one.state) for one in await desk.returns()] == [("re_1", "done"), ("dashboard", "done")]
    assert await till.balance() == 20_000


async def test_a_webhook_with_another_amount_gives_way_to_the_answer(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    counter = counter_of(till)

    async def overtake(_: Refund) -> None:
        await desk.told(S.PARTIALLY_REFUNDED, 39_000, return_id="re_1")

    counter.during = overtake
    counter.refunds.append(Refunded("re_1", "pending"))
    await want(desk, actor, 40_000)
    await send_refunds.function(till.panel)
    assert [(one.state, one.amount) for one in await desk.returns()] == [("done", 40_000), ("released", 39_000)]
    assert await till.balance() == 60_000


async def test_by_hand_where_the_gateway_cannot(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    actor = await clerk(till)
    with pytest.raises(NotByGatewayError):
        await want(desk, actor, 40_000)
    with pytest.raises(InvalidInputError):
        await want(desk, actor, 40_000, by_hand=True)
    row = await want(desk, actor, 40_000, by_hand=True, bank_ref="FT123")
    assert (row.state, row.bank_ref, await till.balance()) == ("done", "FT123", 60_000)
    # Should the gateway tell of the same money after all, it is the same.
    assert await desk.told(S.PARTIALLY_REFUNDED, 40_000, return_id="r1") == "duplicate"
    assert await till.balance() == 60_000


async def test_what_staff_entered_is_paid_back_by_hand_only(till: Till) -> None:
    desk = await desk_of(till, refunding=True)
    actor = await clerk(till, P.DEPOSITS_SETTLE)
    async with till.panel.db.transaction() as session:
        await approve_deposit(session, desk.deposit.id, actor=actor, now=till.panel.clock())
    with pytest.raises(NotByGatewayError):
        await want(desk, actor, 40_000)
    await want(desk, actor, 40_000, by_hand=True, bank_ref="FT123")
    assert await till.balance() == 60_000


async def test_there_is_nothing_to_pay_back_of_nothing(till: Till) -> None:
    desk, actor = await desk_of(till, refunding=True), await clerk(till)
    with pytest.raises(Exception, match="nothing of this deposit"):
        await want(desk, actor, 1_000)
    desk.deposit.id += 1000
    with pytest.raises(NotFoundError):
        await want(desk, actor, 1_000)


async def test_refunds_that_nobody_sent_are_found(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    await want(desk, actor, 40_000)
    await look_after_refunds.function(till.panel)
    async with till.panel.db.transaction() as session:
        queued = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name LIKE '%send_refunds'")
        assert await session.scalar(queued) == 1
    counter_of(till).refunds.append(Refunded("re_1", "done"))
    await send_refunds.function(till.panel)
    assert (await desk.returns())[0].state == "done"


async def test_refunds_whose_sender_died_are_unknown(till: Till) -> None:
    desk, actor = await paid_desk(till), await clerk(till)
    row = await want(desk, actor, 40_000)
    async with till.panel.db.transaction() as session:
        sent = text("UPDATE payment_returns SET sent_at = :now WHERE id = :id")
        await session.execute(sent, {"now": till.panel.clock(), "id": row.id})
    await look_after_refunds.function(till.panel)
    assert (await desk.returns())[0].state == "pending"
    later = till.at(minutes=6)
    await send_refunds.function(later.panel)
    await look_after_refunds.function(later.panel)
    assert (await desk.returns())[0].state == "unknown"
    assert counter_of(till).asked_back == []
    assert await alerts(till) == ["refund_unknown"]


async def test_what_waits_for_its_payment_is_told_of_after_a_day(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.REFUNDED, 40_000, return_id="r1", external_id="another", reference=None)
    await look_after_refunds.function(till.panel)
    assert await alerts(till) == []
    await look_after_refunds.function(till.at(days=1).panel)
    assert await alerts(till) == ["return_unmatched"]
    await desk.told(S.PAID, 100_000, external_id="another")
    assert await till.balance() == 60_000
