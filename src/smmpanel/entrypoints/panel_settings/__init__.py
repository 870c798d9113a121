"""What an operator sets in the browser: the panel's face, its languages, its markup, what visitors may see."""

from smmpanel.entrypoints.panel_settings import logo_pages, pages, sign_in_pages

# The addresses of single sections come before the one of all others.
ROUTERS = (logo_pages.router, sign_in_pages.router, pages.router)
BODY_MAX = {logo_pages.PATH: logo_pages.BODY_MAX_BYTES}
"""Paths that take more than others, in bytes."""

__all__ = ["BODY_MAX", "ROUTERS"]
