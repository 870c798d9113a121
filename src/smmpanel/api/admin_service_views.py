"""What the JSON API tells staff of services, and what it takes from them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from smmpanel.api.amounts import Amount
from smmpanel.api.lists import AFTER, Pagination
from smmpanel.catalog.models import ServiceMode
from smmpanel.catalog.service_fields import PERCENT_LIMIT, POSITION_MAX, REFILL_DAYS_MAX, SERVICE_FIELDS
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.catalog.staff.listing import ServiceLine
from smmpanel.catalog.upstream_lines import DESCRIPTION_MAX, NAME_MAX, QUANTITY_LIMIT
from smmpanel.kernel.money import LIMIT
from smmpanel.web.inputs import CleanText, RowId, Whole

_AS_THEY_ARE = ("description", "average_time", "refill_days", "cancel", "allow_below_cost", "link_guard", "position")
_MARKUPS = ("markup_percent", "markup_fixed", "rounding_step")

Name = Annotated[CleanText, Field(min_length=1, max_length=NAME_MAX)]
Quantity = Annotated[Whole, Field(ge=1, le=QUANTITY_LIMIT)]
Rate = Annotated[Decimal, Field(ge=0, lt=LIMIT, decimal_places=6)]
Share = Annotated[Decimal, Field(gt=-100, lt=PERCENT_LIMIT, decimal_places=4)]


class StaffService(BaseModel):
    """One service with everything that staff decide about it."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Tăng Like Facebook"])
    category_id: int
    category: str = Field(examples=["Facebook"])
    platform: str | None = Field(examples=["facebook"])
    type: str = Field(description="The type's name, as in the reseller API.", examples=["Default"])
    mode: ServiceMode = Field(description="Who delivers: a provider, staff by hand, or goods in stock.")
    description: str
    average_time: str
    min: int = Field(examples=[100])
    max: int = Field(examples=[100000])
    min_quantity: int = Field(description="The same as `min`.", examples=[100])
    max_quantity: int = Field(description="The same as `max`.", examples=[100000])
    rate: Amount = Field(description="The list price of 1,000, or of one package.")
    fixed_rate: Amount | None = Field(description="The price set by hand; `null`: computed from cost and markup.")
    cost: Amount | None = Field(description="What it costs the panel.")
    markup_percent: Amount | None = Field(description="`null`: the category's, or the panel's.", examples=[20])
    markup_fixed: Amount | None
    rounding_step: Amount | None
    currency: str = Field(examples=["VND"])
    dripfeed: bool
    drip_feed_enabled: bool = Field(description="The same as `dripfeed`.")
    refill: bool
    refill_enabled: bool = Field(description="The same as `refill`.")
    refill_days: int | None
    cancel: bool
    allow_below_cost: bool
    link_guard: bool = Field(description="Whether a link may have only one open order of it at a time.")
    position: int
    is_active: bool = Field(description="Whether it is switched on.")
    held_reason: str | None = Field(
        description="Why the panel took it off sale by itself.", examples=["cost_above_price", "gone_at_provider"]
    )
    provider_id: int | None = Field(description="Of the provider that is asked first.")
    provider: str | None
    provider_service_id: str | None = Field(description="The service's id there.")


class StaffServices(BaseModel):
    """A page of services, in the order of the catalogue."""

    success: Literal[True] = True
    data: list[StaffService]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class StaffServiceAnswer(StaffService):
    """One service."""

    success: Literal[True] = True


