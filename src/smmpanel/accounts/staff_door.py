"""What staff must bring along for the back office: a second factor, a known network, as the panel's owner wishes.

Whoever does not is not shut out: they may do what customers may, such as setting up the factor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import case, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, AddressNotAllowedError, Permission, SecondFactorRequiredError
from smmpanel.accounts.audit import audit
from smmpanel.accounts.models import LoginSession, User
from smmpanel.accounts.sign_in_models import SecondFactor
from smmpanel.accounts.states import Role
from smmpanel.kernel.errors import ForbiddenError, InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.options import PanelOption, read_option, write_option
from smmpanel.web.addresses import address_in, normal_network

OPTION = "staff_door"
NETWORKS_MAX = 100
NETWORKS_WRONG = marked("Enter addresses or networks such as 203.0.113.7 or 10.0.0.0/8, one in each line.")
LOCKED_OUT = marked("You would shut yourself out: your own address, {ip}, must be among them.")
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


class LockedOutError(InvalidInputError):
    """Whoever sets the networks would not be let in from where they are."""


def read_networks(typed: str, *, ip: str) -> tuple[str, ...]:
    """Read the networks from which the back office is to be open; nobody shuts themselves out.

    Raises `InvalidInputError` or `LockedOutError`.
    """
    words = typed.replace(",", " ").split()
    found = [normal_network(word) for word in words]
    if None in found or len(found) > NETWORKS_MAX:
        raise InvalidInputError(field="networks", reason=NETWORKS_WRONG)
    networks = tuple(dict.fromkeys(str(network) for network in found))
    if networks and not address_in(ip, networks):
        raise LockedOutError(field="networks", reason=LOCKED_OUT, ip=ip)
    return networks


async def change_door(session: AsyncSession, actor: Actor, rules: DoorRules) -> bool:
    """Say what is asked of staff; returns whether it was different."""
    require_to_change_doors(actor)
    kept = DoorRules.read(await read_option(session, OPTION))
    if kept.kept == rules.kept:
        return False
    await write_option(session, OPTION, rules.kept)
    await audit(session, actor, Permission.SETTINGS_EDIT, "settings:staff_door", before=kept.kept, after=rules.kept)
    return True


def require_to_change_doors(actor: Actor) -> None:
    """Raise `ForbiddenError` unless somebody may say how people come in: it decides who may do what."""
    actor.require(Permission.SETTINGS_EDIT)
    actor.require(Permission.STAFF_EDIT)
