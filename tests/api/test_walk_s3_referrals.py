"""The technical specification, §3.5, walked: five people sign up with a code, order, and the answer is the one printed."""

import pytest
from sqlalchemy import text, update

from making import accept, assert_books, credit, make_provider, make_service, make_user, move
from smmpanel.accounts.referral_codes import ReferralCode, code_of
from smmpanel.accounts.sessions import access_token, open_session
from smmpanel.growth.commissions import reckon_finished_orders
from smmpanel.growth.referring import note_referral
from smmpanel.kernel.jobs import JOBS
from smmpanel.orders.models import OrderStatus
from walking import walk_through

PRINTED = {
    "referral_code": "HOMEM123",
    "total_referrals": 5,
    "total_earnings": 125000,
    "pending_earnings": 5000,
    "recent_earnings": [{"user": "user123", "order_id": "uuid", "amount": 5000, "date": "2025-10-25"}],
}
NAMES = ("mai", "binh", "chi", "dung", "user123")
ORDERED = {"mai": 320_000, "binh": 320_000, "chi": 320_000, "user123": 40_000, "dung": 40_000}
"""At 2,500 a thousand: three times 800,000, twice 100,000, of which the last is not delivered yet."""


@pytest.fixture
async def site(tmp_path, database_url):
    async with walk_through("homemmo", tmp_path, database_url) as walk:
        yield walk


async def work(panel):
    """Do what facts have asked of referrals, as a worker does."""
    names = {
        f"growth.{job.__module__.rpartition('.')[2]}.{job.__name__}" for job in (note_referral, reckon_finished_orders)
    }
    async with panel.db.transaction() as session:
        rows = (await session.execute(text("DELETE FROM procrastinate_jobs RETURNING id, task_name, args"))).all()
    for _, name, arguments in sorted(rows):
        if name in names:
            await JOBS[name].function(panel, **arguments)


async def signed_in(site, user_id):
    """Return an access token."""
    panel, now = site.panel, site.panel.clock()
    lasts = now.resolution * 10**10
    async with panel.db.transaction() as session:
        opened = await open_session(session, user_id, lifetime=lasts, ip=None, user_agent=None, now=now)
    return access_token(panel.vault, user_id=user_id, session_id=opened.session_id, lifetime=lasts, now=now)


async def test_referral_statistics_are_those_that_are_printed(site):
    panel = site.panel
    async with panel.db.transaction() as session:
        referrer = await make_user(session, "homemmo.friend", funds=None)
        await code_of(session, referrer)
        await session.execute(update(ReferralCode).where(ReferralCode.user_id == referrer).values(code="HOMEM123"))
        service = await make_service(session, await make_provider(session, panel), rate="2500", cost="1000")
    numbers = {}
    for name in NAMES:
        body = {
            "username": name,
            "email": f"{name}@example.com",
            "password": "password123",
            "referral_code": "HOMEM123",
        }
        registered = await site.post("/api/auth/register", body)
        numbers[name] = panel.public_ids.number_of("user", registered["user_id"])
    await work(panel)

    orders = {}
    for name, quantity in ORDERED.items():
        async with panel.db.transaction() as session:
            await credit(session, numbers[name], "1000000", "VND")
        site.sign_in(await signed_in(site, numbers[name]))
        order = {"service_id": service, "link": f"https://facebook.com/post/{name}", "quantity": quantity}
        orders[name] = (await site.post("/api/orders", order))["order_id"]
        if name != "dung":
            number, now = panel.public_ids.number_of("order", orders[name]), panel.clock()
            async with panel.db.transaction() as session:
                await accept(session, number, f"theirs-{number}", now=now)
                await move(session, number, OrderStatus.COMPLETED, now=now)
            await work(panel)

    site.sign_in(await signed_in(site, referrer))
    stats = await site.get("/api/referral/stats")
    [newest, *others] = stats["recent_earnings"]
    link = {"referral_link": "http://panel.example/?ref=HOMEM123", "recent_earnings": stats["recent_earnings"]}
    assert stats == PRINTED | link
    assert newest == PRINTED["recent_earnings"][0] | {"order_id": orders["user123"], "date": newest["date"]}
    assert [(one["user"], one["amount"]) for one in others] == [("chi", 40000), ("binh", 40000), ("mai", 40000)]
    assert (await site.get("/api/user/balance"))["balance"] == 125000
    assert (await site.get("/api/user/referrals"))["pagination"]["total"] == 5
    await assert_books(panel.db)
