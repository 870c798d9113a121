"""`/api/orders/mass`: many orders in one call, each with its own answer."""

import pytest

from making import assert_books, make_provider, make_service

LINK = "https://www.instagram.com/someone"


@pytest.fixture
async def one(db, panel):
    async with db.transaction() as session:
        return await make_service(session, await make_provider(session, panel), rate="1", min=10)


@pytest.fixture
def lines(one):
    return f"{one} | {LINK} | 1000\n\n{one} | {LINK} | 5\nnonsense\n{one} | {LINK}2 | 2000"


def told(body):
    return [(line["line"], line["charge"], (line["error"] or {}).get("code")) for line in body["lines"]]


FOUND = [(1, 1, None), (3, None, "quantity_min"), (4, None, "mass_line"), (5, 2, None)]


async def test_good_lines_are_placed_and_bad_ones_are_told(me, lines, db):
    body = (await me.post("/api/orders/mass", text=lines)).json()

    assert told(body) == FOUND
    summary = {name: value for name, value in body.items() if name != "lines"}
    assert summary == {
        "success": False,
        "dry_run": False,
        "placed": 2,
        "failed": 2,
        "total": 3,
        "new_balance": 97,
        "currency": "USD",
    }
    assert all(line["error"]["message"] for line in body["lines"] if line["error"])
    assert await me.orders() == 2
    await assert_books(db)


@pytest.mark.parametrize("how", [{"dry_run": True}, {"all_or_none": True}])
async def test_a_dry_run_and_all_or_none_place_nothing(me, lines, how):
    body = (await me.post("/api/orders/mass", text=lines, **how)).json()

    assert (told(body), body["placed"], body["total"]) == (FOUND, 0, 3)
    assert {line["order_id"] for line in body["lines"]} == {None}
    assert (await me.orders(), await me.balance()) == (0, "100.00")


async def test_what_is_wrong_is_said_in_the_callers_language(me, one):
    async def said(language, **form):
        found = (await me.post(f"/api/orders/mass?lang={language}", **form)).json()
        return found["message"] if "message" in found else [line["error"]["message"] for line in found["lines"]]

    text = "nonsense\nx | y | 1\n1 | y | 1 | 2"
    assert await said("vi", text=text) == [
        "phải là: dịch vụ | liên kết | số lượng",
        "phải bắt đầu bằng số của một dịch vụ",
        "có nhiều hơn ba phần; bình luận và chia nhỏ đơn cần tệp CSV",
    ]
    assert (await said("id", csv=f"{one},{LINK},1,,,,more"))[0] == "memiliki lebih dari 6 sel"
    assert await said("id", csv="service,link,link\n") == "Berkas tidak dapat dibaca: dua kolom bernama link."
    assert await said("vi", text="\n".join(["1 | x | 1"] * 10_001)) == "Một đơn hàng loạt có tối đa 10000 dòng."


async def test_a_repeat_places_only_what_failed(me, one):
    text = f"{one} | {LINK} | 1000\n{one} | {LINK}2 | 5"
    first = (await me.post("/api/orders/mass", text=text, key="k")).json()
    second = (await me.post("/api/orders/mass", text=text.replace(" 5", " 50"), key="k")).json()

    assert second["lines"][0] == {**first["lines"][0], "repeated": True}
    assert (second["success"], second["placed"], await me.orders()) == (True, 2, 2)


async def test_csv_with_a_header(me, one):
    csv = f'url;qty;service_id\n"{LINK}";100;{one}\n{LINK}2;x;{one}\n'

    body = (await me.post("/api/orders/mass", csv=csv)).json()

    assert told(body) == [(2, 0.1, None), (3, None, "quantity_not_integer")]


async def test_ten_thousand_lines_and_not_one_more(me, one):
    text = "\n".join(f"{one} | {LINK}/{'a' * 120}{number} | 10" for number in range(10_000))
    assert len(text) > 1024 * 1024

    whole = await me.post("/api/orders/mass", text=text, dry_run=True)
    more = await me.post("/api/orders/mass", text=f"{text}\n{one} | {LINK} | 10")

    assert (whole.status_code, whole.json()["failed"], whole.json()["total"]) == (200, 0, 100)
    assert (more.status_code, more.json()["code"]) == (413, "mass_too_large")
    assert await me.orders() == 0


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({}, "text"),
        ({"text": "x", "csv": "y"}, "text"),
        ({"text": ""}, "lines"),
        ({"csv": "\n\n"}, "lines"),
        ({"text": "1|x|1", "key": "k" * 151}, "key"),
        ({"text": "a\x00"}, "text"),
        ({"text": "x", "dry_run": "perhaps"}, "dry_run"),
    ],
)
async def test_what_is_no_mass_order(me, form, field):
    answer = await me.post("/api/orders/mass", **form)

    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field])
    assert await me.orders() == 0
