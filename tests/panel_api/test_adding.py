"""`add`: every type of service, every refusal in the field's words, repeats by key, and money under parallel calls."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text

from making import NOW, assert_books, credit, make_provider, make_service, order_row, staff
from smmpanel.accounts.access import Permission
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.orders.coupon_editing import CouponTerms, make_coupon
from smmpanel.orders.models import Order

LINK = "https://www.instagram.com/someone"
NEXT_YEAR = f"{datetime.now(UTC) + timedelta(days=365):%d/%m/%Y}"


@pytest.fixture
async def me(reseller):
    return await reseller()


@pytest.fixture
def service(db, panel):
    async def make(**more):
        async with db.transaction() as session:
            return await make_service(session, await make_provider(session, panel), **more)

    return make


async def orders_of(db, user_id):
    async with db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(Order).where(Order.user_id == user_id))


TYPES = {
    "default": ({"link": LINK, "quantity": "100"}, 100),
    "package": ({"link": LINK}, 1),
    "custom_comments": ({"link": LINK, "comments": "one\r\ntwo\n\n three "}, 3),
    "custom_comments_package": ({"link": LINK, "comments": "one\ntwo"}, 1),
    "mentions": ({"link": LINK, "quantity": "100", "usernames": "a\nb"}, 100),
    "mentions_with_hashtags": ({"link": LINK, "quantity": "100", "usernames": "a", "hashtags": "#x\n#y"}, 100),
    "mentions_custom_list": ({"link": LINK, "usernames": "a\r\nb\r\nc"}, 3),
    "mentions_hashtag": ({"link": LINK, "quantity": "100", "hashtag": "#x"}, 100),
    "mentions_user_followers": ({"link": LINK, "quantity": "100", "username": "someone"}, 100),
    "mentions_media_likers": ({"link": LINK, "quantity": "100", "media": "https://www.instagram.com/p/x/"}, 100),
    "comment_likes": ({"link": LINK, "quantity": "100", "username": "some one"}, 100),
    "comment_replies": ({"link": LINK, "username": "someone", "comments": "one\ntwo"}, 2),
    "poll": ({"link": LINK, "quantity": "100", "answer_number": "2"}, 100),
    "invites_from_groups": ({"link": LINK, "quantity": "100", "groups": "g1\ng2"}, 100),
    "seo": ({"link": LINK, "quantity": "100", "keywords": "k1\nk2"}, 100),
    "web_traffic": (
        {
            "link": "https://example.com/",
            "quantity": "100",
            "country": "VN",
            "device": "5",
            "type_of_traffic": "2",
            "referring_url": "https://example.org/",
        },
        100,
    ),
    "subscriptions": (
        {"username": "someone", "min": "10", "max": "20", "posts": "5", "delay": "0", "expiry": NEXT_YEAR},
        100,
    ),
}


def test_every_type_is_tried():

    assert TYPES.keys() == SERVICE_TYPES.keys()


@pytest.mark.parametrize("slug", TYPES)
async def test_every_type_is_added_and_charged(*, call, me, service, db, slug):
    fields, quantity = TYPES[slug]
    service_id = await service(type=slug, rate="2")

    answer = await call(me, "add", service=service_id, **fields, surprise="ignored")

    order = await order_row(db, answer["order"])
    charge = 2 if "package" in slug else 2 * quantity / 1000
    assert (order.user_id, order.service_id, order.quantity, float(order.charge)) == (
        me.user_id,
        service_id,
        quantity,
        charge,
    )
    await assert_books(db)


@pytest.mark.parametrize("slug", [slug for slug in TYPES if slug != "subscriptions"])
async def test_every_type_without_its_link(*, call, me, service, db, slug):
    fields = {**TYPES[slug][0], "link": ""}

    assert await call(me, "add", service=await service(type=slug), **fields) == {"error": "Incorrect link"}
    assert await orders_of(db, me.user_id) == 0


async def test_comments_count_only_on_comment_types(call, me, service, db):
    by_quantity, by_lines = await service(), await service(type="custom_comments")

    plain = await call(me, "add", service=by_quantity, link=LINK, quantity=50, comments="a\nb")
    lines = await call(me, "add", service=by_lines, link=LINK, quantity=5000, comments="a\nb")

    assert (await order_row(db, plain["order"])).quantity == 50
    assert (await order_row(db, plain["order"])).fields == {}
    assert (await order_row(db, lines["order"])).quantity == 2


REFUSALS = [
    ({"service": "999999999"}, "Incorrect service ID"),
    ({"service": "x"}, "Incorrect service ID"),
    ({"service": ""}, "Incorrect service ID"),
    ({"service": "-1"}, "Incorrect service ID"),
    ({"service": "9" * 30}, "Incorrect service ID"),
    ({"link": ""}, "Incorrect link"),
    ({"link": "http://127.0.0.1/x"}, "Incorrect link"),
    ({"link": "not a link"}, "Incorrect link"),
    ({"quantity": ""}, "Incorrect quantity"),
    ({"quantity": "ten"}, "Incorrect quantity"),
    ({"quantity": "1e3"}, "Incorrect quantity"),
    ({"quantity": "-100"}, "Incorrect quantity"),
    ({"quantity": "100.5"}, "Incorrect quantity"),
    ({"quantity": "٣٤"}, "Incorrect quantity"),
    ({"quantity": "49"}, "Quantity less than minimal 50"),
    ({"quantity": "0"}, "Quantity less than minimal 50"),
    ({"quantity": "200001"}, "Quantity more than maximum 200000"),
    ({"quantity": "9" * 40}, "Quantity more than maximum 200000"),
    ({"quantity": "200000"}, "Not enough funds on balance"),
    ({"runs": "5", "interval": "10"}, "Drip-feed is not available for this service"),
    ({"ref_id": "\x00"}, "Incorrect idempotency key"),
    ({"ref_id": "k" * 201}, "Incorrect idempotency key"),
]


@pytest.mark.parametrize(("changed", "words"), REFUSALS)
async def test_refusals_in_the_words_of_the_field(*, call, me, service, db, changed, words):
    fields = {"service": await service(rate="1", min=50, max=200_000), "link": LINK, "quantity": "100", **changed}

    assert await call(me, "add", **fields) == {"error": words}
    assert await orders_of(db, me.user_id) == 0
    assert await me.balance() == "100.00"


async def test_refusals_of_other_types(call, me, service):
    comments, poll, drip = (
        await service(type="custom_comments"),
        await service(type="poll"),
        await service(dripfeed=True),
    )

    assert await call(me, "add", service=comments, link=LINK, comments=" \r\n ") == {"error": "Incorrect comments"}
    assert await call(me, "add", service=comments, link=LINK) == {"error": "Incorrect comments"}
    wrong_answer = await call(me, "add", service=poll, link=LINK, quantity=5, answer_number="second")
    assert wrong_answer == {"error": "Incorrect answer_number"}
    for runs, interval, words in (("1001", "5", "Incorrect runs"), ("5", "", "Incorrect interval")):
        answer = await call(me, "add", service=drip, link=LINK, quantity=5, runs=runs, interval=interval)
        assert answer == {"error": words}


async def test_services_that_are_not_on_sale(call, me, service, db):
    off, held, lost = await service(enabled=False), await service(held_reason="cost"), await service()
    async with db.transaction() as session:
        await session.execute(text("DELETE FROM service_routes WHERE service_id = :id"), {"id": lost})

    for one in (off, held, lost):
        assert await call(me, "add", service=one, link=LINK, quantity=5) == {"error": "Disabled service ID"}


async def test_a_link_in_use_and_an_empty_stock(call, me, service, db):
    guarded = await service(link_guard=True)
    async with db.transaction() as session:
        stock = await make_service(session, mode="stock", type="package")
    await call(me, "add", service=guarded, link=LINK, quantity=5)

    assert await call(me, "add", service=guarded, link=LINK + "/", quantity=5) == {
        "error": "You have active order with this link. Please wait until order being completed."
    }
    assert await call(me, "add", service=stock, link="me@example.com") == {"error": "Not enough in stock"}
    assert await orders_of(db, me.user_id) == 1


async def test_a_coupon_counts_for_single_orders_and_drip_feeds_and_a_wrong_one_is_refused(*, call, me, service, db):
    fields = {"service": await service(rate="10", dripfeed=True), "link": LINK, "quantity": 1000}
    async with db.transaction() as session:
        terms = CouponTerms("SPRING", percent=Decimal(10), max_uses=2)
        await make_coupon(session, terms, actor=staff(None, Permission.VOUCHERS_EDIT), now=NOW)

    for wrong in ("winter", "\x00", "é" * 50):
        assert await call(me, "add", **fields, coupon=wrong) == {"error": "Incorrect coupon"}
    one = await call(me, "add", **fields, coupon=" Spring ")
    drip = await call(me, "add", **fields, runs=3, interval=10, coupon="SPRING")

    assert [(await order_row(db, made["order"])).charge for made in (one, drip)] == [9, 27]
    assert await call(me, "add", **fields, coupon="SPRING") == {"error": "Incorrect coupon"}
    assert await me.balance() == "64.00"
    await assert_books(db)


# Repeats ------------------------------------------------------------------------------------------------------------


async def add_keyed(http, who, header=None, **fields):
    headers = {} if header is None else {"Idempotency-Key": header}
    answer = await http.post("/api/v2", data={"key": who.key, "action": "add", **fields}, headers=headers)
    assert answer.status_code == 200
    return answer.json()


async def test_the_same_key_and_content_is_the_same_order(http, me, service, db):
    fields = {"service": await service(), "link": LINK, "quantity": 1000}

    by_header = [await add_keyed(http, me, "k-1", **fields) for _ in range(3)]
    by_field = [await add_keyed(http, me, ref_id="k-2", **fields) for _ in range(2)]
    # A header and a field are two spellings of one thing.
    crossed = await add_keyed(http, me, "k-2", **fields)

    assert by_header == [by_header[0]] * 3
    assert by_field == [crossed] * 2
    assert by_header[0] != crossed
    assert await orders_of(db, me.user_id) == 2
    assert await me.balance() == "98.00"


async def test_the_same_key_with_other_content_is_an_error(http, me, service, db):
    one, two = await service(), await service()
    fields = {"service": one, "link": LINK, "quantity": 1000}
    await add_keyed(http, me, "k", **fields)

    for changed in ({"quantity": 1001}, {"service": two}, {"link": LINK + "x"}):
        answer = await add_keyed(http, me, "k", **{**fields, **changed})
        assert answer == {"error": "Idempotency key was used for another order"}
    assert await orders_of(db, me.user_id) == 1


async def test_keys_belong_to_their_user_but_not_to_one_of_their_keys(http, me, reseller, service):
    fields = {"service": await service(), "link": LINK, "quantity": 1000}
    other, second_key = await reseller(), await reseller(of=me.user_id)

    mine = await add_keyed(http, me, "k", **fields)

    assert await add_keyed(http, other, "k", **fields) != mine
    assert await add_keyed(http, second_key, "k", **fields) == mine


async def test_without_a_key_the_same_order_twice_is_two_orders(http, me, service, db):
    fields = {"service": await service(), "link": LINK, "quantity": 1000}

    assert await add_keyed(http, me, **fields) != await add_keyed(http, me, **fields)
    assert await orders_of(db, me.user_id) == 2


async def test_a_refused_key_is_free_again(http, reseller, service, db):

    poor = await reseller("0.5")
    fields = {"service": await service(), "link": LINK, "quantity": 1000}
    assert await add_keyed(http, poor, "k", **fields) == {"error": "Not enough funds on balance"}
    async with db.transaction() as session:
        await credit(session, poor.user_id, "1")

    assert "order" in await add_keyed(http, poor, "k", **fields)


@pytest.mark.parametrize("same", [True, False])
async def test_one_key_sixteen_times_at_once(*, http, me, service, db, same):
    service_id = await service()
    quantities = [1000 if same else 1000 + number for number in range(16)]

    answers = await asyncio.gather(
        *(add_keyed(http, me, "k", service=service_id, link=LINK, quantity=quantity) for quantity in quantities)
    )

    accepted = {one["order"] for one in answers if "order" in one}
    errors = [one["error"] for one in answers if "error" in one]
    assert len(accepted) == 1
    assert errors == ([] if same else ["Idempotency key was used for another order"] * 15)
    assert await orders_of(db, me.user_id) == 1
    await assert_books(db)


async def test_a_repeat_is_known_although_the_service_is_gone(http, me, service, db):
    service_id = await service()
    fields = {"service": service_id, "link": LINK, "quantity": 1000}
    placed = await add_keyed(http, me, "k", **fields)
    async with db.transaction() as session:
        await session.execute(text("UPDATE services SET enabled = false WHERE id = :id"), {"id": service_id})

    assert await add_keyed(http, me, "k", **fields) == placed
    assert await add_keyed(http, me, "k", **{**fields, "quantity": 7}) == {
        "error": "Idempotency key was used for another order"
    }


# Money --------------------------------------------------------------------------------------------------------------


async def test_a_balance_for_one_and_sixteen_at_once(call, reseller, service, db):
    poor = await reseller("1.5")
    service_id = await service(rate="1")

    answers = await asyncio.gather(
        *(call(poor, "add", service=service_id, link=f"{LINK}{number}", quantity=1000) for number in range(16))
    )

    assert sum("order" in one for one in answers) == 1
    assert [one["error"] for one in answers if "error" in one] == ["Not enough funds on balance"] * 15
    assert await orders_of(db, poor.user_id) == 1
    assert await poor.balance() == "0.50"
    await assert_books(db)


async def test_many_at_once_of_whom_some_are_refused(call, reseller, service, db):
    """What travels together is answered one by one: nobody's refusal is anybody else's."""
    rich, poor = await reseller("100"), await reseller(None)
    good, bad = await service(), await service(enabled=False)
    calls = []
    for number in range(40):
        match number % 4:
            case 0:
                calls.append(call(rich, "add", service=good, link=f"{LINK}{number}", quantity=100))
            case 1:
                calls.append(call(poor, "add", service=good, link=LINK, quantity=100))
            case 2:
                calls.append(call(rich, "add", service=bad, link=LINK, quantity=100))
            case _:
                calls.append(call("smm_nobody", "add", service=good, link=LINK, quantity=100))

    answers = await asyncio.gather(*calls)

    assert len({one["order"] for one in answers[0::4]}) == 10
    assert answers[1::4] == [{"error": "Not enough funds on balance"}] * 10
    assert answers[2::4] == [{"error": "Disabled service ID"}] * 10
    assert answers[3::4] == [{"error": "Invalid API key"}] * 10
    assert await rich.balance() == "99.00"
    assert await orders_of(db, poor.user_id) == 0
    await assert_books(db)


async def test_the_price_is_the_users_own(call, me, service, db):
    service_id = await service(rate="2", cost="0.5")
    async with db.transaction() as session:
        await session.execute(
            text("INSERT INTO user_discounts (user_id, percent) VALUES (:user, 10)"), {"user": me.user_id}
        )

    placed = await call(me, "add", service=service_id, link=LINK, quantity=1000)

    assert (await call(me, "status", order=placed["order"]))["charge"] == "1.80"


async def test_the_order_remembers_its_key(call, me, service, db):
    placed = await call(me, "add", service=await service(), link=LINK, quantity=1000)

    order = await order_row(db, placed["order"])
    async with db.transaction() as session:
        key_id = await session.scalar(text("SELECT id FROM api_keys WHERE user_id = :user"), {"user": me.user_id})
        last_used = await session.scalar(text("SELECT last_used_at FROM api_keys WHERE id = :id"), {"id": key_id})
    assert order.api_key_id == key_id
    assert last_used is not None
