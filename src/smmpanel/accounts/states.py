"""What an account may be: its roles and its states, and the refusals that follow from a state."""

from enum import StrEnum

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.states import Flow


class Role(StrEnum):
    """What somebody is to the panel. Staff act by single permissions; admins hold all of them."""

    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"
    MASTER_ADMIN = "master_admin"

    @property
    def holds_all(self) -> bool:
        """Whether this role has every permission without being given any."""
        return self in {Role.ADMIN, Role.MASTER_ADMIN}


class AccountState(StrEnum):
    """Whether an account may act. A suspended one is expected back, a banned one is not."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    BANNED = "banned"


ACCOUNT_FLOW = Flow(
    {
        AccountState.ACTIVE: {AccountState.SUSPENDED, AccountState.BANNED},
        AccountState.SUSPENDED: {AccountState.ACTIVE, AccountState.BANNED},
        AccountState.BANNED: {AccountState.ACTIVE},
    }
)


class AccountSuspendedError(PanelError):
    """The account is suspended: nothing it asks for is done, whichever door it uses."""

    code, status, message = "account_suspended", 403, "This account is suspended. Contact support."


class AccountBannedError(PanelError):
    """The account is banned: nothing it asks for is done, whichever door it uses."""

    code, status, message = "account_banned", 403, "This account is banned."


def refuse_inactive(state: AccountState) -> None:
    """Raise what an account's state forbids; an active account passes."""
    if state is AccountState.SUSPENDED:
        raise AccountSuspendedError
    if state is AccountState.BANNED:
        raise AccountBannedError
