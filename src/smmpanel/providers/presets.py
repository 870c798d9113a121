"""Presets: what a new panel starts from, as data, one file each; and the providers that the environment brings keys for.

Packages above this one have sections of their own in the files: `@preset_part(name, shape)` on a function that takes one.
"""

import re
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor
from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import parse_amount
from smmpanel.kernel.panel import Panel
from smmpanel.providers.checking import AMOUNT_MAX, CONCURRENCY_MAX, RATE_MAX, ProviderTerms
from smmpanel.providers.connecting import (
    ProviderExistsError,
    add_provider,
    disable_provider,
    edit_provider,
    enable_provider,
    provider_by,
)
from smmpanel.providers.models import Provider

DIRECTORY = Path(__file__).resolve().parents[3] / "presets"
"""Beside `src` in the checkout that the panel runs from."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_YES = {"1", "true", "yes", "on"}
_NO = {"0", "false", "no", "off"}

Label = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3,5}$")]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
_STRICT = ConfigDict(extra="forbid", frozen=True)


class PresetError(PanelError):
    """There is no such preset, or its file is not as it should be."""

    code, status, message = "preset", 422, "Preset {name}: {reason}"


class PresetProvider(BaseModel):
    """A provider that the panel knows, and connects as soon as the environment has its key.

    `JAP` as `env_prefix` stands for `JAP_API_KEY`, `JAP_BASE_URL`, `JAP_ENABLED`, `JAP_RATE_PER_MINUTE`
    and `JAP_LOW_BALANCE`.
    """

    model_config = _STRICT

    slug: Slug
    name: Label
    alias: Label
    adapter: Slug
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
    currency: CurrencyCode
    env_prefix: EnvName
    option_env: dict[Slug, EnvName] = Field(default_factory=dict)
    """Options of the adapter, and the environment's names for them; all are needed."""
    rate_per_minute: int | None = Field(None, ge=1, le=RATE_MAX)
    concurrency: int | None = Field(None, ge=1, le=CONCURRENCY_MAX)
    low_balance: Decimal | None = Field(None, ge=0, le=AMOUNT_MAX)

    def env(self, name: str) -> str:
        """Return the environment's name for one of its values."""
        return f"{self.env_prefix}_{name}"


class Preset(BaseModel):
    """What a new panel starts from."""

    model_config = _STRICT

    title: Label
    currency: CurrencyCode
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
    time_zone: Label
    markup_percent: Decimal = Field(gt=-100, le=10_000)
    platforms: tuple[Slug, ...] = ()
    """What is ordered most in this market, first: a demonstration's catalogue begins with it, and its customers order that."""
    providers: tuple[PresetProvider, ...] = ()
    _parts: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def parts(self) -> dict[str, Any]:
        """The sections that belong to packages above, by name, each in its shape."""
        return self._parts

    @model_validator(mode="after")
    def _providers_differ(self) -> Self:
        slugs = [provider.slug for provider in self.providers]
        if len(set(slugs)) != len(slugs):
            raise ValueError("two providers have the same slug")
        return self


