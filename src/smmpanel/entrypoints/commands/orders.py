"""Commands about orders: seeing them, sending them again, settling what nobody is sure of, following them now."""

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
from smmpanel.entrypoints.endings import CommandError, ExitCode

if TYPE_CHECKING:
    from smmpanel.entrypoints.order_views import OrderList, OrderView
    from smmpanel.kernel.panel import Panel
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
    limit: Limit = 50,
    after: After = None,
    unconfirmed: Annotated[bool, typer.Option("--unconfirmed", help="Only those that nobody is sure of.")] = False,
    as_json: AsJson = False,
) -> None:
    """List orders, newest first."""
    from smmpanel.entrypoints.order_views import OrderFilter
    from smmpanel.entrypoints.order_views import list_orders as find
    from smmpanel.orders.models import OrderStatus

    known = [one.value for one in OrderStatus]
    if status is not None and status not in known:
        raise CommandError(ExitCode.USAGE, f"--status is one of {', '.join(known)}")

    async def read(panel: "Panel") -> "OrderList":
        async with panel.db.transaction() as session:
            wanted = OrderFilter(user, status, provider, service, unconfirmed=unconfirmed)
            return await find(session, wanted, after=after, size=limit)

    found = on_panel(read)
    print_rows(found.rows, as_json=as_json, empty="No orders.")
    print_more(found.after)


@orders_app.command("show")
def show(order_id: OrderId, *, as_json: AsJson = False) -> None:
    """Show an order with its timeline and every attempt to hand it in."""
    from smmpanel.entrypoints.order_views import order_view

    async def read(panel: "Panel") -> "OrderView":
        async with panel.db.transaction() as session:
            return await order_view(session, order_id)

    view = on_panel(read)
    if as_json:
        print_json({**view.order, "timeline": view.timeline, "attempts": view.attempts, "transfers": view.transfers})
        return
    print_fields({name: value for name, value in view.order.items() if name != "terms"}, as_json=False)
    for title, rows in (("Timeline", view.timeline), ("Attempts", view.attempts), ("Money", view.transfers)):
        if rows:
            typer.echo(f"\n{title}")
            print_rows(rows, as_json=False)


@orders_app.command("resend")
def resend(
    order_ids: Annotated[list[int], typer.Argument(metavar="ORDER…", help="Ids of orders that failed.")],
) -> None:
    """Send failed orders again. They failed because no provider took them, so nothing can be doubled."""
    from smmpanel.accounts.access import Actor
    from smmpanel.orders.resolving import resend_order

    async def send(panel: "Panel") -> None:
        async with panel.db.transaction() as session:
            for order_id in sorted(set(order_ids)):
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
    from smmpanel.orders.resolving import resolve_not_taken, resolve_taken

    if (taken is None) is not not_taken:
        raise CommandError(ExitCode.USAGE, "give either --taken EXTERNAL_ID or --not-taken")

    async def settle(panel: "Panel") -> None:
        async with panel.db.transaction() as session:
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
