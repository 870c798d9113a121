"""The made-up catalogue is always the same for a seed, and can be large."""

import time
from decimal import Decimal

from smmpanel.sandbox.process import SandboxProcess
from smmpanel.sandbox.provider_catalogue import make_services
from smmpanel.sandbox.provider_fields import TYPES


def test_a_seed_decides_the_catalogue():
    assert make_services(300, seed=5) == make_services(300, seed=5)
    assert make_services(300, seed=5) != make_services(300, seed=6)


def test_a_larger_catalogue_begins_with_the_smaller_one():
    assert make_services(900, seed=5)[:100] == make_services(100, seed=5)


def test_seventeen_services_have_every_type():
    assert {service.type for service in make_services(17, seed=3)} == set(TYPES)


def test_ten_thousand_services_look_like_this_market_and_take_no_time():
    before = time.perf_counter()
    services = make_services(10_000, seed=1)

    assert time.perf_counter() - before < 1
    assert len({service.id for service in services}) == 10_000
    assert min(service.rate for service in services) < Decimal("0.001")
    assert max(service.rate for service in services) > Decimal(50)
    assert sum(service.type == "Default" for service in services) > 8_500
    assert all(service.refill is False or "No Refill" not in service.name for service in services)
    assert all(service.dripfeed is False or service.type in ("Default", "Web Traffic") for service in services)


def test_rates_are_in_the_currency_of_the_account():
    dollars, rupiah = make_services(50, seed=2), make_services(50, seed=2, currency="IDR")

    assert [service.rate for service in rupiah] == [service.rate * 16_000 for service in dollars]


def test_two_processes_with_one_seed_sell_the_same(connect):
    with (
        SandboxProcess.start(services=40, seed=11) as one,
        SandboxProcess.start(services=40, seed=11) as other,
        SandboxProcess.start(services=40, seed=12) as stranger,
    ):
        answers = [connect(sandbox).ask("services") for sandbox in (one, other, stranger)]

    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


def test_a_service_can_be_changed_disabled_and_removed_while_running(provider, client):
    provider.control("POST", "services/30", {"rate": "12.5", "disabled": True})
    provider.control("DELETE", "services/31")
    rows = {row["service"]: row for row in client.ask("services")}

    assert rows[30]["rate"] == "12.50"
    assert 31 not in rows
    assert client.ask("add", service=30, link="a", quantity=100) == {"error": "Disabled service ID"}
    assert client.ask("add", service=31, link="a", quantity=100) == {"error": "Incorrect service ID"}
