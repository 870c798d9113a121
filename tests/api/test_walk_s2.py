"""The backend's summary, walked: its endpoints once each, in the order of its flows, with the numbers of its tier table."""

import json
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import text, update

from making import accept, assert_books, credit, make_provider, make_service, move
from smmpanel.accounts.models import User
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.jobs import JOBS
from smmpanel.orders.models import OrderStatus
from smmpanel.payments.inbox import settle_waiting
from smmpanel.payments.signing import hmac_text
from walking import Walk, walk_through

SECRET = "sepay_test_secret_123"
ENVIRON = {"SEPAY_SECRET": SECRET, "SEPAY_ACCOUNT_NUMBER": "123456789"}
PASSWORD = "a long password of ours"
TIERS = [
    ("4999999", "Cấp 1", 0, 5_000_000),
    ("5000000", "Cấp 2", 3, 20_000_000),
    ("20000000", "Cấp 3", 5, 50_000_000),
    ("50000000", "VIP", 10, None),
]


@pytest.fixture
async def site(tmp_path, database_url):
    async with walk_through("bumx", tmp_path, database_url, environ=ENVIRON) as walk:
        yield walk


async def sign_up(site, name, **more):
    made = await site.post(
        "/api/auth/register", {"username": name, "email": f"{name}@example.com", "password": PASSWORD, **more}
    )
    return site.panel.public_ids.number_of("user", made["user_id"])


async def sign_in(site, name):
    login = await site.post("/api/auth/login", {"email": f"{name}@example.com", "password": PASSWORD})
    site.sign_in(login["access_token"])


async def work(site):
    """Do what workers do about tiers and referrals after facts."""
    async with site.panel.db.transaction() as session:
        rows = (await session.execute(text("DELETE FROM procrastinate_jobs RETURNING task_name, args"))).all()
    for name, arguments in rows:
        if name.startswith("growth."):
            await JOBS[name].function(site.panel, **arguments)


def elsewhere(site, ip):
    """A client at another address: whoever signs up from where their friend lives is looked at first."""
    transport = httpx.ASGITransport(build_app(site.panel), client=(ip, 4711))
    return Walk(site.panel, httpx.AsyncClient(transport=transport, base_url="http://panel.example"))


async def transfer(site, memo, amount):
    """Have the bank tell of a transfer, and a worker settle it."""
    now = site.panel.clock()
    body = {
        "id": 92704,
        "gateway": "ACB",
        "transactionDate": f"{now:%Y-%m-%d %H:%M:%S}",
        "accountNumber": "123456789",
        "code": None,
        "content": f"{memo} chuyen tien",
        "transferType": "in",
        "transferAmount": amount,
        "accumulated": amount,
        "subAccount": None,
        "referenceCode": "FT92704",
        "description": f"BankAPINotify {memo} chuyen tien",
    }
    raw, stamp = json.dumps(body).encode(), str(int(now.timestamp()))
    signature = hmac_text(SECRET, f"{stamp}.".encode() + raw)
    headers = {
        "content-type": "application/json",
        "x-sepay-timestamp": stamp,
        "x-sepay-signature": f"sha256={signature}",
    }
    answer = await site.http.post("/api/payment/sepay/webhook", content=raw, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    await settle_waiting.function(site.panel)


async def test_its_flows_from_signing_up_to_the_admin_panel(site):
    panel = site.panel
    async with panel.db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, rate="5000000", cost="1000000", min=100, max=1_000_000)

    # A referral: somebody's code, and whoever registers with it.
    home = elsewhere(site, "198.51.100.9")
    friend = await sign_up(home, "friend")
    await sign_in(home, "friend")
    code = (await home.get("/api/referral/stats"))["referral_code"]
    me = await sign_up(site, "buyer", referral_code=code)
    await sign_in(site, "buyer")
    assert (await site.get("/api/auth/me"))["username"] == "buyer"

    # Paying in by bank transfer: credited by the webhook.
    begun = await site.post("/api/payment/deposit", {"amount": 10_000_000})
    assert (await site.get("/api/user/balance"))["balance"] == 0
    await transfer(site, begun["bank_info"]["content"], 10_000_000)
    assert (await site.get("/api/user/balance"))["balance"] == 10_000_000

    # An order: the price by tier, the balance, the provider, the record.
    assert (await site.get("/api/user/tier"))["next_tier"]["required_spent"] == 5_000_000
    assert [one["id"] for one in (await site.get("/api/services"))["data"]] == [service]
    assert (await site.get(f"/api/services/{service}"))["rate"] == 5_000_000
    order = {"service_id": service, "link": "https://facebook.com/post/123", "quantity": 1000}
    first = await site.post("/api/orders", order)
    assert first["price_breakdown"] == {"base_price": 5_000_000, "discount": 0, "final_price": 5_000_000}
    assert first["new_balance"] == 5_000_000
    number, now = panel.public_ids.number_of("order", first["order_id"]), panel.clock()
    async with panel.db.transaction() as session:
        await accept(session, number, "theirs-1", now=now)
        await move(session, number, OrderStatus.COMPLETED, now=now)
    await work(site)
    second = await site.post("/api/orders", order | {"quantity": 100})
    assert second["price_breakdown"] == {"base_price": 500_000, "discount": 15_000, "final_price": 485_000}

    assert (await site.get(f"/api/orders/{first['order_id']}"))["status"] == "completed"
    mine = await site.get("/api/orders")
    assert [one["id"] for one in mine["data"]] == [second["order_id"], first["order_id"]]
    assert await site.get("/api/user/orders") == mine
    moved = (await site.get("/api/user/transactions"))["data"]
    assert [(one["type"], one["amount"]) for one in moved] == [
        ("order_hold", -485_000),
        ("order_hold", -5_000_000),
        ("deposit", 10_000_000),
    ]
    await site.get("/api/admin/users", 403)

    # 5 % of what was spent has reached whoever brought them.
    site.headers = home.headers
    stats = await site.get("/api/referral/stats")
    assert (stats["total_referrals"], stats["total_earnings"]) == (1, 250_000)
    assert [one["earned"] for one in (await site.get("/api/user/referrals"))["data"]] == [250_000]
    assert (await site.get("/api/user/balance"))["balance"] == 250_000

    await walk_the_admin_panel(site, me=me, friend=friend, open_order=second["order_id"])
    await assert_books(panel.db)


