"""When lists are compared: the latest hours every ten minutes, and some days as a whole every night."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.alerts import clear_alert, raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.methods import gateway_for, methods_of
from smmpanel.payments.models import PaymentMethod
from smmpanel.payments.protocol import CanList, GatewayFailedError
from smmpanel.payments.reconciliation_models import Reconciliation
from smmpanel.payments.reconciling import reconcile

OVERLAP = timedelta(hours=1)
"""Banks book late, and their clocks differ."""
WHOLE = timedelta(days=3)
SETTLED_AFTER = timedelta(minutes=15)
"""What happened just now may not be listed yet."""
FAILING = "payment_list_failing"

log = get_logger()


@job(queue="payments", cron="*/10 * * * *")
async def reconcile_latest(panel: Panel) -> None:
    """Compare what was listed since the last look. Idempotent."""
    now = panel.clock()
    async with panel.db.transaction() as session:
        methods = _with_lists(panel, await methods_of(session))
        begins = [await _begin(session, method, now) for method in methods]
    for method, since in zip(methods, begins, strict=True):
        await _reconcile(panel, method, since, now, is_whole=False)


@job(queue="payments", cron="17 3 * * *")
async def reconcile_whole_days(panel: Panel) -> None:
    """Compare the last days as a whole, money that is here and not there included. Idempotent."""
    until = panel.clock() - SETTLED_AFTER
    async with panel.db.transaction() as session:
        methods = _with_lists(panel, await methods_of(session))
    for method in methods:
        await _reconcile(panel, method, max(until - WHOLE, method.created_at), until, is_whole=True)


async def latest_reconciliations(session: AsyncSession, method_id: int, *, most: int) -> Sequence[Reconciliation]:
    """Return the latest comparisons of a method, newest first."""
    row = Reconciliation
    wanted = select(row).where(row.method_id == method_id).order_by(row.id.desc()).limit(most)
    return (await session.scalars(wanted)).all()


def has_list(panel: Panel, method: PaymentMethod) -> bool:
    """Whether a method's gateway lists what moved, and is set up for it."""
    adapter = gateway_for(panel, method)
    return isinstance(adapter, CanList) and adapter.can_list


def _with_lists(panel: Panel, methods: Sequence[PaymentMethod]) -> list[PaymentMethod]:
    return [method for method in methods if has_list(panel, method)]


async def _begin(session: AsyncSession, method: PaymentMethod, now: datetime) -> datetime:
    row = Reconciliation
    last = await session.scalar(
        select(row.until)
        .where(row.method_id == method.id, row.finished_at.is_not(None))
        .order_by(row.id.desc())
        .limit(1)
    )
    # Money from before the method was set up is none of the panel's.
    return max((last or now - WHOLE) - OVERLAP, method.created_at - OVERLAP)


async def _reconcile(panel: Panel, method: PaymentMethod, since: datetime, until: datetime, *, is_whole: bool) -> None:
    subject = f"gateway:{method.gateway}:{method.id}"
    try:
        await reconcile(panel, method.id, since, until, is_whole=is_whole)
    except GatewayFailedError as failure:
        log.warning("payment_list_failed", method=method.id, failure=failure.code)
    except Exception:
        # One list that breaks must not keep the others from being read.
        log.exception("payment_list_broke", method=method.id)
    else:
        async with panel.db.transaction() as session:
            await clear_alert(session, FAILING, subject)
        return
    async with panel.db.transaction() as session:
        await raise_alert(session, FAILING, subject, AlertLevel.WARNING, name=method.name)
