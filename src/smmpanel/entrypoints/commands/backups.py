"""Commands that write the panel into one encrypted file and bring it back, and the fake provider for try-outs."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from smmpanel.entrypoints.commands.context import database, read_settings
from smmpanel.entrypoints.commands.printing import AsJson, Progress, print_fields
from smmpanel.entrypoints.endings import CommandError, ExitCode

PASSPHRASE_VARIABLE = "SMMPANEL_BACKUP_PASSPHRASE"  # noqa: S105 - where it is found, not what it is

sandbox_app = typer.Typer(no_args_is_help=True, help="Fakes to try the panel with.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.add_typer(sandbox_app, name="sandbox")


def backup(file: Annotated[Path, typer.Argument(help="A new file.")], *, as_json: AsJson = False) -> None:
    """Write database and keys to one encrypted file, while the panel may go on working.

    The passphrase comes from SMMPANEL_BACKUP_PASSPHRASE or is asked for. Without it nobody can read the file.
    """
    from smmpanel.entrypoints.backup import BackupError, keys_for_backup
    from smmpanel.entrypoints.backup import backup as write

    settings = read_settings()
    passphrase = _passphrase(confirm=True)
    given = settings.secret_keys.get_secret_value() if settings.secret_keys else None
    try:
        with database(settings) as url, Progress(in_bytes=True) as progress:
            report = write(
                url,
                file,
                passphrase=passphrase,
                keys=keys_for_backup(settings.home, given),
                now=datetime.now(UTC),
                progress=progress,
            )
    except BackupError as error:
        raise CommandError(ExitCode.FAILED, str(error)) from error
    shown = {"path": report.path, "bytes": report.bytes, "revision": report.revision, "keys": report.keys}
    print_fields(shown, as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace all that is in the database.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back into an empty panel, or with --force in place of what is there. The panel must be stopped."""
    from smmpanel.entrypoints.backup import BackupError
    from smmpanel.entrypoints.backup import restore as read
    from smmpanel.entrypoints.embedded import database_for

    settings = read_settings()
    passphrase = _passphrase(confirm=False)
    given = settings.secret_keys.get_secret_value() if settings.secret_keys else None
    try:
        with database_for(settings) as url, Progress(in_bytes=True) as progress:
            report = read(
                url,
                file,
                passphrase=passphrase,
                home=settings.home,
                given_keys=given,
                now=datetime.now(UTC),
                force=force,
                progress=progress,
            )
    except BackupError as error:
        raise CommandError(ExitCode.FAILED, str(error)) from error
    shown = {
        "made_at": report.made_at,
        "revision": report.revision,
        "tables": report.tables,
        "rows": report.rows,
        "keys_written": report.keys_written,
        "keys_set_aside": report.keys_set_aside,
    }
    print_fields(shown, as_json=as_json)
    if not as_json:
        typer.echo("Run `smmpanel migrate` or `smmpanel up` next.")


def _passphrase(*, confirm: bool) -> str:
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise CommandError(ExitCode.USAGE, f"set {PASSPHRASE_VARIABLE}")
    typed: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
    return typed


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
