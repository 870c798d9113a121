"""Putting the web kit under an application."""

from collections.abc import Iterable, Mapping

from fastapi import FastAPI

from smmpanel.kernel.panel import Panel
from smmpanel.web.addresses import TrustedProxies
from smmpanel.web.assets import STATIC_PATH, Assets
from smmpanel.web.brand import Brand, theme_route
from smmpanel.web.cors import ApiCors
from smmpanel.web.customs import Customs
from smmpanel.web.errors import Renderer, install_error_handlers
from smmpanel.web.guards import InputGuard, LastCatch, SecurityHeaders
from smmpanel.web.key_limiting import KeyLimiter
from smmpanel.web.live import LiveHub
from smmpanel.web.pages import Pages
from smmpanel.web.shell import ShellReader, read_bare_shell

SITE_NAME = "SMM panel"
"""What a panel is called until its owner names it."""


def install_web(
    app: FastAPI,
    panel: Panel,
    *,
    site_name: str = SITE_NAME,
    read_shell: ShellReader = read_bare_shell,
    ways: Iterable[str] = (),
    renderers: Mapping[str, Renderer] | None = None,
    body_max: Mapping[str, int] | None = None,
) -> None:
    """Give an application its panel, pages, static files, error rendering and guards.

    `read_shell` reads what stands around the pages, and `ways` are the paths that they may lead to; `renderers` say how
    errors look below certain paths, and `body_max` how much may be sent there.
    """
    app.state.panel = panel
    app.state.trusted_proxies = TrustedProxies(panel.settings.networks(panel.settings.trusted_proxies))
    assets = Assets()
    app.state.pages = Pages(assets)
    app.state.brand = Brand(site_name)
    app.state.read_shell = read_shell
    app.state.live = LiveHub(panel)
    app.state.customs = Customs()
    app.state.key_limiter = KeyLimiter(panel.settings.api_rate_per_minute, panel.settings.api_burst)
    app.state.ways = frozenset(ways)
    app.mount(STATIC_PATH, assets)
    app.router.routes.append(theme_route())
    install_error_handlers(app, renderers or {})
    # The last one added stands outermost: even the answer to a failure carries the headers.
    app.add_middleware(InputGuard, body_max=body_max)
    app.add_middleware(LastCatch)
    if origins := panel.settings.networks(panel.settings.cors_origins):
        app.add_middleware(ApiCors, origins=origins)
    app.add_middleware(SecurityHeaders, over_https=panel.settings.secure_cookies)
