"""One turn of the engine: the panel's own jobs, run for whatever is due at the moment that the panel's clock tells."""

from sqlalchemy import text

from smmpanel.catalog.syncing import sync_all_daily
from smmpanel.kernel.jobs import JOBS
from smmpanel.kernel.panel import Panel
from smmpanel.orders.asking_refills import work_refills
from smmpanel.orders.dripping import start_due_runs
from smmpanel.orders.reconciling import reconcile
from smmpanel.orders.sending_cancels import send_cancels
from smmpanel.orders.submission import submit_pending
from smmpanel.orders.tracking import track_provider
from smmpanel.orders.tracking_subscriptions import track_subscriptions

FIGURES = ("reports.", "growth.recounting_spends.")
"""What of the periodic jobs is worked out from what happened: figures, and the tiers that prices follow."""
FIELDS = 5
"""Of a cron line; a sixth is seconds."""

# What the periodic jobs look for, in one statement.
_DUE = text(
    "SELECT EXISTS (SELECT FROM drip_feeds WHERE (state = 'active' AND next_run_at <= :now) OR state = 'finishing') AS drips,"
    " EXISTS (SELECT FROM orders WHERE status = 'pending' AND provider_id = :provider AND due_at <= :now) AS orders,"
    " EXISTS (SELECT FROM cancel_requests WHERE state = 'requested' AND due_at <= :now) AS cancels,"
    " EXISTS (SELECT FROM refills WHERE state IN ('pending', 'in_progress') AND due_at <= :now) AS refills,"
    " EXISTS (SELECT FROM orders WHERE provider_id = :provider AND check_at <= :now AND kind <> 'subscription') AS reports,"
    " EXISTS (SELECT FROM orders WHERE provider_id = :provider AND check_at <= :now AND kind = 'subscription') AS posts,"
    " EXISTS (SELECT FROM orders o JOIN order_attempts a ON a.order_id = o.id"
    "  WHERE o.unconfirmed AND a.balance_after IS NULL AND a.outcome = 'unknown') AS doubts"
)


async def turn(panel: Panel, provider_id: int, *, subscriptions: bool = False) -> None:
    """Do what workers would do now, in one round; what that makes due waits for the next turn.

    Subscriptions bring something new a few times a week, so they are looked at only when asked for.
    """
    async with panel.db.transaction() as session:
        due = (await session.execute(_DUE, {"provider": provider_id, "now": panel.clock()})).one()
    if due.drips:
        await start_due_runs.function(panel)
    if due.orders or due.drips:
        await submit_pending.function(panel, provider_id=provider_id)
    if due.cancels:
        await send_cancels.function(panel, provider_id=provider_id)
    if due.refills:
        await work_refills.function(panel, provider_id=provider_id)
    if due.reports:
        await track_provider.function(panel, provider_id=provider_id)
    if due.posts and subscriptions:
        await track_subscriptions.function(panel, provider_id=provider_id)
    if due.doubts:
        await reconcile.function(panel, provider_id=provider_id)


async def make_figures(panel: Panel) -> None:
    """Run the periodic jobs that work figures out from what happened, as far as they have to keep up with time."""
    for declared in JOBS.values():
        if declared.cron is not None and declared.name.startswith(FIGURES):
            await declared.function(panel)


async def do_chores(panel: Panel) -> None:
    """Run every periodic job that is not about seconds once, so that nothing waits for its hour: a panel's whole night."""
    for declared in JOBS.values():
        # The list of the provider was compared a moment ago, in the panel's time.
        if declared.cron is not None and len(declared.cron.split()) == FIELDS and declared is not sync_all_daily:
            await declared.function(panel)
