"""The payment methods that a preset gives a new panel: its section `[payments]`; and those that the environment completes.

What a preset brings is not offered: its bank details are placeholders. Staff put in their own and enable it, or the
environment does: `SEPAY_SECRET` and `SEPAY_ACCOUNT_NUMBER` for `SEPAY` as `env_prefix`, `STRIPE_SECRET_KEY` and
`STRIPE_WEBHOOK_SECRET` for `STRIPE`, and the like for every setting of a gateway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor
from smmpanel.catalog.fx import FxRateMissingError
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.options import read_option, write_option
from smmpanel.kernel.panel import Panel
from smmpanel.payments.methods import (
    NAME_MAX,
    PREFIX,
    MethodTerms,
    add_method,
    edit_method,
    enable_method,
    gateway_class,
)
from smmpanel.payments.models import PaymentMethod
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import Setting
from smmpanel.providers.presets import EnvName, preset_part

DEFAULT_PREFIX = "PAY"
ACCOUNT_NUMBER = "account_number"
"""A preset's is a placeholder: money must not go there, so the environment has to say it too."""
_STRICT = ConfigDict(extra="forbid", frozen=True)

log = get_logger()


class PresetMethod(BaseModel):
    """One payment method of a preset."""

    model_config = _STRICT

    gateway: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3,5}$")]
    minimum: Decimal = Field(gt=0)
    maximum: Decimal | None = Field(None, gt=0)
    fee_percent: Decimal = Field(Decimal(0), ge=0, lt=100)
    fee_fixed: Decimal = Field(Decimal(0), ge=0)
    expires_minutes: int | None = None
    options: dict[str, str] = Field(default_factory=dict)
    env_prefix: EnvName | None = None


class PresetPayments(BaseModel):
    """What a preset says of paying in."""

    model_config = _STRICT

    memo_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{1,9}$")] = DEFAULT_PREFIX
    methods: tuple[PresetMethod, ...] = ()


@preset_part("payments", PresetPayments)
async def take_payments(session: AsyncSession, panel: Panel, payments: PresetPayments) -> None:
    """Set the payment methods of a preset up; none is offered yet."""
    await write_option(session, PREFIX, payments.memo_prefix)
    for place, method in enumerate(payments.methods):
        kind = gateway_class(panel, method.gateway)
        terms = MethodTerms(
            name=method.name,
            currency=method.currency,
            minimum=method.minimum,
            maximum=method.maximum,
            fee_percent=method.fee_percent,
            fee_fixed=method.fee_fixed,
            expires_minutes=method.expires_minutes or kind.expires_minutes,
            options={PREFIX: payments.memo_prefix, **method.options},
            position=place,
        )
        await add_method(session, panel, method.gateway, terms, actor=_ACTOR, secrets={})


async def connect_preset_methods(
    session: AsyncSession, panel: Panel, payments: PresetPayments | None, environ: Mapping[str, str]
) -> list[str]:
    """Bring the preset's methods up to date whose secrets and account are in the environment, and offer them; returns their names.

    Safe at each start: what the environment does not say stays as staff have set it. Raises `InvalidInputError`.
    """
    offered = []
    for wanted in payments.methods if payments else ():
        if wanted.env_prefix is None:
            continue
        settings = gateway_class(panel, wanted.gateway).settings
        given = {one.name: environ.get(f"{wanted.env_prefix}_{one.name.upper()}", "").strip() for one in settings}
        if all(given[name] for name in _needed(settings, wanted)):
            row = PaymentMethod
            found = await session.scalar(select(row).where(row.gateway == wanted.gateway).order_by(row.id).limit(1))
            if found is not None and await _complete(session, panel, found, given):
                offered.append(found.name)
    return offered


async def memo_prefix(session: AsyncSession) -> str:
    """Return the first word of transfers that new methods begin with."""
    return str(await read_option(session, PREFIX, DEFAULT_PREFIX))


async def _complete(session: AsyncSession, panel: Panel, method: PaymentMethod, given: Mapping[str, str]) -> bool:
    """Whether the method is offered now: not without a rate from its currency to the panel's, which staff set."""
    secret = {one.name for one in gateway_class(panel, method.gateway).settings if one.kind == "secret"}
    said = {name: value for name, value in given.items() if value and name not in secret}
    terms = replace(terms_of(method), options={**method.options, **said})
    secrets = {name: given[name] for name in secret}
    await edit_method(session, panel, method.id, terms, actor=_ACTOR, secrets=secrets)
    if not method.enabled:
        try:
            await enable_method(session, panel, method.id, actor=_ACTOR)
        except FxRateMissingError:
            log.warning("payment_method_without_rate", method=method.name, currency=method.currency)
            return False
    return True


def _needed(settings: Sequence[Setting], wanted: PresetMethod) -> set[str]:
    """Return what the environment must say for a method to be offered."""
    told = {PREFIX, *wanted.options} - {ACCOUNT_NUMBER}
    return {one.name for one in settings if one.required and not one.default and one.name not in told}


def terms_of(method: PaymentMethod) -> MethodTerms:
    """Return a method's terms as they are."""
    return MethodTerms(
        name=method.name,
        currency=method.currency,
        minimum=method.minimum,
        maximum=method.maximum,
        fee_percent=method.fee_percent,
        fee_fixed=method.fee_fixed,
        expires_minutes=method.expires_minutes,
        options=method.options,
        policy=Policy.of(method.policy),
        position=method.position,
    )


_ACTOR = Actor.system("preset")
