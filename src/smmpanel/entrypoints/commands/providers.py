"""Commands about providers: connecting them, trying them, switching them, asking for our balance."""

import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smmpanel.entrypoints.commands.context import on_panel
from smmpanel.entrypoints.commands.printing import AsJson, print_fields, print_rows, waiting
from smmpanel.entrypoints.endings import CommandError, ExitCode

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from smmpanel.kernel.panel import Panel
    from smmpanel.providers.balances import BalanceResult
    from smmpanel.providers.checking import ProviderTerms
    from smmpanel.providers.models import Provider
    from smmpanel.providers.testing import ConnectionTest

Slug = Annotated[str, typer.Argument(metavar="PROVIDER", help="Its slug or id.")]
OneOrMore = Annotated[
    list[str] | None,
    typer.Option(
        "--provider", metavar="PROVIDER", help="Its slug or id; repeatable. Without it: all that are enabled."
    ),
]

provider_app = typer.Typer(no_args_is_help=True, help="Upstream providers.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(provider_app, name="provider")
    app.command("check-balances")(check_balances)


@provider_app.command("add")
def add(
    slug: Annotated[str, typer.Argument(help="A short name for commands and logs, such as jap.")],
    *,
    currency: Annotated[str, typer.Option(help="The currency of our account there, such as USD.")],
    url: Annotated[str | None, typer.Option(help="Its API's address; some adapters know their own.")] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="SMMPANEL_PROVIDER_KEY", help="Its API key; others on this machine can see it here."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Its name for staff; its slug if not given.")] = None,
    alias: Annotated[str | None, typer.Option(help="The only name of it that customers may see.")] = None,
    adapter: Annotated[str, typer.Option(help="Which API it speaks: panel_v2, medanpedia or mapped.")] = "panel_v2",
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A setting of the adapter; repeatable.")
    ] = None,
    rate_per_minute: Annotated[int | None, typer.Option(help="Calls it allows in a minute.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Calls at one time.")] = None,
    timeout: Annotated[int | None, typer.Option(help="Seconds to wait for an answer.")] = None,
    markup: Annotated[
        str | None, typer.Option(help="Percent on its prices, unless category or service say other.")
    ] = None,
    low_balance: Annotated[str | None, typer.Option(help="Raise an alert below this, in its currency.")] = None,
    key_stdin: Annotated[bool, typer.Option("--key-stdin", help="Read the API key from standard input.")] = False,
    disabled: Annotated[bool, typer.Option("--disabled", help="Do not call it yet.")] = False,
    as_json: AsJson = False,
) -> None:
    """Connect an account at a provider. Nothing is called: `provider test` does that."""
    from smmpanel.accounts.access import Actor
    from smmpanel.kernel.money import parse_amount
    from smmpanel.providers.connecting import add_provider

    terms: ProviderTerms = {"name": name or slug, "currency": currency}
    if url is not None:
        terms["base_url"] = url
    if alias is not None:
        terms["alias"] = alias
    if option:
        terms["options"] = _options(option)
    if rate_per_minute is not None:
        terms["rate_per_minute"] = rate_per_minute
    if concurrency is not None:
        terms["concurrency"] = concurrency
    if timeout is not None:
        terms["timeout_seconds"] = timeout
    if markup is not None:
        terms["markup_percent"] = parse_amount(markup, field="markup")
    if low_balance is not None:
        terms["low_balance"] = parse_amount(low_balance, field="low_balance")
    api_key = _api_key(key, from_input=key_stdin)

    async def connect(panel: "Panel") -> "Provider":
        async with panel.db.transaction() as session:
            return await add_provider(
                session,
                panel,
                actor=Actor.cli(),
                slug=slug,
                adapter=adapter,
                api_key=api_key,
                enabled=not disabled,
                **terms,
            )

    print_fields(_shown(on_panel(connect)), as_json=as_json)


@provider_app.command("list")
def list_providers(*, as_json: AsJson = False) -> None:
    """List providers and how they are doing."""
    from sqlalchemy import select

    from smmpanel.providers.models import Provider

    async def read(panel: "Panel") -> list[dict[str, Any]]:
        async with panel.db.transaction() as session:
            return [_shown(one) for one in (await session.scalars(select(Provider).order_by(Provider.id))).all()]

    print_rows(on_panel(read), as_json=as_json, empty="No providers. `smmpanel provider add` connects one.")


