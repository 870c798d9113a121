"""Pages: a template, one named context, and what every page gets."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from smmpanel.kernel.i18n import LANGUAGES, translate
from smmpanel.web.assets import Assets
from smmpanel.web.cookies import set_language_cookie
from smmpanel.web.csrf import FORM_FIELD, csrf_token
from smmpanel.web.languages import asked_language, language_of

FEATURES_FOLDER = Path(__file__).parent.parent
THEMES = frozenset({"light", "dark"})


class Pages:
    """The templates of all features, compiled as they are used, and the static files that they name."""

    def __init__(self, site_name: str, assets: Assets) -> None:
        self.site_name = site_name
        self.assets = assets
        self.environment = Environment(
            loader=FileSystemLoader(sorted(FEATURES_FOLDER.glob("*/templates"))),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )


def page(
    request: Request,
    template: str,
    context: object | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Render a template. It sees the fields of its context (a dataclass), and nothing that it does not name exists."""
    pages: Pages = request.app.state.pages
    language = language_of(request)
    token = csrf_token(request)
    names: dict[str, Any] = {
        **_fields_of(context),
        "site": pages.site_name,
        "asset": pages.assets.address,
        "t": _speaker(language),
        "lang": language,
        "languages": _language_links(request),
        "theme": request.cookies.get("theme") if request.cookies.get("theme") in THEMES else "",
        "csrf_field": FORM_FIELD,
        "csrf_token": token.text,
    }
    response = HTMLResponse(pages.environment.get_template(template).render(names), status, dict(headers or {}))
    token.keep(response)
    if (asked := asked_language(request)) is not None:
        set_language_cookie(request, response, asked)
    return response


def _fields_of(context: object | None) -> dict[str, Any]:
    if context is None:
        return {}
    assert is_dataclass(context), "a page renders one named context"
    return {each.name: getattr(context, each.name) for each in fields(context)}


def _speaker(language: str) -> Callable[..., str]:
    return partial(translate, language)


def _language_links(request: Request) -> list[tuple[str, str, str]]:
    kept = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
    path = quote(str(request.scope["path"]))
    return [(code, name, f"{path}?{urlencode([*kept, ('lang', code)])}") for code, name in LANGUAGES.items()]
