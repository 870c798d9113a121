"""`/api/user`: the own balance, and everything that moved it."""

import csv
from datetime import UTC, datetime
from io import StringIO

import pytest

from making import credit, make_provider, make_service, place
from smmpanel.kernel.money import Money
from smmpanel.ledger import adjust_balance


@pytest.fixture
async def order(db, panel, me):
    async with db.transaction() as session:
        service = await make_service(session, await make_provider(session, panel), rate="2.5")
        return await place(session, me.user_id, service, now=datetime.now(UTC))


async def test_the_balance(me, member, order):
    fresh = await member(funds=None)

    assert (await me.get("/api/user/balance")).json() == {
        "success": True,
        "balance": 97.5,
        "held": 2.5,
        "currency": "USD",
    }
    assert (await fresh.get("/api/user/balance")).json()["balance"] == 0


async def test_transactions_newest_first(me, other, order, panel):
    body = (await me.get("/api/user/transactions")).json()

    assert (body["success"], body["after"], len(body["data"])) == (True, None, 2)
    held, credited = body["data"]
    assert held == {
        "id": held["id"],
        "type": "order_hold",
        "amount": -2.5,
        "balance_before": 100,
        "balance_after": 97.5,
        "currency": "USD",
        "method": None,
        "status": "completed",
        "transaction_code": None,
        "order_id": panel.public_ids.uuid_of("order", order),
        "description": None,
        "created_at": held["created_at"],
    }
    assert (credited["type"], credited["amount"], credited["order_id"]) == ("adjustment", 100, None)
    theirs = (await other.get("/api/user/transactions")).json()["data"]
    assert [one["type"] for one in theirs] == ["adjustment"]


async def test_pages_of_transactions(me, db):
    async with db.transaction() as session:
        for number in range(1, 7):
            await credit(session, me.user_id, str(number))

    first = (await me.get("/api/user/transactions", limit=4)).json()
    rest = (await me.get("/api/user/transactions", limit=4, after=first["after"])).json()

    amounts = [one["amount"] for one in first["data"] + rest["data"]]
    assert amounts == [6, 5, 4, 3, 2, 1, 100]
    assert rest["after"] is None
    assert first["pagination"] == {"total": 7, "page": 1, "limit": 4, "total_pages": 2}

    async def of(**query):
        return [one["amount"] for one in (await me.get("/api/user/transactions", **query)).json()["data"]]

    assert await of(limit=3, page=2) == [3, 2, 1]
    assert await of(limit=3, page=3) == [100]
    assert await of(limit=3, page=4) == []
    assert await of(sort="created_at", limit=3, page=2) == [3, 4, 5]
    assert await of(type="adjustment", limit=3) == [6, 5, 4]
    assert await of(type="adjustment", limit=3, page=3) == [100]
    assert await of(type="deposit") == []
    assert (await me.get("/api/user/transactions", type="adjustment")).json()["pagination"]["total"] == 7
    assert (await me.get("/api/user/transactions", type="order_hold")).json()["pagination"]["total"] == 0
    assert (await me.get("/api/user/transactions", type="nonsense")).status_code == 422
    oldest = (await me.get("/api/user/transactions", sort="created_at", limit=5)).json()
    assert await of(sort="created_at", after=oldest["after"]) == [5, 6]


async def test_all_of_it_as_a_file(me, db, order):
    async with db.transaction() as session:
        note = '=cmd|"/c calc"!A1, ư'
        await adjust_balance(session, me.user_id, Money.of("1.000001", "USD"), reason=note, key="formula")

    answer = await me.get("/api/user/transactions.csv")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="transactions.csv"'
    rows = list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["type"], row["amount"], row["order"]) for row in rows] == [
        ("adjustment", "1.000001", ""),
        ("order_hold", "-2.50", str(order)),
        ("adjustment", "100.00", ""),
    ]
    assert rows[0]["description"] == "'" + note
    assert rows[1]["balance_after"] == "97.50"


async def test_a_file_of_more_than_a_page(me, db):
    async with db.transaction() as session:
        for _ in range(505):
            await credit(session, me.user_id, "1")

    rows = list(csv.DictReader(StringIO((await me.get("/api/user/transactions.csv")).content.decode("utf-8-sig"))))

    assert len({row["id"] for row in rows}) == 506
    assert rows[0]["balance_after"] == "605.00"


@pytest.mark.parametrize("query", [{"after": "x"}, {"limit": 0}, {"limit": 101}])
async def test_what_cannot_be_asked(me, query):
    answer = await me.get("/api/user/transactions", **query)

    assert (answer.status_code, list(answer.json()["fields"])) == (422, [next(iter(query))])


@pytest.mark.parametrize("path", ["/balance", "/transactions", "/transactions.csv"])
async def test_visitors_have_no_wallet(http, path):
    assert (await http.get(f"/api/user{path}")).status_code == 401
