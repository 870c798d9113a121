"""From a link to the money: the first link counts, doubtful referrals wait, commission is told once, payouts move once."""

import re
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import event, select, text

from making import NOW, WATCH, accept, credit, make_provider, make_service, make_user, place, staff
from smmpanel.accounts.access import OwnAccountError, Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.referral_codes import code_of
from smmpanel.accounts.sessions import open_session
from smmpanel.entrypoints.web import build_app
from smmpanel.growth.commissions import reckon
from smmpanel.growth.payouts import approve_payout
from smmpanel.growth.referral_deciding import refuse_referral
from smmpanel.growth.referral_models import Payout, Referral
from smmpanel.growth.referral_presets import PresetReferrals, take_referrals
from smmpanel.growth.referral_telling import tell_of_commissions
from smmpanel.growth.referral_terms import ReferralTerms, referral_terms, set_own_percent, set_referral_terms
from smmpanel.kernel.jobs import JOBS
from smmpanel.ledger import balance_of, earnings_of
from smmpanel.notifications.models import Notification
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.settling import Change, settle
from staff_browser import sign_in

BOSS = staff(None, Permission.REFERRALS_EDIT)
OWN = {"origin": "http://panel.example"}
LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])


@pytest.fixture
async def visit(panel):
    """Opens browsers, each at an address of its own."""
    app = build_app(panel)
    opened = []

    def browser(ip="198.51.100.1"):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(ip, 1)), base_url="http://panel.example")
        opened.append(client)
        return client

    yield browser
    for client in opened:
        await client.aclose()


@pytest.fixture
async def lan(panel):
    """Somebody who recommends the panel, with her code."""
    async with panel.db.transaction() as session:
        user = await make_user(session, "lan.tran", funds=None)
        return user, await code_of(session, user)


async def signed_in(panel, browser, user, ip=None):
    async with panel.db.transaction() as session:
        lifetime = timedelta(days=1)
        opened = await open_session(session, user, lifetime=lifetime, ip=ip, user_agent=None, now=panel.clock())
    browser.cookies.set("smmpanel_session", opened.token, domain="panel.example")


async def run_facts(panel):
    """Run what facts have queued, as a worker does."""
    async with panel.db.transaction() as session:
        rows = (await session.execute(text("DELETE FROM procrastinate_jobs RETURNING task_name, args"))).all()
    for name, arguments in rows:
        if name.startswith("growth.") and "telling" not in name:
            await JOBS[name].function(panel, **arguments)


async def sign_up(browser, name, **more):
    page = await browser.get("/sign-up")
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page.text)[1]
    form = {"csrf_token": token, "username": name, "email": f"{name}@example.org", "password": "correct horse battery"}
    return await browser.post("/sign-up", data={**form, **more}, headers=OWN)


async def referral_of(panel, name):
    async with panel.db.transaction() as session:
        wanted = "SELECT r.id FROM referrals r JOIN users u ON u.id = r.referred_id WHERE u.username = :name"
        found = await session.scalar(text(wanted), {"name": name})
        return None if found is None else await session.get_one(Referral, found)


async def spend(panel, user, amount="10", ended=OrderStatus.COMPLETED, remains=0):
    """Pay in, order for as much, and have the order end."""
    async with panel.db.transaction() as session:
        service = await make_service(session, await make_provider(session, panel), rate=amount, cost="0")
        await credit(session, user, amount)
        order = await place(session, user, service)
        await accept(session, order, f"x{order}")
        await settle(session, [Change(order, ended, remains=remains)], now=NOW, watch=WATCH)
        await reckon(session, [user], [order], currency="USD", now=NOW)
    return order


