"""What our adapters are asked in these tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from smmpanel.payments.protocol import Asked, CanBeAsked, GatewayStatus, Intent, Notice

NOW = datetime.now(UTC).replace(microsecond=0)
NOBODY = "http://127.0.0.1:9/nobody"


def intent(reference: str, amount: str, currency: str) -> Intent:
    """Return a customer's wish to pay."""
    return Intent(
        reference,
        None,
        Decimal(amount),
        currency,
        NOW + timedelta(hours=1),
        NOW,
        customer="USR-1",
        email="buyer@shop.test",
        description=f"Top-up {reference}",
        return_url=f"https://panel.test/deposits/return/{reference}",
        notify_url=NOBODY,
    )


def asked(reference: str, amount: str, currency: str, number: str | None = None) -> Asked:
    """Return a question about a payment."""
    return Asked(reference, number, None, Decimal(amount), currency, NOW, NOW, NOW + timedelta(hours=1))


async def told(ours: CanBeAsked, payment: Asked) -> list[Notice]:
    """Ask the gateway."""
    return list(ours.read_answer(await ours.ask(payment), payment).notices)


async def words(ours: CanBeAsked, payment: Asked) -> list[tuple[GatewayStatus, Decimal]]:
    """Ask the gateway, and return what it says of money, shortly."""
    return [(one.status, one.amount) for one in await told(ours, payment)]
