"""Links of people who recommend the panel: `/?ref=CODE`, on any page that a browser opens.

The first one that leads to somebody counts. Whether a code exists cannot be told from the answer: what is kept looks alike.
"""

from datetime import timedelta

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smmpanel.accounts.arrivals import kept_code, sealed_code
from smmpanel.accounts.referral_codes import CODE_MAX, owner_of_code
from smmpanel.growth.referral_terms import referral_terms
from smmpanel.web.cookies import set_referral_cookie
from smmpanel.web.origins import site_of
from smmpanel.web.transactions import panel_of

PARAMETER = "ref"
_MARK = f"{PARAMETER}=".encode()
_WITHOUT_PAGES = ("/api/", "/static/", "/parts/")


def link_of(connection: HTTPConnection, code: str) -> str:
    """Return the link of a code, on the address by which the panel was reached."""
    return f"{site_of(connection)}/?{PARAMETER}={code}"


class ReferralLinks:
    """Remembers whose link a browser followed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; if it follows such a link, send the cookie along with the answer."""
        cookie = await _cookie_for(scope) if _may_follow(scope) else None
        if cookie is None:
            await self._app(scope, receive, send)
            return
        written = cookie

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", written)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def _may_follow(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and _MARK in scope.get("query_string", b"")
        and not scope["path"].startswith(_WITHOUT_PAGES)
    )


async def _cookie_for(scope: Scope) -> str | None:
    connection = HTTPConnection(scope)
    typed = connection.query_params.get(PARAMETER, "").strip().upper()
    panel = panel_of(connection)
    now = panel.clock()
    if not typed or kept_code(connection, now=now):
        return None
    async with panel.db.reading() as session:
        owner = await owner_of_code(session, typed)
        days = (await referral_terms(session)).cookie_days
    code = typed[:CODE_MAX] if owner is not None else ""
    lasts = timedelta(days=days)
    holder = Response()
    value = sealed_code(panel.vault, code, until=now + lasts)
    set_referral_cookie(connection, holder, value, int(lasts.total_seconds()))
    return holder.headers["set-cookie"]
