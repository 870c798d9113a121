"""How rows are named in the JSON API: by UUIDs that stand for their numbers; in paths either will do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import Field

from smmpanel.accounts.access import Viewer
from smmpanel.api.times import local_date, local_time, maybe_local_time
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.public_ids import PublicIds
from smmpanel.web.inputs import ROW_ID_MAX, CleanText
from smmpanel.web.transactions import CurrentPanel

ID_TEXT_MAX = 40
NO_ID = marked("is not an id")
EXAMPLE_UUID = "5b0f9a52-6f0e-8a3c-9d41-3f6c2b7e8d10"
EXAMPLE_REFERENCE = "7KQ2M9XW4TBRC"

PublicId = Annotated[str, Field(description="A UUID that stays the same.", examples=[EXAMPLE_UUID])]
Number = Annotated[int, Field(description="The plain number, as pages and the reseller API show it.", examples=[1042])]
Reference = Annotated[
    str, Field(description="Thirteen letters and digits that nobody can guess.", examples=[EXAMPLE_REFERENCE])
]


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads an answer: rows get the panel's public ids, times the reader's time zone."""

    ids: PublicIds
    time_zone: str

    def order(self, number: int) -> str:
        """Return the UUID of an order."""
        return self.ids.uuid_of("order", number)

    def maybe_order(self, number: int | None) -> str | None:
        """Return the UUID of an order, if there is one."""
        return None if number is None else self.order(number)

    def reference(self, number: int) -> str:
        """Return the short reference of an order."""
        return self.ids.reference_of("order", number)

    def user(self, number: int) -> str:
        """Return the UUID of a user."""
        return self.ids.uuid_of("user", number)

    def deposit(self, number: int) -> str:
        """Return the UUID of a deposit."""
        return self.ids.uuid_of("deposit", number)

    def time(self, moment: datetime) -> str:
        """Write a moment."""
        return local_time(moment, self.time_zone)

    def maybe_time(self, moment: datetime | None) -> str | None:
        """Write a moment, if there is one."""
        return maybe_local_time(moment, self.time_zone)

    def date(self, moment: datetime) -> str:
        """Write the day of a moment."""
        return local_date(moment, self.time_zone)


def reader_of(panel: Panel, viewer: Viewer) -> Reader:
    """Return how a viewer reads answers."""
    return Reader(panel.public_ids, viewer.time_zone)


def number_in(panel: Panel, kind: str, text: str, *, field: str) -> int:
    """Read a UUID of ours or a plain number. Raises `NotFoundError` for a foreign UUID, `InvalidInputError` for neither."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= len(str(ROW_ID_MAX)):
        number = int(text)
        if 0 < number <= ROW_ID_MAX:
            return number
    elif text.count("-") == 4:
        number = panel.public_ids.number_of(kind, text) or 0
        if number:
            return number
        raise NotFoundError
    raise InvalidInputError(field=field, reason=NO_ID)


IdText = Annotated[
    CleanText, Path(max_length=ID_TEXT_MAX, description="The UUID, or the plain number.", examples=[EXAMPLE_UUID])
]


UserAsked = Annotated[
    CleanText | None,
    Query(
        max_length=ID_TEXT_MAX, description="Only of this user: the UUID, or the plain number.", examples=[EXAMPLE_UUID]
    ),
]
ParentAsked = Annotated[
    CleanText | None,
    Query(max_length=ID_TEXT_MAX, description="The runs of this drip-feed.", examples=[EXAMPLE_UUID]),
]


def maybe_number_in(panel: Panel, kind: str, text: str | None, *, field: str) -> int | None:
    """Read what `number_in` reads, if anything was given."""
    return None if text is None else number_in(panel, kind, text, field=field)


async def order_number(panel: CurrentPanel, order_id: IdText) -> int:
    """Read the order that a path names."""
    return number_in(panel, "order", order_id, field="order_id")


async def user_number(panel: CurrentPanel, user_id: IdText) -> int:
    """Read the user that a path names."""
    return number_in(panel, "user", user_id, field="user_id")


async def deposit_number(panel: CurrentPanel, deposit_id: IdText) -> int:
    """Read the deposit that a path names."""
    return number_in(panel, "deposit", deposit_id, field="deposit_id")


OrderNumber = Annotated[int, Depends(order_number)]
UserNumber = Annotated[int, Depends(user_number)]
DepositNumber = Annotated[int, Depends(deposit_number)]
