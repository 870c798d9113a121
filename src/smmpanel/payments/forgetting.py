"""Raw messages of gateways are kept as long as somebody may ask about them, and no longer."""

from datetime import timedelta

from sqlalchemy import text

from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel

BODIES_KEPT = timedelta(days=400)
AT_ONCE = 5000
_FORGET = text(
    "UPDATE gateway_events SET body = '', headers = '{}' WHERE id IN (SELECT id FROM gateway_events"
    " WHERE received_at < :before AND body <> '' AND outcome NOT IN ('waiting', 'review') LIMIT :most) RETURNING id"
)


@job(queue="chores", cron="37 4 * * *")
async def forget_old_messages(panel: Panel) -> None:
    """Empty the bodies of old messages: what they were worth stays on record. Idempotent."""
    while not panel.stopping.is_set():
        async with panel.db.transaction() as session:
            asked = {"before": panel.clock() - BODIES_KEPT, "most": AT_ONCE}
            if len((await session.execute(_FORGET, asked)).all()) < AT_ONCE:
                return
