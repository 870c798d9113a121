"""Forms are taken only from our own pages: a token bound to the browser's cookie, and the browser's word on the origin.

Checked before anything has an effect. Requests that bring an access token instead of a cookie need none of this: no
browser adds that by itself.
"""

import hmac
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.kernel.errors import ForbiddenError
from smmpanel.kernel.ids import random_text
from smmpanel.web.cookies import session_cookie, set_visitor_cookie, visitor_cookie
from smmpanel.web.forms import is_form, read_form
from smmpanel.web.origins import host_of
from smmpanel.web.transactions import panel_of

FORM_FIELD = "csrf_token"
HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_VISITOR_LENGTH = 32
_OWN_SITES = frozenset({"same-origin", "none"})


class ForeignFormError(ForbiddenError):
    """The request does not come from a page of ours, or the page is from before the sign-in changed."""

    code, message = "foreign_form", "This form has expired. Reload the page and try again."


@dataclass(frozen=True, slots=True)
class CsrfToken:
    """The token for the forms of one page, and the cookie it is bound to if that must be set first."""

    text: str
    request: Request
    new_visitor: str | None

    def keep(self, response: Response) -> None:
        """Send the cookie along with the page, if the browser has none."""
        if self.new_visitor is not None:
            set_visitor_cookie(self.request, response, self.new_visitor)


def csrf_token(request: Request) -> CsrfToken:
    """Make the token for a page that answers this request."""
    if (session := session_cookie(request)) is not None:
        return CsrfToken(_token(request, "session", session), request, None)
    visitor = visitor_cookie(request)
    if visitor is not None:
        return CsrfToken(_token(request, "visitor", visitor), request, None)
    visitor = random_text(_VISITOR_LENGTH)
    return CsrfToken(_token(request, "visitor", visitor), request, visitor)


def session_csrf_token(request: Request, session: str) -> str:
    """Return the token that goes with a session's cookie."""
    return _token(request, "session", session)


async def check_csrf(request: Request) -> None:
    """Raise `ForeignFormError` unless a request that may change something comes from a page of ours."""
    if request.method in SAFE_METHODS:
        return
    _check_origin(request)
    given = request.headers.get(HEADER, "")
    if not given and is_form(request):
        given = (await read_form(request)).get(FORM_FIELD, "")
    session, visitor = session_cookie(request), visitor_cookie(request)
    if session is not None:
        wanted = _token(request, "session", session)
    elif visitor is not None:
        wanted = _token(request, "visitor", visitor)
    else:
        raise ForeignFormError
    if not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        raise ForeignFormError


CsrfChecked = Annotated[None, Depends(check_csrf)]


def _check_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin is not None:
        # Only the host is compared: behind a proxy that ends TLS the scheme is not ours to know.
        if _host_in(origin) != host_of(request):
            raise ForeignFormError
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES:
        raise ForeignFormError


def _host_in(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in {"http", "https"} and parts.netloc else None


def _token(request: Request, kind: str, value: str) -> str:
    return panel_of(request).vault.keyed_hash("csrf", f"{kind}:{value}").hex()
