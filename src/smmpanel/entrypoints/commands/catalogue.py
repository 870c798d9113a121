"""Commands about what is for sale: syncing with providers, importing, CSV files, exchange rates."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smmpanel.entrypoints.commands.context import on_panel
from smmpanel.entrypoints.commands.printing import AsJson, Progress, print_fields, print_json, print_rows, waiting
from smmpanel.entrypoints.commands.providers import OneOrMore, provider_named
from smmpanel.entrypoints.endings import CommandError, ExitCode

if TYPE_CHECKING:
    from decimal import Decimal

    from smmpanel.catalog.csv_files import CsvReport
    from smmpanel.catalog.importing import Pick
    from smmpanel.catalog.syncing import SyncResult
    from smmpanel.kernel.panel import Panel

SKIPPED_SHOWN_MAX = 20
STANDARD = Path("-")

services_app = typer.Typer(no_args_is_help=True, help="Services, as CSV files.")
fx_app = typer.Typer(no_args_is_help=True, help="Exchange rates between providers' currencies and the panel's.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("sync-services")(sync_services)
    app.add_typer(services_app, name="services")
    app.add_typer(fx_app, name="fx")


def sync_services(
    provider: OneOrMore = None,
    take: Annotated[
        str | None,
        typer.Option(
            "--import", metavar="all|ID,ID,…", help="Also put these of its services on sale; `all` of them, or some."
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Also put all of this category of the provider on sale; repeatable."),
    ] = None,
    markup: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT", help="Percent on the imported services; else that of category, provider or panel."
        ),
    ] = None,
    *,
    accept_shrunken: Annotated[
        bool, typer.Option("--accept-shrunken", help="Believe a list that has lost much of what it held.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take over what providers changed: rates, bounds, flags, services that went or came back.

    New services are kept but not put on sale, except with --import or --category. Importing again changes nothing that is
    there. A list that is empty, malformed or shrunken changes nothing. Exit code 5 if a provider could not be asked or its
    list was refused.
    """
    from smmpanel.kernel.money import parse_amount

    percent = parse_amount(markup, field="markup") if markup is not None else None
    pick = _pick(take, category)
    if pick is not None and pick.external_ids is not None and len(provider or ()) != 1:
        raise CommandError(ExitCode.USAGE, "ids belong to one provider: name it with --provider")

    async def run(panel: "Panel") -> list[dict[str, Any]]:
        slugs = await _chosen(panel, provider)
        rows = []
        with Progress() as progress:
            for done, slug in enumerate(slugs):
                progress("Syncing", done, len(slugs))
                rows.append(await _sync_one(panel, slug, pick, percent, accept_shrunken=accept_shrunken))
            progress("Syncing", len(slugs), len(slugs))
        return rows

    rows = on_panel(run)
    print_rows(rows if as_json else [_brief(row) for row in rows],
               as_json=as_json, empty="No enabled providers.")  # fmt: skip
    if any(row["refused"] for row in rows):
        raise typer.Exit(ExitCode.UNREACHABLE)


def _pick(take: str | None, categories: list[str] | None) -> "Pick | None":
    from smmpanel.catalog.importing import PICK_ALL, Pick

    if take is None and not categories:
        return None
    if take is not None and take.strip().lower() == "all":
        return PICK_ALL
    ids = frozenset(one.strip() for one in (take or "").split(",") if one.strip())
    return Pick(external_ids=ids or None, categories=frozenset(categories) if categories else None)


async def _chosen(panel: "Panel", given: list[str] | None) -> list[str]:
    from sqlalchemy import select

    from smmpanel.providers.models import Provider

    async with panel.db.transaction() as session:
        if given:
            return [(await provider_named(session, one)).slug for one in given]
        return list((await session.scalars(select(Provider.slug).where(Provider.enabled).order_by(Provider.id))).all())


async def _sync_one(
    panel: "Panel", slug: str, pick: "Pick | None", markup: "Decimal | None", *, accept_shrunken: bool
) -> dict[str, Any]:
    from smmpanel.accounts.access import Actor
    from smmpanel.catalog.importing import fetch_catalogue, import_services
    from smmpanel.catalog.syncing import apply_catalogue
    from smmpanel.catalog.syncing import sync_services as sync
    from smmpanel.kernel.errors import PanelError
    from smmpanel.providers.protocol import ProviderFailure

    if pick is None:
        return _row((await sync(panel, [slug], accept_shrunken=accept_shrunken))[0])
    now = panel.clock()
    async with panel.db.transaction() as session:
        provider = await provider_named(session, slug)
    try:
        upstream = await fetch_catalogue(panel, provider)
    except (ProviderFailure, PanelError) as failed:
        from smmpanel.catalog.syncing import SyncResult

        failure = failed.outcome if isinstance(failed, ProviderFailure) else failed.code
        return _row(SyncResult(provider.id, slug, refused=failure, text=str(failed)))
    # One list, asked for once: first what it changes, then what is new from it.
    async with panel.db.transaction() as session:
        synced = await apply_catalogue(
            session, panel, provider.id, slug, upstream, now=now, accept_shrunken=accept_shrunken
        )
    if synced.refused is not None:
        return _row(synced)
    async with panel.db.transaction() as session:
        imported = await import_services(
            session, panel, provider, upstream, pick=pick, markup=markup, actor=Actor.cli(), now=now
        )
    skipped = [{"external_id": one.external_id, "name": one.name, "reason": one.reason} for one in imported.skipped]
    return _row(synced, imported=imported.added, skipped=skipped)