async def test_the_first_link_counts_and_the_answer_does_not_tell_whether_a_code_exists(panel, visit, lan):
    _, code = lan
    async with panel.db.transaction() as session:
        tom_code = await code_of(session, await make_user(session, "tom", funds=None))
    browser = visit()
    await browser.get("/")

    unknown = await browser.get("/?ref=NOSUCHCODE")
    first = await browser.get(f"/?ref={code.lower()}")
    later = await browser.get(f"/?ref={tom_code}")

    kept = [re.sub("=[^;]+;", "=…;", one.headers["set-cookie"], count=1) for one in (unknown, first)]
    assert kept[0] == kept[1]
    assert "HttpOnly" in kept[0]
    assert "SameSite=lax" in kept[0]
    assert f"Max-Age={30 * 24 * 3600}" in kept[0]
    assert len(unknown.headers["set-cookie"]) == len(first.headers["set-cookie"])
    assert "smmpanel_ref" not in later.headers.get("set-cookie", "")

    assert (await sign_up(browser, "mai")).status_code == 303
    await run_facts(panel)
    made = await referral_of(panel, "mai")
    assert (made.referrer_id, made.via, made.state, made.signals) == (lan[0], "link", "clear", [])


async def test_a_code_can_be_typed_and_a_wrong_one_is_said(panel, visit, lan):
    browser = visit()
    wrong = await sign_up(browser, "mai", referral_code="NOSUCH")
    assert wrong.status_code == 422
    assert 'id="referral_code-error"' in wrong.text
    assert 'value="NOSUCH"' in wrong.text

    assert (await sign_up(browser, "mai", referral_code=f" {lan[1].lower()} ")).status_code == 303
    api = visit("198.51.100.2")
    body = {"username": "binh", "email": "binh@example.org", "password": "correct horse battery"}
    left_out = await api.post("/api/auth/register", json={**body, "referral_code": "HOMEM123"})
    assert left_out.status_code == 200
    assert "HOMEM123" in left_out.json()["note"]
    await run_facts(panel)

    assert (await referral_of(panel, "mai")).via == "code"
    assert await referral_of(panel, "binh") is None


async def test_what_looks_like_ones_own_account_waits_for_staff(panel, visit, lan):
    user, code = lan
    browser = visit("203.0.113.9")
    await signed_in(panel, browser, user, ip="203.0.113.9")
    assert (await browser.get("/affiliates")).status_code == 200
    browser.cookies.delete("smmpanel_session")

    await browser.get(f"/?ref={code}")
    await sign_up(browser, "other", email="lantran+shop@example.com")
    await run_facts(panel)

    made = await referral_of(panel, "other")
    assert (made.state, sorted(made.signals)) == ("flagged", ["same_address", "same_device", "same_mailbox"])
    await spend(panel, made.referred_id)
    async with panel.db.transaction() as session:
        assert (await balance_of(session, user, "USD")).amount == 0
    boss = await sign_in(panel)
    listed = await boss.get("/staff/referrals")
    assert listed.text.count("data-row-link") == 1
    assert (await boss.post(f"/staff/referrals/{made.id}/clear")).status_code == 303
    assert (await boss.post(f"/staff/referrals/{made.id}/clear")).status_code == 303
    async with panel.db.transaction() as session:
        assert (await balance_of(session, user, "USD")).amount == Decimal("0.5")
    assert (await boss.post(f"/staff/referrals/{made.id}/refuse", {"reason": "one person"})).status_code == 303
    async with panel.db.transaction() as session:
        assert (await balance_of(session, user, "USD")).amount == 0
        noted = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [(one.subject, one.before["state"], one.after["state"]) for one in noted] == [
        (f"user:{made.referred_id}", "flagged", "clear"),
        (f"user:{made.referred_id}", "clear", "refused"),
    ]
    await boss.client.aclose()


async def brought(panel, lan, name="mai"):
    async with panel.db.transaction() as session:
        user = await make_user(session, name, funds=None)
        row = "INSERT INTO referrals (referrer_id, referred_id, via, state, mailbox, created_at) VALUES (:r, :u, 'link', 'clear', :m, :now)"
        await session.execute(text(row), {"r": lan[0], "u": user, "m": name, "now": NOW})
        await session.execute(
            text(
                "INSERT INTO referrers (user_id, referrals) VALUES (:r, 1)"
                " ON CONFLICT (user_id) DO UPDATE SET referrals = referrers.referrals + 1"
            ),
            {"r": lan[0]},
        )
    return user


