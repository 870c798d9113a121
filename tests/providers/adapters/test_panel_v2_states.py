"""How orders, refills, cancels and the balance stand, in every dialect of API v2."""

from decimal import Decimal

import pytest

from smmpanel.providers.adapters.panel_v2 import PanelV2
from smmpanel.providers.adapters.words import refill_status_of, status_of
from smmpanel.providers.protocol import (
    ProviderFailure,
    RecentOrder,
    RefusedAccount,
    RefusedOrder,
    Rejected,
    TryLater,
    Unclear,
    UpstreamBalance,
    UpstreamRefillStatus,
    UpstreamReport,
    UpstreamStatus,
)

FULL = {"charge": "0.27819", "start_count": "3572", "status": "Partial", "remains": "157", "currency": "USD"}
REPORT = UpstreamReport(UpstreamStatus.PARTIAL, "Partial", Decimal("0.27819"), 3572, 157, "USD")


async def test_one_order_is_asked_for_in_the_singular(panel):
    panel.says(FULL)
    assert await panel.adapter(PanelV2).status(["1"]) == {"1": REPORT}
    assert (panel.asked[0].form["order"], "orders" in panel.asked[0].form) == ("1", False)


async def test_several_orders_are_asked_for_at_once(panel):
    other = {"charge": "1.44219", "start_count": "234", "status": "In progress", "remains": "10", "currency": "USD"}
    panel.says({"1": FULL, "10": {"error": "Incorrect order ID"}, "100": other, "999": FULL})
    assert await panel.adapter(PanelV2).status(["1", "10", "100", "7"]) == {
        "1": REPORT,
        "10": Rejected("Incorrect order ID"),
        "100": UpstreamReport(UpstreamStatus.IN_PROGRESS, "In progress", Decimal("1.44219"), 234, 10, "USD"),
    }
    assert panel.asked[0].form["orders"] == "1,10,100,7"
    assert b"orders=1%2C10%2C100%2C7" in panel.asked[0].body


async def test_asking_for_nothing_calls_nobody(panel):
    adapter = panel.adapter(PanelV2)
    assert (await adapter.status([]), await adapter.refill_status([]), await adapter.cancel([])) == ({}, {}, {})
    assert panel.asked == []


async def test_the_batch_size_is_the_panels(panel):
    assert panel.adapter(PanelV2).status_batch_max == 100
    assert panel.adapter(PanelV2, batch_max=20).status_batch_max == 20


@pytest.mark.parametrize(
    "body",
    [
        {"1": FULL, "2": "Incorrect order ID"},
        {"1": {**FULL, "order": "1"}, "2": {"error": "Incorrect order ID"}},
        {"1": {**FULL, "order": 1}, "2": {"status": "error", "message": "Incorrect order ID"}},
        {"1": {**FULL, "error": ""}, "2": {"message": "Incorrect order ID"}},
        [{"order": 1, **FULL}, {"order": 2, "error": "Incorrect order ID"}],
        [{"id": "1", **FULL}, {"order_id": "2", "status": "fail", "error": "Incorrect order ID"}],
        {"status": "success", "orders": {"1": FULL, "2": {"error": "Incorrect order ID"}}},
        {"success": True, "data": [{"order": "1", **FULL}, {"order": "2", "error": "Incorrect order ID"}]},
    ],
)
async def test_shapes_of_several_states(panel, body):
    panel.says(body)
    assert await panel.adapter(PanelV2).status(["1", "2"]) == {"1": REPORT, "2": Rejected("Incorrect order ID")}


@pytest.mark.parametrize(
    "body",
    [
        FULL,
        {"order": "1", **FULL},
        {"order": 1, **FULL},
        {"1": FULL},
        [{"order": 1, **FULL}],
        [FULL],
        {"status": "success", "data": FULL},
        {"success": True, "order": FULL},
        {"status": True, "data": {"1": FULL}},
        {**FULL, "error": None},
    ],
)
async def test_shapes_of_one_state(panel, body):
    panel.says(body)
    assert await panel.adapter(PanelV2).status(["1"]) == {"1": REPORT}


