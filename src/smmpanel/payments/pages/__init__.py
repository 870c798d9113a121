"""Customers' pages of payments."""

from smmpanel.payments.pages import add_funds, claiming, deposit_page, deposits, paying, receipt, returning

ROUTERS = (
    add_funds.router,
    deposits.router,
    returning.router,
    deposit_page.router,
    paying.router,
    receipt.router,
    claiming.router,
)
BODY_MAX = claiming.BODY_MAX

__all__ = ["BODY_MAX", "ROUTERS"]
