"""`/api/smm`: categories, services and orders for shops; orders go by references that nobody can guess."""

from smmpanel.api.smm import catalogue, ordering

ROUTERS = (catalogue.router, ordering.router)
