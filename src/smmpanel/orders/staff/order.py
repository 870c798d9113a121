"""`/staff/orders/{id}`: everything about one order, and the page of each deed, which says what it will do and does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.kernel.errors import InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.statements import TransferLine, transfers_for
from smmpanel.orders.histories import HistoryLine, timeline_of
from smmpanel.orders.models import OrderKind, OrderStatus, Refill
from smmpanel.orders.queries import OrderView, order_for
from smmpanel.orders.staff.deeds import DEEDS, Deed, Doing, OrderState, WrongFieldError, deeds_for, state_of
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session, panel_of

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

ORDER_PATH = "/staff/orders/{order_id}"
RUNS_SHOWN = 50
PAID_BACK = marked("{amount} paid back.")
NOT_NOW = marked("As the order stands, this cannot be done.")

Looking = Annotated[Viewer, Depends(staff_with(Permission.ORDERS_VIEW))]


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of a drip-feed."""

    id: int
    status: str
    unconfirmed: bool
    quantity: int
    charge: Decimal
    external_id: str | None


@dataclass(frozen=True, slots=True)
class OrderPage:
    """What orders/staff/order.html receives."""

    order: OrderView
    provider_name: str | None
    profit: Decimal | None
    cost: Decimal | None
    provider_charge: Decimal | None
    provider_currency: str | None
    lines: Sequence[HistoryLine]
    """Without attempts and money, which stand for themselves."""
    attempts: Sequence[HistoryLine]
    transfers: Sequence[TransferLine]
    runs: Sequence[RunLine]
    runs_shown: int
    refills: Sequence[Refill]
    people: Mapping[int, str]
    """The names of those who had a hand in it, by id."""
    deeds: Sequence[Deed]
    sees_users: bool
    sees_providers: bool
    sees_services: bool
    decimal: type[Decimal] = Decimal
    """For the terms, which hold amounts as text."""


@dataclass(frozen=True, slots=True)
class DeedPage:
    """What orders/staff/deed.html receives."""

    order: OrderView
    state: OrderState
    deed: Deed
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    problem: str = ""


@router.get(ORDER_PATH)
async def show_order(request: Request, session: Session, viewer: Looking, order_id: RowId) -> Response:
    """Show everything about an order."""
    order = await order_for(session, viewer, order_id)
    state = await state_of(session, order)
    history = await timeline_of(session, viewer, order_id)
    more = (await session.execute(_MORE, {"id": order_id})).one()
    cost = cost_of(order)
    shown = OrderPage(
        order=order,
        provider_name=more.provider,
        profit=None if cost is None else order.net_charge - cost,
        cost=cost,
        provider_charge=more.provider_charge,
        provider_currency=more.provider_currency,
        lines=[line for line in history if line.kind not in {"attempt", "money"}],
        attempts=[line for line in history if line.kind == "attempt"],
        transfers=await transfers_for(session, f"order:{order_id}"),
        runs=await _runs(session, order),
        runs_shown=RUNS_SHOWN,
        refills=state.refills,
        people=await _people(session, {line.actor_id for line in history if line.actor_id is not None}),
        deeds=deeds_for(viewer, state),
        sees_users=viewer.may(Permission.USERS_VIEW),
        sees_providers=viewer.may(Permission.PROVIDERS_VIEW),
        sees_services=viewer.may(Permission.SERVICES_VIEW),
    )
    return page(request, "orders/staff/order.html", shown)


@router.get(ORDER_PATH + "/{name}")
async def show_deed(request: Request, session: Session, viewer: Looking, order_id: RowId, name: str) -> Response:
    """Show what a deed will do, and ask for what it takes."""
    deed = _deed(viewer, name)
    order = await order_for(session, viewer, order_id)
    state = await state_of(session, order)
    return page(request, "orders/staff/deed.html", _deed_page(request, state, deed))


@router.post(ORDER_PATH + "/{name}")
async def do_deed(request: Request, panel: CurrentPanel, viewer: Looking, order_id: RowId, name: str) -> Response:
    """Do it and lead back to the order; or show the form again with what was typed and what is wrong."""
    deed, form = _deed(viewer, name), await read_form(request)
    try:
        back = await perform(panel, viewer, deed, order_id, form)
    except NotFoundError:
        raise
    except (WrongFieldError, PanelError) as error:
        return await _again(request, viewer, deed, order_id=order_id, form=form, error=error)
    said = say(request, PAID_BACK, amount=formats_of(request).exact(back.amount)) if back is not None else ""
    return with_toast(see_other(f"/staff/orders/{order_id}"), Toast(say(request, deed.label), said))


