"""Staff's pages of the catalogue: services, categories, imports, and the providers behind them."""

from smmpanel.catalog.staff import bulk_page, service_deeds, service_page, services_page

# Addresses with words come before those with numbers in the same place.
ROUTERS = (bulk_page.router, services_page.router, service_page.router, service_deeds.router)

__all__ = ["ROUTERS"]