@pytest.mark.parametrize(
    "body",
    [
        {"2": FULL},
        {},
        [],
        [{"order": 7, **FULL}],
        [FULL, FULL],
        {"1": None, "2": []},
        {"1": {"order": 5, **FULL}},
        {"1": {"error": "Incorrect order ID", **FULL}},
        {"1": {"charge": "1"}, "3": 5},
    ],
)
async def test_what_is_not_about_the_order_is_no_news(panel, body):
    panel.says(body)
    assert "1" not in await panel.adapter(PanelV2).status(["1", "3"])


async def test_the_state_of_another_order_is_not_taken_for_ours(panel):
    panel.says({"order": "2", **FULL})
    with pytest.raises(Unclear):
        await panel.adapter(PanelV2).status(["1"])


@pytest.mark.parametrize(
    ("given", "start_count", "remains"),
    [
        ({"start_count": 5, "remains": 7}, 5, 7),
        ({"start_count": "5", "remains": "-2"}, 5, -2),
        ({"start_count": "5", "remains": "+2"}, 5, 2),
        ({"start_count": "5", "remains": -2}, 5, -2),
        ({"start_count": None, "remains": None}, None, None),
        ({"start_count": "", "remains": ""}, None, None),
        ({"start_count": "0", "remains": "0"}, 0, 0),
        ({"start_counter": "12", "remains": "1,234"}, 12, 1234),
        ({"start_count": "N/A", "remains": "12.0"}, None, 12),
        ({"start_count": True, "remains": "1.5"}, None, None),
        ({"start_count": [], "remains": {}}, None, None),
        ({"start_count": 10**30, "remains": "9" * 40}, None, None),
        ({}, None, None),
    ],
)
async def test_counts_in_every_spelling(panel, given, start_count, remains):
    panel.says({"status": "In progress", "charge": "1", **given})
    report = (await panel.adapter(PanelV2).status(["1"]))["1"]
    assert (report.start_count, report.remains) == (start_count, remains)


@pytest.mark.parametrize(
    ("raw", "charge"),
    [
        (b'"0.27819"', "0.27819"),
        (b"0.1", "0.1"),
        (b"1.00000000000000005551", "1"),
        (b"12", "12"),
        (b'"1,234.5"', "1234.5"),
        (b'" 7 "', "7"),
        (b"1e-3", "0.001"),
        (b"1E+2", "100"),
        (b"-0.5", "-0.5"),
        (b"NaN", None),
        (b"Infinity", None),
        (b"1e999999999", None),
        (b"1e999999999999999999", None),
        (b'"abc"', None),
        (b'"$5"', None),
        (b'"1,5"', None),
        (b"true", None),
        (b"null", None),
    ],
)
async def test_charges_stay_exact(panel, raw, charge):
    panel.says(b'{"status":"Completed","charge":' + raw + b"}")
    report = (await panel.adapter(PanelV2).status(["1"]))["1"]
    assert report.charge == (None if charge is None else Decimal(charge))
    assert charge is None or str(report.charge) == charge


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Pending", UpstreamStatus.PENDING), ("In progress", UpstreamStatus.IN_PROGRESS),
        ("in_progress", UpstreamStatus.IN_PROGRESS), ("IN-PROGRESS", UpstreamStatus.IN_PROGRESS),
        ("Inprogress", UpstreamStatus.IN_PROGRESS), ("Processing", UpstreamStatus.PROCESSING),
        ("Completed", UpstreamStatus.COMPLETED), ("Success", UpstreamStatus.COMPLETED),
        ("Partial", UpstreamStatus.PARTIAL), ("Partially Completed", UpstreamStatus.PARTIAL),
        ("Canceled", UpstreamStatus.CANCELED), ("Cancelled", UpstreamStatus.CANCELED),
        ("Refunded", UpstreamStatus.CANCELED), ("Refund", UpstreamStatus.CANCELED),
        ("Active", UpstreamStatus.ACTIVE), ("Paused", UpstreamStatus.PAUSED), ("Expired", UpstreamStatus.EXPIRED),
        ("Fail", None), ("Error", None), ("Failed", None), ("Teleported", None), ("", None), (None, None),
        (0, None), (1, None), (2, None), (5, None), ("2", None), (True, None), ([], None), ({}, None),
    ],
)  # fmt: skip
def test_status_words(word, status):
    assert status_of(word) is status


