"""Opening a page without a browser, and what must be true of its markup in every language."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import event

from smmpanel.entrypoints.web import ROUTERS, build_app
from smmpanel.kernel import i18n
from smmpanel.kernel.panel import Panel

SESSION_COOKIE = "smmpanel_session"
NEVER_ENDS = {"/live"}
DOWNLOADS = {"/orders/export", "/statement.csv", "/staff/orders/export", "/staff/services.csv"}
"""Files of everything there is, written piece by piece."""
NOT_OURS = {"/docs", "/redoc", "/docs/assets/{name}"}
"""Rendered by what they describe: a page that a library brings along."""
DATA_OF_SCRIPTS = {"application/json", "application/ld+json"}


def page_paths() -> list[str]:
    """Return the paths of everything that is opened by an address and is no part of a described API."""
    return sorted(
        {
            route.path
            for router in ROUTERS
            for route in router.routes
            if isinstance(route, APIRoute) and "GET" in route.methods and not route.include_in_schema
        }
        - NEVER_ENDS
        - DOWNLOADS
        - NOT_OURS
    )


def address_of(path: str, ids: dict[str, Any]) -> str | None:
    """Fill a path's names in, with what they mean there or everywhere; `None` if there is nothing that one of them could stand for."""
    ids = ids | ids.get(path, {})
    names = re.findall(r"{(\w+)(?::\w+)?}", path)
    if any(name not in ids for name in names):
        return None
    return re.sub(r"{(\w+)(?::\w+)?}", lambda found: str(ids[found[1]]), path)


@dataclass
class Watch:
    """What happened while a page was made."""

    statements: list[str] = field(default_factory=list)
    untranslated: set[str] = field(default_factory=set)


@contextmanager
def watched(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Watch the statements that are sent and the texts that a language does not have."""
    watch = Watch()
    catalogue = i18n.catalogue

    class Noting(dict[str, str]):
        def get(self, text: str, default: Any = None) -> Any:
            if text not in self and re.search(r"[^\W\d_]", re.sub(r"{\w+}", "", text)):
                watch.untranslated.add(text)
            return super().get(text, default)

    def noting(language: str) -> Mapping[str, str]:
        return catalogue(language) if language == i18n.SOURCE_LANGUAGE else Noting(catalogue(language))

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        watch.statements.append(statement)

    monkeypatch.setattr(i18n, "catalogue", noting)
    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield watch
    finally:
        event.remove(panel.db.engine.sync_engine, "before_cursor_execute", note)
        monkeypatch.undo()


def open_client(panel: Panel, token: str | None) -> httpx.AsyncClient:
    """Return a browser of somebody."""
    transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 1))
    cookies = {SESSION_COOKIE: token} if token else {}
    return httpx.AsyncClient(transport=transport, base_url="http://panel.example", cookies=cookies)


class _Markup(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.language: str | None = None
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "html":
            self.language = given.get("lang")
        if tag == "style" or (tag == "script" and "src" not in given and given.get("type") not in DATA_OF_SCRIPTS):
            self.wrong.append(f"<{tag}>")
        self.wrong += [f"<{tag} {name}>" for name in given if name == "style" or name.startswith(("on", "hx-on"))]


def faults_of(html: str, language: str) -> Iterable[str]:
    """Say what is wrong with a page's markup: inline styles and scripts, another language, names left open."""
    markup = _Markup()
    markup.feed(html)
    yield from markup.wrong
    if markup.language not in {language, None}:
        yield f"it says that it is in {markup.language}"
    if "Undefined" in html or "{{" in html:
        yield "a name was left open"
