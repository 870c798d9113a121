"""What the JSON API takes for an order, and how it becomes the fields that all doors of the panel share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from smmpanel.orders.coupons import CODE_MAX
from smmpanel.orders.drafting import KEY_LENGTH_MAX
from smmpanel.orders.noting import NOTE_MAX
from smmpanel.web.inputs import CleanText, RowId

Text = Annotated[CleanText, Field(max_length=2000)]
Lines = (
    Annotated[CleanText, Field(max_length=500_000)]
    | Annotated[list[Annotated[CleanText, Field(max_length=10_000)]], Field(max_length=10_000)]
)
# Read as text too, as the reseller API does, so that what is wrong with a number is said by the same checks.
Number = Annotated[int, Field(strict=True)] | Text
Key = Annotated[CleanText, Field(min_length=1, max_length=KEY_LENGTH_MAX)]

LINES = "One per line, or a list."


class OrderFields(BaseModel):
    """The fields of all service types, by the names of the reseller API; `/api/services/{id}` tells which a service has."""

    link: Text | None = Field(None, examples=["https://www.instagram.com/someone"])
    quantity: Number | None = Field(None, examples=[1000])
    comments: Lines | None = Field(None, description=LINES)
    usernames: Lines | None = Field(None, description=LINES)
    hashtags: Lines | None = Field(None, description=LINES)
    groups: Lines | None = Field(None, description=LINES)
    keywords: Lines | None = Field(None, description=LINES)
    username: Text | None = None
    hashtag: Text | None = None
    media: Text | None = None
    answer_number: Number | None = None
    country: Text | None = None
    device: Number | None = None
    type_of_traffic: Number | None = None
    google_keyword: Text | None = None
    referring_url: Text | None = None
    min: Number | None = Field(None, description="Of a subscription: the least for one post.")
    max: Number | None = Field(None, description="Of a subscription: the most for one post.")
    posts: Number | None = None
    old_posts: Number | None = None
    delay: Number | None = Field(None, description="In minutes.")
    expiry: Text | None = Field(None, description="day/month/year")
    runs: Number | None = Field(None, description="Of a drip-feed: how often the quantity is delivered.")
    interval: Number | None = Field(None, description="Of a drip-feed: minutes between runs.")

    def raw(self) -> dict[str, str]:
        """Return the fields that were given, as text."""
        given = self.model_dump(include=set(OrderFields.model_fields), exclude_none=True)
        return {name: _as_text(value) for name, value in given.items()}


class NewOrderForm(OrderFields):
    """An order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "service_id": 1,
                    "link": "https://facebook.com/post/123",
                    "quantity": 1000,
                    "note": "Optional note",
                    "key": "a1b2",
                }
            ]
        }
    )

    service_id: RowId
    note: Annotated[CleanText, Field(max_length=NOTE_MAX)] | None = Field(
        None, description="Kept with the order, for its owner and staff.", examples=["Optional note"]
    )
    coupon: Annotated[CleanText, Field(max_length=CODE_MAX)] | None = Field(
        None, description="A coupon's code: it takes something off the price.", examples=["SPRING10"]
    )
    key: Key | None = Field(
        None, description="Made by the client. The same key and content is the same order; with other content an error."
    )


class ReorderForm(OrderFields):
    """What is to be different from the old order; an empty text leaves a field out."""

    key: Key | None = None


class MassForm(BaseModel):
    """Many orders: as text, `service | link | quantity` on each line, or as CSV. Exactly one of the two is given."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"text": "1 | https://www.instagram.com/someone | 1000\n2 | someone | 500", "dry_run": True}]
        }
    )

    text: CleanText | None = None
    csv: CleanText | None = Field(
        None, description="Columns service, link, quantity, comments, runs, interval; or a header."
    )
    dry_run: bool = Field(default=False, description="Only say what would happen.")
    all_or_none: bool = Field(default=False, description="Place nothing if a single line cannot be placed.")
    coupon: Annotated[CleanText, Field(max_length=CODE_MAX)] | None = Field(
        None,
        description="A coupon's code, for each of the orders; each one placed is a use of it. A line for which it does not"
        " count is refused.",
        examples=["SPRING10"],
    )
    key: Annotated[CleanText, Field(min_length=1, max_length=150)] | None = Field(
        None, description="With a key a repeat places only those lines that were not placed before."
    )


class LinkForm(BaseModel):
    """Another link."""

    link: Text = Field(examples=["https://www.instagram.com/someone"])


def _as_text(value: Any) -> str:
    return "\n".join(value) if isinstance(value, list) else str(value)
