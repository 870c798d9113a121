"""Commands about orders: seeing them, sending them again, settling what nobody is sure of, following them now."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smmpanel.entrypoints.commands.context import on_panel
from smmpanel.entrypoints.commands.printing import (
    After,
    AsJson,
    Limit,
    print_fields,
    print_json,
    print_more,
    print_rows,
    waiting,
)
from smmpanel.entrypoints.commands.providers import provider_named
from smmpanel.entrypoints.endings import CommandError, ExitCode

if TYPE_CHECKING:
    from smmpanel.kernel.paging import Paged
    from smmpanel.kernel.panel import Panel
    from smmpanel.orders.histories import HistoryLine
    from smmpanel.orders.queries import OrderView
    from smmpanel.orders.tracking import TrackingSummary

OrderId = Annotated[int, typer.Argument(metavar="ORDER", min=1, max=2**63 - 1, help="The order's id.")]

orders_app = typer.Typer(no_args_is_help=True, help="Orders.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(orders_app, name="orders")
    app.command("update-orders")(update_orders)


@orders_app.command("list")
def list_orders(
    *,
    user: Annotated[str | None, typer.Option(help="Of this user only.")] = None,
    status: Annotated[str | None, typer.Option(help="In this status only, such as pending or failed.")] = None,
    provider: Annotated[str | None, typer.Option(help="At this provider only: slug or id.")] = None,
    service: Annotated[int | None, typer.Option(help="Of this service only.")] = None,
    parent: Annotated[int | None, typer.Option(help="The runs of this drip-feed only.")] = None,
    search: Annotated[str | None, typer.Option(help="An order's id, an external id, or exactly a link.")] = None,
    limit: Limit = 50,
    after: After = None,
    unconfirmed: Annotated[bool, typer.Option("--unconfirmed", help="Only those that nobody is sure of.")] = False,
    as_json: AsJson = False,
) -> None:
    """List orders, newest first."""
    from smmpanel.accounts.access import Actor
    from smmpanel.accounts.finding import user_named
    from smmpanel.orders.models import OrderStatus
    from smmpanel.orders.queries import OrderFilter, orders_page

    known = [one.value for one in OrderStatus]
    if status is not None and status not in known:
        raise CommandError(ExitCode.USAGE, f"--status is one of {', '.join(known)}")

    async def read(panel: "Panel") -> "Paged[OrderView]":
        async with panel.db.transaction() as session:
            wanted = OrderFilter(
                user_id=(await user_named(session, user)).id if user is not None else None,
                statuses=(OrderStatus(status),) if status is not None else (),
                provider_id=(await provider_named(session, provider)).id if provider is not None else None,
                service_id=service,
                unconfirmed=True if unconfirmed else None,
                parent_id=parent,
                search=search,
            )
            return await orders_page(session, Actor.cli(), wanted, after=after, size=limit)

    found = on_panel(read)
    print_rows([_brief(one) for one in found.rows], as_json=as_json, empty="No orders.")
    print_more(found.after)


@orders_app.command("show")
def show(order_id: OrderId, *, as_json: AsJson = False) -> None:
    """Show an order with its history: every move, every attempt to hand it in, every movement of its money."""
    from dataclasses import asdict

    from smmpanel.accounts.access import Actor
    from smmpanel.orders.histories import timeline_of
    from smmpanel.orders.queries import order_for

    async def read(panel: "Panel") -> "tuple[OrderView, list[HistoryLine]]":
        async with panel.db.transaction() as session:
            with _naming(order_id):
                order = await order_for(session, Actor.cli(), order_id)
            return order, await timeline_of(session, Actor.cli(), order_id)

    order, timeline = on_panel(read)
    lines = [asdict(line) for line in timeline]
    if as_json:
        print_json({**asdict(order), "timeline": lines})
        return
    print_fields({name: value for name, value in asdict(order).items() if value is not None}, as_json=False)
    typer.echo("")
    print_rows([{**line, "request": line["request"] or None} for line in lines], as_json=False)


@contextmanager
def _naming(order_id: int) -> Iterator[None]:
    from smmpanel.kernel.errors import NotFoundError

    try:
        yield
    except NotFoundError:
        raise CommandError(ExitCode.NOT_FOUND, f"there is no order {order_id}") from None


def _brief(order: "OrderView") -> dict[str, Any]:
    names = (
        "id", "created_at", "username", "service_id", "link", "quantity", "charge", "refunded", "currency", "status",
        "unconfirmed", "provider", "external_id", "start_count", "remains", "reason",
    )  # fmt: skip
    return {name: getattr(order, name) for name in names}


@orders_app.command("resend")
def resend(
    order_ids: Annotated[list[int], typer.Argument(metavar="ORDER…", help="Ids of orders that failed.")],
) -> None:
    """Send failed orders again. They failed because no provider took them, so nothing can be doubled."""
    from smmpanel.accounts.access import Actor
    from smmpanel.orders.queries import order_for
    from smmpanel.orders.resolving import resend_order

    async def send(panel: "Panel") -> None:
        async with panel.db.transaction() as session:
            for order_id in sorted(set(order_ids)):
                with _naming(order_id):
                    await order_for(session, Actor.cli(), order_id)
                await resend_order(session, panel, Actor.cli(), order_id, now=panel.clock())

    on_panel(send)
    typer.echo(f"Orders sent again: {', '.join(map(str, sorted(set(order_ids))))}.")


@orders_app.command("resolve")
def resolve(
    order_id: OrderId,
    taken: Annotated[
        str | None, typer.Option("--taken", metavar="EXTERNAL_ID", help="The provider took it, under this id.")
    ] = None,
    *,
    not_taken: Annotated[
        bool, typer.Option("--not-taken", help="The provider did not take it: send it again.")
    ] = False,
) -> None:
    """Settle an unconfirmed order: look at the provider's own list, then say whether it was taken."""
    from smmpanel.accounts.access import Actor
    from smmpanel.orders.queries import order_for
    from smmpanel.orders.resolving import resolve_not_taken, resolve_taken

    if (taken is None) is not not_taken:
        raise CommandError(ExitCode.USAGE, "give either --taken EXTERNAL_ID or --not-taken")

    async def settle(panel: "Panel") -> None:
        async with panel.db.transaction() as session:
            with _naming(order_id):
                await order_for(session, Actor.cli(), order_id)
            if taken is not None:
                await resolve_taken(session, panel, Actor.cli(), order_id, taken, now=panel.clock())
            else:
                await resolve_not_taken(session, panel, Actor.cli(), order_id, now=panel.clock())

    on_panel(settle)
    typer.echo(f"Order {order_id} is settled: {'it was taken' if taken is not None else 'it is sent again'}.")


def update_orders(*, as_json: AsJson = False) -> None:
    """Ask providers about all orders that are due to be looked at, now. Exit code 5 if a provider did not answer."""
    from smmpanel.orders.tracking import update_orders as update

    async def run(panel: "Panel") -> "TrackingSummary":
        return await update(panel)

    with waiting("Asking providers"):
        summary = on_panel(run)
    counts: dict[str, Any] = {
        "providers": len(summary.providers),
        "asked": summary.asked,
        "moved": summary.moved,
        "failures": summary.failures,
    }
    print_fields(counts, as_json=as_json)
    if summary.failures:
        raise typer.Exit(ExitCode.UNREACHABLE)
