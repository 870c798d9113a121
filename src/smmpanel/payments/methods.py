"""Payment methods: what customers are offered, set up by staff, secrets sealed and never shown again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.crypto import SecretUnreadableError, Vault
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.money import LIMIT
from smmpanel.kernel.panel import Panel
from smmpanel.payments.models import PaymentMethod
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import Account, Gateway
from smmpanel.payments.rates import rate_to

NAME_MAX = 60
SECRETS_KEPT = 3
MINUTES_MIN, MINUTES_MAX = 5, 30 * 24 * 60
FORMER_PREFIXES = "former_prefixes"
"""Option: prefixes that the method had before. Transfers that were begun with them are still recognised."""
PREFIX = "memo_prefix"
NAME_WRONG = marked("must be 1 to 60 characters")
MINIMUM_WRONG = marked("must be more than zero")
MAXIMUM_WRONG = marked("must not be below the minimum")
FEE_WRONG = marked("must be zero or more")
PERCENT_WRONG = marked("must be from 0 to less than 100")
MINUTES_WRONG = marked("must be from 5 minutes to 30 days")
CURRENCY_WRONG = marked("is not one that this method takes")
TOO_LONG = marked("is too long")

log = get_logger()


class NoPaymentMethodError(ConflictError):
    """No method of this kind is offered at present."""

    code, message = "no_payment_method", marked("This payment method is not available at present.")


@dataclass(frozen=True, slots=True)
class MethodTerms:
    """All that staff say of a method, but its secrets."""

    name: str
    currency: str
    minimum: Decimal
    maximum: Decimal | None = None
    fee_percent: Decimal = Decimal(0)
    fee_fixed: Decimal = Decimal(0)
    expires_minutes: int = 60
    options: Mapping[str, Any] = field(default_factory=dict)
    policy: Policy | None = None
    """Unless it is said: what is usual for gateways of this kind."""
    position: int = 0


async def method_by(session: AsyncSession, method_id: int, *, lock: bool = False) -> PaymentMethod:
    """Return a method; raises `NotFoundError`."""
    found = await session.get(PaymentMethod, method_id, with_for_update={"key_share": True} if lock else None)
    if found is None:
        raise NotFoundError
    return found


async def methods_of(session: AsyncSession, gateway: str | None = None) -> list[PaymentMethod]:
    """Return all methods, or those of one gateway, in the order in which they are offered."""
    row = PaymentMethod
    wanted = select(row).order_by(row.enabled.desc(), row.position, row.id)
    if gateway is not None:
        wanted = wanted.where(row.gateway == gateway)
    return list((await session.scalars(wanted)).all())


async def offered_methods(session: AsyncSession) -> list[PaymentMethod]:
    """Return what customers may choose from."""
    return [method for method in await methods_of(session) if method.enabled]


async def offered_method(
    session: AsyncSession, *, gateway: str | None = None, method_id: int | None = None
) -> PaymentMethod:
    """Return an offered method: the one of this number, or the first one of a gateway, or the first. Raises `NoPaymentMethodError`."""
    for method in await offered_methods(session):
        if (method_id is None or method.id == method_id) and (gateway is None or method.gateway == gateway):
            return method
    raise NoPaymentMethodError


def gateway_class(panel: Panel, slug: str) -> type[Gateway]:
    """Return the adapter that is registered under a name; raises `UnknownPluginError`."""
    found: type[Gateway] = panel.payment_gateways.get(slug)
    return found


def gateway_for(panel: Panel, method: PaymentMethod) -> Gateway:
    """Return the adapter of a method, with its secrets. Secrets that no key opens are none."""
    return gateway_class(panel, method.gateway)(account_of(panel, method), panel.http)


def account_of(panel: Panel, method: PaymentMethod) -> Account:
    """Return what an adapter is made for: a method's currency, options and secrets."""
    return Account(method.currency, method.options, secrets_of(panel.vault, method))


