"""What a customer writes down beside an order: kept on its timeline, read by its owner and by staff, sent to nobody."""

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.orders.timeline import Event, add_events

NOTE = "note"
NOTE_MAX = 1000


async def keep_note(session: AsyncSession, order_id: int, note: str) -> None:
    """Put a note on an order that was just placed."""
    await add_events(session, [Event(order_id, NOTE, note=note)])
