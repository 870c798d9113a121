"""What a page says right after something was done: carried over the redirect in a cookie, shown once, without JavaScript."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import asdict, dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "toast"
KEPT_SECONDS = 60
TEXT_MAX = 300
Kind = Literal["is-ok", "is-warn", "is-bad", "is-info"]
KINDS = frozenset({"is-ok", "is-warn", "is-bad", "is-info"})


@dataclass(frozen=True, slots=True)
class Toast:
    """A short message in the reader's language: the fact, a few words more, and where to look at it."""

    title: str
    text: str = ""
    kind: Kind = "is-ok"
    href: str = ""
    link: str = ""


def with_toast(response: Response, toast: Toast) -> Response:
    """Have the next page that this browser loads say something."""
    packed = urlsafe_b64encode(json.dumps(asdict(toast), ensure_ascii=False).encode()).decode()
    response.set_cookie(COOKIE, packed, max_age=KEPT_SECONDS, path="/", httponly=True, samesite="lax")
    return response


def toast_of(request: Request) -> Toast | None:
    """Return what the page is to say. Whatever a browser made up is only text, and only leads to our own pages."""
    packed = request.cookies.get(COOKIE)
    if not packed:
        return None
    try:
        said = json.loads(urlsafe_b64decode(packed.encode("ascii", "replace")))
        texts = {name: str(said[name])[:TEXT_MAX] for name in ("title", "text", "href", "link")}
    except (ValueError, NotBase64, KeyError, TypeError):
        return None
    if not texts["href"].startswith("/") or texts["href"].startswith("//"):
        texts["href"] = ""
    kind = said.get("kind")
    return Toast(texts["title"], texts["text"], kind if kind in KINDS else "is-info", texts["href"], texts["link"])


def forget_toast(request: Request, response: Response) -> None:
    """Have the browser forget what was said."""
    if COOKIE in request.cookies:
        response.delete_cookie(COOKIE, path="/")
