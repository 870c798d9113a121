"""The command line, `smmpanel`. Each command loads what it needs when it runs, so that all of them start quickly."""

from typing import Any

import typer
from typer.core import TyperGroup

from smmpanel.entrypoints.commands import (
    accounts,
    backups,
    books,
    catalogue,
    checks,
    orders,
    processes,
    providers,
    sandboxes,
    tiers,
)
from smmpanel.entrypoints.endings import EXIT_CODES


class _Group(TyperGroup):
    """Says what went wrong in one line, with an exit code that means something; a traceback is for mistakes of ours."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, KeyboardInterrupt, BrokenPipeError):
            raise
        except Exception as error:
            from smmpanel.entrypoints.explaining import explain

            explained = explain(error)
            if explained is None:
                raise
            code, message = explained
            typer.echo(f"error: {message}", err=True)
            raise typer.Exit(code) from error


app = typer.Typer(
    name="smmpanel",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help=f"A self-hosted panel for social-media services.\n\nSettings come from the environment: SMMPANEL_HOME, "
    f"SMMPANEL_PORT, DATABASE_URL and so on.\n\n{EXIT_CODES}",
)
for module in (processes, accounts, providers, catalogue, orders, tiers, books, backups, sandboxes, checks):
    module.register(app)


def main() -> None:
    """Run the command that was given and exit with its code."""
    app(prog_name="smmpanel")
