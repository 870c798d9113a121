"""Plug-ins found by entry point: ours register exactly as a stranger's would."""

from importlib.metadata import entry_points
from typing import Generic, TypeVar

from smmpanel.kernel.errors import PanelError

T = TypeVar("T")


class UnknownPluginError(PanelError):
    """Nothing is registered under this name."""

    code, status, message = "unknown_plugin", 422, "There is no {kind} named {name!r}; known are: {known}."


class Registry(Generic[T]):
    """Names and what stands behind them, loaded on first use."""

    def __init__(self, group: str) -> None:
        self.group = group
        self._loaded: dict[str, T] = {}

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted({point.name for point in entry_points(group=self.group)} | set(self._loaded))

    def get(self, name: str) -> T:
        """Return what is registered under a name; raises `UnknownPluginError`."""
        if name not in self._loaded:
            for point in entry_points(group=self.group, name=name):
                self._loaded[name] = point.load()
        if name not in self._loaded:
            kind = self.group.rpartition(".")[2].replace("_", " ").removesuffix("s")
            raise UnknownPluginError(kind=kind, name=name, known=", ".join(self.names()))
        return self._loaded[name]

    def put(self, name: str, plugin: T) -> None:
        """Register something in this process only."""
        self._loaded[name] = plugin
