"""Several providers behind one service: who is asked first, who can be asked at all."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text, update

from smmpanel.accounts.access import Actor
from smmpanel.catalog.fx import FxRateMissingError, set_rate
from smmpanel.catalog.models import ProviderService, ServiceRoute
from smmpanel.catalog.routes import (
    RouteExistsError,
    RouteUnfitError,
    add_route,
    change_route,
    first_open,
    provider_line,
    remove_route,
    routes_for,
    why_no_route,
)
from smmpanel.kernel.errors import NotFoundError
from smmpanel.providers.models import Provider

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
AT = {"currency": "USD", "actor": Actor.cli(), "now": NOW}


@pytest.fixture
async def two(panel, jap, a_provider, shelves, line):
    """A service with two routes: jap first, peakerr second and dearer."""
    peakerr = await a_provider("peakerr")
    await jap.take(line("1"))
    await peakerr.sync(line("x", rate=Decimal(3), min=100, max=200, refill=None), now=NOW)
    service = await shelves.service("1")
    async with panel.db.transaction() as session:
        spare = await provider_line(session, peakerr.id, "x")
        await add_route(session, service.id, spare.id, **AT)
    return service.id


async def routes(panel, service_id: int):
    async with panel.db.transaction() as session:
        return (await routes_for(session, [service_id, 999], "USD")).get(service_id, [])


async def why(panel, service_id: int) -> str | None:
    async with panel.db.transaction() as session:
        return (await why_no_route(session, [service_id], "USD")).get(service_id)


async def test_routes_come_in_line_with_all_that_is_needed(panel, jap, two):
    first, second = await routes(panel, two)

    assert (first.provider, first.provider_id, first.external_id) == ("jap", jap.id, "1")
    assert (first.priority, first.paused, first.currency, first.type) == (0, False, "USD", "default")
    assert (first.rate, first.fx, first.cost) == (Decimal(1), Decimal(1), Decimal(1))
    assert (first.min, first.max, first.refill, first.cancel) == (10, 10_000, True, False)
    assert (second.provider, second.external_id, second.priority, second.cost) == ("peakerr", "x", 1, Decimal(3))
    assert second.refill is None
    assert (second.takes(99), second.takes(100), second.takes(200), second.takes(201)) == (False, True, True, False)


async def test_one_statement_for_any_number_of_services(panel, jap, line):
    result = await jap.take(*(line(str(number)) for number in range(500)))
    async with panel.db.transaction() as session:
        found = await routes_for(session, result.service_ids, "USD")
    assert len(found) == 500


async def test_priority_decides_and_price_and_terms_follow(panel, shelves, two):
    first, second = await routes(panel, two)
    async with panel.db.transaction() as session:
        await change_route(session, second.id, priority=-1, **AT)

    assert [route.provider for route in await routes(panel, two)] == ["peakerr", "jap"]
    service = await shelves.service("1")
    assert (service.cost, service.rate, service.min, service.max) == (Decimal(3), Decimal(3), 100, 200)
    assert service.refill is True  # peakerr says nothing of it

    async with panel.db.transaction() as session:
        await change_route(session, second.id, enabled=False, **AT)
    assert [route.id for route in await routes(panel, two)] == [first.id]
    assert (await shelves.service("1")).cost == Decimal(1)

    async with panel.db.transaction() as session:
        await change_route(session, second.id, enabled=True, **AT)
        await remove_route(session, first.id, **AT)
    assert [route.id for route in await routes(panel, two)] == [second.id]
    assert (await shelves.service("x")).cost == Decimal(3)


async def test_a_paused_provider_keeps_its_place_but_is_not_open(panel, jap, two):
    async with panel.db.transaction() as session:
        await session.execute(update(Provider).where(Provider.id == jap.id).values(paused_at=NOW))

    line_up = await routes(panel, two)
    assert [(route.provider, route.paused) for route in line_up] == [("jap", True), ("peakerr", False)]
    assert first_open(line_up) == line_up[1]
    assert await why(panel, two) is None

    async with panel.db.transaction() as session:
        await session.execute(update(Provider).values(paused_at=NOW))
    assert first_open(await routes(panel, two)) is None
    assert await why(panel, two) == "provider_paused"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DELETE FROM service_routes", "no_route"),
        ("UPDATE service_routes SET enabled = false", "route_disabled"),
        ("UPDATE providers SET enabled = false", "provider_disabled"),
        ("UPDATE provider_services SET misses = 2", "gone_at_provider"),
        ("UPDATE provider_services SET type = 'package'", "type_changed"),
        ("UPDATE providers SET currency = 'EUR'", "fx_missing"),
    ],
)
async def test_a_route_that_cannot_take_an_order_is_none_and_says_why(panel, two, statement, reason):
    async with panel.db.transaction() as session:
        await session.execute(text(statement))
    assert await routes(panel, two) == []
    assert await why(panel, two) == reason


async def test_the_reason_told_is_the_one_nearest_to_working(panel, jap, two):
    async with panel.db.transaction() as session:
        await session.execute(update(ServiceRoute).where(ServiceRoute.priority == 1).values(enabled=False))
        await session.execute(update(ProviderService).where(ProviderService.provider_id == jap.id).values(misses=2))
    assert await why(panel, two) == "gone_at_provider"


async def test_routes_that_do_not_fit_are_refused(jap, a_provider, shelves, two, line):
    panel = jap.panel
    euro = await a_provider("euro", currency="EUR")
    await euro.sync(line("e"), line("p", type="package"), now=NOW)
    async with panel.db.transaction() as session:
        same = await provider_line(session, jap.id, "1")
        foreign, package = await provider_line(session, euro.id, "e"), await provider_line(session, euro.id, "p")

    for line_id, error in (
        (same.id, RouteExistsError),
        (foreign.id, FxRateMissingError),
        (package.id, RouteUnfitError),
        (0, NotFoundError),
    ):
        with pytest.raises(error):
            async with panel.db.transaction() as session:
                await add_route(session, two, line_id, **AT)
    await shelves.set(two, mode="manual")
    with pytest.raises(RouteUnfitError):
        async with panel.db.transaction() as session:
            await add_route(session, two, same.id, **AT)
    assert len(await shelves.all(ServiceRoute)) == 2


async def test_cost_of_a_foreign_route_is_in_the_panels_currency_and_rounded_up(panel, a_provider, shelves, two, line):
    euro = await a_provider("euro", currency="EUR")
    await euro.sync(line("e", rate=Decimal("0.000001")), now=NOW)
    async with panel.db.transaction() as session:
        await set_rate(session, "EUR", "USD", Decimal("1.1"), currency="USD", actor=Actor.cli(), now=NOW)
        foreign = await provider_line(session, euro.id, "e")
        await add_route(session, two, foreign.id, priority=-5, **AT)

    [first, *_] = await routes(panel, two)
    assert (first.currency, first.fx, first.cost) == ("EUR", Decimal("1.1"), Decimal("0.000002"))
    assert (await shelves.service("1")).cost == first.cost
