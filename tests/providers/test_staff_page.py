"""The providers' pages for staff: connecting with a try before, health, syncs, switching, exchange rates."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from making import make_user
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.catalog.models import FxRate, ProviderService
from smmpanel.catalog.syncing import sync_one
from smmpanel.notifications import AlertLevel, raise_alert
from smmpanel.providers.health import CallRecord, record_calls
from smmpanel.providers.models import Provider
from smmpanel.providers.pausing import pause_provider, subject_of
from staff_browser import sign_in

WAY = "/staff/providers"
HTMX = {"hx-request": "true"}
KEY = "a-very-long-secret-key-9876"


@pytest.fixture
async def admin(panel):
    browser = await sign_in(panel)
    await browser.get(WAY)
    if not browser.token:
        await browser.get("/staff/services")
    yield browser
    await browser.client.aclose()


def a_form(**more):
    return {
        "name": "Best Panel",
        "adapter": "panel_v2",
        "api_key": KEY,
        "base_url": "http://127.0.0.1:9/api/v2",
        "currency": "USD",
        "timeout_seconds": "5",
        **more,
    }


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_pages_in_every_language_with_and_without_providers(admin, panel, a_provider, language):
    asked = {"lang": language}
    assert (await admin.get(WAY, params=asked)).status_code == 200
    assert (await admin.get(f"{WAY}/new", params=asked)).status_code == 200
    provider = await a_provider(currency="EUR", low_balance=Decimal(5))
    async with panel.db.transaction() as session:
        now = panel.clock()
        await record_calls(session, provider.id, [CallRecord("balance", ok=True, took_ms=120)] * 3, now)
        await record_calls(session, provider.id, [CallRecord("add", ok=False, took_ms=900)], now - timedelta(hours=30))
        await raise_alert(session, "provider_low_balance", subject_of(provider.id), AlertLevel.WARNING, balance="1")
    listed = await admin.get(WAY, params=asked)
    assert "JustAnotherPanel</a>" in listed.text
    assert "120 ms" in listed.text
    for chart in ("", "errors", "latency", "odd"):
        shown = await admin.get(f"{WAY}/{provider.id}", params={**asked, "chart": chart})
        assert shown.status_code == 200
        assert 'class="chart-plot"' in shown.text


async def test_what_is_typed_can_be_tried_before_it_is_kept(admin, panel, sandbox):
    form = a_form(base_url=sandbox.url, api_key=sandbox.key)
    works = await admin.post(f"{WAY}/test", form, headers=HTMX)
    assert (works.status_code, "25 services" in works.text, "<html" in works.text) == (200, True, False)
    wrong = await admin.post(f"{WAY}/test", {**form, "api_key": "wrong"}, headers=HTMX)
    assert "It refused our account" in wrong.text
    gone = await admin.post(f"{WAY}/test", a_form())
    assert "It could not be reached" in gone.text
    assert KEY not in gone.text
    assert 'value="Best Panel"' in gone.text
    async with panel.db.transaction() as session:
        assert (await session.scalars(select(Provider))).all() == []


async def test_a_provider_is_connected_and_its_key_is_never_shown(admin, panel):
    answer = await admin.post(f"{WAY}/new", a_form(rate_per_minute="60"))
    assert answer.status_code == 303
    shown = await admin.get(answer.headers["location"])

    assert KEY not in shown.text
    assert "•••• 9876" in shown.text
    async with panel.db.transaction() as session:
        provider = (await session.scalars(select(Provider))).one()
        assert (provider.slug, provider.rate_per_minute) == ("best-panel", 60)
        assert panel.vault.open(provider.api_key_sealed) == KEY


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "Must be a name"),
        ({"base_url": "ftp://x"}, "Must be a http"),
        ({"currency": "dollars"}, "Must be a code"),
        ({"api_key": ""}, "Must be a key"),
        ({"rate_per_minute": "many"}, "Must be a whole number"),
        ({"options": "[1]"}, "Must be options as JSON"),
        ({"slug": "9x"}, "Is made of"),
    ],
)
async def test_what_is_wrong_is_said_under_its_field(admin, wrong, said):
    answer = await admin.post(f"{WAY}/new", a_form(alias="Kept", **wrong))

    assert answer.status_code == 422
    assert re.search(f'class="error".*{said}', answer.text)
    assert 'value="Kept"' in answer.text
    assert KEY not in answer.text


async def test_saving_keeps_the_key_unless_another_is_typed(admin, panel, a_provider):
    provider = await a_provider()
    form = {"name": "Renamed", "base_url": "http://127.0.0.1:9/api/v2", "currency": "USD", "markup_percent": "12,5"}

    assert (await admin.post(f"{WAY}/{provider.id}", form)).status_code == 303
    async with panel.db.transaction() as session:
        after = await session.get_one(Provider, provider.id)
        assert (after.name, after.markup_percent) == ("Renamed", Decimal("12.5"))
        assert panel.vault.open(after.api_key_sealed) == "sandbox-key"
    await admin.post(f"{WAY}/{provider.id}", {**form, "api_key": KEY})
    wrong = await admin.post(f"{WAY}/{provider.id}", {**form, "timeout_seconds": "9999"})
    assert (wrong.status_code, 'value="9999"' in wrong.text) == (422, True)
    async with panel.db.transaction() as session:
        after = await session.get_one(Provider, provider.id)
        assert panel.vault.open(after.api_key_sealed) == KEY


async def test_it_is_tried_switched_off_on_and_resumed(admin, panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url)
    there = f"{WAY}/{provider.id}"
    assert "25 services" in (await admin.post(f"{there}/test")).text

    async def state():
        async with panel.db.transaction() as session:
            row = await session.get_one(Provider, provider.id)
            return row.enabled, row.paused_at is not None

    await admin.post(f"{there}/switch", {"to": "off"})
    assert await state() == (False, False)
    await admin.post(f"{there}/switch", {"to": "on"})
    async with panel.db.transaction() as session:
        await pause_provider(session, provider.id, "Not enough funds", panel.clock())
    assert "Not enough funds" in (await admin.get(there)).text
    await admin.post(f"{there}/switch", {"to": "on"})
    assert await state() == (True, False)


async def test_a_sync_is_enqueued_once_and_its_state_is_shown(admin, panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url)
    there = f"{WAY}/{provider.id}"
    assert (await admin.post(f"{there}/sync")).status_code == 303
    assert (await admin.post(f"{there}/sync")).status_code == 303

    waiting = await admin.get(f"{there}/sync", headers=HTMX)
    assert ("waits for a free worker" in waiting.text, "every 3s" in waiting.text) == (True, True)
    async with panel.db.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM procrastinate_jobs")) == 1
        await session.execute(text("DELETE FROM procrastinate_jobs"))
        assert await session.scalar(
            select(AuditEntry.id).where(AuditEntry.subject == f"provider:{provider.id}").limit(1)
        )
    await sync_one.function(panel, provider_id=provider.id)
    over = await admin.get(f"{there}/sync", headers=HTMX)
    assert ("every 3s" in over.text, over.headers["hx-refresh"]) == (False, "true")
    assert f'href="/staff/import?provider={provider.id}"' in (await admin.get(there)).text
    async with panel.db.transaction() as session:
        assert len((await session.scalars(select(ProviderService))).all()) == 25


async def test_a_rate_for_its_currency_is_set(admin, panel, a_provider):
    provider = await a_provider(currency="IDR")
    there = f"{WAY}/{provider.id}"
    assert "No exchange rate" in (await admin.get(there)).text

    for typed in ("x", "0", "-1", ""):
        wrong = await admin.post(f"{there}/fx", {"fx": typed})
        assert wrong.status_code == 422
    assert (await admin.post(f"{there}/fx", {"fx": "0,0000612"})).status_code == 303
    async with panel.db.transaction() as session:
        assert (await session.scalars(select(FxRate))).one().rate == Decimal("0.0000612")


async def test_how_long_the_balance_lasts_and_what_it_refused(admin, panel, a_provider):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        user = await make_user(session)
        given = {"user": user, "provider": provider.id, "now": panel.clock()}
        await session.execute(text("INSERT INTO categories (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'A')"))
        await session.execute(
            text(
                "INSERT INTO services (id, category_id, name, min, max, rate) OVERRIDING SYSTEM VALUE"
                " VALUES (1, 1, 'S', 1, 9, 1)"
            )
        )
        order = await session.scalar(
            text(
                "INSERT INTO orders (user_id, service_id, kind, status, link, quantity, currency, charge, rate, terms,"
                " provider_id, external_id, provider_charge, created_at) VALUES (:user, 1, 'normal', 'processing', 'x', 5,"
                " 'USD', 60, 1, '{}', :provider, '77', 48, :now) RETURNING id"
            ),
            given,
        )
        await session.execute(
            text(
                "INSERT INTO order_attempts (order_id, provider_id, request, outcome, answer, took_ms)"
                " VALUES (:order, :provider, '{}', 'refused_order', 'Bad <b>link', 12)"
            ),
            {**given, "order": order},
        )
        await session.execute(text("UPDATE providers SET balance = 20, balance_at = :now"), given)

    shown = await admin.get(f"{WAY}/{provider.id}")
    assert "$2.00 an hour" in shown.text
    assert "10\N{NO-BREAK SPACE}h" in shown.text
    assert "Bad &lt;b&gt;link" in shown.text


async def test_rights_and_foreign_ids(panel, admin, a_provider):
    provider = await a_provider()
    looking = await sign_in(panel, role=Role.STAFF, permissions=["providers.view", "services.view"])
    shown = await looking.get(f"{WAY}/{provider.id}")
    assert (shown.status_code, "Save provider" in shown.text, "/switch" in shown.text) == (200, False, False)
    for way, form in ((f"{provider.id}/switch", {"to": "off"}), (f"{provider.id}/sync", {}), ("test", a_form())):
        assert (await looking.post(f"{WAY}/{way}", form)).status_code == 403
    for way in ("", "/switch", "/sync", "/test", "/fx"):
        assert (await admin.post(f"{WAY}/4711{way}", {"fx": "1", **a_form()})).status_code == 404
    assert (await admin.get(f"{WAY}/4711")).status_code == 404
