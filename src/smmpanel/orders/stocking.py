"""Handing over goods from stock: in the transaction that sells them, so that the buyer can read them at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.orders.models import OrderStatus
from smmpanel.orders.settling import Change, settle


async def hand_over(session: AsyncSession, order_ids: Sequence[int], *, now: datetime) -> None:
    """Complete stock orders that have been given their units and are paid: delivered, and so earned, all or none."""
    delivered = [Change(order_id, OrderStatus.COMPLETED, note="delivered from stock") for order_id in order_ids]
    await settle(session, delivered, now=now, watch=timedelta(0))
