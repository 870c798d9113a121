"""What one currency is worth in another: rates set by hand."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.catalog.change_log import begin_change, bump_version
from smmpanel.catalog.live_routes import fx_sql
from smmpanel.catalog.models import FxRate
from smmpanel.catalog.repricing import EVERYTHING, reprice
from smmpanel.kernel.errors import ConflictError, InvalidInputError
from smmpanel.kernel.i18n import marked

FX_PLACES = Decimal(1).scaleb(-12)
FX_LIMIT = Decimal(10) ** 10


class FxRateMissingError(ConflictError):
    """Two currencies meet for which nobody has set a rate."""

    code, message = "fx_rate_missing", "There is no exchange rate from {base} to {quote}; set one first."


async def rate_between(session: AsyncSession, base: str, quote: str) -> Decimal:
    """Return what one unit of `base` is worth in `quote`, from the rate or its inverse; raises `FxRateMissingError`."""
    found: Decimal | None = await session.scalar(_RATE, {"base": base, "quote": quote})
    if found is None:
        raise FxRateMissingError(base=base, quote=quote)
    return Decimal(found)


async def set_rate(
    session: AsyncSession, base: str, quote: str, rate: Decimal, *, currency: str, actor: Actor, now: datetime
) -> int:
    """Say what one unit of `base` is worth in `quote`; prices follow. Returns how many services changed.

    `currency` is the panel's. A rate set before in the other direction is dropped: the last word counts.
    """
    actor.require(Permission.SETTINGS_EDIT)
    base, quote = _currency("base", base), _currency("quote", quote)
    if base == quote:
        raise InvalidInputError(field="quote", reason=marked("must be another currency"))
    if not rate.is_finite() or not FX_PLACES <= rate < FX_LIMIT:
        raise InvalidInputError(field="rate", reason=marked("must be more than zero and of reasonable size"))
    rate = rate.quantize(FX_PLACES)
    await begin_change(session)
    before = await session.scalar(_RATE, {"base": base, "quote": quote})
    await session.execute(_DROP, {"base": quote, "quote": base})
    written = insert(FxRate).values(base=base, quote=quote, rate=rate, set_at=now)
    await session.execute(
        written.on_conflict_do_update(index_elements=[FxRate.base, FxRate.quote], set_={"rate": rate, "set_at": now})
    )
    changed = await reprice(session, EVERYTHING, currency=currency, cause="fx", now=now)
    # A currency's first rate can put services on sale whose own rows do not change.
    await bump_version(session)
    change = {"before": {"rate": before}, "after": {"rate": rate}}
    await audit(session, actor, Permission.SETTINGS_EDIT, f"fx:{base}:{quote}", **change)
    return changed


async def fx_rates(session: AsyncSession) -> list[FxRate]:
    """Return all rates that were set."""
    return list((await session.scalars(select(FxRate).order_by(FxRate.base, FxRate.quote))).all())


def _currency(field: str, code: str) -> str:
    tidy = code.strip().upper()
    if not (3 <= len(tidy) <= 10 and tidy.isascii() and tidy.isalnum()):
        raise InvalidInputError(field=field, reason=marked("must be a currency code such as USD"))
    return tidy


_RATE = text(f"SELECT {fx_sql('CAST(:base AS text)', 'CAST(:quote AS text)')}")
_DROP = text("DELETE FROM fx_rates WHERE base = :base AND quote = :quote")
