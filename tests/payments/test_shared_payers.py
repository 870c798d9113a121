"""Money that came from the referrer's own payer makes a referral wait for staff, and only once."""

from decimal import Decimal

from sqlalchemy import select, text

from making import make_user, staff
from smmpanel.accounts.access import Permission
from smmpanel.accounts.referral_codes import code_of
from smmpanel.accounts.signing_up import UserRegistered
from smmpanel.growth.commissions import reckon_deposits
from smmpanel.growth.referral_deciding import clear_referral
from smmpanel.growth.referral_models import Referral
from smmpanel.growth.referring import note_referral
from smmpanel.payments.crediting import DepositCredited

BOSS = staff(None, Permission.REFERRALS_EDIT)
_PAYER = text("UPDATE payment_receipts SET payer = :payer WHERE deposit_id = :deposit")


async def pay_in(till, user, payer):
    """Pay in, from somebody, and do what the facts of it ask for."""
    deposit = await till.open(user=user)
    await till.told(deposit.memo)
    async with till.panel.db.transaction() as session:
        await session.execute(_PAYER, {"payer": payer, "deposit": deposit.id})
    facts = [DepositCredited.model_validate(body) for body in await till.facts()]
    await reckon_deposits(till.panel, [fact for fact in facts if fact.deposit_id == deposit.id])


async def referral(till):
    async with till.panel.db.transaction() as session:
        return await session.scalar(select(Referral))


async def test_a_shared_payer_flags_a_referral_until_staff_have_decided(till):
    await till.add("sepay")
    async with till.panel.db.transaction() as session:
        friend = await make_user(session, "friend", funds=None)
        code = await code_of(session, till.user)
    await note_referral(till.panel, UserRegistered(user_id=friend, referral_code=code))
    await pay_in(till, till.user, "TRAN THI LAN 0123")

    await pay_in(till, friend, "NGUYEN VAN A 77")
    made = await referral(till)
    assert (made.state, made.paid_in) == ("clear", Decimal(100_000))

    await pay_in(till, friend, " tran thi lan 0123")
    made = await referral(till)
    assert (made.state, made.signals, made.paid_in) == ("flagged", ["same_payer"], Decimal(200_000))

    async with till.panel.db.transaction() as session:
        await clear_referral(session, BOSS, made.id, currency="VND", now=till.panel.clock())
    await pay_in(till, friend, "TRAN THI LAN 0123")
    assert (await referral(till)).state == "clear"
