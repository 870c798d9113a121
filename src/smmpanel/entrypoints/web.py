"""The web process: pages, the JSON API, the reseller API, health and metrics, put together and served.

Run as `python -m smmpanel.entrypoints.web [--reuse-port]`; `smmpanel serve` does so.
"""

import asyncio
import gc
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version

import uvicorn
import uvloop
from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smmpanel.accounts import (
    acting_pages,
    api_key_pages,
    audit_pages,
    invitation_pages,
    passkey_pages,
    people_pages,
    profile_pages,
    reset_pages,
    second_factor_pages,
    second_step_pages,
    security_pages,
    sign_up_pages,
)
from smmpanel.accounts import pages as account_pages
from smmpanel.accounts.openid import pages as openid_pages
from smmpanel.accounts.openid.issuers import Issuers
from smmpanel.api import (
    admin_deposits,
    admin_receipts,
    admin_services,
    admin_users,
    auth,
    describing,
    docs,
    keys,
    mass_orders,
    order_lists,
    orders,
    payment,
    payment_webhooks,
    referrals,
    services,
    smm,
    staff_orders,
    tiers,
    vouchers,
    wallet,
)
from smmpanel.catalog import pages as catalog_pages
from smmpanel.catalog import staff as catalog_staff
from smmpanel.content import pages as content_pages
from smmpanel.entrypoints import health, metrics, panel_settings
from smmpanel.entrypoints.endings import CommandError, ExitCode
from smmpanel.entrypoints.opening import open_panel
from smmpanel.entrypoints.running import run_process
from smmpanel.entrypoints.shell import read_shell
from smmpanel.growth import (
    bonus_staff,
    coupon_staff,
    referral_pages,
    referral_staff,
    tier_pages,
    tier_staff,
    voucher_pages,
    voucher_staff,
)
from smmpanel.growth.referral_links import ReferralLinks
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings
from smmpanel.ledger import books_pages
from smmpanel.ledger import pages as money_pages
from smmpanel.notifications import choices_page, mail_folder_pages
from smmpanel.notifications import pages as notification_pages
from smmpanel.orders import pages as order_pages
from smmpanel.orders import staff as staff_order_pages
from smmpanel.orders.pages import mass_order, new_order
from smmpanel.orders.provider_figures import OrderFigures
from smmpanel.panel_api import docs_page
from smmpanel.panel_api.app import panel_api_routes
from smmpanel.payments import pages as payment_pages
from smmpanel.payments import staff as staff_payment_pages
from smmpanel.payments.receiving import Door
from smmpanel.reports import alert_page, jobs_page, landing_page, search_engines, search_page
from smmpanel.reports import staff as report_pages
from smmpanel.reports import users as user_pages
from smmpanel.web.assembling import SITE_NAME, install_web
from smmpanel.web.assets import STATIC_PATH
from smmpanel.web.customs import keep_customs
from smmpanel.web.errors import render_json
from smmpanel.web.heads import answered_like_get
from smmpanel.web.switchboard import Switchboard

BACKLOG = 2048
STOP_SECONDS = 8
KEEP_ALIVE_SECONDS = 65
"""Above the sixty seconds after which common proxies close, so that it is they who do."""
OTHER_ROUTE = "other"

ROUTERS = (
    # First: gateways send by the dozen, and routes are looked through in order.
    payment_webhooks.router,
    landing_page.router,
    search_engines.router,
    content_pages.router,
    docs_page.router,
    account_pages.router,
    acting_pages.router,
    *staff_order_pages.ROUTERS,
    report_pages.router,
    alert_page.router,
    # Before the pages of single users, whose addresses begin alike.
    invitation_pages.router,
    *user_pages.ROUTERS,
    jobs_page.router,
    search_page.router,
    *order_pages.ROUTERS,
    sign_up_pages.router,
    reset_pages.router,
    api_key_pages.router,
    money_pages.router,
    *payment_pages.ROUTERS,
    *staff_payment_pages.ROUTERS,
    notification_pages.router,
    referral_pages.router,
    referral_staff.router,
    tier_pages.router,
    tier_staff.router,
    voucher_pages.router,
    voucher_staff.router,
    bonus_staff.router,
    coupon_staff.router,
    profile_pages.router,
    security_pages.router,
    second_factor_pages.router,
    second_step_pages.router,
    *passkey_pages.ROUTERS,
    *openid_pages.ROUTERS,
    choices_page.router,
    mail_folder_pages.router,
    books_pages.router,
    audit_pages.router,
    people_pages.router,
    *panel_settings.ROUTERS,
    auth.router,
    keys.router,
    services.router,
    *smm.ROUTERS,
    order_lists.router,
    orders.router,
    mass_orders.router,
    wallet.router,
    referrals.router,
    tiers.router,
    payment.router,
    vouchers.router,
    staff_orders.router,
    admin_users.router,
    admin_services.router,
    admin_deposits.router,
    admin_receipts.router,
    *catalog_pages.ROUTERS,
    *catalog_staff.ROUTERS,
    docs.router,
    health.router,
    metrics.router,
)
BODY_MAX = {
    mass_orders.PATH: mass_orders.BODY_MAX_BYTES,
    mass_order.PATH: mass_order.BODY_MAX_BYTES,
    new_order.PATH: new_order.BODY_MAX_BYTES,
    **catalog_staff.BODY_MAX,
    **panel_settings.BODY_MAX,
    **payment_webhooks.BODY_MAX,
    **payment_pages.BODY_MAX,
}
TAGS = [
    {"name": "Accounts", "description": "Signing up and in, the own account, its sessions and its password."},
    {"name": "API keys", "description": "Keys for the reseller API, `/api/v2`."},
    {"name": "Services", "description": "What is on sale, at the own prices."},
    {
        "name": "Orders",
        "description": "Placing orders, one or many, following them, refills, cancellations, drip-feeds.",
    },
    {"name": "Shop", "description": "Categories, services and orders for shops; orders go by references."},
    {"name": "Wallet", "description": "The own balance and what moved it."},
    {"name": "Tiers", "description": "The tier that what was spent has led to."},
    {"name": "Referrals", "description": "The own link, the people who followed it, and what it earned."},
    {"name": "Payments", "description": "Paying in, what became of it, and where gateways tell of money."},
    {"name": "Staff: orders", "description": "All customers' orders; each deed takes a permission and is recorded."},
    {"name": "Staff: users", "description": "All accounts; their balances, suspending and banning."},
    {"name": "Staff: services", "description": "All services, on sale or not; making and changing them."},
    {
        "name": "Staff: deposits",
        "description": "All customers' deposits; approving, rejecting and paying them back; money that nobody is sure of.",
    },
    {"name": "Running", "description": "How the panel is doing."},
]

