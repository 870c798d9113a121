"""The routes that pages are made of, found through the routers, and whom each of them lets in by what it depends on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import compile_path

from smmpanel.accounts.access import Permission
from smmpanel.accounts.current import StaffWith, signed_in
from smmpanel.entrypoints.web import ROUTERS

STAFF_SIDE = "/staff"


@dataclass(frozen=True)
class PageRoute:
    """One route: how it is called, and what its dependencies demand."""

    method: str
    path: str
    takes: frozenset[Permission]
    """The permissions that it names by `staff_with`."""
    needs_sign_in: bool
    is_for_staff: bool

    @property
    def name(self) -> str:
        """What it is called in tables and messages."""
        return f"{self.method} {self.path}"

    @property
    def names(self) -> list[str]:
        """The names in its address."""
        return re.findall(r"{(\w+)(?::\w+)?}", self.path)

    def address(self, values: dict[str, object]) -> str:
        """Fill in the names of its address."""
        return re.sub(r"{(\w+)(?::\w+)?}", lambda found: str(values[found[1]]), self.path)

    def fits(self, address: str) -> bool:
        """Whether it answers at an address."""
        return _pattern(self.path).match(address) is not None


@cache
def page_routes() -> dict[str, PageRoute]:
    """Return every route that is no part of a described API, by name; where two have one name, the one that answers."""
    found: dict[str, PageRoute] = {}
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute), f"{route} is of a kind that nothing here knows"
            if route.include_in_schema:
                continue
            asked = list(_asked(route.dependant))
            for method in sorted(route.methods):
                made = PageRoute(
                    method,
                    route.path,
                    frozenset(one.permission for one in asked if isinstance(one, StaffWith)),
                    signed_in in asked,
                    route.path == STAFF_SIDE or route.path.startswith(f"{STAFF_SIDE}/"),
                )
                found.setdefault(made.name, made)
    return found


def route_at(method: str, address: str) -> PageRoute | None:
    """Return the route that answers at an address."""
    return next((one for one in page_routes().values() if one.method == method and one.fits(address)), None)


def _asked(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for one in dependant.dependencies:
        yield from _asked(one)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return compile_path(path)[0]
