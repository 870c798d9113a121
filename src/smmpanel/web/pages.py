"""Pages: a template, one named context, and what every page gets."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import brotli
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from smmpanel.kernel.i18n import translate
from smmpanel.web.assets import Assets
from smmpanel.web.charts import CHARTS
from smmpanel.web.compiled import COMPILED
from smmpanel.web.cookies import set_language_cookie
from smmpanel.web.csrf import FORM_FIELD, csrf_token
from smmpanel.web.formats import Formats
from smmpanel.web.keeping import KeptParts
from smmpanel.web.languages import asked_language, language_of, offered_languages
from smmpanel.web.origins import site_of
from smmpanel.web.shell import shell_of
from smmpanel.web.toasts import forget_toast, toast_of
from smmpanel.web.transactions import panel_of

FEATURES_FOLDER = Path(__file__).parent.parent
THEMES = frozenset({"light", "dark"})
COMPRESSED_FROM_BYTES = 1200
BROTLI_QUALITY = 4
"""A page of 60 KB takes a millisecond or two; higher steps save little and cost much."""


class Pages:
    """The templates of all features, compiled as they are used, and the static files that they name."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self.kept = KeptParts()
        self.environment = Environment(
            loader=FileSystemLoader(sorted(FEATURES_FOLDER.glob("*/templates"))),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
            bytecode_cache=COMPILED,
        )
        self.environment.globals.update(asset=assets.address, icon=self._icon, csrf_field=FORM_FIELD, **CHARTS)

    @lru_cache(maxsize=1024)  # noqa: B019  lives as long as the application
    def _icon(self, name: str, classes: str = "") -> Markup:
        drawn = Markup('<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}"/></svg>')
        return drawn.format(classes, self.assets.icon_address(name))


def page(
    request: Request,
    template: str,
    context: object | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    fragment: str | None = None,
) -> Response:
    """Render a template. It sees the fields of its context (a dataclass), and nothing that it does not name exists.

    With `fragment`, a request of htmx's gets only the block of that name; everybody else the whole page.
    """
    pages: Pages = request.app.state.pages
    token = csrf_token(request)
    names = {**fields_of(context), **_names_of(request), "csrf_token": token.text}
    chosen = pages.environment.get_template(template)
    only_part = fragment is not None and wants_part(request)
    if only_part:
        assert fragment is not None
        text = "".join(chosen.blocks[fragment](chosen.new_context(names)))
    else:
        text = chosen.render(names)
    response = HTMLResponse(text, status, dict(headers or {}))
    response.headers.add_vary_header("HX-Request")
    _compress(request, response)
    token.keep(response)
    if not only_part:
        forget_toast(request, response)
    if (asked := asked_language(request)) is not None:
        set_language_cookie(request, response, asked)
    return response


def kept_part(request: Request, template: str, context: object, *, of: Hashable) -> Markup:
    """Return a part of a page that is the same for all who read one language: rendered once, then kept.

    `of` says what it is made of; whatever the context holds must follow from it. The template sees nothing that differs
    between readers of one language: no names of theirs, no token, no clock, no time zone.
    """
    pages: Pages = request.app.state.pages
    formats = formats_of(request)
    names = {
        "t": partial(translate, formats.language),
        "tn": counting(formats.language, formats),
        "num": formats.num,
        "money": formats.money,
        "exact": formats.exact,
        "percent": formats.percent,
        "span": formats.span,
    }
    key = (template, formats.language, formats.currency, of)
    return pages.kept.part(key, lambda: pages.environment.get_template(template).render(fields_of(context), **names))


def wants_part(request: Request) -> bool:
    """Whether htmx asks for a part of a page, rather than a browser for all of it."""
    return request.headers.get("hx-request") == "true" and "hx-history-restore-request" not in request.headers


def formats_of(request: Request) -> Formats:
    """Return the ways of writing money, numbers and times for whoever asks."""
    panel, person = panel_of(request), shell_of(request).person
    zone = person.time_zone if person else str(getattr(request.state, "panel_time_zone", "UTC"))
    return Formats(language_of(request), zone, panel.currency, panel.clock())


def _names_of(request: Request) -> dict[str, Any]:
    shell, language, formats = shell_of(request), language_of(request), formats_of(request)
    theme = request.cookies.get("theme")
    return {
        "shell": shell,
        "site": shell.brand.name,
        "path": str(request.scope["path"]),
        "here": shell.current(str(request.scope["path"])),
        "t": partial(translate, language),
        "tn": counting(language, formats),
        "lang": language,
        "languages": _language_links(request),
        "theme": theme if theme in THEMES else "",
        "toast": toast_of(request),
        "site_address": site_of(request),
        "canonical": _canonical(request),
        "first_page": not request.query_params.get("after"),
        "with_query": partial(_with_query, request),
        "f": formats,
        "money": formats.money,
        "exact": formats.exact,
        "num": formats.num,
        "percent": formats.percent,
        "date": formats.date,
        "at": formats.at,
        "ago": formats.ago,
        "span": formats.span,
    }


def fields_of(context: object | None) -> dict[str, Any]:
    """Return what a template sees of its context."""
    if context is None:
        return {}
    assert is_dataclass(context), "a page renders one named context"
    return {each.name: getattr(context, each.name) for each in fields(context)}


def _canonical(request: Request) -> str:
    """Return the one address under which search engines are to know a page: without its filters, with its language."""
    asked = asked_language(request)
    return f"{site_of(request)}{quote(str(request.scope['path']))}{f'?lang={asked}' if asked else ''}"


def counting(language: str, formats: Formats) -> Callable[..., str]:
    """Return the templates' way of saying how many."""

    def say(count: int, one: str, many: str, **more: object) -> str:
        """Say how many; English has two forms, Vietnamese and Indonesian have one, that of `many`."""
        text = one if count == 1 and language == "en" else many
        return translate(language, text, n=formats.num(count), **more)

    return say


def _with_query(request: Request, **changes: object) -> str:
    """Return this page's address with some of its query changed; what becomes empty or `None` is left out.

    The place in a list is always left out, unless it is given: another filter begins at the beginning.
    """
    changed = {name: "" if value is None else str(value) for name, value in {"after": None, **changes}.items()}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in changed]
    query = urlencode([*kept, *((name, value) for name, value in changed.items() if value)])
    path = quote(str(request.scope["path"]))
    return f"{path}?{query}" if query else path


def _language_links(request: Request) -> list[tuple[str, str, str]]:
    return [(code, name, _with_query(request, lang=code)) for code, name in offered_languages(request).items()]


def _compress(request: Request, response: Response) -> None:
    response.headers.add_vary_header("Accept-Encoding")
    body = bytes(response.body)
    if len(body) < COMPRESSED_FROM_BYTES or "br" not in request.headers.get("accept-encoding", ""):
        return
    response.body = brotli.compress(body, mode=brotli.MODE_TEXT, quality=BROTLI_QUALITY)
    response.headers["Content-Encoding"] = "br"
    response.headers["Content-Length"] = str(len(response.body))
