"""A panel as one of the founding documents describes it, and its answers held against what the document prints."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from smmpanel.entrypoints.opening import open_panel, prepare_panel
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings


@dataclass
class Walk:
    """A client that was written against the document: it sends what is printed there, and no language."""

    panel: Panel
    http: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, status: int = 200, /, **query: Any) -> Any:
        answer = await self.http.get(path, params=query, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.http.post(path, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def put(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.http.put(path, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def sign_in(self, token: str) -> None:
        """Go on with an access token."""
        self.headers = {"authorization": f"Bearer {token}"}


@asynccontextmanager
async def walk_through(
    preset: str, home: Path, database_url: str, *, environ: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Walk]:
    """Make a panel from a preset, as `smmpanel init --preset` does, and open its web side."""
    settings = Settings(home=home, database_url=database_url, preset=preset)  # type: ignore[arg-type]
    await prepare_panel(settings, database_url, environ=environ)
    async with open_panel(settings, database_url) as panel:
        transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as http:
            yield Walk(panel, http)


def like(answer: Any, printed: Any, where: str = "$") -> bool:
    """Whether an answer has every field that is printed, of the same JSON type; more may stand beside them."""
    if isinstance(printed, dict):
        assert isinstance(answer, dict), where
        assert set(printed) <= set(answer), (where, set(printed) - set(answer))
        return all(like(answer[name], value, f"{where}.{name}") for name, value in printed.items())
    if isinstance(printed, list):
        assert isinstance(answer, list), where
        return all(like(one, printed[0], f"{where}[]") for one in answer)
    kinds = (int, float) if type(printed) in {int, float} else (type(printed),)
    assert type(answer) in kinds, (where, answer)
    return True
