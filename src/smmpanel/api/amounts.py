"""How money looks in the JSON API: as JSON numbers. The reseller API, `/api/v2`, keeps its texts."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, PlainSerializer, WithJsonSchema

from smmpanel.kernel.money import json_number

Amount = Annotated[
    Decimal,
    PlainSerializer(json_number, return_type=int | float, when_used="json"),
    WithJsonSchema({"type": "number"}, mode="serialization"),
    Field(
        description="In whole units of the currency: an integer if nothing stands behind the point, otherwise with exactly "
        "its decimals, at most six. Amounts of more than fifteen digits are the nearest number that a double holds.",
        examples=[2375, 12.5],
    ),
]
"""An exact amount as `json_number` promises it: `2375`, `2375.5`."""