@pytest.mark.parametrize("word", ["Fail", "Error", "Teleported", "2", 2])
async def test_words_that_say_nothing_of_money_keep_their_text_only(panel, word):
    panel.says({**FULL, "status": word})
    report = (await panel.adapter(PanelV2).status(["1"]))["1"]
    assert (report.status, report.raw_status, report.remains) == (None, str(word), 157)


async def test_a_panels_own_words_and_numbers_can_be_named(panel):
    panel.says({"1": {**FULL, "status": 2}, "2": {**FULL, "status": "Đã hoàn"}, "3": {**FULL, "status": "Completed"}})
    words = {"2": "completed", "đã hoàn": "canceled", "Completed": "in_progress"}
    reports = await panel.adapter(PanelV2, status_words=words).status(["1", "2", "3"])
    assert [reports[each].status for each in "123"] == ["completed", "canceled", "in_progress"]


@pytest.mark.parametrize(
    "orders", [[5, "6", {"order": 7}], "5,6,7", {"5": {}, "6": {}, "7": {}}, [5, 6, 6, None, 0, 7]]
)
async def test_parents_name_their_children(panel, orders):
    panel.says_in_turn(
        {"status": "In progress", "runs": "3", "orders": orders},
        {"status": "Active", "expiry": True, "posts": "5", "orders": orders},
        {"status": "Active", "expiry": False, "posts": 0, "orders": []},
    )
    adapter = panel.adapter(PanelV2)
    drip, subscription, empty = [(await adapter.status(["1"]))["1"] for _ in range(3)]
    assert (drip.status, drip.children, drip.remains) == (UpstreamStatus.IN_PROGRESS, ("5", "6", "7"), None)
    assert (subscription.status, subscription.posts, subscription.charge) == (UpstreamStatus.ACTIVE, 5, None)
    assert subscription.children == ("5", "6", "7")
    assert (empty.posts, empty.children) == (0, ())


READS = ["services", "status_one", "status_many", "refill", "refill_status", "cancel", "balance", "recent_orders"]


async def read(adapter, action):
    calls = {
        "services": adapter.services,
        "status_one": lambda: adapter.status(["1"]),
        "status_many": lambda: adapter.status(["1", "2"]),
        "refill": lambda: adapter.refill("1"),
        "refill_status": lambda: adapter.refill_status(["1", "2"]),
        "cancel": lambda: adapter.cancel(["1", "2"]),
        "balance": adapter.balance,
        "recent_orders": lambda: adapter.recent_orders(10),
    }
    return await calls[action]()


@pytest.mark.parametrize("action", READS)
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"error": "Invalid API key"}, 200, RefusedAccount),
        ({"error": "Invalid Api Key"}, 401, RefusedAccount),
        ({"status": "error", "message": "Too many requests"}, 200, TryLater),
        ({"error": "Too many requests"}, 429, TryLater),
        ({"error": "Something went wrong"}, 200, Unclear),
        (b"<html>Just a moment...</html>", 503, Unclear),
        (b"", 200, Unclear),
        (5, 200, Unclear),
        (None, 200, Unclear),
        ("OK", 200, Unclear),
        ([1, 2], 200, Unclear),
        ({"status": "error"}, 200, Unclear),
        ({"status": "success"}, 200, Unclear),
        ({"foo": "bar"}, 200, Unclear),
        ({}, 404, Unclear),
        (b"", 302, Unclear),
    ],
)
async def test_every_read_sorts_failures_alike(panel, action, body, status, kind):
    if action == "recent_orders" and body == [1, 2]:
        kind = None
    panel.says(body, status)
    adapter = panel.adapter(PanelV2, listing=True)
    if kind is None:
        assert await read(adapter, action) == []
        return
    with pytest.raises(ProviderFailure) as failure:
        await read(adapter, action)
    assert type(failure.value) is kind


@pytest.mark.parametrize("text", ["Incorrect order ID", "Invalid Order Id", "Order not found"])
@pytest.mark.parametrize(("status", "bare"), [(200, False), (400, False), (200, True)])
async def test_an_unknown_order_is_said_of_that_order(panel, text, status, bare):
    panel.says(text if bare else {"error": text}, status)
    assert await panel.adapter(PanelV2).status(["1"]) == {"1": Rejected(text)}


