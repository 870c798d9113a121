"""Orders move by themselves, can be told what to become, and the account's money follows."""

import time
from decimal import Decimal

import httpx
import pytest

from smmpanel.sandbox.process import SandboxProcess
from smmpanel.sandbox.provider_catalogue import make_services
from smmpanel.sandbox.provider_errors import Refusal
from smmpanel.sandbox.provider_fields import read_new_order
from smmpanel.sandbox.provider_orders import OrderBook
from smmpanel.sandbox.provider_settings import ProviderSettings

SERVICE = make_services(1, seed=7)[0]
SUBSCRIPTION = next(service for service in make_services(17, seed=7) if service.type == "Subscriptions")


def place(book, *, quantity=1000, link="https://x.com/a", now=0.0):
    new = read_new_order(SERVICE, {"link": link, "quantity": str(quantity)})
    return book.accept(new, now=now, at=now)


def words(book, order, times):
    return [book.report(order, now)["status"] for now in times]


def test_an_order_goes_from_pending_to_completed_while_its_remains_fall():
    book = OrderBook(ProviderSettings(finish_after=100))
    order = place(book)

    assert words(book, order, [0, 4, 11, 40, 101]) == ["Pending", "Pending", "In progress", "In progress", "Completed"]
    remains = [int(book.report(order, now)["remains"]) for now in range(101)]
    assert remains == sorted(remains, reverse=True)
    assert (remains[0], remains[-1]) == (1000, 0)
    assert book.report(order, 0)["start_count"] == "0"
    assert int(book.report(order, 30)["start_count"]) >= 20


def test_orders_never_move_by_themselves_if_told_so():
    book = OrderBook(ProviderSettings(finish_after=0))
    order = place(book)

    assert words(book, order, [0, 10**9]) == ["Pending", "Pending"]


def test_shares_of_orders_end_partial_and_canceled_and_are_paid_back():
    book = OrderBook(ProviderSettings(finish_after=10, partial_share=0.3, cancel_share=0.2, balance="100000"))
    orders = [place(book, link=f"https://x.com/{n}") for n in range(400)]
    spent = sum(order.charge for order in orders)
    assert book.balance == Decimal(100_000) - spent

    book.settle(11)

    ends = [book.report(order, 11) for order in orders]
    count = {word: sum(end["status"] == word for end in ends) for word in ("Completed", "Partial", "Canceled")}
    assert sum(count.values()) == 400
    assert 80 < count["Partial"] < 160
    assert 50 < count["Canceled"] < 110
    expected = sum(
        (order.charge * int(end["remains"]) / 1000).quantize(Decimal("0.000001"))
        for order, end in zip(orders, ends, strict=True)
    )
    assert book.balance == Decimal(100_000) - spent + expected
    assert all(
        Decimal(end["charge"]) == order.charge - order.paid_back for order, end in zip(orders, ends, strict=True)
    )


def test_the_endings_are_the_same_for_the_same_seed():
    def ends(seed):
        book = OrderBook(ProviderSettings(finish_after=10, partial_share=0.5, seed=seed, balance="100000"))
        orders = [place(book) for _ in range(50)]
        book.settle(11)
        return [book.report(order, 11) for order in orders]

    assert ends(1) == ends(1)
    assert ends(1) != ends(2)


def test_a_subscription_produces_and_pays_one_order_per_post():
    book = OrderBook(ProviderSettings(finish_after=100))
    fields = {"username": "someone", "min": "100", "max": "200", "delay": "0", "posts": "3"}
    parent = book.accept(read_new_order(SUBSCRIPTION, fields), now=0, at=0)
    assert (book.balance, words(book, parent, [1, 101])) == (Decimal(1000), ["Active", "Completed"])

    book.settle(101)

    children = [book.by_ref[ref] for ref in parent.children]
    assert len(children) == 3
    assert all(100 <= child.quantity <= 200 and child.parent == parent.ref for child in children)
    assert book.balance == Decimal(1000) - sum(child.charge for child in children)
    assert words(book, children[0], [1000]) == ["Completed"]


def test_a_busy_link_is_refused_until_its_order_is_done():
    book = OrderBook(ProviderSettings(finish_after=10, unique_links=True))
    place(book)
    with pytest.raises(Refusal) as refused:
        place(book, now=1)

    assert refused.value.meaning == "link_duplicate"
    assert len(book.rows) == 1
    assert place(book, now=11).id == 1_000_002


