"""Who acts, and what they may do. Permissions are named things, checked where the deed is done."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from smmpanel.accounts.states import Role
from smmpanel.kernel.errors import ForbiddenError


class Permission(StrEnum):
    """What staff can be allowed to do, one by one."""

    ORDERS_VIEW = "orders.view"
    ORDERS_EDIT = "orders.edit"
    ORDERS_RESEND = "orders.resend"
    ORDERS_SETTLE = "orders.settle"
    ORDERS_REFUND = "orders.refund"
    USERS_VIEW = "users.view"
    USERS_EDIT = "users.edit"
    USERS_BALANCE = "users.balance"
    USERS_SUSPEND = "users.suspend"
    SERVICES_VIEW = "services.view"
    SERVICES_EDIT = "services.edit"
    PROVIDERS_VIEW = "providers.view"
    PROVIDERS_EDIT = "providers.edit"
    DEPOSITS_VIEW = "deposits.view"
    DEPOSITS_SETTLE = "deposits.settle"
    DEPOSITS_REFUND = "deposits.refund"
    DEPOSITS_REFUND_OVER = "deposits.refund_over"
    GATEWAYS_VIEW = "gateways.view"
    GATEWAYS_EDIT = "gateways.edit"
    REFERRALS_VIEW = "referrals.view"
    REFERRALS_EDIT = "referrals.edit"
    REFERRALS_PAY = "referrals.pay"
    VOUCHERS_VIEW = "vouchers.view"
    VOUCHERS_EDIT = "vouchers.edit"
    LEDGER_VIEW = "ledger.view"
    SETTINGS_VIEW = "settings.view"
    SETTINGS_EDIT = "settings.edit"
    STAFF_VIEW = "staff.view"
    STAFF_EDIT = "staff.edit"
    AUDIT_VIEW = "audit.view"


VIEW_ONLY = frozenset(permission for permission in Permission if permission.value.endswith(".view"))
"""What view-only staff hold."""

ActorKind = Literal["user", "cli", "system"]


class MissingPermissionError(ForbiddenError):
    """The account does not hold the permission that this takes."""

    code, message = "missing_permission", "This takes the permission {permission}."


class SecondFactorRequiredError(ForbiddenError):
    """Staff of this panel have to have a second factor, and this account has none."""

    code, message = (
        "second_factor_required",
        "Staff of this panel use a second factor. Set yours up in your account, under Security.",
    )


class AddressNotAllowedError(ForbiddenError):
    """The back office is not open from where this comes from."""

    code, message = "address_not_allowed", "The back office is not open from your network address."


class NotWhileActingError(ForbiddenError):
    """Whoever is signed in as somebody else leaves nothing behind that outlives it."""

    code, message = "not_while_acting", "This cannot be done while you are signed in as somebody else."


class OwnAccountError(ForbiddenError):
    """Staff decide nothing about their own money and prices."""

    code, message = "own_account", "Somebody else has to decide this about your own account."


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks for something to be done: a user, the command line, or the panel itself."""

    kind: ActorKind
    user_id: int | None
    username: str
    role: Role
    permissions: frozenset[Permission]
    api_key_id: int | None = None
    ip: str | None = None
    acted_by: int | None = None
    """The staff member who is signed in as this user: deeds are recorded as theirs."""
    held_back: type[ForbiddenError] | None = None
    """Why somebody of the staff may do nothing that customers may not, as things stand."""

    @classmethod
    def cli(cls) -> "Actor":
        """Return who acts from the command line: whoever has the machine may do everything."""
        return cls("cli", None, "cli", Role.MASTER_ADMIN, frozenset())

    @classmethod
    def system(cls, name: str = "system") -> "Actor":
        """Return the panel itself, acting without being asked."""
        return cls("system", None, name, Role.MASTER_ADMIN, frozenset())

    def may(self, permission: Permission) -> bool:
        """Whether the permission is held, by name or by role."""
        if self.held_back is not None:
            return False
        if self.role.holds_all:
            return True
        return self.role is Role.STAFF and permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise `ForbiddenError` unless the permission is held."""
        self.refuse_held_back()
        if not self.may(permission):
            raise MissingPermissionError(permission=permission.value)

    def refuse_held_back(self) -> None:
        """Raise why somebody of the staff is held back, if they are."""
        if self.held_back is not None:
            raise self.held_back

    def require_over(self, role: Role) -> None:
        """Raise `ForbiddenError` unless accounts of this role may be changed: admins by the master admin, staff by `staff.edit`."""
        self.refuse_held_back()
        if role.holds_all and self.role is not Role.MASTER_ADMIN:
            raise ForbiddenError
        if role is Role.STAFF:
            self.require(Permission.STAFF_EDIT)

    def is_own(self, user_id: int) -> bool:
        """Whether an account is that of whoever acts. Not of the master admin: the panel is theirs, whatever they give themselves."""
        return self.role is not Role.MASTER_ADMIN and user_id in {self.user_id, self.acted_by}

    def require_other(self, user_id: int) -> None:
        """Raise `OwnAccountError` unless it is somebody else's account."""
        if self.is_own(user_id):
            raise OwnAccountError

    def require_to_act_as(self, role: Role, permissions: Iterable[Permission]) -> None:
        """Raise `ForbiddenError` unless an account of this kind may be signed in to: only one that may do nothing more.

        Who is signed in as a user can spend their money, so that takes the right to change balances.
        """
        self.require(Permission.USERS_EDIT)
        self.require(Permission.USERS_BALANCE)
        self.require_over(role)
        for permission in permissions:
            self.require(permission)

    def require_own_sign_in(self) -> None:
        """Raise `NotWhileActingError` if it is a member of staff who is signed in as this user."""
        if self.acted_by is not None:
            raise NotWhileActingError

    @property
    def is_staff(self) -> bool:
        """Whether the staff side of the panel is open at all."""
        return self.role is not Role.CUSTOMER and self.held_back is None


@dataclass(frozen=True, slots=True)
class Viewer(Actor):
    """A signed-in user, and through which session."""

    user_id: int
    session_id: int = 0
    email: str = ""
    language: str = "en"
    time_zone: str = "UTC"
    acting_for: str | None = None
    """The name of the staff member in `acted_by`."""


def known_permissions(names: list[str]) -> frozenset[Permission]:
    """Read stored permissions; a name that this version does not know grants nothing."""
    return frozenset(Permission(name) for name in names if name in _NAMES)


_NAMES = frozenset(permission.value for permission in Permission)