async def test_a_batch_in_which_none_matches(panel):
    panel.says({"error": "Invalid Order Ids"}, 400)
    rejected = Rejected("Invalid Order Ids")
    assert await panel.adapter(PanelV2).status(["1", "2"]) == {"1": rejected, "2": rejected}


async def test_a_batch_that_is_refused_for_another_reason_says_nothing_of_its_orders(panel):
    panel.says({"error": "Maximum 100 orders"}, 400)
    with pytest.raises(RefusedOrder):
        await panel.adapter(PanelV2).status(["1", "2"])


@pytest.mark.parametrize(
    ("body", "refill_id"),
    [
        ({"refill": "1"}, "1"),
        ({"refill": 17}, "17"),
        ({"refill": "17", "status": "success"}, "17"),
        ({"status": "success", "data": {"refill_id": 17}}, "17"),
        ([{"order": 1, "refill": 17}], "17"),
        ({"1": {"refill": "17"}}, "17"),
        ({"refill_id": "r-5"}, "r-5"),
    ],
)
async def test_refills(panel, body, refill_id):
    panel.says(body)
    assert await panel.adapter(PanelV2).refill("1") == refill_id
    assert (panel.asked[0].form["action"], panel.asked[0].form["order"]) == ("refill", "1")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"error": "Order not eligible for refill."}, 200, RefusedOrder),
        ({"error": "Incorrect order ID"}, 200, RefusedOrder),
        ({"refill": {"error": "Incorrect order ID"}}, 200, RefusedOrder),
        ([{"order": 1, "refill": {"error": "Incorrect order ID"}}], 200, RefusedOrder),
        ({"error": "Refill is not available", "refill": 0}, 200, RefusedOrder),
        ({"error": "This action is Invalid"}, 200, RefusedOrder),
        ({"error": "Incorrect request"}, 400, RefusedOrder),
        ({"error": "Not available", "refill": "5"}, 200, Unclear),
        ({"error": "Not available", "success": True, "refill": 5}, 200, Unclear),
        ({"refill": True}, 200, Unclear),
        ({"refill": None}, 200, Unclear),
        ({"status": "success"}, 200, Unclear),
        ({"refill": "5"}, 404, Unclear),
    ],
)
async def test_refused_and_unclear_refills(panel, body, status, kind):
    panel.says(body, status)
    with pytest.raises(ProviderFailure) as failure:
        await panel.adapter(PanelV2).refill("1")
    assert type(failure.value) is kind


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"status": "Completed"}, UpstreamRefillStatus.COMPLETED),
        ({"status": "In progress"}, UpstreamRefillStatus.IN_PROGRESS),
        ({"refill": "1", "status": "Rejected"}, UpstreamRefillStatus.REJECTED),
        ({"status": "Error"}, UpstreamRefillStatus.ERROR),
        ({"status": "success", "data": {"status": "Pending"}}, UpstreamRefillStatus.PENDING),
        ([{"refill": 1, "status": "Completed"}], UpstreamRefillStatus.COMPLETED),
        ({"1": {"status": "Completed"}}, UpstreamRefillStatus.COMPLETED),
        ({"1": "Completed"}, UpstreamRefillStatus.COMPLETED),
        ({"error": "Refill not found"}, Rejected("Refill not found")),
        ({"status": {"error": "Refill not found"}}, Rejected("Refill not found")),
        ({"status": "error", "message": "Refill not found"}, Rejected("Refill not found")),
    ],
)
async def test_one_refills_state(panel, body, state):
    panel.says(body)
    assert await panel.adapter(PanelV2).refill_status(["1"]) == {"1": state}
    assert panel.asked[0].form["refill"] == "1"


async def test_several_refills_states(panel):
    panel.says(
        [
            {"refill": 1, "status": "Completed"},
            {"refill": 2, "status": "Rejected"},
            {"refill": 3, "status": {"error": "Refill not found"}},
            {"refill": 4, "status": "Sleeping"},
            {"refill": 99, "status": "Completed"},
        ]
    )
    assert await panel.adapter(PanelV2).refill_status(["1", "2", "3", "4", "5"]) == {
        "1": UpstreamRefillStatus.COMPLETED,
        "2": UpstreamRefillStatus.REJECTED,
        "3": Rejected("Refill not found"),
    }
    assert panel.asked[0].form["refills"] == "1,2,3,4,5"


