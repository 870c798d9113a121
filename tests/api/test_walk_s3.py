"""The technical specification, walked: signing up, tiers, an order and its history, with the numbers it prints.

Its referral endpoint is walked in a test of its own, `test_walk_s3_referrals.py`.
"""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from making import accept, assert_books, credit, make_provider, make_service, make_user, move
from smmpanel.accounts.referral_codes import ReferralCode, code_of
from smmpanel.catalog.models import Category, Service
from smmpanel.growth.recounting_spends import recount_spends
from smmpanel.orders.models import OrderStatus
from smmpanel.payments.inbox import settle_waiting
from smmpanel.payments.signing import hmac_text
from walking import like, walk_through

SECRET = "spec_test_secret_123"
ENVIRON = {"SEPAY_SECRET": SECRET, "SEPAY_ACCOUNT_NUMBER": "123456789"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

# As printed, §3.1 to §3.3.
REGISTER = {
    "username": "testuser",
    "email": "test@example.com",
    "password": "password123",
    "referral_code": "HOMEM123",
}
REGISTERED = {"success": True, "user_id": "uuid", "message": "Đăng ký thành công"}
LOGIN = {"email": "test@example.com", "password": "password123"}
TIER_0 = {"level": 0, "name": "Thành viên Cấp 1", "icon": "*", "discount": 0}
LOGGED_IN: dict[str, Any] = {
    "success": True,
    "access_token": "jwt_token",
    "token_type": "bearer",
    "user": {"id": "uuid", "username": "testuser", "balance": 0, "tier": TIER_0},
}
TIER_1 = {
    "current_tier": {"level": 1, "name": "Thành viên Cấp 2", "icon": "**", "discount": 5},
    "next_tier": {
        "level": 2,
        "name": "Thành viên Cấp 3",
        "required_spent": 5000000,
        "remaining": 3500000,
        "progress_percent": 30,
    },
    "benefits": ["Giảm 5% mọi đơn hàng", "Hỗ trợ ưu tiên", "Không giới hạn số đơn/ngày"],
}
ORDER = {"service_id": 1, "link": "https://facebook.com/post/123", "quantity": 1000, "note": "Optional note"}
ORDERED = {
    "success": True,
    "order_id": "uuid",
    "price_breakdown": {"base_price": 2500, "discount": 125, "final_price": 2375},
    "new_balance": 7625,
    "message": "Đơn hàng đã được tạo và đang xử lý",
}
HISTORY = {
    "success": True,
    "data": [
        {
            "id": "uuid",
            "service_name": "Tăng Like Facebook",
            "link": "https://...",
            "quantity": 1000,
            "price": 2375,
            "status": "completed",
            "progress": 100,
            "created_at": "2025-10-25T09:00:00",
        }
    ],
    "pagination": {"total": 50, "page": 1, "limit": 20, "total_pages": 3},
}
# The columns of §2.4 and §2.2 that are the customer's affair.
TRANSACTION = {
    "type": "text",
    "amount": 0,
    "balance_before": 0,
    "balance_after": 0,
    "status": "completed",
    "created_at": "text",
}
SERVICE = {
    "id": 1,
    "name": "Tăng Like Facebook",
    "category": "Facebook",
    "type": "Default",
    "description": "",
    "rate": 2500,
    "min_quantity": 100,
    "max_quantity": 1_000_000,
    "is_active": True,
    "refill_enabled": False,
    "drip_feed_enabled": False,
}


# §3.4.
PAYMENT = {
    "success": True,
    "transaction_id": "uuid",
    "qr_code_url": "https://img.vietqr.io/...",
    "bank_info": {
        "bank_name": "Ngân hàng ACB",
        "account_number": "123456789",
        "account_name": "NGUYEN VAN A",
        "amount": 100000,
        "content": "HOMEMMO ABC123",
    },
    "note": "Vui lòng chuyển khoản đúng nội dung",
}
TOLD = {
    "transaction_id": "sepay_txn_id",
    "account_number": "123456789",
    "amount": 100000,
    "content": "HOMEMMO ABC123",
    "transaction_date": "2025-10-26 15:30:00",
    "signature": "hash",
}


@pytest.fixture
async def site(tmp_path, database_url):
    async with walk_through("homemmo", tmp_path, database_url, environ=ENVIRON) as walk:
        yield walk


async def prepare(site):
    """Have what the examples take for granted: somebody whose code is HOMEM123, and service 1."""
    async with site.panel.db.transaction() as session:
        friend = await make_user(session, "user123", funds=None)
        await code_of(session, friend)
        await session.execute(update(ReferralCode).where(ReferralCode.user_id == friend).values(code="HOMEM123"))
        provider = await make_provider(session, site.panel)
        number = await make_service(
            session, provider, rate="2500", cost="1000", platform="facebook", min=100, max=1_000_000
        )
        service = await session.get_one(Service, number)
        service.name = "Tăng Like Facebook"
        (await session.get_one(Category, service.category_id)).name = "Facebook"
    assert number == ORDER["service_id"]


async def complete(site, order_id):
    """Have an order delivered in full."""
    number, now = site.panel.public_ids.number_of("order", order_id), site.panel.clock()
    async with site.panel.db.transaction() as session:
        await accept(session, number, f"theirs-{number}", now=now)
        await move(session, number, OrderStatus.COMPLETED, now=now)


async def spend(site, amount):
    """Put money in, order for 1.5 million, and leave the rest as the balance."""
    async with site.panel.db.transaction() as session:
        user_id = await session.scalar(select(ReferralCode.user_id).order_by(ReferralCode.user_id.desc()))
        await credit(session, user_id, amount, "VND")
    big = await site.post("/api/orders", {"service_id": 1, "link": "https://facebook.com/post/1", "quantity": 600_000})
    assert big["price_breakdown"] == {"base_price": 1_500_000, "discount": 0, "final_price": 1_500_000}
    await complete(site, big["order_id"])
    await recount_spends(site.panel)


async def test_the_specification_from_signing_up_to_the_history_of_orders(site):
    await prepare(site)

    registered = await site.post("/api/auth/register", REGISTER)
    assert registered == REGISTERED | {"user_id": registered["user_id"]}
    assert UUID.fullmatch(registered["user_id"])

    login = await site.post("/api/auth/login", LOGIN)
    assert like(login, LOGGED_IN)
    user = login["user"]
    assert user == user | LOGGED_IN["user"] | {"id": registered["user_id"]}
    assert (login["success"], login["token_type"], login["access_token"].count(".")) == (True, "bearer", 2)
    site.sign_in(login["access_token"])
    assert await site.get("/api/auth/me") == {**user, "success": True}
    renewed = await site.post("/api/auth/refresh", {"refresh_token": login["refresh_token"]})
    site.sign_in(renewed["access_token"])

    await spend(site, "1510000")
    assert await site.get("/api/user/tier") == TIER_1
    assert (await site.get("/api/user/balance"))["balance"] == 10_000
    assert (await site.get("/api/auth/me"))["total_spent"] == 1_500_000

    ordered = await site.post("/api/orders", ORDER)
    assert ordered == ordered | ORDERED | {"order_id": ordered["order_id"]}
    assert UUID.fullmatch(ordered["order_id"])
    assert (await site.get("/api/auth/me"))["balance"] == 7625
    assert (await site.get("/api/auth/me"))["tier"] == TIER_1["current_tier"]

    await complete(site, ordered["order_id"])
    history = await site.get("/api/orders/history", page=1, limit=20, status="all")
    assert like(history, HISTORY)
    newest = history["data"][0]
    printed = HISTORY["data"][0] | {"id": ordered["order_id"], "link": ORDER["link"]}
    assert newest == newest | printed | {"created_at": newest["created_at"]}
    assert TIME.fullmatch(newest["created_at"])
    assert history["pagination"] == {"total": 2, "page": 1, "limit": 20, "total_pages": 1}
    second = await site.get("/api/orders/history", page=2, limit=1, status="completed")
    assert [one["price"] for one in second["data"]] == [1_500_000]
    assert await site.get("/api/orders") == await site.get("/api/user/orders") == history
    one = await site.get(f"/api/orders/{ordered['order_id']}")
    assert (one["note"], one["price"], one["status"]) == ("Optional note", 2375, "completed")
    # So many more that there are as many as are printed.
    async with site.panel.db.transaction() as session:
        await credit(session, site.panel.public_ids.number_of("user", user["id"]), "10000", "VND")
    more = "\n".join(f"1 | https://facebook.com/post/{number} | 100" for number in range(1000, 1048))
    assert (await site.post("/api/orders/mass", {"text": more}))["placed"] == 48
    whole = await site.get("/api/orders/history", page=1, limit=20, status="all")
    assert (whole["pagination"], len(whole["data"])) == (HISTORY["pagination"], 20)
    await assert_books(site.panel.db)


async def test_a_deposit_from_its_qr_code_to_the_balance(site):
    await prepare(site)
    await site.post("/api/auth/register", REGISTER)
    site.sign_in((await site.post("/api/auth/login", LOGIN))["access_token"])

    begun = await site.post("/api/payment/sepay/create", {"amount": 100000})
    assert like(begun, PAYMENT)
    bank = begun["bank_info"]
    assert (begun["note"], bank) == (PAYMENT["note"], PAYMENT["bank_info"] | {"content": bank["content"]})
    assert re.fullmatch(r"HOMEMMO [A-Z0-9]{6}", bank["content"])
    assert begun["qr_code_url"].startswith("https://img.vietqr.io/image/970416-123456789-")
    assert UUID.fullmatch(begun["transaction_id"])

    now = site.panel.clock() + timedelta(hours=7)
    told = TOLD | {"content": bank["content"], "transaction_date": f"{now:%Y-%m-%d %H:%M:%S}"}
    await site.post("/api/payment/sepay/webhook", told, 401)
    signed = "|".join(str(told[name]) for name in TOLD if name != "signature")
    told["signature"] = hmac_text(SECRET, signed.encode())
    for _ in range(2):
        assert await site.post("/api/payment/sepay/webhook", told) == {"success": True}
        await settle_waiting.function(site.panel)

    assert (await site.get("/api/user/balance"))["balance"] == 100000
    assert (await site.get(f"/api/payment/deposits/{begun['transaction_id']}"))["status"] == "paid"
    moved = (await site.get("/api/user/transactions"))["data"]
    assert [(one["type"], one["amount"], one["balance_after"]) for one in moved] == [("deposit", 100000, 100000)]
    await assert_books(site.panel.db)


async def test_services_and_transactions_by_the_names_of_its_tables(site):
    await prepare(site)
    await site.post("/api/auth/register", REGISTER)
    site.sign_in((await site.post("/api/auth/login", LOGIN))["access_token"])

    services = await site.get("/api/services")
    assert like(services, {"success": True, "data": [SERVICE], "pagination": HISTORY["pagination"]})
    assert services["data"][0] == services["data"][0] | SERVICE
    assert (await site.get("/api/services", category="Facebook"))["pagination"]["total"] == 1
    assert (await site.get("/api/services/1"))["name"] == SERVICE["name"]

    await spend(site, "1500000")
    moved = await site.get("/api/user/transactions")
    assert like(moved, {"success": True, "data": [TRANSACTION], "pagination": HISTORY["pagination"]})
    held, paid_in = moved["data"]
    assert {"method", "transaction_code", "description", "order_id"} <= set(held)
    assert (held["type"], held["amount"], held["balance_before"], held["balance_after"]) == (
        "order_hold",
        -1_500_000,
        1_500_000,
        0,
    )
    assert UUID.fullmatch(held["order_id"])
    assert (paid_in["amount"], paid_in["order_id"]) == (1_500_000, None)


async def test_whoever_may_not_is_told_so_in_vietnamese(site):
    # Before anybody has the code that is printed: the account is made all the same.
    early = await site.post("/api/auth/register", REGISTER)
    note = "Không ai có mã giới thiệu HOMEM123 nên mã này được bỏ qua."
    assert early == REGISTERED | {"user_id": early["user_id"], "note": note}
    await prepare(site)

    assert await site.get("/api/auth/me", 401) == {
        "success": False,
        "message": "Đăng nhập để tiếp tục.",
        "code": "sign_in_needed",
        "fields": {},
    }
    wrong = await site.post("/api/auth/login", LOGIN | {"password": "password124"}, 401)
    assert wrong["message"] == "Tên đăng nhập hoặc mật khẩu không đúng."
    taken = await site.post("/api/auth/register", REGISTER, 409)
    assert (taken["code"], list(taken["fields"])) == ("username_taken", ["username"])

    login = await site.post("/api/auth/login", LOGIN)
    site.sign_in(login["access_token"])
    poor = await site.post("/api/orders", ORDER, 402)
    assert poor == {
        "success": False,
        "message": "Số dư là 0\u00a0₫, nhưng cần 2.500\u00a0₫.",
        "code": "insufficient_funds",
        "fields": {"needed": 2500, "available": 0},
    }
    few = await site.post("/api/orders", ORDER | {"quantity": 1}, 422)
    assert few["fields"] == {"quantity": "nhỏ hơn mức tối thiểu 100"}
    missing = await site.post("/api/orders", {"link": ORDER["link"]}, 422)
    assert missing["fields"] == {"service_id": "còn thiếu"}

    assert await site.post("/api/auth/logout") == {"success": True}
    await site.get("/api/auth/me", 401)
