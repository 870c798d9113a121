"""Two published client libraries against the running panel: every method that they have."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from safesmm import SafeSMM, SafeSMMError
from smm import SMM, SMMAPIError

from making import accept, make_provider, make_service, move, order_row
from smmpanel.orders.models import OrderStatus

LINK = "https://www.instagram.com/someone"
SAFESMM = {"balance", "services", "add_order", "status", "multi_status", "refill", "cancel"}
BABISMM = {
    "get_services",
    "get_status",
    "get_multi_status",
    "create_refill",
    "create_multi_refill",
    "get_refill_status",
    "get_multi_refill_status",
    "cancel_orders",
    "get_balance",
    "add_order",
    "close",
}


@pytest.fixture
async def me(reseller):
    return await reseller()


@pytest.fixture
def service(db, panel):
    async def make(**more):
        async with db.transaction() as session:
            return await make_service(session, await make_provider(session, panel), **more)

    return make


async def complete(db, *order_ids):
    now = datetime.now(UTC)
    async with db.transaction() as session:
        for order_id in order_ids:
            await accept(session, order_id, f"x{order_id}", now=now)
            await move(session, order_id, OrderStatus.COMPLETED, now=now, start_count=7)


def in_thread(method, *arguments, **named):
    return asyncio.to_thread(method, *arguments, **named)


@pytest.mark.parametrize(("client", "methods"), [(SafeSMM, SAFESMM), (SMM, BABISMM)])
def test_no_method_is_left_out(client, methods):
    assert {name for name in vars(client) if not name.startswith("_")} == methods


@pytest.mark.parametrize("path", ["/api/v2", "/api/v2/"])
async def test_safesmm(*, served, me, service, db, path):
    client = SafeSMM(me.key, served.address + path)
    one, comments, drip = (
        await service(refill=True, cancel=True),
        await service(type="custom_comments"),
        await service(dripfeed=True),
    )

    assert await in_thread(client.balance) == {"balance": "100.00", "currency": "USD"}
    listed = {each["service"]: each for each in await in_thread(client.services)}
    assert (listed[one]["rate"], listed[one]["min"], listed[one]["refill"]) == ("1.00", "1", True)

    first = (await in_thread(client.add_order, one, LINK, 1000))["order"]
    second = (await in_thread(client.add_order, comments, LINK, comments="a\nb"))["order"]
    third = (await in_thread(client.add_order, drip, LINK, 100, runs=5, interval=30))["order"]
    assert (await order_row(db, second)).quantity == 2
    assert (await order_row(db, third)).quantity == 500

    assert (await in_thread(client.status, first))["status"] == "Pending"
    several = await in_thread(client.multi_status, [second, third, 10**9])
    assert [several[str(number)].get("status") for number in (second, third, 10**9)] == ["Pending", "Active", None]
    await complete(db, first)
    assert int((await in_thread(client.refill, first))["refill"]) > 0
    assert await in_thread(client.cancel, second) == [{"order": second, "cancel": 1}]
    assert (await in_thread(client.cancel, [first, third]))[1] == {"order": third, "cancel": 1}


async def test_safesmm_hears_what_is_wrong(served, me, service):
    client = SafeSMM(me.key, f"{served.address}/api/v2")

    with pytest.raises(SafeSMMError, match=r"^Incorrect service ID$"):
        await in_thread(client.add_order, 10**9, LINK, 1000)
    with pytest.raises(SafeSMMError, match=r"^Incorrect order ID$"):
        await in_thread(client.status, 10**9)
    with pytest.raises(SafeSMMError, match=r"^Invalid API key$"):
        await in_thread(SafeSMM("wrong", f"{served.address}/api/v2").balance)


async def test_babismm(served, me, service, db):
    one, packages = await service(refill=True, cancel=True), await service(type="package", rate="3")
    followed = await service(type="subscriptions")
    in_a_year = f"{datetime.now(UTC) + timedelta(days=365):%d/%m/%Y}"
    with SMM(f"{served.address}/api/v2/", me.key) as client:
        assert await in_thread(client.get_balance) == {"balance": "100.00", "currency": "USD"}
        listed = {each["service"]: each["type"] for each in await in_thread(client.get_services)}
        assert (listed[one], listed[packages], listed[followed]) == ("Default", "Package", "Subscriptions")

        first = (await in_thread(client.add_order, one, LINK, 1000, hidden=True))["order"]
        second = (await in_thread(client.add_order, one, link=LINK, quantity=1000))["order"]
        package = (await in_thread(client.add_order, packages, link=LINK))["order"]
        subscription = await in_thread(
            client.add_order, followed, username="someone", min=10, max=20, posts=5, delay=0, expiry=in_a_year
        )
        assert (await order_row(db, subscription["order"])).quantity == 100

        await complete(db, first, second)
        assert await in_thread(client.get_status, first) == {
            "charge": "1.00",
            "start_count": "7",
            "status": "Completed",
            "remains": "0",
            "currency": "USD",
        }
        several = await in_thread(client.get_multi_status, [package, second])
        assert list(several) == [str(package), str(second)]
        refill = (await in_thread(client.create_refill, first))["refill"]
        more = await in_thread(client.create_multi_refill, [second, package])
        assert (more[0]["order"], list(more[1]["refill"])) == (second, ["error"])
        assert await in_thread(client.get_refill_status, refill) == {"status": "Pending"}
        both = await in_thread(client.get_multi_refill_status, [refill, more[0]["refill"]])
        assert both == [
            {"refill": int(refill), "status": "Pending"},
            {"refill": more[0]["refill"], "status": "Pending"},
        ]
        canceled = await in_thread(client.cancel_orders, [package, first])
        assert (canceled[0], canceled[1]["cancel"]) == (
            {"order": package, "cancel": 1},
            {"error": "This order has ended."},
        )


async def test_babismm_hears_what_is_wrong(served, reseller, service):
    poor, one = await reseller("0.5"), await service()
    with SMM(f"{served.address}/api/v2", poor.key) as client:
        with pytest.raises(SMMAPIError, match=r"^Not enough funds on balance$"):
            await in_thread(client.add_order, one, LINK, 1000)
        with pytest.raises(SMMAPIError, match=r"^Refill not found$"):
            await in_thread(client.get_refill_status, 10**9)
