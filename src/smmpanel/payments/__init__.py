"""Paying in: methods, deposits, what gateways say, and money that is credited exactly once."""
