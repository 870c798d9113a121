"""`/api/smm/categories` and `/api/smm/services`: what is on sale, with what is known of its delivery."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema
from starlette.requests import Request

from smmpanel.accounts.callers import CurrentCaller, calling
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.lists import (
    AFTER,
    LIMIT_USUAL,
    NUMBERED_MAX,
    After,
    Limit,
    Page,
    Pagination,
    Search,
    ServiceSort,
    skipped,
)
from smmpanel.catalog.platforms import PLATFORMS
from smmpanel.catalog.price_lists import ServiceFilter, ServiceRow, count_services, services_page
from smmpanel.catalog.queries import shelves
from smmpanel.catalog.service_types import SERVICE_TYPES, PriceBasis
from smmpanel.kernel.money import json_number
from smmpanel.orders.track_records import LOOKED_AT_MAX, UNKNOWN, TrackRecord, track_records
from smmpanel.web.formats import NBSP, Formats
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.pages import formats_of
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/smm", tags=["Shop"])

Platform = Annotated[
    CleanText | None, Query(max_length=40, description="Only of this platform.", examples=["instagram"])
]
Rating = Annotated[
    Decimal,
    PlainSerializer(json_number, return_type=int | float, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 5}, mode="serialization"),
]


class Category(BaseModel):
    """One category with something on sale."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Instagram Followers"])
    platform: str | None = Field(examples=["instagram"])
    platform_name: str | None = Field(examples=["Instagram"])
    services_count: int = Field(description="How many services are on sale in it.", examples=[234])


class Categories(BaseModel):
    """All categories, in the order of the catalogue."""

    success: Literal[True] = True
    data: list[Category]


class SmmService(BaseModel):
    """One service on sale."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Instagram Followers [High Quality]"])
    category_id: int = Field(examples=[1])
    category: str = Field(examples=["Instagram Followers"])
    platform: str | None = Field(examples=["instagram"])
    type: str = Field(examples=["Default"])
    description: str
    price: Amount = Field(description="What the caller pays for `price_per`.", examples=[400])
    price_per: int = Field(description="1000 units, or 1 package.", examples=[1000])
    currency: str = Field(examples=["NGN"])
    min: int = Field(examples=[100])
    max: int = Field(examples=[100000])
    delivery_time: str | None = Field(
        description="The usual time to completion in the caller's language: measured, or else as its seller says.",
        examples=["2 h 12 min"],
    )
    delivery_seconds: int | None = Field(description="The same as measured: the median.", examples=[7920])
    refill: bool
    refill_days: int | None = Field(description="With `refill`: for how long; `null` is for ever.", examples=[30])
    cancel: bool
    dripfeed: bool
    rating: Rating | None = Field(
        description="The share of its latest orders that was delivered in full, out of five; `null` while none has ended.",
        examples=[4.8],
    )
    rated_orders: int = Field(
        description=f"Of how many orders that is made: the ended ones of the latest {LOOKED_AT_MAX}.", examples=[186]
    )


class SmmServices(BaseModel):
    """A page of services."""

    success: Literal[True] = True
    data: list[SmmService]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


@router.get(
    "/categories",
    summary="List categories",
    responses=errors(401, 403, 422, 429),
    dependencies=[Depends(calling)],
)
async def categories(panel: CurrentPanel, session: Session, platform: Platform = None) -> Categories:
    """Return the categories in which anything is on sale, with how much."""
    found = await shelves(session, panel.currency)
    return Categories(
        data=[
            Category(
                id=shelf.id,
                name=shelf.name,
                platform=shelf.platform,
                platform_name=_platform_name(shelf.platform),
                services_count=shelf.services,
            )
            for shelf in found
            if platform is None or shelf.platform == platform
        ]
    )


@router.get("/services", summary="List services", responses=errors(401, 403, 422, 429))
async def services(
    request: Request,
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    *,
    category_id: RowId | None = None,
    platform: Platform = None,
    search: Search = None,
    sort: ServiceSort = "position",
    page: Page = 1,
    after: After = None,
    limit: Limit = LIMIT_USUAL,
) -> SmmServices:
    """Return the services on sale at the caller's own prices; all words of `search` must occur in the names, or be the id."""
    wanted = ServiceFilter(category_id=category_id, platform=platform, search=search)
    before = 0 if after else skipped(page, limit)
    found = await services_page(
        session, viewer.user_id, panel.currency, wanted, after=after, size=limit, skip=before, order=sort
    )
    total = await count_services(session, viewer.user_id, panel.currency, wanted, most=NUMBERED_MAX)
    records = await track_records(session, [row.id for row in found.rows])
    formats = formats_of(request)
    return SmmServices(
        data=[_shown(row, records.get(row.id, UNKNOWN), panel.currency, formats) for row in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


def _platform_name(slug: str | None) -> str | None:
    known = PLATFORMS.get(slug or "")
    return None if known is None else known.name


def _shown(row: ServiceRow, record: TrackRecord, currency: str, formats: Formats) -> SmmService:
    service_type = SERVICE_TYPES[row.type]
    measured = record.median_seconds
    return SmmService(
        id=row.id,
        name=row.name,
        category_id=row.category_id,
        category=row.category,
        platform=row.platform,
        type=service_type.wire_name,
        description=row.description,
        price=row.rate,
        price_per=1 if service_type.basis is PriceBasis.PER_PACKAGE else 1000,
        currency=currency,
        min=row.min,
        max=row.max,
        delivery_time=formats.span(measured).replace(NBSP, " ") if measured is not None else row.average_time or None,
        delivery_seconds=measured,
        refill=row.refill,
        refill_days=row.refill_days,
        cancel=row.cancel,
        dripfeed=row.dripfeed,
        rating=record.rating,
        rated_orders=record.ended,
    )
