"""Adapters of payment gateways, one file each; found through the entry points `smmpanel.payment_gateways`."""
