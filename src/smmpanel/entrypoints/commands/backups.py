"""Commands that write the panel into one encrypted file and bring it back."""

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


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


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
