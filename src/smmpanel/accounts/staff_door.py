"""What staff must bring along for the back office: a second factor, a known network, as the panel's owner wishes.

Whoever does not is not shut out: they may do what customers may, such as setting up the factor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import case, exists, or_, select

from smmpanel.accounts.access import AddressNotAllowedError, SecondFactorRequiredError
from smmpanel.accounts.models import LoginSession, User
from smmpanel.accounts.sign_in_models import SecondFactor
from smmpanel.accounts.states import Role
from smmpanel.kernel.errors import ForbiddenError
from smmpanel.kernel.options import PanelOption
from smmpanel.web.addresses import address_in

OPTION = "staff_door"
_IS_STAFF = or_(User.role != Role.CUSTOMER, LoginSession.acted_by.is_not(None))
DOOR_RULES = case(
    (_IS_STAFF, select(PanelOption.value).where(PanelOption.name == OPTION).scalar_subquery()), else_=None
)
"""The rules, as the session of somebody of the staff reads them; of customers nothing is asked."""
HAS_SECOND_FACTOR = case(
    (
        User.role != Role.CUSTOMER,
        exists().where(SecondFactor.user_id == User.id, SecondFactor.secret.is_not(None)).correlate(User),
    ),
    else_=True,
)


@dataclass(frozen=True, slots=True)
class DoorRules:
    """What is asked of staff."""

    second_factor: bool = False
    networks: Sequence[str] = ()
    """From where the back office is open; empty means from anywhere."""

    @classmethod
    def read(cls, kept: Any) -> Self:
        """Read the option."""
        known: Mapping[str, Any] = kept if isinstance(kept, Mapping) else {}
        return cls(bool(known.get("second_factor")), tuple(map(str, known.get("networks") or ())))

    @property
    def kept(self) -> dict[str, Any]:
        """The rules as the option holds them."""
        return {"second_factor": self.second_factor, "networks": list(self.networks)}


def why_held_back(rules: DoorRules, *, ip: str | None, has_second_factor: bool) -> type[ForbiddenError] | None:
    """Return what stands in the way of somebody of the staff, if anything does."""
    if rules.networks and not address_in(ip or "", rules.networks):
        return AddressNotAllowedError
    if rules.second_factor and not has_second_factor:
        return SecondFactorRequiredError
    return None
