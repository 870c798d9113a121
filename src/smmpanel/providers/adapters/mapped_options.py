"""The description, as data, of a panel that speaks a dialect of its own."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from smmpanel.providers.adapters.words import Meaning
from smmpanel.providers.protocol import UpstreamStatus

PLACEHOLDER = re.compile(r"\{(\w+)\}")
ORDER_FIELDS = frozenset(
    {
        "service", "link", "quantity", "runs", "interval", "comments", "usernames", "hashtags", "hashtag", "username",
        "media", "answer_number", "groups", "keywords", "country", "device", "type_of_traffic", "google_keyword",
        "referring_url", "min", "max", "posts", "old_posts", "delay", "expiry",
    }
)  # fmt: skip


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as wrong:
        raise ValueError(f"is not a pattern: {wrong}") from None
    return pattern


Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Path = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)]
"""A dotted way into an answer, such as `data.order.id`; numbers count into lists."""
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_compiles)]


class Part(BaseModel):
    """A part of the description: unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(Part):
    """How one action is asked for. A value in `fields` is text with `{placeholders}`; what has none to fill is left out."""

    path: str = Field("", max_length=200)
    """Put behind the base URL."""
    method: Literal["POST", "GET"] = "POST"
    body: Literal["form", "json"] = "form"
    fields: dict[Name, str] = Field(default_factory=dict)
    at: Path | None = None
    """Where in the answer the result stands; nothing means the answer itself."""


class ServiceFields(Part):
    """Where in a row of the catalogue the parts of a service stand."""

    service: Path = "id"
    name: Path = "name"
    category: Path | None = "category"
    type: Path | None = None
    rate: Path = "price"
    min: Path = "min"
    max: Path = "max"
    refill: Path | None = None
    cancel: Path | None = None
    dripfeed: Path | None = None
    description: Path | None = None
    average_time: Path | None = None


class ServicesCall(Call):
    """How the catalogue is read."""

    read: ServiceFields = ServiceFields()


class AddCall(Call):
    """How an order is handed in, and where its id stands."""

    id: Path = "id"


class ReportFields(Part):
    """Where in a row of states the parts of a report stand."""

    id: Path = "id"
    status: Path = "status"
    charge: Path | None = "charge"
    start_count: Path | None = "start_count"
    remains: Path | None = "remains"


class StatusCall(Call):
    """How states are asked for: `{id}` is one id, `{ids}` are several, with `separator` between them."""

    batch_max: int = Field(1, ge=1, le=100)
    separator: str = ","
    many_at: Path | None = None
    """Where the rows stand when several were asked for: an object keyed by id, or a list."""
    read: ReportFields = ReportFields()


class RefillCall(Call):
    """How a refill is asked for, with `{id}`, and where its id stands."""

    id: Path = "id"


class RefillStatusCall(Call):
    """How a refill's state is asked for, with `{id}`, and where it stands."""

    status: Path = "status"


class BalanceCall(Call):
    """How the balance is asked for, and where it stands."""

    balance: Path = "balance"


class Success(Part):
    """Which value marks an answer as a success; any other one at that place marks a failure."""

    path: Path = "status"
    values: tuple[str, ...] = ("true", "success", "1")


class ErrorWords(Part):
    """What an error text of this panel means."""

    pattern: Pattern
    means: Literal["order", "account", "later", "unclear"]

    def meaning(self, text: str) -> Meaning | None:
        """Return the meaning if the text fits."""
        return Meaning(self.means) if re.search(self.pattern, text, re.IGNORECASE) else None


class Numbers(Part):
    """How the panel writes numbers as text: with `.` for thousands, `10.200` is ten thousand two hundred."""

    thousands: Literal["", ",", ".", " ", "'"] = ""
    decimal: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError("thousands and decimal must differ")
        return self


class MappedOptions(Part):
    """A whole panel."""

    key_parts: tuple[Name, ...] = ("key",)
    """Names of the parts of the API key, which are separated by `|` in it, so that all of them are kept encrypted."""
    auth: dict[Name, str] = Field(default_factory=lambda: {"key": "{key}"})
    """Fields sent with every call."""
    headers: dict[Name, str] = Field(default_factory=dict)
    """Headers sent with every call."""
    success: Success | None = Success()
    error_paths: tuple[Path, ...] = ("error", "msg", "message")
    errors: tuple[ErrorWords, ...] = ()
    """Looked through in order before the words that panels have in common."""
    status_words: dict[str, UpstreamStatus] = Field(default_factory=dict)
    type_words: dict[str, Name] = Field(default_factory=dict)
    numbers: Numbers = Numbers()
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3,10}$")] | None = None

    services: ServicesCall
    add: AddCall
    status: StatusCall
    balance: BalanceCall | None = None
    refill: RefillCall | None = None
    refill_status: RefillStatusCall | None = None
    cancel: Call | None = None

    @model_validator(mode="after")
    def _placeholders_are_known(self) -> Self:
        parts = set(self.key_parts)
        by_id = parts | {"id"}
        places: list[tuple[str, Mapping[str, str], set[str]]] = [
            ("auth", self.auth, parts),
            ("headers", self.headers, parts),
            ("services", _fields(self.services), parts),
            ("add", _fields(self.add), parts | ORDER_FIELDS),
            ("status", _fields(self.status), by_id | {"ids"}),
            ("balance", _fields(self.balance), parts),
            ("refill", _fields(self.refill), by_id),
            ("refill_status", _fields(self.refill_status), by_id),
            ("cancel", _fields(self.cancel), by_id),
        ]
        for place, described, known in places:
            for name, template in described.items():
                strange = set(PLACEHOLDER.findall(template)) - known
                if strange:
                    raise ValueError(f"{place}: {name!r} has an unknown placeholder: {', '.join(sorted(strange))}")
        return self


def _fields(call: Call | None) -> Mapping[str, str]:
    return call.fields if call is not None else {}
