"""Customers' pages of payments."""

from smmpanel.payments.pages import add_funds, deposits

ROUTERS = (add_funds.router, deposits.router)

__all__ = ["ROUTERS"]
