"""Redeeming a voucher by the JSON API."""

from decimal import Decimal

from making import staff
from smmpanel.accounts.access import Permission
from smmpanel.growth.voucher_making import BatchTerms, make_batch


async def test_a_code_is_redeemed_once_and_every_other_answer_is_the_same(me, other, panel):
    boss = staff(None, Permission.VOUCHERS_EDIT)
    async with panel.db.transaction() as session:
        terms = BatchTerms("Spring", Decimal("2.5"))
        made = await make_batch(session, panel.vault, boss, terms, currency="USD", key="one", now=panel.clock())
    done = await me.post("/api/payment/voucher", code=made.codes[0].lower())
    assert done.json() == {
        "success": True,
        "name": "Spring",
        "amount": 2.5,
        "new_balance": 102.5,
        "currency": "USD",
    }
    refused = [await one.post("/api/payment/voucher", code=made.codes[0]) for one in (me, other)]
    refused.append(await other.post("/api/payment/voucher", code="never-was-one"))
    assert {answer.status_code for answer in refused} == {422}
    assert len({answer.text for answer in refused}) == 1
    said = refused[0].json()
    assert (said["success"], said["code"], said["message"]) == (
        False,
        "voucher_worthless",
        "This code cannot be redeemed.",
    )
    assert await other.balance() == "100.00"
