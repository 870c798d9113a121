"""Money: accounts, transfers, statements, proof. Nothing else changes a balance."""

from smmpanel.ledger.accounts import Purse, UserAccounts, lock_purses, lock_users, open_user_accounts, panel_account
from smmpanel.ledger.adjusting import AdjustmentKind, adjust_balance, adjust_by_staff
from smmpanel.ledger.models import AccountKind
from smmpanel.ledger.paid_in import PaidIn, paid_in
from smmpanel.ledger.posting import (
    BalanceBelowZeroError,
    InsufficientFundsError,
    KeyReusedError,
    LockedAccount,
    Reason,
    Transfer,
    post,
    post_fresh,
    reverse,
    reverse_posted,
)
from smmpanel.ledger.statements import (
    balance_of,
    balances_of,
    earnings_of,
    earnings_of_users,
    held_of,
    held_of_users,
    moved_for,
    owners_below_zero,
    statement,
    transfers_for,
)

__all__ = [
    "AccountKind",
    "AdjustmentKind",
    "BalanceBelowZeroError",
    "InsufficientFundsError",
    "KeyReusedError",
    "LockedAccount",
    "PaidIn",
    "Purse",
    "Reason",
    "Transfer",
    "UserAccounts",
    "adjust_balance",
    "adjust_by_staff",
    "balance_of",
    "balances_of",
    "earnings_of",
    "earnings_of_users",
    "held_of",
    "held_of_users",
    "lock_purses",
    "lock_users",
    "moved_for",
    "open_user_accounts",
    "owners_below_zero",
    "paid_in",
    "panel_account",
    "post",
    "post_fresh",
    "reverse",
    "reverse_posted",
    "statement",
    "transfers_for",
]
