"""`smmpanel doctor`: looks at everything that the panel stands on."""

import typer

from smmpanel.entrypoints.commands.context import read_settings
from smmpanel.entrypoints.commands.printing import AsJson, print_rows, waiting
from smmpanel.entrypoints.endings import ExitCode


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("doctor")(doctor)


def doctor(*, as_json: AsJson = False) -> None:
    """Check what the panel stands on: one line each, ok, warn or fail. Exit code 1 if anything fails."""
    from smmpanel.entrypoints.examining import examine

    settings = read_settings()
    with waiting("Looking"):
        findings = examine(settings)
    rows = [{"check": one.check, "verdict": one.verdict.value, "found": one.found} for one in findings]
    print_rows(rows, as_json=as_json)
    if any(one.verdict.value == "fail" for one in findings):
        raise typer.Exit(ExitCode.FAILED)
