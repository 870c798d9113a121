"""`services`: the whole catalogue, at the caller's own prices, as it is now."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from making import make_provider, make_service, staff
from smmpanel.accounts.access import Permission
from smmpanel.catalog.editing import edit_services
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.catalog.user_prices import remove_custom_rate, set_custom_rate, set_discount

EDITOR = staff(None, Permission.SERVICES_EDIT, Permission.USERS_EDIT)


@pytest.fixture
async def me(reseller):
    return await reseller()


@pytest.fixture
def service(db, panel):
    async def make(**more):
        async with db.transaction() as session:
            made = await make_service(session, await make_provider(session, panel), **more)
            await session.execute(
                text(
                    "INSERT INTO catalog_version VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET version = catalog_version.version + 1"
                )
            )
            return made

    return make


async def rates(call, who):
    return {one["service"]: one["rate"] for one in await call(who, "services")}


async def test_an_entry_byte_for_byte(call, me, service, db):
    first = await service(
        type="custom_comments", rate="0.9", min=50, max=10_000, refill=True, description="Tốt & <b>rẻ</b>"
    )
    async with db.transaction() as session:
        await session.execute(text("UPDATE services SET name = 'Bình luận 😀' WHERE id = :id"), {"id": first})

    answer = await call.send(me, "services")

    assert answer.headers["content-type"] == "application/json"
    entry = (
        f'{{"service":{first},"name":"Bình luận 😀","type":"Custom Comments","category":"Shelf of None","rate":"0.90",'
        '"min":"50","max":"10000","dripfeed":false,"refill":true,"cancel":false,"desc":"Tốt & <b>rẻ</b>"}'
    )
    assert entry in answer.content.decode()
    assert answer.content.decode().startswith('[{"service":')


async def test_every_type_has_the_name_that_clients_know(call, me, service):
    made = {await service(type=slug): one.wire_name for slug, one in SERVICE_TYPES.items()}

    listed = {one["service"]: one["type"] for one in await call(me, "services")}

    assert {number: listed[number] for number in made} == made


async def test_an_empty_catalogue_is_an_empty_list(call, me, db):
    async with db.transaction() as session:
        await session.execute(text("UPDATE categories SET enabled = false"))
        await session.execute(text("UPDATE catalog_version SET version = version + 1"))

    assert (await call.send(me, "services")).content == b"[]"

    async with db.transaction() as session:
        await session.execute(text("UPDATE categories SET enabled = true"))
        await session.execute(text("UPDATE catalog_version SET version = version + 1"))


async def test_what_is_kept_is_made_anew_when_it_changes(call, me, service, db, panel):
    one, two = await service(rate="1"), await service(rate="2")
    before = await rates(call, me)
    assert (before[one], before[two]) == ("1.00", "2.00")

    async with db.transaction() as session:
        await edit_services(
            session, {one: {"fixed_rate": Decimal("1.25")}}, actor=EDITOR, now=panel.clock(), currency="USD"
        )
    assert (await rates(call, me))[one] == "1.25"

    async with db.transaction() as session:
        await edit_services(session, {one: {"enabled": False}}, actor=EDITOR, now=panel.clock(), currency="USD")
    assert one not in await rates(call, me)

    async with db.transaction() as session:
        provider = (
            "SELECT ps.provider_id FROM service_routes r JOIN provider_services ps ON ps.id = r.provider_service_id"
        )
        await session.execute(
            text(f"UPDATE providers SET enabled = false WHERE id IN ({provider} WHERE r.service_id = :id)"), {"id": two}
        )
    assert two not in await rates(call, me)


async def test_prices_are_each_users_own(call, me, service, db, reseller):
    one, two = await service(rate="2", cost="0.1"), await service(rate="4", cost="0.1")
    other = await reseller()
    assert (await rates(call, me))[one] == "2.00"

    async with db.transaction() as session:
        await set_discount(session, me.user_id, Decimal(10), actor=EDITOR)
    mine, theirs = await rates(call, me), await rates(call, other)
    assert (mine[one], mine[two], theirs[one]) == ("1.80", "3.60", "2.00")

    async with db.transaction() as session:
        await set_custom_rate(session, me.user_id, two, Decimal("1.5"), actor=EDITOR)
    mine = await rates(call, me)
    assert (mine[one], mine[two]) == ("1.80", "1.50")

    async with db.transaction() as session:
        await remove_custom_rate(session, me.user_id, two, actor=EDITOR)
        await set_discount(session, me.user_id, Decimal(0), actor=EDITOR)
    assert await rates(call, me) == await rates(call, other)


async def test_the_listed_price_is_what_is_charged(call, me, service, db):
    one = await service(rate="2.345678", cost="0.1")
    async with db.transaction() as session:
        await set_discount(session, me.user_id, Decimal("3.3333"), actor=EDITOR)
    listed = (await rates(call, me))[one]

    placed = await call(me, "add", service=one, link="https://www.instagram.com/someone", quantity=1000)

    assert (await call(me, "status", order=placed["order"]))["charge"] == listed
