"""What each action answers, byte for byte: clients of this field depend on every type."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from making import accept, make_provider, make_service, move, place
from smmpanel.orders.models import OrderStatus, RefillState

S = OrderStatus
LINK = "https://www.instagram.com/someone"


@pytest.fixture
async def me(reseller):
    return await reseller()


@pytest.fixture
async def other(reseller):
    return await reseller()


@pytest.fixture
async def service(db, panel):
    async with db.transaction() as session:
        return await make_service(
            session, await make_provider(session, panel), rate="1.5", min=10, refill=True, refill_days=30, cancel=True
        )


async def an_order(db, who, service, status=S.PENDING, **known):
    now = datetime.now(UTC)
    async with db.transaction() as session:
        order_id = await place(session, who.user_id, service, now=now)
        if status is not S.PENDING:
            await accept(session, order_id, f"x{order_id}", now=now)
        if status not in {S.PENDING, S.PROCESSING}:
            await move(session, order_id, status, now=now, **known)
    return order_id


async def body_of(call, who, action, **fields):
    answer = await call.send(who, action, **fields)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return answer.content.decode()


async def test_balance(call, me):
    assert await body_of(call, me, "balance") == '{"balance":"100.00","currency":"USD"}'


async def test_balance_of_somebody_without_a_wallet(call, reseller):
    assert await body_of(call, await reseller(None), "balance") == '{"balance":"0.00","currency":"USD"}'


async def test_add_answers_a_number(call, me, service):
    body = await body_of(call, me, "add", service=service, link=LINK, quantity="100")

    order_id = int(body.removeprefix('{"order":').removesuffix("}"))
    assert body == f'{{"order":{order_id}}}'
    assert await me.balance() == "99.85"


async def test_status_of_one_is_all_strings(call, me, service, db):
    fresh = await an_order(db, me, service)
    partial = await an_order(db, me, service, S.PARTIAL, start_count=3572, remains=157)

    assert await body_of(call, me, "status", order=fresh) == (
        '{"charge":"1.50","start_count":"0","status":"Pending","remains":"1000","currency":"USD"}'
    )
    assert await body_of(call, me, "status", order=partial) == (
        '{"charge":"1.2645","start_count":"3572","status":"Partial","remains":"157","currency":"USD"}'
    )


async def test_status_of_several_is_an_object_in_the_order_asked_for(call, me, other, service, db):
    first, second = await an_order(db, me, service), await an_order(db, me, service, S.IN_PROGRESS, start_count=5)
    theirs = await an_order(db, other, service)

    body = await body_of(call, me, "status", orders=f"{second},{theirs},no, {first} ,99999999999999999999")

    assert body == (
        f'{{"{second}":{{"charge":"1.50","start_count":"5","status":"In progress","remains":"1000","currency":"USD"}},'
        f'"{theirs}":{{"error":"Incorrect order ID"}},"no":{{"error":"Incorrect order ID"}},'
        f'"{first}":{{"charge":"1.50","start_count":"0","status":"Pending","remains":"1000","currency":"USD"}},'
        '"99999999999999999999":{"error":"Incorrect order ID"}}'
    )


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (S.PENDING, "Pending"),
        (S.PROCESSING, "Processing"),
        (S.IN_PROGRESS, "In progress"),
        (S.COMPLETED, "Completed"),
        (S.CANCELED, "Canceled"),
    ],
)
async def test_status_words(*, call, me, service, db, status, word):
    order_id = await an_order(db, me, service, status)

    assert (await call(me, "status", order=order_id))["status"] == word


async def test_refill_of_one_is_a_string_of_several_numbers(call, me, other, service, db):
    first, second = [await an_order(db, me, service, S.COMPLETED) for _ in range(2)]
    open_, theirs = await an_order(db, me, service), await an_order(db, other, service, S.COMPLETED)

    one = await body_of(call, me, "refill", order=first)
    several = await body_of(call, me, "refill", orders=f"{theirs},{second},{open_},x")

    refill = int(one.removeprefix('{"refill":"').removesuffix('"}'))
    assert one == f'{{"refill":"{refill}"}}'
    assert several == (
        f'[{{"order":{theirs},"refill":{{"error":"Incorrect order ID"}}}},{{"order":{second},"refill":{refill + 1}}},'
        f'{{"order":{open_},"refill":{{"error":"Only completed orders can be refilled."}}}},'
        '{"order":"x","refill":{"error":"Incorrect order ID"}}]'
    )
    again = '{"error":"A refill of this order is under way."}'
    assert await body_of(call, me, "refill", order=first) == again
    assert await body_of(call, me, "refill", order=theirs) == '{"error":"Incorrect order ID"}'


async def test_refill_status(call, me, other, service, db):
    order_id = await an_order(db, me, service, S.COMPLETED)
    theirs = await an_order(db, other, service, S.COMPLETED)
    refill = int((await call(me, "refill", order=order_id))["refill"])
    foreign = int((await call(other, "refill", order=theirs))["refill"])

    assert await body_of(call, me, "refill_status", refill=refill) == '{"status":"Pending"}'
    assert await body_of(call, me, "refill_status", refill=foreign) == '{"error":"Refill not found"}'
    assert await body_of(call, me, "refill_status", refills=f"{foreign},{refill},z") == (
        f'[{{"refill":{foreign},"status":{{"error":"Refill not found"}}}},{{"refill":{refill},"status":"Pending"}},'
        '{"refill":"z","status":{"error":"Refill not found"}}]'
    )


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (RefillState.IN_PROGRESS, "In progress"),
        (RefillState.COMPLETED, "Completed"),
        (RefillState.REJECTED, "Rejected"),
        (RefillState.ERROR, "Pending"),
    ],
)
async def test_refill_words(*, call, me, service, db, state, word):

    refill = (await call(me, "refill", order=await an_order(db, me, service, S.COMPLETED)))["refill"]
    async with db.transaction() as session:
        await session.execute(
            text("UPDATE refills SET state = :state WHERE id = :id"), {"state": state.value, "id": int(refill)}
        )

    assert await call(me, "refill_status", refill=refill) == {"status": word}


async def test_cancel_registers_a_request(call, me, other, service, db):
    waiting, sent, over = [await an_order(db, me, service, status) for status in (S.PENDING, S.PROCESSING, S.COMPLETED)]
    theirs = await an_order(db, other, service)

    body = await body_of(call, me, "cancel", orders=f"{theirs},{sent},{over},{waiting},,x")

    assert body == (
        f'[{{"order":{theirs},"cancel":{{"error":"Incorrect order ID"}}}},{{"order":{sent},"cancel":1}},'
        f'{{"order":{over},"cancel":{{"error":"This order has ended."}}}},{{"order":{waiting},"cancel":1}},'
        '{"order":"x","cancel":{"error":"Incorrect order ID"}}]'
    )
    assert (await call(me, "status", order=sent))["status"] == "Processing"
    canceled = await call(me, "status", order=waiting)
    assert (canceled["status"], canceled["charge"]) == ("Canceled", "0.00")
    assert (await call(other, "status", order=theirs))["status"] == "Pending"


async def test_cancel_of_one_is_answered_as_several(call, me, service, db):
    order_id = await an_order(db, me, service)

    assert await body_of(call, me, "cancel", order=order_id) == f'[{{"order":{order_id},"cancel":1}}]'


@pytest.mark.parametrize("action", ["status", "refill", "cancel", "refill_status"])
async def test_a_hundred_ids_and_not_one_more(call, me, action):
    name = "refills" if action == "refill_status" else "orders"
    ids = [str(number) for number in range(10**9, 10**9 + 100)]

    hundred = await call(me, action, **{name: ",".join(ids)})
    more = await call(me, action, **{name: ",".join([*ids, "1"])})

    assert len(hundred) == 100
    told = list(hundred) if action == "status" else [str(one[name[:-1]]) for one in hundred]
    assert told == ids
    assert more == {"error": "Maximum 100 orders"}


@pytest.mark.parametrize("action", ["status", "refill", "cancel", "refill_status"])
@pytest.mark.parametrize("fields", [{}, {"orders": "", "refills": ""}, {"orders": " , ,", "refills": ","}])
async def test_nothing_named_is_an_error(call, me, action, fields):
    assert await call(me, action, **fields) == {"error": "Incorrect request"}


async def test_a_missing_order_and_a_foreign_one_are_answered_alike(call, me, other, service, db):
    theirs = await an_order(db, other, service, S.COMPLETED)

    for action, name in (("status", "order"), ("refill", "order"), ("cancel", "orders")):
        foreign = await body_of(call, me, action, **{name: theirs})
        missing = await body_of(call, me, action, **{name: theirs + 10**6})
        assert foreign.replace(str(theirs), "N") == missing.replace(str(theirs + 10**6), "N")


async def test_no_action_and_an_unknown_one(call, me):
    assert await body_of(call, me, "") == '{"error":"Incorrect request"}'
    assert await body_of(call, me, "orders") == '{"error":"Incorrect action"}'
    assert await body_of(call, me, "__class__") == '{"error":"Incorrect action"}'


async def test_nothing_of_providers_is_told(call, me, service, db):
    order_id = await an_order(db, me, service, S.COMPLETED)
    await call(me, "refill", order=order_id)
    cancelled = await an_order(db, me, service, S.PROCESSING)
    told = [
        await body_of(call, me, "services"),
        await body_of(call, me, "status", orders=f"{order_id},{cancelled}"),
        await body_of(call, me, "status", order=order_id),
        await body_of(call, me, "cancel", orders=cancelled),
    ]
    everything = " ".join(told)
    assert f"x{order_id}" not in everything
    assert "provider" not in everything.lower()
    assert '"0.50"' not in everything  # the cost


async def test_drip_feeds_and_their_rest(call, me, db, panel):
    async with db.transaction() as session:
        dripped = await make_service(session, await make_provider(session, panel), dripfeed=True)
    order_id = (await call(me, "add", service=dripped, link=LINK, quantity=100, runs=5, interval=60))["order"]

    assert await body_of(call, me, "status", order=order_id) == (
        '{"charge":"0.50","start_count":"0","status":"Active","remains":"500","currency":"USD"}'
    )
    assert await call(me, "cancel", orders=order_id) == [{"order": order_id, "cancel": 1}]
    assert (await call(me, "status", order=order_id))["charge"] == "0.00"
    assert await me.balance() == "100.00"


async def test_a_refill_is_refused_after_its_time(call, me, service, db):
    order_id = await an_order(db, me, service)
    long_ago = datetime.now(UTC) - timedelta(days=31)
    async with db.transaction() as session:
        await accept(session, order_id, f"x{order_id}", now=long_ago)
        await move(session, order_id, S.COMPLETED, now=long_ago)

    assert await call(me, "refill", order=order_id) == {"error": "The refill period of this order is over."}
