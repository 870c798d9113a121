"""Redirects that stay in the panel."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse

SIGN_IN_PATH = "/sign-in"
TARGET_MAX = 500


def safe_target(target: str) -> str:
    """Return where a page wants to lead, if it is a path of ours; else the start page.

    `//host` and `/\\host` lead elsewhere in a browser, and control characters can hide either.
    """
    inside = target.startswith("/") and not target.startswith(("//", "/\\"))
    if not inside or len(target) > TARGET_MAX or not target.isascii() or not target.isprintable() or "\\" in target:
        return "/"
    return target


def sign_in_address(request: Request) -> str:
    """Return the address of the sign-in page that leads back to what was asked for."""
    path = str(request.scope.get("path", "/"))
    query = request.scope.get("query_string", b"").decode("latin-1")
    wanted = safe_target(quote(path) + (f"?{query}" if query else ""))
    return SIGN_IN_PATH if wanted == "/" else f"{SIGN_IN_PATH}?next={quote(wanted, safe='/')}"


def see_other(target: str) -> RedirectResponse:
    """Lead a browser on after it posted a form."""
    return RedirectResponse(target, 303)
