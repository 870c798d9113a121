"""Many values in one parameter: the statement's text stays the same however many there are, so it is prepared once."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ARRAY, BigInteger, CollectionAggregate, String, any_, literal


def any_of(values: Iterable[str]) -> CollectionAggregate[Any]:
    """Return what a column of texts is compared with to be one of these."""
    return any_(literal(list(values), ARRAY(String)))


def any_of_ids(values: Iterable[int]) -> CollectionAggregate[Any]:
    """Return what a column of row numbers is compared with to be one of these."""
    return any_(literal(list(values), ARRAY(BigInteger)))