async def test_an_own_rate_holds_from_the_next_order_on(panel, lan):
    mai = await brought(panel, lan, "quentinz")
    await spend(panel, mai)
    async with panel.db.transaction() as session:
        await set_own_percent(session, BOSS, lan[0], Decimal(20))
    await spend(panel, mai, ended=OrderStatus.PARTIAL, remains=500)

    async with panel.db.transaction() as session:
        assert (await balance_of(session, lan[0], "USD")).amount == Decimal("0.5") + Decimal(1)


async def test_commission_is_told_once_for_all_orders_of_an_hour(panel, lan):
    mai = await brought(panel, lan, "quentinz")
    for _ in range(3):
        await spend(panel, mai)

    for _ in range(2):
        await tell_of_commissions.function(panel)

    async with panel.db.transaction() as session:
        told = (await session.scalars(select(Notification).where(Notification.user_id == lan[0]))).all()
    assert [(one.kind, Decimal(one.fields["amount"]), one.fields["n"]) for one in told] == [
        ("commission_credited", Decimal("1.5"), 3)
    ]


@LANGUAGES
async def test_a_payout_is_asked_for_approved_and_moved_once(panel, visit, lan, language):
    mai = await brought(panel, lan, "quentinz")
    async with panel.db.transaction() as session:
        await set_referral_terms(session, BOSS, ReferralTerms(approval=True, minimum=Decimal("0.4")))
    await spend(panel, mai)
    browser, boss = visit(), await sign_in(panel)
    await signed_in(panel, browser, lan[0])
    page = await browser.get("/affiliates", params={"lang": language})
    assert page.status_code == 200, page.text[-1500:]
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page.text)[1]
    form = {"csrf_token": token}

    small = await browser.post("/affiliates/payout", data={**form, "amount": "0.3"}, headers=OWN)
    large = await browser.post("/affiliates/payout", data={**form, "amount": "9"}, headers=OWN)
    assert (small.status_code, large.status_code) == (422, 422)
    assert 'value="0.3"' in small.text
    assert 'id="amount-error"' in large.text
    assert (await browser.post("/affiliates/payout", data=form, headers=OWN)).status_code == 303
    again = await browser.post("/affiliates/payout", data=form, headers=OWN)
    assert again.status_code == 422
    async with panel.db.transaction() as session:
        [payout] = (await session.scalars(select(Payout))).all()
        assert (await balance_of(session, lan[0], "USD")).amount == 0
    waiting = await boss.get("/staff/referrals", params={"show": "payouts", "lang": language})
    assert waiting.text.count("data-row-link") == 1
    for _ in range(2):
        assert (await boss.post(f"/staff/referrals/payouts/{payout.id}/approve")).status_code == 303

    async with panel.db.transaction() as session:
        assert (await balance_of(session, lan[0], "USD")).amount == Decimal("0.5")
        assert (await earnings_of(session, lan[0], "USD")).amount == 0
        kinds = (await session.scalars(select(Notification.kind).where(Notification.user_id == lan[0]))).all()
    assert kinds == ["payout_paid"]
    for show in ("", "people", "payouts"):
        shown = await browser.get("/affiliates", params={"show": show, "lang": language})
        assert shown.status_code == 200
        assert "quentinz" not in shown.text
    assert "0.50" in (await browser.get("/statement", params={"lang": "en"})).text
    await boss.client.aclose()


async def test_a_refused_payout_stays_with_its_owner_and_needs_a_reason(panel, visit, lan):
    mai = await brought(panel, lan, "quentinz")
    async with panel.db.transaction() as session:
        await set_referral_terms(session, BOSS, ReferralTerms(approval=True))
    await spend(panel, mai)
    browser, boss = visit(), await sign_in(panel)
    await signed_in(panel, browser, lan[0])
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', (await browser.get("/affiliates")).text)[1]
    await browser.post("/affiliates/payout", data={"csrf_token": token}, headers=OWN)
    async with panel.db.transaction() as session:
        [payout] = (await session.scalars(select(Payout))).all()

    await boss.post(f"/staff/referrals/payouts/{payout.id}/refuse", {"reason": " "})
    async with panel.db.transaction() as session:
        assert await session.scalar(select(Payout.state)) == "waiting"
    await boss.post(f"/staff/referrals/payouts/{payout.id}/refuse", {"reason": "wait a week"})

    async with panel.db.transaction() as session:
        assert (await earnings_of(session, lan[0], "USD")).amount == Decimal("0.5")
        told = await session.scalar(select(Notification).where(Notification.kind == "payout_refused"))
    assert told.fields["reason"] == "wait a week"
    assert "wait a week" in (await browser.get("/affiliates", params={"show": "payouts"})).text
    await boss.client.aclose()


