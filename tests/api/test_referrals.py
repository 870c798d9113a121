"""`/api/referral/stats` exactly as it is printed, and the list of the people brought."""

import asyncio
import re
from decimal import Decimal

from sqlalchemy import select, text

from making import NOW, WATCH, accept, assert_books, credit, make_provider, make_service, make_user, place, staff
from smmpanel.accounts.access import Permission
from smmpanel.accounts.referral_codes import PREFIX_OPTION
from smmpanel.growth.commissions import reckon
from smmpanel.growth.payouts import approve_payout
from smmpanel.growth.referral_models import Payout
from smmpanel.growth.referral_terms import ReferralTerms, set_referral_terms
from smmpanel.kernel.options import write_option
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.settling import Change, settle

BOSS = staff(None, Permission.REFERRALS_EDIT, Permission.REFERRALS_PAY)
_REFER = text(
    "WITH made AS (INSERT INTO referrals (referrer_id, referred_id, via, state, mailbox, created_at)"
    " VALUES (:by, :who, 'link', :state, :mailbox, :at))"
    " INSERT INTO referrers (user_id, referrals) VALUES (:by, 1)"
    " ON CONFLICT (user_id) DO UPDATE SET referrals = referrers.referrals + 1"
)


async def bring(panel, me, name, state="clear"):
    async with panel.db.transaction() as session:
        who = await make_user(session, name, funds=None)
        await session.execute(_REFER, {"by": me.user_id, "who": who, "state": state, "mailbox": name, "at": NOW})
    return who


async def order(panel, user, service, amount, *, ended=True):
    async with panel.db.transaction() as session:
        await credit(session, user, amount)
        order = await place(session, user, service, link=f"https://example.com/{user}/{amount}")
        await accept(session, order, f"x{order}")
        if ended:
            await settle(session, [Change(order, OrderStatus.COMPLETED)], now=NOW, watch=WATCH)
            await reckon(session, [user], [order], currency="USD", now=NOW)
    return order


async def test_the_answer_is_the_one_that_is_printed(me, panel):
    async with panel.db.transaction() as session:
        await write_option(session, PREFIX_OPTION, "HOMEM")
        service = await make_service(session, await make_provider(session, panel), rate="100", cost="0")
    empty = (await me.get("/api/referral/stats")).json()
    code = empty["referral_code"]
    assert re.fullmatch(r"HOMEM[A-Z0-9]{3}", code)
    nothing = {"total_referrals": 0, "total_earnings": 0, "pending_earnings": 0, "recent_earnings": []}
    assert empty == {"referral_code": code, "referral_link": f"http://panel.example/?ref={code}", **nothing}

    user = await bring(panel, me, "user123")
    done = await order(panel, user, service, "100")
    await order(panel, user, service, "101", ended=False)
    flagged = await bring(panel, me, "someone", "flagged")
    await order(panel, flagged, service, "102")

    assert (await me.get("/api/referral/stats")).text == (
        f'{{"referral_code":"{code}","referral_link":"http://panel.example/?ref={code}","total_referrals":2,'
        '"total_earnings":5,"pending_earnings":10,"recent_earnings":[{"user":"user123",'
        f'"order_id":"{panel.public_ids.uuid_of("order", done)}","amount":5,"date":"{NOW:%Y-%m-%d}"}}]}}'
    )


