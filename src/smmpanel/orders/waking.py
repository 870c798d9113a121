"""Waking those who carry placed orders on: hints after the commit; periodic jobs find the work without them."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.orders.drafting import Draft
from smmpanel.orders.dripping import wake_drips
from smmpanel.orders.models import OrderKind
from smmpanel.orders.submission import wake_submission


def wake_for(session: AsyncSession, placed: Iterable[Draft]) -> None:
    """Wake whatever the placed orders need: their providers' queues, the drip-feed schedule."""
    kinds = set()
    providers = set()
    for one in placed:
        kinds.add(one.kind)
        if one.route is not None and one.kind is not OrderKind.DRIP:
            providers.add(one.route.provider_id)
    for provider_id in providers:
        wake_submission(session, provider_id)
    if OrderKind.DRIP in kinds:
        wake_drips(session)
