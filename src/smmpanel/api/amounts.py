"""How money looks in the JSON API: exact decimal strings, like the reseller API, since JSON numbers become floats."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, PlainSerializer

from smmpanel.kernel.money import plain

Amount = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str, when_used="json"),
    Field(description="An exact amount, as text: at least two and at most six decimals.", examples=["12.50"]),
]
