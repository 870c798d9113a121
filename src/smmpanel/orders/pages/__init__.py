"""Customers' pages about orders, one module for each."""

from smmpanel.orders.pages import drip_feeds, mass_order, new_order, order, order_list, refills, subscriptions

# Addresses with a word in them come before those with an order's id there.
ROUTERS = (
    new_order.router,
    mass_order.router,
    order_list.router,
    order.router,
    drip_feeds.router,
    subscriptions.router,
    refills.router,
)
"""All routers of these pages."""
