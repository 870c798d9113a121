"""Encrypting everything anew with the newest key of the ring."""

from dataclasses import dataclass

from sqlalchemy import text

from smmpanel.accounts.openid.settings import reseal_openid
from smmpanel.accounts.resealing_factors import reseal_factors
from smmpanel.catalog.resealing_stock import reseal_stock
from smmpanel.kernel.errors import ConflictError
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.public_ids import reseal_public_ids
from smmpanel.payments.methods import reseal_method_secrets
from smmpanel.providers.connecting import rotate_provider_keys

_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    " AND pid <> pg_backend_pid()"
)


class PanelRunsError(ConflictError):
    """Others are using the database and would not know what is about to change."""

    code, message = "panel_runs", "{sessions} other sessions use the database: stop the panel first."


@dataclass(frozen=True, slots=True)
class Resealed:
    """How much was encrypted anew."""

    provider_keys: int
    stock_items: int
    payment_methods: int
    second_factors: int


async def refuse_company(panel: Panel) -> None:
    """Raise `PanelRunsError` if anybody else uses the database."""
    async with panel.db.transaction() as session:
        others = await session.scalar(_OTHERS)
    if others:
        raise PanelRunsError(sessions=others)


async def reseal_everything(panel: Panel) -> Resealed:
    """Encrypt all that is kept sealed anew. What no key of the ring opens is left as it is. Safe to repeat."""
    async with panel.db.transaction() as session:
        provider_keys = await rotate_provider_keys(session, panel.vault)
        payment_methods = await reseal_method_secrets(session, panel.vault)
        await reseal_public_ids(session, panel.vault)
        await reseal_openid(session, panel.vault)
    second_factors, user = 0, 0
    while True:
        async with panel.db.transaction() as session:
            done, last = await reseal_factors(session, panel.vault, after=user)
        if last is None:
            break
        second_factors, user = second_factors + done, last
    stock_items, after = 0, 0
    while True:
        async with panel.db.transaction() as session:
            done, last = await reseal_stock(session, panel.vault, after=after)
        if last is None:
            return Resealed(provider_keys, stock_items, payment_methods, second_factors)
        stock_items, after = stock_items + done, last