async def test_the_people_brought_are_listed_with_masked_names_and_are_nobody_elses(me, other, panel):
    for number in range(3):
        await bring(panel, me, f"somebody{number}", "refused" if number == 0 else "clear")

    first = (await me.get("/api/user/referrals", limit=2)).json()
    assert first["pagination"] == {"total": 3, "page": 1, "limit": 2, "total_pages": 2}
    assert first["data"][0] == {
        "user": "so•••2",
        "status": "clear",
        "spent": 0,
        "earned": 0,
        "created_at": f"{NOW:%Y-%m-%dT%H:%M:%S}",
    }
    by_key = (await me.get("/api/user/referrals", limit=2, after=first["after"])).json()
    by_number = (await me.get("/api/user/referrals", limit=2, page=2)).json()
    assert by_key["data"] == by_number["data"]
    assert [one["status"] for one in by_key["data"]] == ["refused"]
    oldest = (await me.get("/api/user/referrals", limit=2, sort="created_at")).json()
    assert [one["user"] for one in oldest["data"]] == ["so•••0", "so•••1"]
    for on in ({"after": oldest["after"]}, {"page": 2}):
        rest = (await me.get("/api/user/referrals", limit=2, sort="created_at", **on)).json()
        assert ([one["user"] for one in rest["data"]], rest["after"]) == (["so•••2"], None)
    for status, users in (("refused", ["so•••0"]), ("clear", ["so•••2", "so•••1"]), ("flagged", [])):
        only = (await me.get("/api/user/referrals", status=status)).json()
        assert ([one["user"] for one in only["data"]], only["pagination"]["total"]) == (users, len(users))
    assert (await me.get("/api/user/referrals", status="lost")).status_code == 422
    assert (await other.get("/api/user/referrals")).json()["data"] == []
    assert (await other.get("/api/referral/stats")).json()["total_referrals"] == 0


async def test_a_payout_is_asked_for_once_with_its_key_and_what_there_is_not_is_refused(me, panel):
    async with panel.db.transaction() as session:
        service = await make_service(session, await make_provider(session, panel), rate="100", cost="0")
        await set_referral_terms(session, BOSS, ReferralTerms(approval=True, minimum=Decimal(1)))
    await order(panel, await bring(panel, me, "user123"), service, "100")
    path = "/api/referral/payout"

    small, large = await me.post(path, amount=0.5), await me.post(path, amount=6)
    assert [(one.status_code, one.json()["code"]) for one in (small, large)] == [
        (409, "payout_too_small"),
        (409, "earnings_too_low"),
    ]
    assert (await me.post(path, amount=0)).status_code == 422
    first = (await me.post(path, amount=3, key="k")).json()
    again = (await me.http.post(path, json={"amount": 3}, headers={**me.headers, "Idempotency-Key": "k"})).json()
    assert again == first
    created = first.pop("created_at")
    assert first == {
        "success": True,
        "status": "waiting",
        "amount": 3,
        "currency": "USD",
        "gathered": 5,
        "new_balance": 100,
        "message": "Payout requested. We look at it and tell you.",
    }
    others = [
        await me.post(path, amount=2, key="k"),
        await me.post(path, key="k"),
        await me.post(path, amount=2, key="l"),
    ]
    assert [one.json()["code"] for one in others] == ["key_reused", "key_reused", "payout_waiting"]

    async with panel.db.transaction() as session:
        [payout] = (await session.scalars(select(Payout))).all()
        await approve_payout(session, BOSS, payout.id, currency="USD", now=NOW)
    paid = (await me.post(path, amount=3, key="k")).json()
    assert (paid["status"], paid["created_at"], paid["new_balance"], paid["gathered"]) == ("paid", created, 103, 2)
    assert (await me.post(path, amount=3, key="k")).json()["new_balance"] == 103


async def test_where_nobody_approves_what_was_gathered_moves_at_once_and_once(me, other, panel):
    async with panel.db.transaction() as session:
        service = await make_service(session, await make_provider(session, panel), rate="100", cost="0")
        await set_referral_terms(session, BOSS, ReferralTerms(approval=True))
    await order(panel, await bring(panel, me, "user123"), service, "100")
    async with panel.db.transaction() as session:
        await set_referral_terms(session, BOSS, ReferralTerms())
    path = "/api/referral/payout"

    asked = await asyncio.gather(*(me.post(path, amount=2, key="k") for _ in range(3)))
    assert [(one.json()["status"], one.json()["amount"]) for one in asked] == [("paid", 2)] * 3
    rest = (await me.post(path)).json()
    assert (rest["amount"], rest["new_balance"], rest["gathered"]) == (3, 105, 0)
    assert (await me.post(path)).json()["code"] == "earnings_too_low"
    assert (await other.post(path, key="k")).json()["code"] == "earnings_too_low"
    await assert_books(panel.db)
