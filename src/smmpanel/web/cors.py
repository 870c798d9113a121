"""Which other sites' scripts may call the JSON API: with a token or a key of their own, never with a browser's cookies."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

API_PATH = "/api/"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HEADERS = ("Authorization", "Content-Type", "X-API-Key", "Accept-Language", "Idempotency-Key")
_READABLE = ("Retry-After",)
KEPT_SECONDS = 600


class ApiCors:
    """Lets scripts of the given origins read answers below `/api/`; browsers send no cookies along, as nothing allows them."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        self._app = app
        self._cors = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_HEADERS,
            expose_headers=_READABLE,
            allow_credentials=False,
            max_age=KEPT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with the headers that its origin is due."""
        is_api = scope["type"] == "http" and str(scope["path"]).startswith(API_PATH)
        await (self._cors if is_api else self._app)(scope, receive, send)
