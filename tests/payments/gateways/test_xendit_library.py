"""Xendit's own library as the other side: it reads what we ask for, its refunds are found by us, and messages have its shape."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from payments.gateways.test_xendit import intent
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.xendit import Xendit
from smmpanel.payments.protocol import Account, Asked, GatewayStatus, Message, Notice
from smmpanel.sandbox.gateway.process import GatewayProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def library(sandbox: GatewayProcess) -> Any:
    """The library's client, pointed at the sandbox."""
    from xendit.api_client import ApiClient
    from xendit.configuration import Configuration

    sandbox.reset()
    settings = sandbox.setup("xendit")
    return ApiClient(Configuration(host=settings["base_url"], api_key=settings["secret_key"]))


@pytest_asyncio.fixture(loop_scope="session")
async def ours(sandbox: GatewayProcess) -> AsyncIterator[Xendit]:
    """Our adapter, for invoices: sessions are newer than the library."""
    settings = sandbox.setup("xendit")
    secrets = {name: (settings[name],) for name in ("secret_key", "callback_token")}
    async with Outgoing(allow=["127.0.0.1"]) as http:
        yield Xendit(Account("IDR", {"base_url": settings["base_url"], "surface": "invoices"}, secrets), http)


async def begun(ours: Xendit) -> Asked:
    wanted = replace(intent(), now=NOW, expires_at=NOW + timedelta(hours=1))
    started = await ours.start(wanted)
    return Asked(wanted.reference, started.external_ref, None, wanted.amount, "IDR", NOW, NOW)


async def told(ours: Xendit, payment: Asked) -> list[Notice]:
    return list(ours.read_answer(await ours.ask(payment), payment).notices)


async def test_the_library_reads_our_invoice_and_we_find_its_refund(
    sandbox: GatewayProcess, library: Any, ours: Xendit
) -> None:
    from xendit.apis import InvoiceApi, RefundApi
    from xendit.refund.model import CreateRefund

    payment = await begun(ours)
    invoice = await asyncio.to_thread(InvoiceApi(library).get_invoice_by_id, payment.external_ref)
    assert (invoice.external_id, invoice.amount, str(invoice.currency)) == (payment.reference, 150_000, "IDR")
    assert (str(invoice.status), invoice.payer_email) == ("PENDING", "buyer@shop.test")
    assert invoice.expiry_date - invoice.created == timedelta(hours=1)

    await asyncio.to_thread(sandbox.do, "xendit", payment.reference, "pay")
    asked = CreateRefund(
        invoice_id=payment.external_ref, amount=50_000.0, currency="IDR", reason="CANCELLATION", reference_id="r-1"
    )
    made = await asyncio.to_thread(lambda: RefundApi(library).create_refund(create_refund=asked, idempotency_key="r-1"))
    paid, back = await told(ours, payment)
    assert (paid.status, paid.amount) == (GatewayStatus.PAID, Decimal(150_000))
    assert (back.status, back.amount) == (GatewayStatus.PARTIALLY_REFUNDED, Decimal(50_000))
    assert back.return_id == made.id


async def test_we_read_an_invoice_that_the_library_made(sandbox: GatewayProcess, library: Any, ours: Xendit) -> None:
    from xendit.apis import InvoiceApi
    from xendit.invoice.model import CreateInvoiceRequest

    asked = CreateInvoiceRequest(external_id="LIBRARY1", amount=70_000.0, currency="IDR")
    await asyncio.to_thread(InvoiceApi(library).create_invoice, asked)
    payment = Asked("LIBRARY1", None, None, Decimal(70_000), "IDR", NOW, NOW)
    assert [one.status for one in await told(ours, payment)] == [GatewayStatus.PENDING]
    await asyncio.to_thread(sandbox.do, "xendit", "LIBRARY1", "pay")
    [paid] = await told(ours, payment)
    assert (paid.status, paid.amount) == (GatewayStatus.PAID, Decimal(70_000))


async def test_messages_have_the_shape_that_the_library_knows(
    sandbox: GatewayProcess, library: Any, ours: Xendit
) -> None:
    from xendit.invoice.model import InvoiceCallback
    from xendit.refund.model import RefundCallback

    payment = await begun(ours)
    for deed in ("pay", "refund_half"):
        await asyncio.to_thread(sandbox.do, "xendit", payment.reference, deed)
    bodies = [one["body"] for one in sandbox.deliveries(vendor="xendit")]
    invoice, refund = (
        library.deserialize(SimpleNamespace(data=body), (shape,), True)
        for body, shape in zip(bodies, (InvoiceCallback, RefundCallback), strict=True)
    )
    assert (invoice.external_id, str(invoice.status), invoice.paid_amount) == (payment.reference, "PAID", 150_000)
    assert refund.event == "refund.succeeded"
    hints = [ours.read(Message({}, body.encode()), "callback_token").notices[0] for body in bodies]
    assert [one.unproved for one in hints] == [True, True]
    assert hints[0].external_id == invoice.payment_id
