"""`/api/services`: what is on sale, at the caller's own prices."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.lists import AFTER, NUMBERED_MAX, After, Limit, Page, Pagination, Search, ServiceSort, skipped
from smmpanel.catalog.order_fields import FieldKind
from smmpanel.catalog.price_lists import ServiceFilter, ServiceRow, count_services, service_for, services_page
from smmpanel.catalog.service_types import SERVICE_TYPES, PriceBasis
from smmpanel.kernel.paging import PAGE_SIZE
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/services", tags=["Services"])


class Service(BaseModel):
    """One service on sale."""

    id: int
    name: str
    category_id: int
    category: str
    platform: str | None
    type: str = Field(description="The type's name, as in the reseller API.", examples=["Custom Comments"])
    description: str
    average_time: str
    min: int
    max: int
    min_quantity: int = Field(description="The same as `min`.", examples=[100])
    max_quantity: int = Field(description="The same as `max`.", examples=[100000])
    dripfeed: bool
    drip_feed_enabled: bool = Field(description="The same as `dripfeed`.")
    refill: bool
    refill_enabled: bool = Field(description="The same as `refill`.")
    refill_days: int | None = Field(description="How long a refill can be asked for; `null`: for ever.")
    cancel: bool
    rate: Amount = Field(description="What the caller pays for 1,000, or for one package.")
    list_rate: Amount = Field(description="What it costs without any discount.")
    currency: str = Field(examples=["VND"])
    is_active: Literal[True] = Field(default=True, description="What is not on sale is not listed.")


class Services(BaseModel):
    """A page of services."""

    success: Literal[True] = True
    data: list[Service]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class OrderField(BaseModel):
    """A field that an order of this service has."""

    name: str
    kind: FieldKind = Field(description="How it is read; `lines` is one entry per line.")
    required: bool
    choices: list[str] = Field(description="The values that it may have; empty: any of its kind.")
    only_if: dict[str, str] | None = Field(description="The field counts, and is needed, only with these other values.")


class ServiceDetail(Service):
    """One service, and what an order of it consists of."""

    success: Literal[True] = True
    price_basis: PriceBasis
    fields: list[OrderField]


@router.get("", summary="List services", responses=errors(401, 403, 422, 429))
async def services(
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    *,
    search: Search = None,
    platform: Annotated[CleanText | None, Query(max_length=40, examples=["instagram"])] = None,
    category_id: RowId | None = None,
    category: Annotated[CleanText | None, Query(max_length=200, description="The category's name, exactly.")] = None,
    sort: ServiceSort = "position",
    after: After = None,
    page: Page = 1,
    limit: Limit = PAGE_SIZE,
) -> Services:
    """Return the services on sale; all words of `search` must occur in the name, or be the id."""
    wanted = ServiceFilter(category_id=category_id, category=category, platform=platform, search=search)
    found = await services_page(
        session,
        viewer.user_id,
        panel.currency,
        wanted,
        after=after,
        size=limit,
        skip=0 if after else skipped(page, limit),
        order=sort,
    )
    total = await count_services(session, viewer.user_id, panel.currency, wanted, most=NUMBERED_MAX)
    return Services(
        data=[Service(**shown_service(row, panel.currency)) for row in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get("/{service_id}", summary="One service", responses=errors(401, 403, 404, 422, 429))
async def service(panel: CurrentPanel, session: Session, viewer: CurrentCaller, service_id: RowId) -> ServiceDetail:
    """Return a service with the fields that an order of it has."""
    row = await service_for(session, viewer.user_id, service_id, panel.currency)
    service_type = SERVICE_TYPES[row.type]
    fields = [
        OrderField(
            name=field.name,
            kind=field.kind,
            required=field.required,
            choices=list(field.choices),
            only_if=None if field.only_if is None else dict([field.only_if]),
        )
        for field in service_type.fields
    ]
    return ServiceDetail(**shown_service(row, panel.currency), price_basis=service_type.basis, fields=fields)


def shown_service(row: ServiceRow, currency: str) -> dict[str, object]:
    """Return the fields of a service by all the names that clients know them by."""
    # How a service is fulfilled (`mode`) is the panel's affair.
    shown = {name: value for name, value in row._asdict().items() if name != "mode"}
    return {
        **shown,
        "type": SERVICE_TYPES[row.type].wire_name,
        "currency": currency,
        "min_quantity": row.min,
        "max_quantity": row.max,
        "drip_feed_enabled": row.dripfeed,
        "refill_enabled": row.refill,
    }
