"""What commands print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=500, help="How many to list.")]
After = Annotated[
    str | None, typer.Option("--after", help="List those after this cursor, as printed by the call before.")
]

Row = Mapping[str, Any]


def print_rows(rows: Sequence[Row], *, as_json: bool, empty: str = "Nothing.") -> None:
    """Print a list: JSON, a table on a terminal, else columns apart by tabs under one line of names."""
    if as_json:
        print_json([dict(row) for row in rows])
    elif not rows:
        typer.echo(empty, err=True)
    elif sys.stdout.isatty():
        _print_table(rows)
    else:
        typer.echo("\t".join(rows[0]))
        for row in rows:
            typer.echo("\t".join(_cell(value) for value in row.values()))


def print_fields(fields: Row, *, as_json: bool) -> None:
    """Print one thing: JSON, or one line per field."""
    if as_json:
        print_json(dict(fields))
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        typer.echo(f"{name.replace('_', ' '):{width}}  {_cell(value)}")


def print_json(value: object) -> None:
    """Print JSON; amounts are text, so that no reader makes them inexact."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def print_more(after: str | None) -> None:
    """Say how the list goes on."""
    if after is not None:
        typer.echo(f"There are more: --after {after}", err=True)


@contextmanager
def waiting(doing: str) -> Iterator[None]:
    """Show on a terminal that something takes its time."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{doing} …"):
        yield


class Progress:
    """A bar on a terminal, fed as `(what is being done, how much is done, how much there is if that is known)`."""

    def __init__(self, *, in_bytes: bool = False) -> None:
        self._in_bytes = in_bytes
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            amount = progress.DownloadColumn() if self._in_bytes else progress.MofNCompleteColumn()
            columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), amount)
            self._bar = progress.Progress(*columns, console=Console(stderr=True))
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, doing: str, done: int, total: int | None) -> None:
        """Move the bar."""
        if self._bar is None:
            return
        if doing not in self._tasks:
            self._tasks[doing] = self._bar.add_task(doing, total=total)
        self._bar.update(self._tasks[doing], completed=done, total=total)


def _print_table(rows: Sequence[Row]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, first in rows[0].items():
        is_number = isinstance(first, int | Decimal) and not isinstance(first, bool)
        table.add_column(name.replace("_", " "), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    Console().print(table)


def _cell(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "-", True: "yes", False: "no"}[value]
    if isinstance(value, list | tuple):
        return ", ".join(_cell(one) for one in value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    said = json.dumps(value, ensure_ascii=False, default=_plain) if isinstance(value, dict) else str(_said(value))
    # Texts may come from providers: nothing of theirs may steer the terminal or break a line.
    return "".join(sign if sign.isprintable() else " " for sign in said)


def _said(value: object) -> object:
    return _plain(value) if isinstance(value, Decimal | Enum) else value


def _plain(value: object) -> object:
    from smmpanel.kernel.money import plain

    match value:
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case Path():
            return str(value)
        case frozenset() | set():
            return sorted(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
