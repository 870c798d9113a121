"""Staff's pages of the catalogue: services, categories, imports, and the providers behind them."""

from smmpanel.catalog.staff import (
    bulk_page,
    categories_page,
    csv_page,
    import_page,
    provider_page,
    providers_page,
    service_deeds,
    service_page,
    services_page,
)

# Addresses with words come before those with numbers in the same place.
ROUTERS = (
    bulk_page.router,
    csv_page.router,
    services_page.router,
    service_page.router,
    service_deeds.router,
    categories_page.router,
    import_page.router,
    providers_page.router,
    provider_page.router,
)
BODY_MAX = {csv_page.PATH: csv_page.BODY_MAX_BYTES}
"""Paths that take more than others, in bytes."""

__all__ = ["BODY_MAX", "ROUTERS"]
