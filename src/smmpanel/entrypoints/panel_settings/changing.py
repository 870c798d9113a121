"""Changing options of the panel: by permission, on the record from what to what."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.options import PanelOption, write_option

SETTINGS_LOCK = 0x5A11_0004
CURRENCY = "currency"
_IS_SETTLED = text("SELECT EXISTS (SELECT FROM ledger_transfers) OR EXISTS (SELECT FROM services)")


class CurrencyInUseError(ConflictError):
    """The books have lines, or services have prices, in the present currency."""

    code, message = "currency_in_use", marked("There are prices or payments already, so the currency stays as it is.")


async def change_options(session: AsyncSession, actor: Actor, section: str, wanted: Mapping[str, Any]) -> bool:
    """Set options of one section; returns whether any was different. What changed is recorded, what did not is not."""
    actor.require(Permission.SETTINGS_EDIT)
    # One at a time, so that each line of the audit log begins where the one before ended.
    await session.execute(select(func.pg_advisory_xact_lock(SETTINGS_LOCK)))
    found = await session.execute(select(PanelOption.name, PanelOption.value).where(PanelOption.name.in_(list(wanted))))
    present: dict[str, Any] = dict(found.all())
    changed = {name: value for name, value in wanted.items() if present.get(name) != value}
    if not changed:
        return False
    for name, value in changed.items():
        await write_option(session, name, value)
    before = {name: present.get(name) for name in changed}
    await audit(session, actor, Permission.SETTINGS_EDIT, f"settings:{section}", before=before, after=changed)
    return True


async def change_currency(session: AsyncSession, actor: Actor, currency: str) -> bool:
    """Choose what the panel reckons in, for as long as nothing has a price. Processes take it up when they start.

    Raises `CurrencyInUseError` once there are services or lines in the books: their amounts would mean something else.
    """
    actor.require(Permission.SETTINGS_EDIT)
    if await is_currency_settled(session):
        raise CurrencyInUseError
    return await change_options(session, actor, "currency", {CURRENCY: currency})


async def is_currency_settled(session: AsyncSession) -> bool:
    """Whether anything has a price, or any money has moved."""
    return bool(await session.scalar(_IS_SETTLED))