def test_refill_words_do_not_guess():
    assert refill_status_of("Teleported") is None


@pytest.mark.parametrize(
    "body",
    [
        [{"order": 9, "cancel": {"error": "Incorrect order ID"}}, {"order": 2, "cancel": 1}],
        [{"order": "9", "cancel": {"error": "Incorrect order ID"}}, {"order": "2", "cancel": "1"}],
        [{"order": 9, "error": "Incorrect order ID"}, {"order": 2, "cancel": True}],
        [{"order": 9, "cancel": "Incorrect order ID"}, {"order": 2, "cancel": "task-77"}],
        {"9": {"error": "Incorrect order ID"}, "2": {"cancel": "requested"}},
        {"9": {"cancel": {"error": "Incorrect order ID"}}, "2": 1},
        {"9": "Incorrect order ID", "2": {"cancel": {"id": 5}}},
    ],
)
async def test_cancels(panel, body):
    panel.says(body)
    cancels = await panel.adapter(PanelV2).cancel(["9", "2", "4"])
    assert cancels == {"9": Rejected("Incorrect order ID"), "2": None}
    assert panel.asked[0].form["orders"] == "9,2,4"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"cancel": 1}, None),
        ({"order": 9, "cancel": "1"}, None),
        ({"status": "success"}, None),
        ([{"order": 9, "cancel": 0}], Rejected("not canceled")),
        ([{"order": 9, "cancel": False}], Rejected("not canceled")),
        ({"error": "Cancel is not available for this order"}, Rejected("Cancel is not available for this order")),
        ({"error": "This action is Invalid"}, Rejected("This action is Invalid")),
        ({"error": "Incorrect request"}, Rejected("Incorrect request")),
    ],
)
async def test_one_cancel(panel, body, answer):
    panel.says(body)
    assert await panel.adapter(PanelV2).cancel(["9"]) == {"9": answer}


async def test_no_word_about_a_cancel_is_no_news(panel):
    panel.says([{"order": 9, "cancel": None}])
    assert await panel.adapter(PanelV2).cancel(["9"]) == {}


@pytest.mark.parametrize(
    ("body", "balance"),
    [
        ({"balance": "100.84292", "currency": "USD"}, ("100.84292", "USD")),
        ({"status": "success", "balance": "5", "currency": "usd"}, ("5", "USD")),
        (b'{"balance":150000.5,"balancef":"150.000","currency":"VND"}', ("150000.5", "VND")),
        ({"balance": "1,234.50"}, ("1234.50", None)),
        ({"balance": 0, "currency": None}, ("0", None)),
        ({"balance": "-3.2", "currency": "USDT"}, ("-3.2", "USDT")),
        ({"success": True, "data": {"balance": 7, "currency": "EUR"}}, ("7", "EUR")),
    ],
)
async def test_balances(panel, body, balance):
    panel.says(body)
    assert await panel.adapter(PanelV2).balance() == UpstreamBalance(Decimal(balance[0]), balance[1])


@pytest.mark.parametrize("body", [{"balance": None}, {"balance": ""}, {"balance": "a lot"}, {"balance": True}, []])
async def test_no_balance_is_not_zero(panel, body):
    panel.says(body)
    with pytest.raises(Unclear):
        await panel.adapter(PanelV2).balance()


@pytest.mark.parametrize("envelope", [lambda rows: rows, lambda rows: {"orders": rows}, lambda rows: {"data": rows}])
async def test_recent_orders(panel, envelope):
    rows = [
        {"order": 7, "service": 101, "link": "https://x.com/a", "quantity": "100"},
        {"id": "6", "service_id": "5"},
        {"link": "no id"},
        {"order": 5},
    ]
    panel.says(envelope(rows))
    adapter = panel.adapter(PanelV2, listing=True)
    assert adapter.supports_listing is True
    assert await adapter.recent_orders(2) == [
        RecentOrder("7", "101", "https://x.com/a", 100),
        RecentOrder("6", "5", None, None),
    ]
    assert (panel.asked[0].form["action"], panel.asked[0].form["limit"]) == ("orders", "2")
    assert panel.adapter(PanelV2).supports_listing is False
