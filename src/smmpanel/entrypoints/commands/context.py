"""What commands stand on: the settings, the database of the panel, the panel itself."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from smmpanel.entrypoints.endings import CommandError, ExitCode

if TYPE_CHECKING:
    from smmpanel.kernel.panel import Panel
    from smmpanel.kernel.settings import Settings

T = TypeVar("T")


def read_settings() -> "Settings":
    """Read the settings and set up logging: commands are silent about what goes well, unless a level was asked for."""
    from smmpanel.kernel.logging import configure_logging
    from smmpanel.kernel.settings import Settings

    settings = Settings()
    level = settings.log_level if "log_level" in settings.model_fields_set else "error"
    configure_logging(settings.log_format, level)
    return settings


@contextmanager
def database(settings: "Settings") -> Iterator[str]:
    """Yield the address of the database of a panel that was set up before, running or not."""
    from smmpanel.entrypoints.embedded import database_for

    if settings.is_embedded and not (settings.home / "pgdata").exists():
        where = settings.home.absolute()
        raise CommandError(
            ExitCode.UNREACHABLE, f"there is no panel in {where}: run `smmpanel init`, or set SMMPANEL_HOME"
        )
    with database_for(settings) as url:
        yield url


def on_panel(work: "Callable[[Panel], Awaitable[T]]") -> T:
    """Open the panel, do what a command is there for, close the panel."""
    from smmpanel.entrypoints.opening import open_panel

    settings = read_settings()

    async def run(url: str) -> T:
        async with open_panel(settings, url) as panel:
            return await work(panel)

    with database(settings) as url:
        return asyncio.run(run(url))
