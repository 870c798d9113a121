"""Our balance at each provider: asked for hourly, watched, and the sign that a pause may end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.facts import on
from smmpanel.kernel.jobs import job
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.money import plain, round_down
from smmpanel.kernel.panel import Panel
from smmpanel.notifications import AlertLevel, clear_alert, raise_alert
from smmpanel.providers.asking import asking
from smmpanel.providers.models import Provider
from smmpanel.providers.pausing import ProviderPaused, is_about_funds, resume_provider, subject_of
from smmpanel.providers.protocol import ProviderFailure, UpstreamBalance

log = get_logger()

LOW_BALANCE = "provider_low_balance"
CURRENCY_DIFFERS = "provider_currency"
CHECKS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class BalanceResult:
    """What one provider said of our balance, or why it did not."""

    provider_id: int
    slug: str
    amount: Decimal | None = None
    currency: str | None = None
    """The provider's own word for it, or what we have configured if it says none."""
    is_low: bool = False
    resumed: bool = False
    failure: str | None = None
    """The outcome of a `ProviderFailure`, or the code of a `PanelError`."""
    text: str = ""


async def check_balances(
    panel: Panel, provider_ids: Sequence[int] | None = None, *, only_if_grown: bool = False
) -> list[BalanceResult]:
    """Ask the enabled providers, all or these, and record what they say; in the order of their ids.

    A paused provider that answers is resumed. If it had run out of funds there must be some now; with `only_if_grown`
    there must be more than when it was asked last since the pause, so that what is left of too little does not count.
    """
    wanted = select(Provider.id, Provider.slug).where(Provider.enabled).order_by(Provider.id)
    if provider_ids is not None:
        wanted = wanted.where(Provider.id.in_(provider_ids))
    async with panel.db.transaction() as session:
        providers = (await session.execute(wanted)).all()
    places = asyncio.Semaphore(CHECKS_AT_ONCE)

    async def check(provider_id: int, slug: str) -> BalanceResult:
        async with places:
            return await _check(panel, provider_id, slug, only_if_grown=only_if_grown)

    results = await asyncio.gather(*(check(*provider) for provider in providers), return_exceptions=True)
    return [_result_of(*provider, result) for provider, result in zip(providers, results, strict=True)]


def _result_of(provider_id: int, slug: str, result: BalanceResult | BaseException) -> BalanceResult:
    """Return what came of one check: a mistake in one adapter must not keep the others' balances from being read."""
    if isinstance(result, BalanceResult):
        return result
    if not isinstance(result, Exception):
        raise result
    log.error("balance_check_broke", provider=slug, exc_info=result)
    return BalanceResult(provider_id, slug, failure="error", text=type(result).__name__)


async def _check(panel: Panel, provider_id: int, slug: str, *, only_if_grown: bool) -> BalanceResult:
    try:
        async with asking(panel, provider_id, "balance", probing=True) as adapter:
            balance = await adapter.balance()
    except (ProviderFailure, PanelError) as failed:
        failure = failed.outcome if isinstance(failed, ProviderFailure) else failed.code
        log.warning("balance_not_read", provider=slug, failure=failure, text=str(failed))
        return BalanceResult(provider_id, slug, failure=failure, text=str(failed))
    async with panel.db.transaction() as session:
        return await record_balance(session, provider_id, balance, panel.clock(), only_if_grown=only_if_grown)


async def record_balance(
    session: AsyncSession, provider_id: int, balance: UpstreamBalance, now: datetime, *, only_if_grown: bool = False
) -> BalanceResult:
    """Keep a balance, raise or clear the alerts about it, and resume the provider if it says that the pause is over."""
    provider = await session.scalar(
        select(Provider)
        .where(Provider.id == provider_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    assert provider is not None, "providers are never deleted"
    amount = round_down(balance.amount)
    resume = provider.paused_at is not None and _ends_pause(provider, amount, only_if_grown=only_if_grown)
    provider.balance, provider.balance_at = amount, now
    await session.flush()
    is_low = await _watch_amount(session, provider, amount)
    await _watch_currency(session, provider, balance.currency)
    resumed = resume and await resume_provider(session, provider_id, now)
    currency = balance.currency or provider.currency
    return BalanceResult(provider_id, provider.slug, amount, currency, is_low=is_low, resumed=resumed)


def _ends_pause(provider: Provider, amount: Decimal, *, only_if_grown: bool) -> bool:
    assert provider.paused_at is not None
    if only_if_grown:
        asked_since = provider.balance_at is not None and provider.balance_at >= provider.paused_at
        return asked_since and provider.balance is not None and amount > provider.balance
    return amount > 0 or not is_about_funds(provider.paused_reason)


async def _watch_amount(session: AsyncSession, provider: Provider, amount: Decimal) -> bool:
    subject = subject_of(provider.id)
    if provider.low_balance is None or amount >= provider.low_balance:
        await clear_alert(session, LOW_BALANCE, subject)
        return False
    await raise_alert(
        session,
        LOW_BALANCE,
        subject,
        AlertLevel.WARNING,
        provider=provider.slug,
        balance=plain(amount),
        low_balance=plain(provider.low_balance),
        currency=provider.currency,
    )
    return True


async def _watch_currency(session: AsyncSession, provider: Provider, currency: str | None) -> None:
    subject = subject_of(provider.id)
    told = (currency or "").strip().upper()
    if not told or told == provider.currency:
        await clear_alert(session, CURRENCY_DIFFERS, subject)
        return
    await raise_alert(
        session,
        CURRENCY_DIFFERS,
        subject,
        AlertLevel.CRITICAL,
        provider=provider.slug,
        configured=provider.currency,
        told=told[:16],
    )


@job(queue="chores", cron="7 * * * *")
async def check_balances_hourly(panel: Panel) -> None:
    """Ask all providers for our balance. Harmless to repeat."""
    await check_balances(panel)


@job(queue="chores", cron="*/3 * * * *")
async def check_paused_balances(panel: Panel) -> None:
    """Look whether providers that ran out of our money have got some again. Harmless to repeat."""
    async with panel.db.transaction() as session:
        paused = await session.execute(
            select(Provider.id, Provider.paused_reason).where(Provider.enabled, Provider.paused_at.is_not(None))
        )
        waiting = [provider_id for provider_id, reason in paused if is_about_funds(reason)]
    if waiting:
        await check_balances(panel, waiting, only_if_grown=True)


@on(ProviderPaused)
async def look_at_paused_provider(panel: Panel, fact: ProviderPaused) -> None:
    """Read the balance at which a provider stopped: a later one that is higher ends the pause.

    If it answers, it may also be asked about orders again. Told twice, it reads twice.
    """
    await check_balances(panel, [fact.provider_id], only_if_grown=True)
