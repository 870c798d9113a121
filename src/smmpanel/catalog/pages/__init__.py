"""Pages of the catalogue for visitors and customers, one module for each."""

from smmpanel.catalog.pages import compare, favourites, services, updates

ROUTERS = (services.router, favourites.router, compare.router, updates.router)
"""All routers of these pages."""
