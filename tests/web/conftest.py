"""A bare application with the web kit, the sign-in pages and a few routes that fail in every way."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Literal

import httpx
import pytest
from fastapi import FastAPI, Form
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from smmpanel.accounts.pages import router
from smmpanel.accounts.signing_up import register
from smmpanel.kernel.errors import ConflictError, InvalidInputError
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.posting import InsufficientFundsError
from smmpanel.web.assembling import install_web
from smmpanel.web.errors import Failure
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.origins import address_of

PASSWORD = "correct horse battery"


class Thing(BaseModel):
    name: CleanText
    size: int = 1


class Kinds(BaseModel):
    needed: int
    count: Annotated[int, Field(ge=1, le=9)] = 1
    word: Annotated[CleanText, Field(min_length=1, max_length=3)] = "a"
    kind: Literal["a", "b"] = "a"
    amount: Annotated[Decimal, Field(decimal_places=6)] = Decimal(1)
    words: Annotated[list[str], Field(max_length=2)] = []
    either: Annotated[int, Field(strict=True)] | CleanText = 1
    flag: bool = True


def plain_error(_request: Request, failure: Failure) -> PlainTextResponse:
    return PlainTextResponse(f"{failure.status} {failure.code}", failure.status)


def add_routes(app: FastAPI) -> None:
    @app.post("/api/large")
    @app.post("/api/things")
    async def make(thing: Thing) -> Thing:
        return thing

    @app.post("/api/kinds")
    async def kinds(given: Kinds) -> Kinds:
        return given

    @app.get("/api/poor")
    async def poor() -> None:
        raise InsufficientFundsError(needed=Money.of("2375.000000", "USD"), available=Money.of("0.500000", "USD"))

    @app.post("/api/forms")
    async def take(form: Annotated[Thing, Form()]) -> Thing:
        return form

    @app.get("/api/things/{thing_id}")
    async def read(thing_id: RowId, q: CleanText = "") -> dict[str, object]:
        return {"id": thing_id, "q": q}

    @app.get("/api/names/{name}")
    async def named(name: CleanText) -> dict[str, str]:
        return {"name": name}

    @app.get("/api/conflict")
    @app.get("/conflict")
    async def conflict() -> None:
        raise ConflictError(order_id=7)

    @app.get("/api/invalid")
    async def invalid() -> None:
        raise InvalidInputError(field="email", reason="is not an e-mail address")

    @app.get("/api/broken")
    @app.get("/broken")
    @app.get("/odd/broken")
    async def broken() -> None:
        raise RuntimeError("secret detail")

    @app.get("/api/address")
    async def address(request: Request) -> str:
        return address_of(request)


@pytest.fixture
def app_for(panel: Panel):
    """Makes the application of a panel with other settings."""

    def make(**settings: object) -> FastAPI:
        app = FastAPI()
        app.include_router(router)
        add_routes(app)
        changed = replace(panel, settings=panel.settings.model_copy(update=settings))
        install_web(app, changed, renderers={"/odd": plain_error}, body_max={"/api/large": 2_000_000})
        return app

    return make


@pytest.fixture
async def browser(app_for) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies, as a browser does."""
    transport = httpx.ASGITransport(app_for(), client=("203.0.113.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
        yield client


@pytest.fixture
async def mai(panel: Panel):
    """A customer."""
    async with panel.db.transaction() as session:
        return await register(session, username="mai", email="mai@example.com", password=PASSWORD)


async def _ask(app, path=b"/api/names/x", *, query=b"", headers=(), body=(b"",), method="GET"):
    """Send exactly these bytes, as a server that is less strict than ours might hand them on."""
    answered = []
    parts = iter(body)

    async def receive():
        part = next(parts, None)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message):
        answered.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"panel.example"), *headers],
        "client": ("203.0.113.7", 1),
        "server": ("panel.example", 80),
    }
    await app(scope, receive, send)
    return answered[0]["status"]


@pytest.fixture
def ask():
    """Sends raw requests."""
    return _ask
