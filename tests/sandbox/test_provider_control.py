"""The log, the numbers and the settings that the control interface shows and changes."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from smmpanel.sandbox.process import SandboxProcess


def test_the_log_equals_what_was_sent_and_what_was_answered(client, provider):
    sent, answered = [], []
    for number in range(25):
        # Every fifth is refused, for a link that would break a log which is split by more than newlines.
        link = f"https://x.com/ü\u2028{number}" if number % 5 == 0 else f"https://x.com/é{number}"
        sent.append({"service": "1", "link": link, "quantity": "100"})
        answered.append(client.ask("add", **sent[-1]).get("order"))

    log = provider.log("add")

    assert [row["fields"] for row in log] == sent
    assert [row["external_id"] for row in log] == [None if order is None else str(order) for order in answered]
    assert [row["sequence"] for row in log] == list(range(1, 26))
    assert [row["order"] for row in provider.orders()] == [str(order) for order in answered if order is not None]
    assert sum(row["error"] is not None for row in log) == 5
    assert all(abs(row["at"] - time.time()) < 60 for row in log)
    assert provider.key not in str(log)


def test_the_log_is_paged_and_chosen_by_action(client, provider):
    order = client.add()
    client.ask("cancel", orders=order)
    client.ask("status", order=order)
    client.add()

    assert [row["action"] for row in provider.log()] == ["add", "cancel", "add"]
    assert [row["sequence"] for row in provider.log(after=1)] == [2, 3]
    page = provider.control("GET", "log", after=0, limit=2)
    assert [row["sequence"] for row in page] == [1, 2]
    assert [row["sequence"] for row in provider.control("GET", "log", action="add", limit=5)] == [1, 3]
    assert [row["action"] for row in provider.control("GET", "reads")] == ["status"]


def test_concurrency_is_counted_while_answers_are_under_way(connect):
    with SandboxProcess.start(services=20, latency_ms=400, latency_on="add", finish_after=0) as sandbox:
        clients = [connect(sandbox) for _ in range(8)]
        before = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            orders = list(pool.map(lambda client: client.add(quantity=1000), clients))
        took = time.monotonic() - before
        before = time.monotonic()
        clients[0].ask("status", orders=orders[0])
        status_took = time.monotonic() - before
        stats = sandbox.stats()

    assert sorted(orders) == list(range(1_000_001, 1_000_009))
    assert 0.4 <= took < 2
    assert status_took < 0.35
    assert stats["max_in_flight_by_action"] == {"add": 8, "status": 1}
    assert stats["in_flight"] == 0
    assert (stats["requests"], stats["status_ids_asked"]) == ({"add": 8, "status": 1}, 1)


@pytest.mark.parametrize(("style", "status"), [("429", 429), ("200", 200)])
def test_the_rate_limit_lets_so_many_through_and_nothing_beyond(connect, style, status):
    with SandboxProcess.start(services=20, rate_limit=3, rate_limit_style=style, finish_after=0) as sandbox:
        client = connect(sandbox)
        for _ in range(3):
            client.add(quantity=1000)
        refused = client.post("add", service=1, link="https://x.com/a", quantity=1000)

        assert (refused.status_code, refused.json()) == (status, {"error": "Too many requests"})
        if status == 429:
            assert 50 <= int(refused.headers["retry-after"]) <= 61
        assert sandbox.stats()["orders"] == 3
        sandbox.configure(rate_limit=0)
        assert client.add(quantity=1000) == 1_000_004


def test_settings_change_while_running_and_nonsense_is_refused(client, provider):
    provider.configure(balance="12.5", currency="EUR")
    assert client.ask("balance") == {"balance": "12.50", "currency": "EUR"}
    provider.configure(currency="USD")

    for settings in ({"currency": 5}, {"seed": 9}, {"colour": "red"}, {"dialect": "elvish"}, {"balance": "much"}):
        with pytest.raises(httpx.HTTPStatusError) as refused:
            provider.configure(**settings)
        assert refused.value.response.status_code == 400
    assert client.ask("balance")["currency"] == "USD"
    assert provider.key not in str(provider.control("GET", "settings"))


def test_reset_begins_again(client, provider):
    client.add()
    provider.add_fault("drop")
    provider.control("DELETE", "services/2")
    provider.reset()

    assert client.ask("balance")["balance"] == "1000.00"
    assert len(client.ask("services")) == 60
    assert (provider.log(), provider.orders()) == ([], [])
    assert client.add() == 1_000_001


def test_the_control_interface_says_what_it_knows(provider):
    words = provider.control("GET", "words")

    assert words["kinds"]["timeout"] == ["before", "after"]
    assert words["meanings"]["bad_order"]["human"] == ["Incorrect order ID"]
    with pytest.raises(httpx.HTTPStatusError) as refused:
        provider.control("GET", "nothing")
    assert refused.value.response.status_code == 404


def test_the_providers_time_can_be_set_and_stopped(provider, client):
    provider.configure(finish_after=3600.0)
    begin = datetime(2026, 5, 1, 12, tzinfo=UTC)
    try:
        provider.set_clock(begin, speed=0)
        order = client.add()
        assert client.ask("status", order=order)["status"] == "Pending"
        assert provider.order(order)["accepted_at"] == begin.timestamp()
        provider.set_clock(begin + timedelta(minutes=20))
        assert client.ask("status", order=order)["status"] == "In progress"
        with pytest.raises(httpx.HTTPStatusError, match="time does not go back"):
            provider.set_clock(begin)
        with pytest.raises(httpx.HTTPStatusError, match="must say its offset"):
            provider.control("POST", "clock", {"at": "2026-05-01T12:00:00"})
        with pytest.raises(httpx.HTTPStatusError, match="from 0 to 1000000"):
            provider.set_clock(speed=-1)
        stopped = provider.control("GET", "clock")
        assert stopped == {"at": "2026-05-01T12:20:00+00:00", "speed": 0.0}
        provider.set_clock(begin + timedelta(hours=2))
        assert client.ask("status", order=order)["status"] == "Completed"
    finally:
        provider.reset()
        provider.configure(finish_after=0.0)
        provider.set_clock(datetime.now(UTC), speed=1)


def test_a_fast_provider_finishes_orders_sooner(connect):
    with SandboxProcess.start(services=20, finish_after=3600, speed=100_000) as sandbox:
        client = connect(sandbox)
        order = client.add()
        time.sleep(0.2)

        assert client.ask("status", order=order)["status"] == "Completed"
        assert sandbox.control("GET", "clock")["speed"] == 100_000