class ServiceChanges(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Tăng Like Facebook", "rate": 2500}]})

    name: Name | None = None
    category_id: RowId | None = None
    category: Annotated[Name | None, Field(description="The category's name; one that is missing is made.")] = None
    type: Annotated[CleanText | None, Field(max_length=60, description="A type of the reseller API.")] = None
    mode: Annotated[ServiceMode | None, Field(description="Who delivers.")] = None
    description: Annotated[CleanText, Field(max_length=DESCRIPTION_MAX)] | None = None
    average_time: Annotated[CleanText, Field(max_length=NAME_MAX)] | None = None
    min: Annotated[
        Quantity | None,
        Field(validation_alias=AliasChoices("min", "min_quantity"), description="`min_quantity` is taken as well."),
    ] = None
    max: Annotated[
        Quantity | None,
        Field(validation_alias=AliasChoices("max", "max_quantity"), description="`max_quantity` is taken as well."),
    ] = None
    fixed_rate: Annotated[
        Rate | None,
        Field(
            validation_alias=AliasChoices("rate", "fixed_rate"),
            description="The price of 1,000, or of one package; `null`: computed from cost and markup. `fixed_rate` is "
            "taken as well.",
        ),
    ] = None
    cost: Annotated[Rate | None, Field(description="Of services that no provider delivers.")] = None
    markup_percent: Share | None = None
    markup_fixed: Rate | None = None
    rounding_step: Rate | None = None
    dripfeed: Annotated[
        bool | None,
        Field(
            validation_alias=AliasChoices("dripfeed", "drip_feed_enabled"),
            description="`drip_feed_enabled` is taken as well.",
        ),
    ] = None
    refill: Annotated[
        bool | None,
        Field(
            validation_alias=AliasChoices("refill", "refill_enabled"), description="`refill_enabled` is taken as well."
        ),
    ] = None
    refill_days: Annotated[Whole | None, Field(ge=1, le=REFILL_DAYS_MAX, description="`null`: for ever.")] = None
    cancel: bool | None = None
    allow_below_cost: bool | None = None
    link_guard: bool | None = None
    enabled: Annotated[
        bool | None,
        Field(validation_alias=AliasChoices("is_active", "enabled"), description="`enabled` is taken as well."),
    ] = None
    position: Annotated[Whole | None, Field(ge=-POSITION_MAX, le=POSITION_MAX)] = None

    def given(self) -> dict[str, Any]:
        """Return the fields that were given, as the catalogue has them; the category's name is not among them."""
        own = set(SERVICE_FIELDS) & set(ServiceChanges.model_fields)
        return self.model_dump(include=own, exclude_unset=True)


class NewServiceForm(ServiceChanges):
    """A service. One with a provider is delivered there, others by staff unless `mode` says otherwise."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Tăng Like Facebook",
                    "category": "Facebook",
                    "type": "Default",
                    "rate": 2500,
                    "min": 100,
                    "max": 100000,
                    "provider_id": 1,
                    "provider_service_id": "7",
                }
            ]
        }
    )

    name: Name
    min: Quantity = Field(
        validation_alias=AliasChoices("min", "min_quantity"), description="`min_quantity` is taken as well."
    )
    max: Quantity = Field(
        validation_alias=AliasChoices("max", "max_quantity"), description="`max_quantity` is taken as well."
    )
    provider_id: RowId | None = None
    provider_service_id: Annotated[
        Annotated[CleanText, Field(min_length=1, max_length=100)] | None,
        Field(description="The service's id at the provider; it is in the provider's list as it was last fetched."),
    ] = None


def staff_service(line: ServiceLine, fields: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """Return the fields of a service as `StaffService` has them."""
    return {
        **{name: fields[name] for name in (*_AS_THEY_ARE, *_MARKUPS)},
        "id": line.id,
        "name": line.name,
        "category_id": line.category_id,
        "category": line.category,
        "platform": line.platform,
        "type": SERVICE_TYPES[fields["type"]].wire_name,
        "mode": ServiceMode(line.mode),
        "min": line.min,
        "max": line.max,
        "min_quantity": line.min,
        "max_quantity": line.max,
        "rate": line.rate,
        "fixed_rate": line.fixed_rate,
        "cost": line.cost,
        "currency": currency,
        "dripfeed": fields["dripfeed"],
        "drip_feed_enabled": fields["dripfeed"],
        "refill": fields["refill"],
        "refill_enabled": fields["refill"],
        "is_active": line.enabled,
        "held_reason": line.held_reason,
        "provider_id": line.provider_id,
        "provider": line.provider,
        "provider_service_id": line.external_id,
    }
