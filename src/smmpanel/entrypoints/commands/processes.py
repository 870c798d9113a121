"""Commands that set the panel up and run it: init, migrate, up, demo, serve, worker."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smmpanel.entrypoints.commands.context import read_settings
from smmpanel.entrypoints.commands.printing import waiting

if TYPE_CHECKING:
    from smmpanel.entrypoints.opening import Prepared

Host = Annotated[str | None, typer.Option("--host", help="Address to listen on [SMMPANEL_HOST, else 127.0.0.1].")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port [SMMPANEL_PORT, else 8000].")]
Home = Annotated[Path | None, typer.Option("--home", help="Where data and keys are kept [SMMPANEL_HOME, else ./var].")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("init")(init)
    app.command("up")(up)
    app.command("demo")(demo)
    app.command("serve")(serve)
    app.command("worker")(worker)
    app.command("migrate")(migrate)


def init(
    preset: Annotated[str | None, typer.Option(help="Which preset to start from [SMMPANEL_PRESET].")] = None,
    home: Home = None,
) -> None:
    """Set a new panel up: database, currency, markup, known providers, first admin. Harmless to repeat.

    The first admin comes from SMMPANEL_ADMIN_USERNAME, SMMPANEL_ADMIN_EMAIL and SMMPANEL_ADMIN_PASSWORD; without them it is
    named admin, and its password is printed once.
    """
    if home is not None:
        os.environ["SMMPANEL_HOME"] = str(home)
    prepared = _prepare(preset)
    made = "is set up" if prepared.is_new else "was set up before"
    typer.echo(f"The panel {made}: preset {prepared.preset or 'none'}, currency {prepared.currency}.")
    _tell(prepared)


def migrate() -> None:
    """Bring the database up to date, one process at a time. A new panel is set up as `init` does it."""
    prepared = _prepare(None)
    typer.echo(f"The database is up to date (revision {prepared.revision}).")
    _tell(prepared)


def up(host: Host = None, port: Port = None, home: Home = None) -> None:
    """Run everything on this machine: the database, the web process and the worker, kept alive and stopped together.

    Exit codes of its own: 0 stopped · 2 wrong setting · 3 runs already · 4 port taken · 5 the database does not start · 6
    migrations failed · 7 a process keeps failing.
    """
    _become("supervisor", {"SMMPANEL_HOST": host, "SMMPANEL_PORT": port, "SMMPANEL_HOME": home})


def demo(
    preset: Annotated[str, typer.Option(help="Which preset it starts from.")] = "homemmo",
    days: Annotated[int, typer.Option(min=1, max=90, help="Length of its history.")] = 28,
    host: Host = None,
    port: Port = None,
) -> None:
    """Run a panel to look at, with a fake provider, people, orders and money in it; all of it is gone at the end.

    It keeps its data in a directory of its own and touches no other panel. SMMPANEL_DEMO_PASSWORD sets the password of its
    accounts, which is generated otherwise and printed.
    """
    flags = ["--preset", preset, "--days", str(days)]
    _become("demo", {"SMMPANEL_HOST": host, "SMMPANEL_PORT": port}, *flags)


def serve(
    host: Host = None,
    port: Port = None,
    *,
    reuse_port: Annotated[
        bool, typer.Option("--reuse-port", help="Share the port with other `serve` processes.")
    ] = False,
) -> None:
    """Run a web process: pages, the JSON API, the reseller API. Any number of them work on one database."""
    flags = ["--reuse-port"] if reuse_port else []
    _become("web", {"SMMPANEL_HOST": host, "SMMPANEL_PORT": port}, *flags)


def worker() -> None:
    """Run a worker: it hands orders in, follows them, and does all other work behind the pages. Any number may run."""
    _become("worker", {})


def _become(module: str, given: dict[str, object], *flags: str) -> None:
    # The process is replaced: it keeps its number, and none of the memory that reading the command line has cost.
    environment = {**os.environ, **{name: str(value) for name, value in given.items() if value is not None}}
    sys.stdout.flush()
    command = [sys.executable, "-m", f"smmpanel.entrypoints.{module}", *flags]
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell is wanted


def _prepare(preset: str | None) -> "Prepared":
    import smmpanel.entrypoints.preset_parts  # noqa: F401 - what the sections of presets mean
    from smmpanel.entrypoints.embedded import database_for
    from smmpanel.entrypoints.opening import prepare_panel
    from smmpanel.providers.presets import load_preset

    settings = read_settings()
    load_preset(preset or settings.preset)  # a wrong name is told before anything is made
    with waiting("Preparing the database"), database_for(settings) as url:
        return asyncio.run(prepare_panel(settings, url, environ=os.environ, preset=preset))


def _tell(prepared: "Prepared") -> None:
    if prepared.connected:
        typer.echo(f"Providers connected by the environment: {', '.join(prepared.connected)}.")
    admin = prepared.first_admin
    if admin is None:
        return
    if admin.password is None:
        typer.echo(f"The first admin, {admin.username}, was made.")
        return
    typer.echo("\nThe first admin was made. The password is shown this once:\n")
    typer.echo(f"    user name  {admin.username}\n    password   {admin.password}\n")
