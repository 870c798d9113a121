"""Commands that run what the panel is tried with: a fake provider, fake payment gateways."""

import sys
from typing import Annotated

import typer

from smmpanel.entrypoints.endings import CommandError, ExitCode

sandbox_app = typer.Typer(no_args_is_help=True, help="Fakes to try the panel with.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(sandbox_app, name="sandbox")


@sandbox_app.command("provider")
def sandbox_provider(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 8900,
    services: Annotated[int, typer.Option(min=0, help="Size of the catalogue.")] = 500,
    latency: Annotated[int, typer.Option(min=0, help="Milliseconds until it answers.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same catalogue.")] = 1,
    key: Annotated[str, typer.Option(help="The API key that it accepts.")] = "sandbox-key",
    balance: Annotated[str, typer.Option(help="Our balance there.")] = "1000",
    currency: Annotated[str, typer.Option(help="Of prices and balance.")] = "USD",
    finish_after: Annotated[float, typer.Option(min=0, help="Seconds until orders are done; 0: never.")] = 240.0,
    speed: Annotated[float, typer.Option(min=0, help="Seconds that pass for it in one of ours.")] = 1.0,
    rate_limit: Annotated[int, typer.Option(min=0, help="Requests per minute; 0: no limit.")] = 0,
    partial_share: Annotated[float, typer.Option(min=0, max=1, help="Share of orders that end Partial.")] = 0.0,
    cancel_share: Annotated[float, typer.Option(min=0, max=1, help="Share of orders that end Canceled.")] = 0.0,
) -> None:
    """Run a fake provider that speaks API v2, to try the panel with. It keeps all it knows in memory."""
    from smmpanel.kernel.money import parse_amount, plain
    from smmpanel.sandbox.provider_server import announce, run_provider

    def tell(url: str) -> None:
        announce(url)
        if sys.stdout.isatty():
            address = url.partition("//")[2]
            typer.echo(
                f"\nConnect it, with SMMPANEL_OUTGOING_ALLOW={address} set for all of the panel's processes:\n\n"
                f"    smmpanel provider add sandbox --url {url}/api/v2 --key {key} --currency {currency}\n"
                "    smmpanel sync-services --provider sandbox --import all\n"
            )

    try:
        run_provider(
            host=host,
            port=port,
            services=services,
            latency_ms=latency,
            seed=seed,
            key=key,
            balance=plain(parse_amount(balance, field="balance")),
            currency=currency,
            finish_after=finish_after,
            speed=speed,
            rate_limit=rate_limit,
            partial_share=partial_share,
            cancel_share=cancel_share,
            on_ready=tell,
        )
    except ValueError as wrong:
        raise CommandError(ExitCode.USAGE, str(wrong)) from None


@sandbox_app.command("gateway")
def sandbox_gateway(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 8910,
    notify_base: Annotated[
        str, typer.Option(help="Where the panel is, for gateways that are told so in their dashboards.")
    ] = "http://127.0.0.1:8000",
    key: Annotated[
        list[str] | None, typer.Option(help="Another key than the known one: paystack.secret_key=sk_test_mine.")
    ] = None,
) -> None:
    """Run fake payment gateways, with a page for each payment on which it is paid, refunded, charged back or spoilt.

    Their messages go to this machine only. They keep all they know in memory.
    """
    from smmpanel.sandbox.gateway.server import announce, run_gateway, vendors_with

    keys = dict(_named(text) for text in key or [])

    def tell(url: str) -> None:
        announce(url)
        if sys.stdout.isatty():
            typer.echo(_how_to_connect(url, notify_base, [vendor.name for vendor in vendors_with(keys)]))

    try:
        run_gateway(host=host, port=port, notify_base=notify_base, keys=keys, on_ready=tell)
    except ValueError as wrong:
        raise CommandError(ExitCode.USAGE, str(wrong)) from None


def _named(text: str) -> tuple[str, str]:
    name, _, secret = text.partition("=")
    if not name or not secret:
        raise CommandError(ExitCode.USAGE, f"{text!r} is not written VENDOR.NAME=SECRET")
    return name, secret


def _how_to_connect(url: str, notify_base: str, vendors: list[str]) -> str:
    address = url.partition("//")[2]
    return (
        f"\nOpen {url} for what each of {', '.join(vendors)} is set up with, and the bank where transfers are made.\n\n"
        f"1. Run the panel on {notify_base or 'this machine'}, with SMMPANEL_OUTGOING_ALLOW={address} for all of its processes.\n"
        "2. Set a method up under Payment methods with these settings, and offer it.\n"
        "3. Begin a deposit: its page leads to one here, on which you pay it, or not.\n"
    )
