"""The page on which one order is placed: choose a service, say for what, see the charge, pay from the balance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.catalog.at_hand import Timing, timings_and_favourite
from smmpanel.catalog.kept_lists import KeptList, ShelfRow
from smmpanel.catalog.pages.shelves import Tile, list_for, tiles
from smmpanel.catalog.price_lists import ServiceRow
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.ledger import KeyReusedError
from smmpanel.orders.coupon_editing import has_coupons
from smmpanel.orders.coupons import CODE_MAX as COUPON_MAX
from smmpanel.orders.drafting import NewOrder
from smmpanel.orders.glances import Glance, glance
from smmpanel.orders.owning import as_owner
from smmpanel.orders.pages.choices import Choices, OffersPart, choices_of
from smmpanel.orders.pages.offers import Chosen, Offer, Wish, choose, first_offers, offers
from smmpanel.orders.pages.order_form import (
    ShownField,
    drip_fields,
    quick_amounts,
    raw_order,
    shown_fields,
    typed_values,
)
from smmpanel.orders.pages.summary import Summary, summary_of
from smmpanel.orders.pages.wording import STATUS_KINDS
from smmpanel.orders.placing import place_order
from smmpanel.orders.queries import OrderFilter, OrderView, orders_page
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import ROW_ID_MAX
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session, panel_of

PATH = "/orders/new"
BODY_MAX_BYTES = 8 * 1024 * 1024
"""Comments by the thousand, each sign of which may take nine bytes on the way."""
KEY_LENGTH = 24
RECENT_ORDERS = 5
SUBSCRIPTIONS = "subscriptions"
PLACED = marked("Order {id} placed")
VIEW_ORDER = marked("View order")
CHOOSE_SERVICE = marked("This service is not on sale any more. Choose another one.")

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)


@dataclass(frozen=True, slots=True)
class NewOrderPage:
    """What orders/new.html receives. Without a service nothing is on sale."""

    glance: Glance
    discount: Decimal
    """What this customer's prices are below the list, in percent."""
    recent: Sequence[OrderView]
    status_kinds: Mapping[str, str]
    tiles: Sequence[Tile] = ()
    platform: str = ""
    shelf: ShelfRow | None = None
    service: ServiceRow | None = None
    timing: Timing | None = None
    is_favourite: bool = False
    choices: Choices | None = None
    on_sale: int = 0
    has_subscriptions: bool = False
    fields: Sequence[ShownField] = ()
    typed: Mapping[str, str] = field(default_factory=dict)
    amounts: Sequence[int] = ()
    drip_fields: Sequence[ShownField] = ()
    key: str = ""
    summary: Summary | None = None
    coupon: str = ""
    asks_coupon: bool = False
    """Whether there are any coupons to be asked for."""


@dataclass(frozen=True, slots=True)
class SummaryPart:
    """What orders/new_summary.html receives."""

    summary: Summary | None
    service: ServiceRow


@dataclass(frozen=True, slots=True)
class _Standing:
    """Who orders, from which price list, where in it they are, and what they ordered last."""

    viewer: Viewer
    kept: KeptList
    chosen: Chosen | None
    recent: Sequence[OrderView]


@router.get(PATH)
async def show_new_order(request: Request, session: Session, viewer: CurrentViewer) -> Response:
    """Show the form for the service that the address names, or for the one that was ordered last."""
    given = dict(request.query_params)
    kept = await list_for(request, session, viewer.user_id)
    recent = await _recent(session, viewer)
    chosen = choose(kept, _wish(given), recent[0].service_id if recent else None)
    standing = _Standing(viewer, kept, chosen, recent)
    shown = await _page_for(request, session, standing, given, key=random_text(KEY_LENGTH))
    return page(request, "orders/new.html", shown, fragment="ordering")


@router.get(f"{PATH}/services")
async def find_services(request: Request, session: Session, viewer: CurrentViewer) -> Response:
    """Find services for the picker: by words or number, of a platform or category, in some order."""
    given = request.query_params
    kept = await list_for(request, session, viewer.user_id)
    wish = _wish(given)
    found = await offers(
        session,
        kept,
        viewer.user_id,
        platform=wish.platform,
        category=wish.category,
        search=given.get("q", ""),
        order=given.get("filter", ""),
    )
    return page(request, "orders/new_services.html", OffersPart(found, wish.service))


@router.get(f"{PATH}/charge")
async def show_charge(request: Request, session: Session, viewer: CurrentViewer) -> Response:
    """Reckon what the order in the address would cost."""
    return await _charge_part(request, session, viewer, dict(request.query_params))


