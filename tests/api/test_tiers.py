"""`/api/user/tier`: exactly as it is printed, with numbers as numbers."""

from decimal import Decimal

from making import make_provider, make_service
from smmpanel.growth.recounting_spends import recount_spends
from smmpanel.growth.tier_editing import TierTerms, make_tiers
from smmpanel.growth.tier_models import OrderSpend

BENEFITS = ("Giảm {discount}% mọi đơn hàng", "Hỗ trợ ưu tiên", "Không giới hạn số đơn/ngày")
TABLE = (
    TierTerms("Thành viên Cấp 1", Decimal(0), Decimal(0), "*"),
    TierTerms("Thành viên Cấp 2", Decimal(1_000_000), Decimal(5), "**", BENEFITS),
    TierTerms("Thành viên Cấp 3", Decimal(5_000_000), Decimal(10), "***", BENEFITS),
    TierTerms("VIP", Decimal(10_000_000), Decimal("12.5"), "👑", BENEFITS),
)


async def test_the_answer_is_the_one_that_is_printed(me, panel):
    assert (await me.get("/api/user/tier")).json() == {"current_tier": None, "next_tier": None, "benefits": []}

    async with panel.db.transaction() as session:
        await make_tiers(session, TABLE)
    new = (await me.get("/api/user/tier")).json()
    assert new["current_tier"] == {"level": 0, "name": "Thành viên Cấp 1", "icon": "*", "discount": 0}
    assert new["next_tier"]["progress_percent"] == 0

    async with panel.db.transaction() as session:
        session.add(OrderSpend(order_id=1, user_id=me.user_id, earned=Decimal(1_500_000)))
    await recount_spends(panel)
    assert (await me.get("/api/user/tier")).text == (
        '{"current_tier":{"level":1,"name":"Thành viên Cấp 2","icon":"**","discount":5},'
        '"next_tier":{"level":2,"name":"Thành viên Cấp 3","required_spent":5000000,"remaining":3500000,'
        '"progress_percent":30},'
        '"benefits":["Giảm 5% mọi đơn hàng","Hỗ trợ ưu tiên","Không giới hạn số đơn/ngày"]}'
    )

    async with panel.db.transaction() as session:
        session.add(OrderSpend(order_id=2, user_id=me.user_id, earned=Decimal("8500000.5")))
    await recount_spends(panel)
    top = (await me.get("/api/user/tier")).json()
    assert (top["current_tier"], top["next_tier"]) == (
        {"level": 3, "name": "VIP", "icon": "👑", "discount": 12.5},
        None,
    )
    assert top["benefits"][0] == "Giảm 12.5% mọi đơn hàng"


async def test_the_tier_takes_its_discount_off_and_the_breakdown_says_so(me, panel):
    async with panel.db.transaction() as session:
        await make_tiers(session, TABLE)
        service = await make_service(session, await make_provider(session, panel), rate="2.5", cost="0.1")
        session.add(OrderSpend(order_id=1, user_id=me.user_id, earned=Decimal(1_500_000)))
    await recount_spends(panel)

    placed = await me.post("/api/orders", service_id=service, link="https://www.instagram.com/someone", quantity=1_000)

    assert placed.json()["price_breakdown"] == {"base_price": 2.5, "discount": 0.125, "final_price": 2.375}