Taker = Callable[[AsyncSession, Panel, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PresetPart:
    """A section of presets: how it is read, and what a new panel does with it."""

    shape: TypeAdapter[Any]
    take: Taker


PARTS: dict[str, PresetPart] = {}
"""All declared sections; `entrypoints.preset_parts` names the modules that declare them."""


def preset_part(name: str, shape: Any) -> Callable[[Taker], Taker]:
    """Have a function take a section of the preset, read into this shape, once: when a panel is made."""

    def declare(take: Taker) -> Taker:
        assert name not in PARTS, f"two parts of presets are named {name}"
        assert name not in Preset.model_fields, f"{name} is a field of presets"
        PARTS[name] = PresetPart(TypeAdapter(shape), take)
        return take

    return declare


async def take_preset_parts(session: AsyncSession, panel: Panel, preset: Preset) -> None:
    """Give a new panel what the sections of its preset say."""
    for name, value in preset.parts.items():
        await PARTS[name].take(session, panel, value)


def preset_names(directory: Path = DIRECTORY) -> list[str]:
    """Return the names of all presets."""
    return sorted(path.stem for path in directory.glob("*.toml"))


def load_preset(name: str, directory: Path = DIRECTORY) -> Preset:
    """Read a preset; raises `PresetError` that says what is wrong and where."""
    path = directory / f"{name}.toml"
    if not _NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(preset_names(directory)) or f"none in {directory}"
        raise PresetError(name=name, reason=f"there is none of this name; known are: {known}")
    try:
        return _preset_in(name, tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise PresetError(name=name, reason=f"is no TOML: {wrong}") from None


def _preset_in(name: str, found: dict[str, Any]) -> Preset:
    wrong: list[str] = []

    def read(section: str, shape: TypeAdapter[Any], value: Any) -> Any:
        try:
            return shape.validate_python(value)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                place = ".".join(str(part) for part in (section, *fault["loc"]) if part != "")
                wrong.append(f"{place or 'file'}: {fault['msg']}")

    parts = {
        section: read(section, part.shape, found.pop(section)) for section, part in PARTS.items() if section in found
    }
    preset = read("", TypeAdapter(Preset), found)
    if wrong:
        raise PresetError(name=name, reason="; ".join(wrong))
    assert isinstance(preset, Preset)
    preset.parts.update(parts)
    return preset


async def connect_preset_providers(
    session: AsyncSession, panel: Panel, preset: Preset, environ: Mapping[str, str]
) -> list[str]:
    """Add the preset's providers whose key is in the environment, or bring them up to date; returns their slugs.

    Safe at each start: what the environment does not say stays as staff have set it. Raises `InvalidInputError` that names
    the variable which is wrong or missing.
    """
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    connected = []
    for provider in preset.providers:
        if provider.env("API_KEY") in given:
            await _connect(session, panel, provider, given)
            connected.append(provider.slug)
    return connected


async def _connect(session: AsyncSession, panel: Panel, known: PresetProvider, given: Mapping[str, str]) -> None:
    actor = Actor.system("preset")
    api_key = given[known.env("API_KEY")]
    terms = _terms_in(known, given)
    enabled = _flag(known.env("ENABLED"), given)
    present = await session.scalar(select(Provider).where(Provider.slug == known.slug))
    if present is None:
        try:
            await _add(session, panel, known, actor=actor, api_key=api_key, enabled=enabled is not False, terms=terms)
        except ProviderExistsError:
            present = await provider_by(session, known.slug)  # another process, starting at the same time
        else:
            return
    if "options" in terms:
        terms["options"] = {**present.options, **terms["options"]}
    now = panel.clock()
    await edit_provider(session, panel, present.id, actor=actor, now=now, api_key=api_key, **terms)
    if enabled is False:
        await disable_provider(session, present.id, actor=actor)
    elif enabled is True and not present.enabled:
        await enable_provider(session, present.id, actor=actor, now=now)


async def _add(
    session: AsyncSession,
    panel: Panel,
    known: PresetProvider,
    *,
    actor: Actor,
    api_key: str,
    enabled: bool,
    terms: ProviderTerms,
) -> None:
    told: ProviderTerms = {"name": known.name, "alias": known.alias, "currency": known.currency}
    told["base_url"] = known.base_url
    told["rate_per_minute"] = known.rate_per_minute
    told["low_balance"] = known.low_balance
    if known.concurrency is not None:
        told["concurrency"] = known.concurrency
    told.update(terms)
    await add_provider(
        session, panel, actor=actor, slug=known.slug, adapter=known.adapter, api_key=api_key, enabled=enabled, **told
    )


def _terms_in(known: PresetProvider, given: Mapping[str, str]) -> ProviderTerms:
    """What the environment says of a provider."""
    terms: ProviderTerms = {}
    if (url := given.get(known.env("BASE_URL"))) is not None:
        terms["base_url"] = url
    rate = known.env("RATE_PER_MINUTE")
    if rate in given:
        if not re.fullmatch(r"\d{1,6}", given[rate], re.ASCII):
            raise InvalidInputError(field=rate, reason=marked("must be a whole number"))
        terms["rate_per_minute"] = int(given[rate])
    low = known.env("LOW_BALANCE")
    if low in given:
        terms["low_balance"] = parse_amount(given[low], field=low)
    missing = next((name for name in known.option_env.values() if name not in given), None)
    if missing is not None:
        raise InvalidInputError(field=missing, reason=marked("is needed with {name}"), name=known.env("API_KEY"))
    if known.option_env:
        terms["options"] = {option: given[name] for option, name in known.option_env.items()}
    return terms


def _flag(name: str, given: Mapping[str, str]) -> bool | None:
    word = given.get(name, "").lower()
    if word and word not in _YES | _NO:
        raise InvalidInputError(field=name, reason=marked("must be true or false"))
    return word in _YES if word else None
