"""Finding a request's route by how its path begins, instead of asking some hundred routers one after another."""

from collections.abc import Iterable

from fastapi import APIRouter
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

DEPTH = 2
"""How many words of a path are looked at."""

Beginning = tuple[str, ...]


class Switchboard:
    """Stands before an application's router and asks, in their order, only the routes that can be meant.

    What none of them takes is asked of all, so that every refusal is the router's own, and so that routes that came later
    are found as well. Routers are to be included without a prefix.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        beginnings = [(route, {_beginning(path) for path in _paths(route)}) for route in router.routes]
        self._parts = {
            known: APIRouter(
                routes=[route for route, own in beginnings if any(known[: len(one)] == one for one in own)],
                redirect_slashes=False,
                default=router.app,
            )
            for known in {one for _, own in beginnings for one in own if one}
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to its route."""
        part = None
        if scope["type"] == "http" and not scope.get("root_path"):
            words = tuple(scope["path"].split("/", DEPTH + 1)[1 : DEPTH + 1])
            part = self._parts.get(words) or self._parts.get(words[:1])
        if part is None:
            await self._router.app(scope, receive, send)
            return
        scope["router"] = self._router  # of which links are asked
        await part.app(scope, receive, send)


def _paths(route: BaseRoute) -> Iterable[str]:
    included = getattr(route, "original_router", None)
    # A router within a router has no path: it may be meant by any.
    return [getattr(one, "path", None) or "" for one in ([route] if included is None else included.routes)]


def _beginning(path: str) -> Beginning:
    """Return the words that a path certainly begins with."""
    words: list[str] = []
    for word in path.split("/")[1 : DEPTH + 1]:
        if "{" in word:
            break
        words.append(word)
    return tuple(words)