def test_a_cancel_becomes_true_later_and_pays_back_what_was_not_delivered():
    book = OrderBook(ProviderSettings(finish_after=100))
    fresh, begun = place(book), place(book)
    book.cancel(fresh.ref, cancelable=True, now=1)
    assert book.report(fresh, 2)["status"] == "Pending"
    book.cancel(begun.ref, cancelable=True, now=30)

    book.settle(50)

    partial = book.report(begun, 50)
    assert book.report(fresh, 50)["status"] in ("Canceled", "Partial")
    assert partial["status"] == "Partial"
    assert 0 < int(partial["remains"]) < 1000
    with pytest.raises(Refusal):
        book.cancel(begun.ref, cancelable=True, now=60)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("completed", [("Completed", "0")] * 3),
        ("partial", [("Partial", "30")] * 3),
        ("canceled", [("Canceled", "100")] * 3),
        ("in_progress", [("In progress", "30")] * 3),
        ("completed_then_partial", [("Completed", "0"), ("Partial", "30"), ("Partial", "30")]),
        ("completed_then_canceled", [("Completed", "0"), ("Canceled", "100"), ("Canceled", "100")]),
        ("partial_then_in_progress", [("Partial", "30"), ("In progress", "30"), ("In progress", "30")]),
        ("unknown_word", [("Awaiting", "30")] * 3),
        ("overdelivered", [("Completed", "-2")] * 3),
        ("partial_negative_remains", [("Partial", "-2")] * 3),
        ("partial_excess_remains", [("Partial", "200")] * 3),
        ("partial_null_remains", [("Partial", None)] * 3),
        ("partial_blank_remains", [("Partial", "")] * 3),
        ("partial_missing_remains", [("Partial", "no key")] * 3),
        ("no_status", [("no key", "100")] * 3),
    ],
)
def test_an_order_can_be_told_what_to_become(client, provider, outcome, expected):
    order, other = client.add(quantity=100), client.add(quantity=100)
    provider.finish([order], outcome, remains=30)

    seen = [client.ask("status", orders=f"{order}")[str(order)] for _ in range(3)]

    assert [(row.get("status", "no key"), row.get("remains", "no key")) for row in seen] == expected
    assert client.ask("status", order=other)["status"] == "Pending"


def test_money_comes_back_once_and_goes_again_when_an_order_is_resumed(client, provider):
    provider.control("POST", "services/1", {"rate": "10"})
    order = client.add(quantity=100)
    balances = []
    for outcome in ("partial", "partial", "canceled", "in_progress", "lost"):
        provider.finish([order], outcome, remains=30)
        balances.append(client.ask("balance")["balance"])

    assert balances == ["999.30", "999.30", "1000.00", "999.00", "999.00"]
    assert client.ask("status", order=order) == {"error": "Incorrect order ID"}


def test_steps_can_hold_any_values_for_so_many_polls_or_seconds(client, provider):
    order = client.add(quantity=100)
    provider.script(
        [order],
        {"status": "Fail", "remains": -7, "polls": 2},
        {"status": 3, "start_count": None, "omit": ["charge"], "seconds": 0.2},
        {"error": "Order is lost"},
    )

    first = [client.ask("status", order=order) for _ in range(2)]
    third = client.ask("status", order=order)
    time.sleep(0.25)

    assert [(row["status"], row["remains"]) for row in first] == [("Fail", -7)] * 2
    assert (third["status"], third["start_count"], "charge" in third) == (3, None, False)
    assert client.ask("status", order=order) == {"error": "Order is lost"}


def test_an_order_can_end_so_after_its_natural_life(connect):
    with SandboxProcess.start(services=20, finish_after=1.5) as sandbox:
        client = connect(sandbox)
        by_link = client.add(link="https://x.com/a#finish=partial&remains=40", quantity=1000)
        by_control = client.add(quantity=1000)
        sandbox.finish([by_control], "canceled", at_end=True)
        early = client.ask("status", orders=f"{by_link},{by_control}")
        time.sleep(1.6)
        late = client.ask("status", orders=f"{by_link},{by_control}")
        nonsense = client.ask("add", service=1, link="a#finish=happily", quantity=1000)

    assert {row["status"] for row in early.values()} <= {"Pending", "In progress"}
    assert [(row["status"], row["remains"]) for row in late.values()] == [("Partial", "40"), ("Canceled", "1000")]
    assert nonsense == {"error": "Incorrect link"}


def test_outcomes_for_unknown_orders_or_with_unknown_names_are_refused(client, provider):
    order = client.add()
    for body, status in (
        ({"orders": ["5"], "finish": "completed"}, 404),
        ({"orders": [order], "finish": "happily"}, 400),
    ):
        with pytest.raises(httpx.HTTPStatusError) as refused:
            provider.control("POST", "outcome", body)
        assert refused.value.response.status_code == status

    assert client.ask("status", order=order)["status"] == "Pending"