def secrets_of(vault: Vault, method: PaymentMethod) -> dict[str, tuple[str, ...]]:
    """Return a method's secrets by name, the newest of each first."""
    if method.secrets_sealed is None:
        return {}
    try:
        kept = json.loads(vault.open(method.secrets_sealed))
    except SecretUnreadableError:
        log.warning("payment_secrets_unreadable", method=method.id)
        return {}
    return {name: tuple(secrets) for name, secrets in kept.items()}


async def add_method(
    session: AsyncSession, panel: Panel, gateway: str, terms: MethodTerms, *, actor: Actor, secrets: Mapping[str, str]
) -> PaymentMethod:
    """Set a method up. It is not offered before it is enabled."""
    actor.require(Permission.GATEWAYS_EDIT)
    gateway_class(panel, gateway)
    method = PaymentMethod(gateway=gateway, enabled=False, policy={}, options={})
    _apply(panel, method, terms)
    _seal(panel.vault, method, {}, secrets, keep_old=False)
    session.add(method)
    await session.flush()
    await audit(session, actor, Permission.GATEWAYS_EDIT, f"payment_method:{method.id}", after=_told(method))
    return method


async def edit_method(
    session: AsyncSession,
    panel: Panel,
    method_id: int,
    terms: MethodTerms,
    *,
    actor: Actor,
    secrets: Mapping[str, str],
    keep_old_secrets: bool = False,
) -> PaymentMethod:
    """Change a method. Secrets that are not given stay; a new one replaces the old, or joins it for a while.

    An offered method must stay usable: raises `InvalidInputError` if it would not be.
    """
    actor.require(Permission.GATEWAYS_EDIT)
    method = await method_by(session, method_id, lock=True)
    before = _told(method)
    _apply(panel, method, terms)
    kept = secrets_of(panel.vault, method)
    new = {name for name, secret in secrets.items() if secret and kept.get(name, ())[:1] != (secret,)}
    if new:
        _seal(panel.vault, method, kept, secrets, keep_old=keep_old_secrets)
    if method.enabled:
        await _check(session, panel, method)
    await session.flush()
    after = _told(method)
    changed = {name for name in after if after[name] != before[name]}
    if changed or new:
        now = {name: after[name] for name in changed} | dict.fromkeys(new, "replaced")
        was = {name: before[name] for name in changed}
        await audit(session, actor, Permission.GATEWAYS_EDIT, f"payment_method:{method.id}", before=was, after=now)
    return method


async def enable_method(session: AsyncSession, panel: Panel, method_id: int, *, actor: Actor) -> PaymentMethod:
    """Offer a method to customers. Raises `InvalidInputError` that names what is still missing."""
    actor.require(Permission.GATEWAYS_EDIT)
    method = await method_by(session, method_id, lock=True)
    await _check(session, panel, method)
    return await _switch(session, method, actor, enabled=True)


async def disable_method(session: AsyncSession, method_id: int, *, actor: Actor) -> PaymentMethod:
    """Offer a method no more. What is under way is still credited."""
    actor.require(Permission.GATEWAYS_EDIT)
    return await _switch(session, await method_by(session, method_id, lock=True), actor, enabled=False)


async def known_prefixes(session: AsyncSession) -> list[str]:
    """Return all first words that transfers may begin with, present and former."""
    found = await session.scalars(select(PaymentMethod.options))
    prefixes = {
        str(one) for options in found for one in (options.get(PREFIX), *options.get(FORMER_PREFIXES, ())) if one
    }
    return sorted(prefixes)


async def reseal_method_secrets(session: AsyncSession, vault: Vault) -> int:
    """Seal all methods' secrets anew with the newest key of the ring; returns how many. Those that none opens stay."""
    row, done = PaymentMethod, 0
    wanted = (
        select(row.id, row.secrets_sealed).where(row.secrets_sealed.is_not(None)).order_by(row.id).with_for_update()
    )
    for method_id, sealed in (await session.execute(wanted)).all():
        assert sealed is not None
        try:
            vault.open(sealed)
        except SecretUnreadableError:
            log.warning("payment_secrets_unreadable", method=method_id)
            continue
        await session.execute(update(row).where(row.id == method_id).values(secrets_sealed=vault.reseal(sealed)))
        done += 1
    return done


