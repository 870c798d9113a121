"""Pages of payments in the back office."""

from smmpanel.payments.staff import (
    deposit_evidence,
    deposit_list,
    deposit_page,
    linked_accounts,
    method_pages,
    receipt_page,
    refunds,
)

# Addresses of single things come after those that have words of their own.
ROUTERS = (
    deposit_list.router,
    receipt_page.router,
    refunds.router,
    deposit_page.router,
    deposit_evidence.router,
    method_pages.router,
    linked_accounts.router,
)

__all__ = ["ROUTERS"]