@provider_app.command("test")
def try_provider(slug: Slug, *, as_json: AsJson = False) -> None:
    """Ask a provider for our balance and its catalogue. Changes nothing; exit code 5 if it does not work."""
    from smmpanel.providers.testing import test_connection

    async def ask(panel: "Panel") -> "ConnectionTest":
        async with panel.db.transaction() as session:
            provider = await provider_named(session, slug)
        return await test_connection(panel, provider)

    with waiting(f"Asking {slug}"):
        tried = on_panel(ask)
    if not tried.ok and not as_json:
        raise CommandError(ExitCode.UNREACHABLE, f"{slug}: {tried.failure}: {tried.text}")
    shown = {
        "ok": tried.ok,
        "balance": tried.balance,
        "currency": tried.currency,
        "services": tried.services_count,
        "took_ms": tried.took_ms,
        "failure": tried.failure,
        "text": tried.text,
    }
    print_fields(shown if as_json else {name: shown[name] for name in list(shown)[:5]}, as_json=as_json)
    if not tried.ok:
        raise typer.Exit(ExitCode.UNREACHABLE)


@provider_app.command("enable")
def enable(slug: Slug) -> None:
    """Let a provider be called again, whether it was switched off or paused."""
    from smmpanel.accounts.access import Actor
    from smmpanel.providers.connecting import enable_provider

    async def switch(panel: "Panel") -> "Provider":
        async with panel.db.transaction() as session:
            return await enable_provider(
                session, (await provider_named(session, slug)).id, actor=Actor.cli(), now=panel.clock()
            )

    typer.echo(f"{on_panel(switch).slug} is enabled.")


@provider_app.command("disable")
def disable(slug: Slug) -> None:
    """Have a provider called no more, neither for new orders nor for old ones, until it is enabled."""
    from smmpanel.accounts.access import Actor
    from smmpanel.providers.connecting import disable_provider

    async def switch(panel: "Panel") -> "Provider":
        async with panel.db.transaction() as session:
            return await disable_provider(session, (await provider_named(session, slug)).id, actor=Actor.cli())

    typer.echo(f"{on_panel(switch).slug} is disabled.")


def check_balances(provider: OneOrMore = None, *, as_json: AsJson = False) -> None:
    """Ask providers for our balance and keep it. Exit code 5 if one of them did not say."""
    from smmpanel.providers.balances import check_balances as check

    async def ask(panel: "Panel") -> "list[BalanceResult]":
        ids = None
        if provider:
            async with panel.db.transaction() as session:
                ids = [(await provider_named(session, one)).id for one in provider]
        return await check(panel, ids)

    with waiting("Asking for balances"):
        found = on_panel(ask)
    rows = [
        {
            "provider": one.slug,
            "balance": one.amount,
            "currency": one.currency,
            "low": one.is_low,
            "resumed": one.resumed,
            "failure": one.failure,
            "text": one.text,
        }
        for one in found
    ]
    print_rows(rows, as_json=as_json, empty="No enabled providers.")
    if any(one.failure for one in found):
        raise typer.Exit(ExitCode.UNREACHABLE)


async def provider_named(session: "AsyncSession", slug: str) -> "Provider":
    """Return a provider by its slug or id; the error says which one there is not."""
    from smmpanel.kernel.errors import NotFoundError
    from smmpanel.providers.connecting import provider_by

    try:
        return await provider_by(session, slug)
    except NotFoundError:
        raise CommandError(ExitCode.NOT_FOUND, f"there is no provider {slug!r}") from None


def _api_key(given: str | None, *, from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().strip()
    if given is not None:
        return given
    if sys.stdin.isatty():
        typed: str = typer.prompt("API key", hide_input=True)
        return typed
    raise CommandError(ExitCode.USAGE, "give the API key with --key-stdin, or in SMMPANEL_PROVIDER_KEY")


def _options(given: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator or not name:
            raise CommandError(ExitCode.USAGE, f"--option is NAME=VALUE, not {one!r}")
        options[name] = _read_value(value)
    return options


def _read_value(text: str) -> Any:
    """Read a value as JSON where it is an object or a list, for adapters that are configured by tables; else as it is."""
    import json

    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as wrong:
        raise CommandError(ExitCode.USAGE, f"--option: {text!r} is no JSON: {wrong}") from None


def _shown(provider: "Provider") -> dict[str, Any]:
    state = "disabled" if not provider.enabled else "paused" if provider.paused_at else "enabled"
    return {
        "id": provider.id,
        "slug": provider.slug,
        "name": provider.name,
        "alias": provider.alias,
        "adapter": provider.adapter,
        "base_url": provider.base_url,
        "state": state,
        "paused_reason": provider.paused_reason,
        "balance": provider.balance,
        "currency": provider.currency,
        "rate_per_minute": provider.rate_per_minute,
        "concurrency": provider.concurrency,
        "synced_at": provider.synced_at,
        "last_success_at": provider.last_success_at,
    }
