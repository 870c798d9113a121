"""What customers keep of their deposits: the receipt, the bonus on it, filters of the history, and mails."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from making import make_user
from payments.browsers import browser_of
from payments.conftest import Till
from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import User
from smmpanel.growth.deposit_bonuses import give_bonus
from smmpanel.notifications.composing import compose
from smmpanel.notifications.events import Event, Wish, choose
from smmpanel.notifications.models import Mail
from smmpanel.payments.bonuses import RuleTerms, add_rule
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.deciding import reject_deposit
from smmpanel.payments.models import Deposit
from smmpanel.payments.telling import DepositRejected, tell_of_deposits, tell_of_rejections
from staff_browser import StaffBrowser


@pytest.fixture
async def customer(till: Till) -> AsyncIterator[StaffBrowser]:
    """The customer's browser."""
    async with browser_of(till, till.user) as browser:
        yield browser


async def mails(till: Till) -> list[Mail]:
    """Read all mails that wait."""
    async with till.panel.db.transaction() as session:
        return list((await session.scalars(select(Mail).order_by(Mail.id))).all())


async def tell(till: Till) -> None:
    """Do what follows from what was recorded."""
    credited = [DepositCredited.model_validate(fact) for fact in await till.facts()]
    rejected = [DepositRejected.model_validate(fact) for fact in await till.facts("deposit_rejected")]
    await tell_of_deposits(till.panel, credited)
    await tell_of_rejections(till.panel, rejected)


async def confirm_address(till: Till) -> None:
    """Have the customer's address be known as theirs."""
    async with till.panel.db.transaction() as session:
        await session.execute(update(User).where(User.id == till.user).values(email_verified_at=till.panel.clock()))


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_a_receipt_tells_what_came_and_what_it_was_worth(
    till: Till, customer: StaffBrowser, language: str
) -> None:
    dear = await till.add("manual", fee_percent=Decimal(2), fee_fixed=Decimal(1000))
    assert dear
    async with till.panel.db.transaction() as session:
        rule = RuleTerms(Decimal(5), till.panel.clock() - timedelta(days=1), threshold=Decimal(50_000))
        await add_rule(session, rule, actor=Actor.cli(), now=till.panel.clock())
    deposit = await till.open()
    assert "5,000" in (await customer.get(f"/deposits/{deposit.id}")).text, "the bonus that it will bring"
    await till.told(deposit.memo, 40_000)
    await till.told(deposit.memo, 60_000)
    async with till.panel.db.transaction() as session:
        await give_bonus(session, deposit.id, late_at=None, now=till.panel.clock())

    shown = await customer.get(f"/deposits/{deposit.id}/receipt", params={"lang": language})

    assert shown.status_code == 200
    for part in (deposit.reference, deposit.memo, "40", "60", "105", "sepay"):
        assert str(part) in shown.text
    page = (await customer.get(f"/deposits/{deposit.id}", params={"lang": "en"})).text
    assert f'href="/deposits/{deposit.id}/receipt"' in page
    assert "₫5,000" in page
    history = await customer.get("/deposits", params={"lang": "en"})
    assert "₫5,000" in history.text
    assert f'href="/deposits/{deposit.id}/receipt"' in history.text


async def test_there_is_no_receipt_of_nothing_or_of_somebody_elses(till: Till, customer: StaffBrowser) -> None:
    async with till.panel.db.transaction() as session:
        other = await make_user(session, funds=None)
    mine, foreign = await till.open(), await till.open(user=other)
    await till.told(foreign.memo)
    for number in (mine.id, foreign.id, 999):
        assert (await customer.get(f"/deposits/{number}/receipt")).status_code == 404
    assert "/receipt" not in (await customer.get(f"/deposits/{mine.id}")).text


async def test_the_history_is_filtered_by_method(till: Till, customer: StaffBrowser) -> None:
    manual = await till.add("manual")
    watched, by_hand = await till.open(), await till.open(gateway="manual")
    all_of_them = (await customer.get("/deposits")).text
    assert '<select class="select" name="method"' in all_of_them
    for method, here, gone in ((manual, by_hand, watched), (till.methods["sepay"], watched, by_hand)):
        shown = (await customer.get("/deposits", params={"method": str(method), "status": "pending"})).text
        assert f'href="/deposits/{here.id}"' in shown
        assert f'href="/deposits/{gone.id}"' not in shown
        assert f'<option value="{method}" selected>' in shown
    for nonsense in ("x", "-1", "0", "9" * 40, "²"):
        assert (await customer.get("/deposits", params={"method": nonsense})).status_code == 200


async def test_words_for_what_went_otherwise(till: Till, customer: StaffBrowser) -> None:
    twice = await till.open()
    for _ in range(2):
        await till.told(twice.memo)
    assert "You paid more than once: all of it was credited." in (await customer.get(f"/deposits/{twice.id}")).text
    words = {
        "refunded": "was paid back to you",
        "partially_refunded": "Part of this deposit was paid back to you.",
        "reversed": "The bank took the money of this deposit back.",
        "failed": "This payment did not go through.",
    }
    for state, said in words.items():
        deposit = await till.open()
        async with till.panel.db.transaction() as session:
            await session.execute(update(Deposit).where(Deposit.id == deposit.id).values(state=state))
        for language in ("vi", "id", "en"):
            shown = await customer.get(f"/deposits/{deposit.id}", params={"lang": language})
            assert shown.status_code == 200
        assert said in shown.text


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_what_became_of_a_deposit_is_mailed(till: Till, language: str) -> None:
    await confirm_address(till)
    await till.add("manual")
    paid, rejected = await till.open(), await till.open(gateway="manual")
    await till.told(paid.memo)
    async with till.panel.db.transaction() as session:
        await reject_deposit(session, rejected.id, actor=Actor.cli(), reason="Nothing came", now=till.panel.clock())
    for _ in range(2):
        await tell(till)

    waiting = await mails(till)

    assert [mail.kind for mail in waiting] == ["deposit", "deposit"], "each once"
    async with till.panel.db.transaction() as session:
        letters = []
        for mail in waiting:
            session.expunge_all()
            mail.language = language
            letters.append(await compose(session, till.panel, mail, now=till.panel.clock()))
    assert "100" in letters[0].subject
    assert f"/deposits/{paid.id}" in letters[0].text
    assert "Nothing came" in letters[1].text
    assert f"/deposits/{rejected.id}" in letters[1].html


async def test_who_wants_no_mail_gets_none(till: Till) -> None:
    unconfirmed = await till.open()
    await till.told(unconfirmed.memo)
    await tell(till)
    assert await mails(till) == [], "to an address that is not known to be theirs, nothing goes"
    await confirm_address(till)
    async with till.panel.db.transaction() as session:
        await choose(session, till.user, {Event.DEPOSITS: Wish(in_panel=True, by_mail=False)})
    paid = await till.open()
    await till.told(paid.memo)
    await tell(till)
    assert await mails(till) == []