log = get_logger()


def routed_app() -> FastAPI:
    """Put all routes together, without a panel behind them: enough for their documentation."""
    app = FastAPI(
        title=SITE_NAME,
        version=version("smmpanel"),
        openapi_tags=TAGS,
        openapi_url=docs.OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=describing.client_name,
    )
    app.router.routes.extend(_routes())
    describing.describe(app, ROUTERS)
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Every route; the applications of one process share what FastAPI works out for each, which takes longer than a request."""
    together = APIRouter(generate_unique_id_function=describing.client_name, redirect_slashes=False)
    for router in ROUTERS:
        # Pages read the panel's customs with what stands around them.
        together.include_router(router, dependencies=[Depends(keep_customs)] if _is_json(router) else None)
    return tuple(together.routes)


def build_app(panel: Panel) -> "Front":
    """Put the whole web side of a panel together, as one ASGI application."""
    app = routed_app()
    renderers = {"/health": render_json, "/metrics": render_json}
    ways = {str(getattr(route, "path", "")) for router in ROUTERS for route in router.routes}
    app.add_middleware(ReferralLinks)
    install_web(app, panel, read_shell=read_shell, ways=ways, renderers=renderers, body_max=BODY_MAX)
    app.router.middleware_stack = Switchboard(app.router)
    app.state.order_figures = OrderFigures()
    app.state.payment_door = Door(panel)
    app.state.issuers = Issuers(panel.http)
    app.state.health = health.HealthCheck(panel)
    app.state.metrics = metrics.Metrics(panel)
    return Front(app, panel_api_routes(panel, app.state.key_limiter), app.state.metrics.requests)


def _is_json(router: APIRouter) -> bool:
    return any(str(getattr(route, "path", "")).startswith("/api/") for route in router.routes)


class Front:
    """Leads the reseller API's calls past everything that pages need, counts all requests, and hands on the rest."""

    def __init__(self, app: FastAPI, bare: Sequence[Route], counter: metrics.RequestCounter) -> None:
        self.app = app
        self._bare = {route.path: route for route in bare}
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        bare = self._bare.get(scope["path"])
        answer: ASGIApp = self.app if bare is None else bare.handle
        asked = scope
        # The reseller API takes GET and POST, and nothing else.
        if bare is None and scope["method"] == "HEAD":
            asked, send = answered_like_get(scope, send)
        status = 500
        started = time.perf_counter()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await answer(asked, receive, send_noted)
        finally:
            route = _pattern(asked) if bare is None else bare.path
            self._counter.note(route, scope["method"], status, time.perf_counter() - started)


def _pattern(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str) and path:
        return path
    return STATIC_PATH if scope["path"].startswith(STATIC_PATH + "/") else OTHER_ROUTE


class _Server(uvicorn.Server):
    """Stops when asked, and returns, so that what it stands on is closed after it."""

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Have signals stop the server; a second one does not wait for what is under way."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self._stopping()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say where."""
        await super().startup(sockets)
        for each in sockets or ():
            host, port = each.getsockname()[:2]
            log.info("serving", host=host, port=port)
        # What is here now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()


async def serve(settings: Settings, url: str, *, reuse_port: bool = False) -> None:
    """Serve a panel until SIGTERM or SIGINT; requests under way then have a few seconds to end."""
    listening = listen(settings.host, settings.port, reuse_port=reuse_port)
    async with open_panel(settings, url) as panel:
        front = build_app(panel)
        await front.app.state.customs.read(panel)
        await run_server(front, listening, stopping=front.app.state.live.stop)


async def run_server(app: ASGIApp, listening: socket.socket, *, stopping: Callable[[], None] = lambda: None) -> None:
    """Serve an application on a socket that is bound, until SIGTERM or SIGINT; `stopping` then ends what never ends."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who is behind a proxy is for `web.addresses` to say
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    await _Server(config, stopping).serve(sockets=[listening])


def listen(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    """Take the port; with `reuse_port` together with others who do the same."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise CommandError(ExitCode.REFUSED, f"cannot listen on {host}, port {port}: {error.strerror}") from error
    return listening


def main() -> None:
    """Serve with the settings of the environment."""
    reuse_port = "--reuse-port" in sys.argv[1:]
    run_process(lambda settings, url: serve(settings, url, reuse_port=reuse_port), uvloop.new_event_loop)


if __name__ == "__main__":
    main()