async def _check(session: AsyncSession, panel: Panel, method: PaymentMethod) -> None:
    gateway_for(panel, method).check()
    await rate_to(session, method.currency, panel.currency)


async def _switch(session: AsyncSession, method: PaymentMethod, actor: Actor, *, enabled: bool) -> PaymentMethod:
    if method.enabled != enabled:
        method.enabled = enabled
        await session.flush()
        change: dict[str, Any] = {"before": {"enabled": not enabled}, "after": {"enabled": enabled}}
        await audit(session, actor, Permission.GATEWAYS_EDIT, f"payment_method:{method.id}", **change)
    return method


def _apply(panel: Panel, method: PaymentMethod, terms: MethodTerms) -> None:
    kind = gateway_class(panel, method.gateway)
    name = " ".join(terms.name.split())
    wrong: Sequence[tuple[str, bool, str]] = (
        ("name", not 1 <= len(name) <= NAME_MAX, NAME_WRONG),
        ("currency", bool(kind.currencies) and terms.currency not in kind.currencies, CURRENCY_WRONG),
        ("minimum", not 0 < terms.minimum < LIMIT, MINIMUM_WRONG),
        ("maximum", terms.maximum is not None and not terms.minimum <= terms.maximum < LIMIT, MAXIMUM_WRONG),
        ("fee_percent", not 0 <= terms.fee_percent < 100, PERCENT_WRONG),
        ("fee_fixed", not 0 <= terms.fee_fixed < LIMIT, FEE_WRONG),
        ("expires_minutes", not MINUTES_MIN <= terms.expires_minutes <= MINUTES_MAX, MINUTES_WRONG),
    )
    for name_of_field, is_wrong, reason in wrong:
        if is_wrong:
            raise InvalidInputError(field=name_of_field, reason=reason)
    method.name, method.currency, method.position = name, terms.currency, terms.position
    method.minimum, method.maximum = terms.minimum, terms.maximum
    method.fee_percent, method.fee_fixed = terms.fee_percent, terms.fee_fixed
    method.expires_minutes = terms.expires_minutes
    method.policy = (terms.policy or Policy.usual(by_transfer=kind.uses_memo)).checked()
    method.options = _options(kind, method.options, terms.options)


def _options(kind: type[Gateway], before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    known = {setting.name: setting.longest for setting in kind.settings if setting.kind != "secret"}
    options = {name: value for name, value in given.items() if name in known and value not in ("", None)}
    for name, value in options.items():
        if len(str(value)) > known[name]:
            raise InvalidInputError(field=name, reason=TOO_LONG)
    former = [*before.get(FORMER_PREFIXES, ())]
    if (old := before.get(PREFIX)) and old != options.get(PREFIX) and old not in former:
        former.append(old)
    return options | ({FORMER_PREFIXES: former} if former else {})


def _seal(
    vault: Vault,
    method: PaymentMethod,
    kept: Mapping[str, tuple[str, ...]],
    given: Mapping[str, str],
    *,
    keep_old: bool,
) -> None:
    new = {name: secret for name, secret in given.items() if secret}
    if not new:
        return
    merged = {name: list(secrets) for name, secrets in kept.items()}
    for name, secret in new.items():
        old = [one for one in merged.get(name, ()) if one != secret] if keep_old else []
        merged[name] = [secret, *old][:SECRETS_KEPT]
    method.secrets_sealed = vault.seal(json.dumps(merged))


def _told(method: PaymentMethod) -> dict[str, Any]:
    names = ("gateway", "name", "currency", "minimum", "maximum", "fee_percent", "fee_fixed", "expires_minutes")
    return {name: getattr(method, name) for name in (*names, "options", "policy", "position")}
