"""Staff's pages of the catalogue: services, categories, imports, and the providers behind them."""

from smmpanel.catalog.staff import bulk_page, services_page

ROUTERS = (bulk_page.router, services_page.router)

__all__ = ["ROUTERS"]
