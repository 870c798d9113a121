"""Connecting providers: adding, changing, switching on and off, and making the adapter that calls one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.crypto import SecretUnreadableError, Vault
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.facts import record
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.providers.checking import ProviderTerms, checked_key, checked_slug, checked_terms
from smmpanel.providers.models import Provider
from smmpanel.providers.pausing import ProviderResumed, resume_provider, subject_of
from smmpanel.providers.protocol import Adapter, Connection
from smmpanel.providers.throttle import open_throttle

log = get_logger()

ID_MAX = 2**63 - 1


class ProviderExistsError(ConflictError):
    """There is a provider of this slug already."""

    code, message = "provider_exists", "There is a provider named {slug} already."


class ProviderKeyUnreadableError(PanelError):
    """The provider's key was sealed with a key that is no longer in the ring: it must be entered again."""

    code, status, message = "provider_key_unreadable", 503, "The API key of {provider} cannot be read; enter it again."


async def provider_by(session: AsyncSession, id_or_slug: int | str) -> Provider:
    """Return a provider by its id or slug; raises `NotFoundError`."""
    by_id = _id_from(id_or_slug)
    wanted = Provider.slug == id_or_slug if by_id is None else Provider.id == by_id
    provider = await session.scalar(select(Provider).where(wanted).execution_options(populate_existing=True))
    if provider is None:
        raise NotFoundError
    return provider


def _id_from(id_or_slug: int | str) -> int | None:
    if isinstance(id_or_slug, str) and not (id_or_slug.isascii() and id_or_slug.isdigit() and len(id_or_slug) < 20):
        return None
    return min(int(id_or_slug), ID_MAX)


def adapter_for(panel: Panel, provider: Provider) -> Adapter:
    """Return what calls this provider, its key opened; raises `ProviderKeyUnreadableError`."""
    try:
        api_key = panel.vault.open(provider.api_key_sealed)
    except SecretUnreadableError:
        raise ProviderKeyUnreadableError(provider=provider.slug) from None
    connection = Connection(provider.base_url, api_key, float(provider.timeout_seconds), provider.options)
    adapter: Adapter = panel.provider_adapters.get(provider.adapter)(connection, panel.http)
    return adapter


async def add_provider(
    session: AsyncSession,
    panel: Panel,
    *,
    actor: Actor,
    slug: str,
    adapter: str,
    api_key: str,
    enabled: bool = True,
    **terms: Unpack[ProviderTerms],
) -> Provider:
    """Connect an account at an upstream panel; nothing is called yet. `name` and `currency` are needed.

    Without a base URL the adapter's own is used; without an alias customers and chats see "Provider 7".
    """
    actor.require(Permission.PROVIDERS_EDIT)
    kind = panel.provider_adapters.get(adapter)
    if "name" not in terms or "currency" not in terms:
        raise InvalidInputError(field="currency" if "name" in terms else "name", reason=marked("is needed"))
    if not terms.get("base_url"):
        terms["base_url"] = getattr(kind, "default_base_url", None) or ""
    checked = checked_terms(terms, panel.settings)
    checked.setdefault("concurrency", panel.settings.submission_concurrency)
    provider = Provider(
        slug=checked_slug(slug),
        adapter=adapter,
        api_key_sealed=panel.vault.seal(checked_key(api_key)),
        enabled=enabled,
        **{"alias": "", "options": {}, "timeout_seconds": 30, **checked},
    )
    adapter_for(panel, provider)  # refuses options that are not this adapter's
    await _insert(session, provider)
    await audit(
        session, actor, Permission.PROVIDERS_EDIT, subject_of(provider.id), after=_fit_to_show(_terms_of(provider))
    )
    return provider


async def _insert(session: AsyncSession, provider: Provider) -> None:
    try:
        async with session.begin_nested():
            session.add(provider)
    except IntegrityError as taken:
        if "uq_providers_slug" in str(taken.orig):
            raise ProviderExistsError(slug=provider.slug) from None
        raise
    await open_throttle(session, provider.id)
    await session.refresh(provider)
    if not provider.alias:
        provider.alias = f"Provider {provider.id}"
        await session.flush()


