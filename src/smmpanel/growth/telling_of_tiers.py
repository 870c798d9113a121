"""Telling users that they rose or fell to a tier."""

from collections.abc import Sequence

from smmpanel.growth.spends import TierChanged
from smmpanel.kernel.facts import on_many
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.telling import Notice, notify

TIERS_PATH = "/tiers"


@on_many(TierChanged)
async def tell_of_tiers(panel: Panel, facts: Sequence[TierChanged]) -> None:
    """Tell users of their new tiers. Told twice, it is one notification each."""
    notices = [
        Notice(
            fact.user_id,
            f"tier:{fact.move}",
            "tier_up" if fact.promoted else "tier_down",
            {"tier": fact.name, "percent": fact.discount, "promoted": fact.promoted},
            TIERS_PATH,
        )
        for fact in facts
    ]
    async with panel.db.transaction() as session:
        await notify(session, notices, now=panel.clock())
