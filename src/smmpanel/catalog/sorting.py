"""The orders that services can be listed in, as SQL. Each is one row of values that no two services share, all ascending,
so a page by key begins behind where the service of its cursor stands now, whatever it is sorted by.

Every order but that of ids is made by sorting what the filters leave of the catalogue, which a list also counts.
"""

from collections.abc import Mapping
from typing import Literal

from smmpanel.catalog.user_prices import DISCOUNT

ServiceOrder = Literal["position", "id", "-id", "name", "rate", "-rate"]


def bare_sql(column: str) -> str:
    """Return an SQL expression for a text without case and diacritics, as `folded` makes them."""
    return f"lower(translate(regexp_replace(normalize({column}, NFKD), '[\\u0300-\\u036f]', '', 'g'), 'Đđ', 'dd'))"


LIST_RATE = "s.rate"
# Numbers are multiplied and never divided, so that they stay exact.
OWN_RATE = f"""
  CASE WHEN {DISCOUNT} = 0 AND cr.rate IS NULL THEN s.rate ELSE GREATEST(
    COALESCE(cr.rate, ceil(s.rate * (100 - {DISCOUNT}) * 10000) * 0.000001),
    CASE WHEN s.rate > 0 OR s.cost > 0 THEN 0.000001 ELSE 0 END,
    CASE WHEN s.allow_below_cost THEN 0 ELSE COALESCE(s.cost, 0) END) END
"""
"""What a user pays, as `pricing.final_rate` has it; `d` and `cr` are the user's discount and own rate, or none."""


def places_by(rate: str) -> Mapping[ServiceOrder, str]:
    """Return for each order where a service `s` of the category `c` stands in it, given what a rate is."""
    return {
        "position": "c.position, c.id, s.position, s.id",
        "id": "s.id",
        "-id": "-s.id",
        "name": f'{bare_sql("s.name")} COLLATE "C", s.id',
        "rate": f"{rate}, s.id",
        "-rate": f"-({rate}), s.id",
    }


def mark_of(order: ServiceOrder) -> str:
    """Return what cursors of an order begin with; those of the usual one are bare."""
    return "" if order == "position" else order