@router.post(f"{PATH}/charge")
async def reckon_charge(request: Request, session: Session, viewer: CurrentViewer) -> Response:
    """Reckon what the order in the form would cost; lists of comments are too long for an address."""
    return await _charge_part(request, session, viewer, await read_form(request))


@router.post(PATH)
async def take_order(request: Request, panel: CurrentPanel, session: Session, viewer: CurrentViewer) -> Response:
    """Place the order and lead on, or show the form again with what is wrong. The same form sent twice is one order."""
    form = await read_form(request)
    key = form.get("key", "")[:KEY_LENGTH] or random_text(KEY_LENGTH)
    kept = await list_for(request, session, viewer.user_id)
    wish = _wish(form)
    service = kept.by_id.get(wish.service)
    error: PanelError | None = None
    if service is not None:
        order = NewOrder(viewer.user_id, service.id, raw_order(service, form), key, coupon=_coupon(form))
        try:
            placed = await place_order(session, order, currency=panel.currency, now=panel.clock())
        except PanelError as refused:
            error = refused
        else:
            toast = Toast(
                say(request, PLACED, id=placed.order_id),
                href=f"/orders/{placed.order_id}",
                link=say(request, VIEW_ORDER),
            )
            return with_toast(see_other(f"{PATH}?service={service.id}"), toast)
    if isinstance(error, KeyReusedError):
        key = random_text(KEY_LENGTH)
    chosen = choose(kept, wish, None)
    gone = "" if service is not None else say(request, CHOOSE_SERVICE)
    standing = _Standing(viewer, kept, chosen, await _recent(session, viewer))
    shown = await _page_for(request, session, standing, form, key=key, error=error, gone=gone, sent=True)
    return page(request, "orders/new.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)


async def _charge_part(request: Request, session: AsyncSession, viewer: Viewer, given: Mapping[str, str]) -> Response:
    kept = await list_for(request, session, viewer.user_id)
    chosen = choose(kept, _wish(given), None)
    if chosen is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    summary = await summary_of(request, session, viewer.user_id, chosen.service, given, coupon=_coupon(given))
    return page(request, "orders/new_summary.html", SummaryPart(summary, chosen.service))


async def _page_for(
    request: Request,
    session: AsyncSession,
    standing: _Standing,
    given: Mapping[str, str],
    *,
    key: str,
    error: PanelError | None = None,
    gone: str = "",
    sent: bool = False,
) -> NewOrderPage:
    viewer, kept, chosen = standing.viewer, standing.kept, standing.chosen
    figures = await glance(session, viewer.user_id, now=panel_of(request).clock())
    discount = kept.prices.discount
    if chosen is None:
        return NewOrderPage(figures, discount, standing.recent, STATUS_KINDS)
    service = chosen.service
    typed = typed_values(service, given)
    rows = first_offers(kept, chosen)
    known, is_favourite = await timings_and_favourite(session, [row.id for row in rows], viewer.user_id, service.id)
    offered = [Offer(row, known.get(row.id)) for row in rows]
    now, coupon = panel_of(request).clock(), _coupon(given)
    summary = await summary_of(
        request, session, viewer.user_id, service, typed, error=error, gone=gone, complete=sent, coupon=coupon
    )
    return NewOrderPage(
        glance=figures,
        discount=discount,
        recent=standing.recent,
        status_kinds=STATUS_KINDS,
        tiles=tiles(kept),
        platform=chosen.platform,
        shelf=chosen.category,
        service=service,
        timing=known.get(service.id),
        is_favourite=is_favourite,
        choices=choices_of(request, kept, chosen, offered),
        on_sale=len(kept.rows),
        has_subscriptions=SUBSCRIPTIONS in kept.types,
        fields=shown_fields(request, service, typed),
        typed=typed,
        amounts=quick_amounts(service),
        drip_fields=drip_fields(request, service, typed),
        key=key,
        summary=summary,
        coupon=coupon,
        asks_coupon=bool(coupon) or await has_coupons(session, now),
    )


def _coupon(given: Mapping[str, str]) -> str:
    return given.get("coupon", "").strip()[:COUPON_MAX]


async def _recent(session: AsyncSession, viewer: Viewer) -> Sequence[OrderView]:
    mine = OrderFilter(user_id=viewer.user_id)
    return (await orders_page(session, as_owner(viewer), mine, size=RECENT_ORDERS)).rows


def _wish(given: Mapping[str, str]) -> Wish:
    return Wish(
        given.get("platform", ""), _number(given.get("category")), _number(given.get("service")), given.get("type", "")
    )


def _number(text: str | None) -> int:
    if text and text.isascii() and text.isdigit() and len(text) <= len(str(ROW_ID_MAX)):
        return min(int(text), ROW_ID_MAX)
    return 0
