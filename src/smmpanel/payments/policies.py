"""What becomes of money that is not as it was asked for: chosen for each method, with what is right for bank transfers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked

CREDIT, REVIEW = "credit", "review"
CHOICES = (CREDIT, REVIEW)
LATE_DAYS_MAX = 90
WRONG_CHOICE = marked("must be one of the list")
WRONG_DAYS = marked("must be a whole number from 0 to 90")


@dataclass(frozen=True, slots=True)
class Policy:
    """Credit what arrived, or have somebody look at it first."""

    underpaid: str = CREDIT
    overpaid: str = CREDIT
    repeated: str = CREDIT
    """A further transfer for a deposit that is paid already."""
    late_days: int = 7
    """How long after its end money for a deposit is still credited by itself."""

    @classmethod
    def usual(cls, *, by_transfer: bool) -> Self:
        """Return what is usual: transfers are what they are; where a page asked for a sum, less than it is looked at."""
        return cls() if by_transfer else cls(underpaid=REVIEW)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """Read what is kept with a method; what is not there is as usual."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in known})

    def checked(self) -> dict[str, Any]:
        """Return it as it is kept; raises `InvalidInputError`."""
        for name in ("underpaid", "overpaid", "repeated"):
            if getattr(self, name) not in CHOICES:
                raise InvalidInputError(field=name, reason=WRONG_CHOICE)
        if not 0 <= self.late_days <= LATE_DAYS_MAX:
            raise InvalidInputError(field="late_days", reason=WRONG_DAYS)
        return asdict(self)