async def walk_the_admin_panel(site, *, me, friend, open_order):
    panel = site.panel
    waiting = (await site.post("/api/payment/deposit", {"amount": 100_000}))["transaction_id"]
    site.headers = {}
    boss = await sign_up(site, "boss")
    async with panel.db.transaction() as session:
        await session.execute(update(User).where(User.id == boss).values(role=Role.ADMIN))
    await sign_in(site, "boss")

    users = await site.get("/api/admin/users")
    assert [one["number"] for one in users["data"]][:3] == [boss, me, friend]
    buyer = panel.public_ids.uuid_of("user", me)
    changed = await site.put(f"/api/admin/users/{buyer}/balance", {"amount": 50_000, "reason": "Goodwill", "key": "g1"})
    assert (changed["amount"], changed["new_balance"]) == (50_000, 4_565_000)
    again = await site.put(f"/api/admin/users/{buyer}/balance", {"amount": 50_000, "reason": "Goodwill", "key": "g1"})
    assert (again["repeated"], again["new_balance"]) == (True, 4_565_000)

    assert (await site.get("/api/admin/orders"))["data"][0]["id"] == open_order
    canceled = await site.put(f"/api/admin/orders/{open_order}/status", {"status": "canceled", "reason": "Wrong link"})
    assert (canceled["status"], canceled["refunded"]) == ("canceled", 485_000)

    services = await site.get("/api/admin/services")
    made = await site.post(
        "/api/admin/services",
        {"name": "Own design", "category": "Design", "type": "default", "rate": 90_000, "min": 1, "max": 10},
        201,
    )
    assert (await site.put(f"/api/admin/services/{made['id']}", {"rate": 80_000}))["rate"] == 80_000
    assert (await site.get("/api/admin/services"))["pagination"]["total"] == services["pagination"]["total"] + 1

    assert waiting in [one["transaction_id"] for one in (await site.get("/api/admin/deposits"))["data"]]
    await site.put(f"/api/admin/deposits/{waiting}/approve", {"amount": 100_000})
    one = await site.get(f"/api/admin/users/{panel.public_ids.uuid_of('user', friend)}")
    assert one["balance"] == 350_000

    for path in ("/docs", "/redoc"):
        assert (await site.http.get(path)).status_code == 200
    assert (await site.http.get("/health")).json()["database"] == "ok"

    banned = await site.put(f"/api/admin/users/{buyer}/ban", {"banned": True, "reason": "Charged back"})
    assert banned["state"] == "banned"
    site.headers = {}
    await site.post("/api/auth/login", {"email": "buyer@example.com", "password": PASSWORD}, 403)


@pytest.mark.parametrize(("spent", "name", "discount", "required"), TIERS)
async def test_its_tier_table(site, spent, name, discount, required):
    me = await sign_up(site, "buyer")
    await sign_in(site, "buyer")
    async with site.panel.db.transaction() as session:
        provider = await make_provider(session, site.panel)
        service = await make_service(session, provider, rate="1000", cost="1", min=1, max=10**9)
        await credit(session, me, spent, site.panel.currency)
    order = {"service_id": service, "link": "https://facebook.com/post/1", "quantity": int(spent)}
    number = site.panel.public_ids.number_of("order", (await site.post("/api/orders", order))["order_id"])
    async with site.panel.db.transaction() as session:
        await accept(session, number, "theirs-1", now=site.panel.clock())
        await move(session, number, OrderStatus.COMPLETED, now=site.panel.clock())
    await work(site)

    standing = await site.get("/api/user/tier")
    assert (standing["current_tier"]["name"], standing["current_tier"]["discount"]) == (name, discount)
    if required is None:
        assert standing["next_tier"] is None
    else:
        assert standing["next_tier"]["required_spent"] == required
        assert standing["next_tier"]["remaining"] == Decimal(required) - Decimal(spent)
