"""Commands about tiers: the table, and counting anew what users have spent."""

from typing import TYPE_CHECKING

import typer

from smmpanel.entrypoints.commands.context import on_panel
from smmpanel.entrypoints.commands.printing import AsJson, Progress, print_fields, print_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smmpanel.growth.recounting_spends import Recounted
    from smmpanel.growth.tiers import TierView
    from smmpanel.kernel.panel import Panel

tiers_app = typer.Typer(no_args_is_help=True, help="Tiers, and what users have spent.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(tiers_app, name="tiers")


@tiers_app.command("list")
def show(*, as_json: AsJson = False) -> None:
    """List the tiers, lowest first, and how many users are in each who have spent anything."""
    from smmpanel.growth.tiers import all_tiers, members_of_tiers

    async def read(panel: "Panel") -> "tuple[list[TierView], Mapping[int, int]]":
        async with panel.db.transaction() as session:
            return await all_tiers(session), await members_of_tiers(session)

    tiers, members = on_panel(read)
    rows = [
        {
            "level": one.level,
            "name": one.name,
            "icon": one.icon,
            "min_spent": one.min_spent,
            "discount": one.discount,
            "users": members.get(one.id, 0),
            "benefits": one.said_benefits,
        }
        for one in tiers
    ]
    print_rows(rows, as_json=as_json, empty="There are no tiers.")


@tiers_app.command("recompute")
def recompute(*, as_json: AsJson = False) -> None:
    """Count anew, from the orders, what users have spent, and put everybody into their tier. The panel may be running."""
    from smmpanel.growth.recounting_spends import recount_spends

    with Progress() as progress:

        async def work(panel: "Panel") -> "Recounted":
            return await recount_spends(panel, progress=progress)

        done = on_panel(work)
    print_fields(
        {
            "orders": done.orders,
            "orders_counted_now": done.missed,
            "users": done.users,
            "users_corrected": done.corrected,
        },
        as_json=as_json,
    )