async def test_staff_decide_nothing_about_their_own_commission(panel, lan):
    await brought(panel, lan, "quentinz")
    own = staff(lan[0], Permission.REFERRALS_EDIT, Permission.REFERRALS_PAY)
    async with panel.db.transaction() as session:
        session.add(Payout(user_id=lan[0], amount=Decimal(1), state="waiting", created_at=NOW))
    async with panel.db.transaction() as session:
        referral, payout = await session.scalar(select(Referral.id)), await session.scalar(select(Payout.id))
        for deed in (
            set_own_percent(session, own, lan[0], Decimal(100)),
            refuse_referral(session, own, referral, note="x", currency="USD", now=NOW),
            approve_payout(session, own, payout, currency="USD", now=NOW),
        ):
            with pytest.raises(OwnAccountError):
                await deed
        assert (await session.scalars(select(AuditEntry))).all() == []


async def test_staff_change_the_terms_on_the_record(panel):
    boss = await sign_in(panel)
    terms = {"percent": "7,5", "minimum": "2.5", "cookie_days": "7"}
    wrong = await boss.post("/staff/referrals/terms", {**terms, "percent": "101"})
    assert wrong.status_code == 422
    assert 'value="101"' in wrong.text
    assert 'id="percent-error"' in wrong.text
    good = await boss.post("/staff/referrals/terms", {**terms, "approval": "yes"})
    assert good.status_code == 303

    async with panel.db.transaction() as session:
        assert await referral_terms(session) == ReferralTerms(Decimal("7.5"), True, Decimal("2.5"), 7)
        [noted] = (await session.scalars(select(AuditEntry))).all()
    assert (noted.permission, noted.subject, noted.before["percent"]) == (
        "referrals.edit",
        "settings:referrals",
        "5.00",
    )
    await boss.client.aclose()


async def test_a_preset_sets_the_rate_and_how_codes_begin(panel):
    async with panel.db.transaction() as session:
        await take_referrals(session, panel, PresetReferrals(percent=Decimal(5), prefix="HOMEM"))
        code = await code_of(session, await make_user(session, funds=None))
        assert (await referral_terms(session)).percent == 5
    assert re.fullmatch(r"HOMEM[0-9A-Z]{3}", code)


@pytest.mark.parametrize("path", ["/affiliates", "/affiliates?show=people", "/staff/referrals?show=all"])
async def test_lists_are_paged_by_key_and_cost_the_same_however_long_they_are(panel, visit, lan, path):
    browser = (await sign_in(panel)).client if path.startswith("/staff") else visit()
    if not path.startswith("/staff"):
        await signed_in(panel, browser, lan[0])

    async def queries():
        seen = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731
        event.listen(panel.db.engine.sync_engine, "before_cursor_execute", listener)
        shown = await browser.get(path)
        event.remove(panel.db.engine.sync_engine, "before_cursor_execute", listener)
        return len(seen), shown.text

    await spend(panel, await brought(panel, lan, "first"))
    few, _ = await queries()
    for number in range(30):
        who = await brought(panel, lan, f"member{number}")
        async with panel.db.transaction() as session:
            row = (
                "INSERT INTO commissions (order_id, referral_id, referrer_id, percent, earned, base, due, credited, changed_at)"
                " SELECT :order, id, referrer_id, 5, 1, 1, 0.05, 0.05, :now FROM referrals WHERE referred_id = :who"
            )
            await session.execute(text(row), {"order": 1000 + number, "who": who, "now": NOW})

    many, shown = await queries()
    assert many == few
    after = re.search(r'rel="next" href="([^"]+)"', shown)[1].replace("&amp;", "&")
    last = await browser.get(after)
    assert last.text.count("<tr>") == 1 + 6
    await browser.aclose()
