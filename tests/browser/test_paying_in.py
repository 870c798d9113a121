"""Paying in, in a browser: the form really reaches the gateway, and a page without a stream of hints looks by itself."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest_asyncio
from playwright.async_api import expect
from sqlalchemy import update

from browser.every_page import CUSTOMER
from browser.looking import axe, no_sideways_scroll
from smmpanel.accounts.access import Actor
from smmpanel.catalog.fx import set_rate
from smmpanel.payments.methods import MethodTerms, add_method, disable_method, enable_method
from smmpanel.payments.models import Deposit
from smmpanel.payments.opening import NewDeposit, open_deposit

CURRENCY = "NPR"


@asynccontextmanager
async def gateway_that_listens():
    """A gateway on this machine: yields its address, and what was posted to it."""
    posted = []

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next(
            (int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")), 0
        )
        posted.append((head, parse_qsl((await reader.readexactly(length)).decode())))
        body = b"<!doctype html><title>Gateway</title><h1>Pay here</h1>"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", posted


@pytest_asyncio.fixture(loop_scope="session")
async def shop(site):
    """The panel with a gateway that customers' browsers send a form to: yields what was posted there, and a deposit."""
    panel, staff = site.panel, Actor.cli()
    async with gateway_that_listens() as (address, posted):
        options = {"product_code": "EPAYTEST", "base_url": address, "status_url": address}
        terms = MethodTerms(name="eSewa", currency=CURRENCY, minimum=Decimal(10), expires_minutes=15, options=options)
        async with panel.db.transaction() as session:
            await set_rate(
                session, panel.currency, CURRENCY, Decimal(2), currency=panel.currency, actor=staff, now=panel.clock()
            )
            method = await add_method(session, panel, "esewa", terms, actor=staff, secrets={"secret": "signing key"})
            await enable_method(session, panel, method.id, actor=staff)
        deposit = await open_deposit(panel, NewDeposit(site.people[CUSTOMER], method.id, Decimal(500)))
        yield posted, deposit
        async with panel.db.transaction() as session:
            await disable_method(session, method.id, actor=staff)


async def test_the_form_reaches_the_gateway_with_its_fields_in_order(site, visit, shop):
    posted, deposit = shop
    page = await visit(f"/deposits/{deposit.id}", site.people[CUSTOMER])
    await page.get_by_role("link", name="Pay at eSewa").click()
    await page.wait_for_url(f"**/deposits/{deposit.id}/pay")
    await axe(page)
    await no_sideways_scroll(page, 320)

    await page.get_by_role("button", name="Continue to payment").click()
    await expect(page.get_by_role("heading", name="Pay here")).to_be_visible()

    head, fields = posted[0]
    assert head.startswith("POST /api/epay/main/v2/form ")
    assert fields == [(name, value) for name, value in deposit.shown["fields"]]
    assert f"Origin: {site.address}" in head
    assert f"/deposits/{deposit.id}" not in head, "no page of ours is named"


async def test_a_page_without_a_stream_looks_by_itself(site, visit, shop, complaints):
    _, deposit = shop
    complaints.expect("ERR_FAILED")
    page = await visit("/deposits", site.people[CUSTOMER])
    await page.clock.install()
    await page.route("**/live*", lambda route: route.abort())
    await page.goto(f"/deposits/{deposit.id}")
    await expect(page.get_by_text("Waiting for your payment.")).to_be_visible()
    async with site.panel.db.transaction() as session:
        await session.execute(update(Deposit).where(Deposit.id == deposit.id).values(state="failed"))

    await page.clock.run_for(11_000)

    await expect(page.get_by_text("This payment did not go through.")).to_be_visible()


async def test_a_page_with_a_stream_does_not_ask_for_nothing(site, visit, shop):
    _, deposit = shop
    page = await visit("/deposits", site.people[CUSTOMER])
    await page.clock.install()
    await page.goto(f"/deposits/{deposit.id}")
    # Whoever opens a stream is first told to look at everything, a second later.
    await asyncio.sleep(2)
    assert await page.evaluate("() => window.liveStream?.readyState") == 1
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.headers.get("hx-request") else None)

    await page.clock.run_for(25_000)

    assert asked == []