def _row(result: "SyncResult", *, imported: int = 0, skipped: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {
        "provider": result.provider,
        "listed": result.listed,
        "new": result.new,
        "missing": result.missing,
        "changed": result.changed,
        "held": result.held,
        "released": result.released,
        "imported": imported,
        "skipped": skipped or [],
        "refused": result.refused,
        "text": result.text,
    }


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "skipped": len(row["skipped"])}


@services_app.command("export")
def export_services(
    file: Annotated[Path, typer.Argument(help="Where to; - is standard output.", allow_dash=True)] = STANDARD,
) -> None:
    """Write all services as CSV."""
    from smmpanel.catalog.csv_files import export_services as export

    async def write(panel: "Panel") -> None:
        async with panel.db.transaction() as session:
            if file == STANDARD:
                async for part in export(session):
                    sys.stdout.write(part)
                return
            with file.open("w", encoding="utf-8", newline="") as target:
                async for part in export(session):
                    target.write(part)

    on_panel(write)


@services_app.command("import")
def import_services(
    file: Annotated[
        Path, typer.Argument(help="A CSV file as `services export` writes it; - is standard input.", allow_dash=True)
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make and change services as a CSV file says: all lines or, if one is wrong, none. Exit code 1 if one is wrong."""
    from smmpanel.accounts.access import Actor
    from smmpanel.catalog.csv_files import import_services_csv

    raw = sys.stdin.buffer.read() if file == STANDARD else file.read_bytes()
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(ExitCode.USAGE, f"{file} is not UTF-8 text") from None

    async def read(panel: "Panel") -> "CsvReport":
        async with panel.db.transaction() as session:
            return await import_services_csv(
                session, content, dry_run=dry_run, currency=panel.currency, actor=Actor.cli(), now=panel.clock()
            )

    with waiting("Importing"):
        report = on_panel(read)
    errors = [{"line": one.line, "column": one.column, "reason": one.reason} for one in report.errors]
    counts = {
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "new_categories": list(report.new_categories),
    }
    if as_json:
        print_json({**counts, "errors": errors, "dry_run": dry_run})
    elif errors:
        print_rows(errors, as_json=False)
    else:
        print_fields(counts, as_json=False)
    if errors:
        raise typer.Exit(ExitCode.FAILED)


@fx_app.command("set")
def set_rate(
    base: Annotated[str, typer.Argument(help="One unit of this currency …")],
    quote: Annotated[str, typer.Argument(help="… is worth so much of this one.")],
    rate: Annotated[str, typer.Argument()],
) -> None:
    """Say what one currency is worth in another. Prices follow."""
    from smmpanel.accounts.access import Actor
    from smmpanel.catalog.fx import set_rate as keep

    value = _rate(rate)

    async def write(panel: "Panel") -> int:
        async with panel.db.transaction() as session:
            return await keep(
                session, base, quote, value, currency=panel.currency, actor=Actor.cli(), now=panel.clock()
            )

    changed = on_panel(write)
    typer.echo(f"1 {base.upper()} = {rate} {quote.upper()}; {changed} services have new prices.")


@fx_app.command("list")
def list_rates(*, as_json: AsJson = False) -> None:
    """List exchange rates."""
    from smmpanel.catalog.fx import fx_rates

    async def read(panel: "Panel") -> list[dict[str, Any]]:
        async with panel.db.transaction() as session:
            return [
                {"base": one.base, "quote": one.quote, "rate": one.rate, "set_at": one.set_at}
                for one in await fx_rates(session)
            ]

    print_rows(on_panel(read), as_json=as_json, empty="No exchange rates. `smmpanel fx set USD IDR 16400` sets one.")


def _rate(text: str) -> "Decimal":
    from decimal import Decimal, InvalidOperation

    try:
        rate = Decimal(text)
    except InvalidOperation:
        raise CommandError(ExitCode.USAGE, f"rate: {text!r} is not a number") from None
    return rate
