"""Where markups are kept: on a service, a category or a provider, and as options of the panel."""

from decimal import Decimal
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.pricing import MarkupRule
from smmpanel.kernel.options import read_option, write_option

MARKUP_PERCENT = "default_markup_percent"
MARKUP_FIXED = "default_markup_fixed"
ROUNDING_STEP = "default_rounding_step"


class HasMarkup(Protocol):
    """A service, a category or a provider."""

    markup_percent: Decimal | None
    markup_fixed: Decimal | None
    rounding_step: Decimal | None


def markup_rule(owner: HasMarkup) -> MarkupRule:
    """Return what a service, category or provider says of its markup."""
    return MarkupRule(owner.markup_percent, owner.markup_fixed, owner.rounding_step)


async def panel_markup(session: AsyncSession) -> MarkupRule:
    """Return the markup of services for which nothing nearer says one."""
    percent, fixed, step = [await _amount(session, name) for name in (MARKUP_PERCENT, MARKUP_FIXED, ROUNDING_STEP)]
    return MarkupRule(percent, fixed, step)


async def set_panel_markup(session: AsyncSession, rule: MarkupRule) -> None:
    """Keep the panel's markup. Prices follow once `reprice` is called."""
    for name, value in ((MARKUP_PERCENT, rule.percent), (MARKUP_FIXED, rule.fixed), (ROUNDING_STEP, rule.step)):
        await write_option(session, name, None if value is None else str(value))


async def _amount(session: AsyncSession, name: str) -> Decimal | None:
    value = await read_option(session, name)
    return None if value is None else Decimal(str(value))