async def edit_provider(
    session: AsyncSession,
    panel: Panel,
    id_or_slug: int | str,
    *,
    actor: Actor,
    now: datetime,
    api_key: str | None = None,
    **terms: Unpack[ProviderTerms],
) -> Provider:
    """Change what is given. A new key or address ends a pause: whoever enters it wants it tried."""
    actor.require(Permission.PROVIDERS_EDIT)
    provider = await _locked(session, id_or_slug)
    before = _terms_of(provider)
    for name, value in checked_terms(terms, panel.settings).items():
        if getattr(provider, name) != value:
            setattr(provider, name, value)
    tried_anew = before["base_url"] != provider.base_url
    new_key = api_key is not None and checked_key(api_key) != _key_or_none(panel, provider)
    if api_key is not None and new_key:
        provider.api_key_sealed = panel.vault.seal(checked_key(api_key))
        tried_anew = True
    if "options" in terms or new_key:
        adapter_for(panel, provider)
    await session.flush()
    await _audit_change(session, actor, provider, before, new_key=new_key)
    if tried_anew and await resume_provider(session, provider.id, now):
        await session.refresh(provider)
    return provider


async def enable_provider(session: AsyncSession, id_or_slug: int | str, *, actor: Actor, now: datetime) -> Provider:
    """Let a provider be called again, whether it was switched off or had been paused; what is queued can go out."""
    actor.require(Permission.PROVIDERS_EDIT)
    provider = await _locked(session, id_or_slug)
    resumed = await resume_provider(session, provider.id, now, actor=actor)
    if not provider.enabled:
        await _switch(session, provider, actor, enabled=True)
        if not resumed:
            await record(session, ProviderResumed(provider_id=provider.id))
    await session.refresh(provider)
    return provider


async def disable_provider(session: AsyncSession, id_or_slug: int | str, *, actor: Actor) -> Provider:
    """Have a provider called no more, neither for new orders nor for old ones, until it is enabled."""
    actor.require(Permission.PROVIDERS_EDIT)
    provider = await _locked(session, id_or_slug)
    if provider.enabled:
        await _switch(session, provider, actor, enabled=False)
    return provider


async def rotate_provider_keys(session: AsyncSession, vault: Vault) -> int:
    """Seal all providers' keys anew with the newest key of the ring; returns how many. Those that none opens stay."""
    rows = (
        await session.execute(
            select(Provider.id, Provider.slug, Provider.api_key_sealed)
            .order_by(Provider.id)
            .with_for_update(key_share=True)
        )
    ).all()
    resealed = 0
    for row in rows:
        try:
            vault.open(row.api_key_sealed)
        except SecretUnreadableError:
            log.warning("provider_key_unreadable", provider=row.slug)
            continue
        sealed = vault.reseal(row.api_key_sealed)
        await session.execute(update(Provider).where(Provider.id == row.id).values(api_key_sealed=sealed))
        resealed += 1
    return resealed


async def _locked(session: AsyncSession, id_or_slug: int | str) -> Provider:
    provider = await provider_by(session, id_or_slug)
    await session.refresh(provider, with_for_update={"key_share": True})
    return provider


async def _switch(session: AsyncSession, provider: Provider, actor: Actor, *, enabled: bool) -> None:
    provider.enabled = enabled
    await session.flush()
    change = {"before": {"enabled": not enabled}, "after": {"enabled": enabled}}
    await audit(session, actor, Permission.PROVIDERS_EDIT, subject_of(provider.id), **change)


async def _audit_change(
    session: AsyncSession, actor: Actor, provider: Provider, before: Mapping[str, Any], *, new_key: bool
) -> None:
    now = _terms_of(provider)
    changed = {name for name in now if now[name] != before[name]}
    after = _fit_to_show({name: now[name] for name in now if name in changed})
    if new_key:
        after["api_key"] = "replaced"
    if after:
        was = _fit_to_show({name: before[name] for name in before if name in changed})
        await audit(session, actor, Permission.PROVIDERS_EDIT, subject_of(provider.id), before=was, after=after)


def _key_or_none(panel: Panel, provider: Provider) -> str | None:
    try:
        return panel.vault.open(provider.api_key_sealed)
    except SecretUnreadableError:
        return None


def _terms_of(provider: Provider) -> dict[str, Any]:
    names = ("slug", "adapter", "enabled", *ProviderTerms.__annotations__)
    return {name: getattr(provider, name) for name in names}


def _fit_to_show(terms: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit log may keep: of options only their names, since headers and extra fields can carry secrets."""
    return {name: sorted(value) if name == "options" else value for name, value in terms.items()}
