"""Pausing and resuming drip-feeds, and canceling what they have not started."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError, NotFoundError
from smmpanel.kernel.live import tell
from smmpanel.kernel.money import Money, plain
from smmpanel.ledger import Reason, Transfer, lock_users, post_fresh
from smmpanel.orders.dripping import wake_drips
from smmpanel.orders.finishing_drips import finish_drips
from smmpanel.orders.models import DripState, OrderKind
from smmpanel.orders.owning import lock_order_for
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.writing import OrderRow


class DripStateError(ConflictError):
    """The schedule is not in the state that this takes."""

    code, message = "drip_state", "The drip-feed is {state}."


_PAUSE = text("UPDATE drip_feeds SET state = 'paused' WHERE order_id = :id AND state = 'active' RETURNING order_id")
_RESUME = text(
    "UPDATE drip_feeds SET state = 'active', next_run_at = greatest(next_run_at, :now)"
    " WHERE order_id = :id AND state = 'paused' RETURNING order_id"
)
_END = text(
    "UPDATE drip_feeds SET state = 'finishing' WHERE order_id = :id AND state IN ('active', 'paused')"
    " RETURNING runs - runs_started AS unstarted"
)
_STATE = text("SELECT state FROM drip_feeds WHERE order_id = :id")
_GIVE_BACK = text("UPDATE orders SET refunded = refunded + :rest WHERE id = :id")


async def pause_drip(session: AsyncSession, actor: Actor, order_id: int) -> None:
    """Start no more runs until it is resumed; those that run go on. For the order's owner and for `orders.edit`."""
    row = await _drip(session, actor, order_id, Permission.ORDERS_EDIT)
    if (await session.execute(_PAUSE, {"id": order_id})).one_or_none() is None:
        raise await _not_possible(session, order_id)
    await _note(session, actor, row, "drip_paused")


async def resume_drip(session: AsyncSession, actor: Actor, order_id: int, *, now: datetime) -> None:
    """Go on with a paused drip-feed; a run that would have been due meanwhile starts now. For owner and `orders.edit`."""
    row = await _drip(session, actor, order_id, Permission.ORDERS_EDIT)
    if (await session.execute(_RESUME, {"id": order_id, "now": now})).one_or_none() is None:
        raise await _not_possible(session, order_id)
    await _note(session, actor, row, "drip_resumed")
    wake_drips(session)


async def cancel_drip_rest(session: AsyncSession, actor: Actor, order_id: int, *, now: datetime) -> Money:
    """Start no more runs and pay back at once what was held for them, once; returns how much that was.

    The order finishes when its running ones have. For the order's owner and for `orders.refund`.
    """
    row = await _drip(session, actor, order_id, Permission.ORDERS_REFUND)
    rest = await end_drip(session, row, actor_id=actor.user_id, now=now)
    if row["user_id"] != actor.user_id:
        after = {"rest_canceled": plain(rest)}
        await audit(session, actor, Permission.ORDERS_REFUND, f"order:{order_id}", after=after)
    return Money(rest, row["currency"])


async def end_drip(session: AsyncSession, row: OrderRow, *, actor_id: int | None, now: datetime) -> Decimal:
    """Cancel the rest of a drip-feed whose order is locked; returns what is paid back."""
    order_id: int = row["id"]
    ended = (await session.execute(_END, {"id": order_id})).one_or_none()
    if ended is None:
        raise await _not_possible(session, order_id)
    rest: Decimal = row["charge"] - row["refunded"] - row["earned"] - row["allocated"]
    note = f"{ended.unstarted} runs will not start, {plain(rest)} {row['currency']} paid back"
    await add_events(session, [Event(order_id, "rest_canceled", note=note, actor_id=actor_id)])
    if order_id not in await finish_drips(session, now=now, order_ids=[order_id]):
        await _give_back(session, row, rest)
    return rest


async def _give_back(session: AsyncSession, row: OrderRow, rest: Decimal) -> None:
    """Pay the rest back while runs are still under way. The key is the one that settling would use for the same result."""
    if not rest:
        return
    sides = (await lock_users(session, [row["user_id"]], row["currency"]))[row["user_id"]]
    back = Transfer(
        key=f"order:{row['id']}:refund:{row['refunded'] + rest}",
        reason=Reason.ORDER_REFUND,
        debit=sides.held.id,
        credit=sides.wallet.id,
        amount=rest,
        subject=f"order:{row['id']}",
    )
    await post_fresh(session, {sides.wallet.id: sides.wallet, sides.held.id: sides.held}, [back])
    await session.execute(_GIVE_BACK, {"id": row["id"], "rest": rest})
    await tell(session, "balance", [row["user_id"]])


async def _drip(session: AsyncSession, actor: Actor, order_id: int, permission: Permission) -> OrderRow:
    row = await lock_order_for(session, actor, order_id, permission)
    if row["kind"] != OrderKind.DRIP:
        raise NotFoundError
    return row


async def _not_possible(session: AsyncSession, order_id: int) -> DripStateError:
    return DripStateError(state=DripState(await session.scalar(_STATE, {"id": order_id})).value)


async def _note(session: AsyncSession, actor: Actor, row: OrderRow, kind: str) -> None:
    await add_events(session, [Event(row["id"], kind, actor_id=actor.user_id)])
    if row["user_id"] != actor.user_id:
        await audit(session, actor, Permission.ORDERS_EDIT, f"order:{row['id']}", after={"event": kind})
