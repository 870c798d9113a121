"""`/api/services`: what is on sale, at the caller's own prices."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.lists import AFTER, After, Limit, Search
from smmpanel.catalog.order_fields import FieldKind
from smmpanel.catalog.price_lists import ServiceRow, service_for, services_page
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
    dripfeed: bool
    refill: bool
    refill_days: int | None = Field(description="How long a refill can be asked for; `null`: for ever.")
    cancel: bool
    rate: Amount = Field(description="What the caller pays for 1,000, or for one package.")
    list_rate: Amount = Field(description="What it costs without any discount.")
    currency: str


class Services(BaseModel):
    """A page of services."""

    success: Literal[True] = True
    data: list[Service]
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


@router.get("", summary="List services", responses=errors(401, 403, 422))
async def services(
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    *,
    search: Search = None,
    platform: Annotated[CleanText | None, Query(max_length=40, examples=["instagram"])] = None,
    category_id: RowId | None = None,
    after: After = None,
    limit: Limit = PAGE_SIZE,
) -> Services:
    """Return the services on sale in the order of the catalogue; all words of `search` must occur in the name, or be the id."""
    found = await services_page(
        session,
        viewer.user_id,
        panel.currency,
        category_id=category_id,
        platform=platform,
        search=search,
        after=after,
        size=limit,
    )
    return Services(data=[Service(**_shown(row, panel.currency)) for row in found.rows], after=found.after)


@router.get("/{service_id}", summary="One service", responses=errors(401, 403, 404, 422))
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
    return ServiceDetail(**_shown(row, panel.currency), price_basis=service_type.basis, fields=fields)


def _shown(row: ServiceRow, currency: str) -> dict[str, object]:
    # How a service is fulfilled (`mode`) is the panel's affair.
    shown = {name: value for name, value in row._asdict().items() if name != "mode"}
    return {**shown, "type": SERVICE_TYPES[row.type].wire_name, "currency": currency}