async def perform(panel: Panel, viewer: Viewer, deed: Deed, order_id: int, form: Mapping[str, str]) -> Money | None:
    """Do a deed to one order in a transaction of its own; returns what was paid back, if anything was."""
    async with panel.db.transaction() as session:
        order = await order_for(session, viewer, order_id)
        state = await state_of(session, order)
        return await deed.verb(Doing(session, panel, viewer, state, form, panel.clock()))


async def _again(
    request: Request, viewer: Viewer, deed: Deed, *, order_id: int, form: Mapping[str, str], error: Exception
) -> Response:
    status, problem, errors = 422, "", {}
    if isinstance(error, WrongFieldError):
        numbers = {name: _written(request, value) for name, value in error.fields.items()}
        errors = {error.name: say(request, error.sentence, **numbers)}
    elif isinstance(error, InvalidInputError) and str(error.fields.get("field")) in _names_of(deed):
        errors = {str(name): str(reason) for name, reason in failure_of(request, error).fields.items()}
    else:
        assert isinstance(error, PanelError)
        failure = failure_of(request, error)
        status, problem = failure.status, failure.message
    async with panel_of(request).db.transaction() as session:
        state = await state_of(session, await order_for(session, viewer, order_id))
    shown = _deed_page(request, state, deed, form=form, errors=errors, problem=problem)
    return page(request, "orders/staff/deed.html", shown, status=status)


def _written(request: Request, value: object) -> object:
    return formats_of(request).num(value) if isinstance(value, int) else value


def _names_of(deed: Deed) -> set[str]:
    return {name.rstrip("?") for name in deed.fields}


def _deed_page(
    request: Request,
    state: OrderState,
    deed: Deed,
    *,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    problem: str = "",
) -> DeedPage:
    order = state.order
    kept = (
        {"remains": order.remains, "start_count": order.start_count} if deed.name in {"remains", "start-count"} else {}
    )
    first = {name: "" if kept.get(name) is None else str(kept[name]) for name in _names_of(deed)}
    if not problem and not deed.fits(state):
        problem = say(request, NOT_NOW)
    return DeedPage(order, state, deed, {**first, **(form or {})}, errors or {}, problem)


def _deed(viewer: Viewer, name: str) -> Deed:
    deed = DEEDS.get(name)
    if deed is None:
        raise NotFoundError
    for permission in deed.permissions:
        viewer.require(permission)
    return deed


def cost_of(order: OrderView) -> Decimal | None:
    """Return what an order costs us as it stands, by the route's frozen price; `None` if that is not known."""
    if order.cost is None:
        return None
    if order.status == OrderStatus.CANCELED and order.kind != OrderKind.DRIP:
        return Decimal(0)
    if order.status in {OrderStatus.PARTIAL, OrderStatus.CANCELED}:
        return order.cost * order.delivered / order.quantity
    return order.cost


_MORE = text(
    "SELECT p.name AS provider, p.currency AS provider_currency, o.provider_charge"
    " FROM orders o LEFT JOIN providers p ON p.id = o.provider_id WHERE o.id = :id"
)
_RUNS = text(
    "SELECT id, status, unconfirmed, quantity, charge, external_id FROM orders WHERE parent_id = :id ORDER BY id LIMIT :number"
)
_PEOPLE = text("SELECT id, username FROM users WHERE id = ANY(CAST(:ids AS bigint[]))")


async def _runs(session: AsyncSession, order: OrderView) -> list[RunLine]:
    if order.kind != OrderKind.DRIP:
        return []
    return [RunLine(*row) for row in await session.execute(_RUNS, {"id": order.id, "number": RUNS_SHOWN})]


async def _people(session: AsyncSession, ids: set[int]) -> dict[int, str]:
    if not ids:
        return {}
    return {row.id: row.username for row in await session.execute(_PEOPLE, {"ids": list(ids)})}
