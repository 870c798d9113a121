"""Routes are found by how a path begins; which one is found, and every refusal, is the router's as ever."""

import re

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Mount, Route

from smmpanel.entrypoints.web import ROUTERS, build_app
from smmpanel.web.switchboard import Switchboard


def scope_of(path, method="GET", **more):
    return {"type": "http", "method": method, "path": path, "root_path": "", "headers": [], "app": None, **more}


async def answer(app, scope):
    """Run a request that needs neither body nor answer; returns what was refused."""
    try:
        await app(scope, None, None)
    except HTTPException as refused:
        return refused.status_code
    return None


@pytest.fixture
def chosen(monkeypatch):
    """Has routes note that they were chosen, and for what, instead of doing anything."""
    noted = []

    async def note(self, scope, _receive, _send):
        noted.append((self, scope["path_params"], scope["router"]))

    for kind in (APIRoute, Route, Mount):
        monkeypatch.setattr(kind, "handle", note)
    return noted


async def test_every_address_of_the_panel_leads_where_the_router_leads(panel, chosen):
    app = build_app(panel).app
    written = {route.path for router in ROUTERS for route in router.routes}
    paths = sorted({re.sub(r"{.*?}", "7", path) for path in written})
    asked = [(path, method) for path in paths for method in ("GET", "POST", "DELETE")]
    asked += [(path + "/", "GET") for path in paths]
    other = (
        "/static/app.css",
        "/theme.css",
        "/openapi.json",
        "/none",
        "/staff/none",
        "//",
        "/orders//7",
        "/orders\n",
        "*",
        "",
    )
    asked += [(path, method) for path in other for method in ("GET", "HEAD")]

    for path, method in asked:
        refused = await answer(app.router.app, scope_of(path, method))
        by_router = [*chosen, refused]
        chosen.clear()
        refused = await answer(app.router, scope_of(path, method))
        assert [*chosen, refused] == by_router, (method, path)
        chosen.clear()

    assert len(paths) > 200


class Asked(BaseRoute):
    """Notes that it was asked; takes what its path's words are the beginning of."""

    def __init__(self, path, log):
        self.path, self._log = path, log
        self._taken = re.compile(re.sub(r"{.*?}", "[^/]+", path) + "$")

    def matches(self, scope):
        self._log.append(self.path)
        return (Match.FULL if self._taken.match(scope["path"]) else Match.NONE), {}

    async def handle(self, *_):
        self._log.append(f"took {self.path}")


@pytest.mark.parametrize(
    ("path", "log"),
    [
        ("/a/b", ["/{any}/b", "took /{any}/b"]),
        ("/a/c/7", ["/{any}/b", "/a/{id}", "/a/c/{id}", "took /a/c/{id}"]),
        ("/a/7", ["/{any}/b", "/a/{id}", "took /a/{id}"]),
        ("/d", ["/{any}/b", "/d", "took /d"]),
        ("/7/b", ["/{any}/b", "took /{any}/b"]),
    ],
)
async def test_only_what_can_be_meant_is_asked_in_order(path, log):
    asked = []
    router = APIRouter(routes=[Asked(one, asked) for one in ("/{any}/b", "/a/{id}", "/a/c/{id}", "/d")])

    await Switchboard(router)(scope_of(path), None, None)

    assert asked == log


async def test_what_came_later_and_what_stands_below_a_root_is_found_as_well():
    asked = []
    router = APIRouter(routes=[Asked("/a", asked)], redirect_slashes=False)
    board = Switchboard(router)
    router.routes.append(Asked("/a/later", asked))

    await board(scope_of("/a/later"), None, None)
    assert await answer(board, scope_of("/root/none", root_path="/root")) == 404

    assert asked == ["/a", "/a", "/a/later", "took /a/later", "/a", "/a/later"]
