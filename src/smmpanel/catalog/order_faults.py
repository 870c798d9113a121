"""What can be wrong with the content of an order, each with a code that stays the same."""

from enum import StrEnum

from smmpanel.kernel.errors import InvalidInputError


class OrderFault(StrEnum):
    """The reasons for which the content of an order is refused. The reseller API turns each into the field's usual text."""

    TYPE_UNKNOWN = "type_unknown"
    MISSING_LINK = "missing_link"
    BAD_LINK = "bad_link"
    QUANTITY_MIN = "quantity_min"
    QUANTITY_MAX = "quantity_max"
    QUANTITY_NOT_INTEGER = "quantity_not_integer"
    COMMENTS_MISSING = "comments_missing"
    FIELD_MISSING = "field_missing"
    FIELD_INVALID = "field_invalid"
    RUNS_INVALID = "runs_invalid"
    INTERVAL_INVALID = "interval_invalid"
    DRIPFEED_NOT_SUPPORTED = "dripfeed_not_supported"


class OrderFieldError(InvalidInputError):
    """One field of an order is wrong: `field` names it, `reason` says how in English, `code` is an `OrderFault`.

    `limit` is the number that was passed, for the faults that have one ("Quantity less than minimal 50"); a reason may
    have places for it and for what else is `named`.
    """

    def __init__(self, *, field: str, reason: str, code: OrderFault, limit: int | None = None, **named: object) -> None:
        facts = named if limit is None else {**named, "limit": limit}
        super().__init__(field=field, reason=reason, **facts)
        self.code = code  # type: ignore[misc]  # one class with a code per fault, where other errors have one code each
        self.field = field
        self.reason = str(self.fields["reason"])
        self.limit = limit
        self.named = named
