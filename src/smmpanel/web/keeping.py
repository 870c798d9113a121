"""Parts of pages that were rendered before, kept for as long as there is room for them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from sys import getsizeof

from markupsafe import Markup

ROOM_BYTES = 8 * 1024 * 1024


class KeptParts:
    """Parts under keys that say all they depend on; those that were not asked for longest make room first."""

    def __init__(self, room: int = ROOM_BYTES) -> None:
        self._room = room
        self._used = 0
        self._kept: OrderedDict[Hashable, Markup] = OrderedDict()

    def part(self, key: Hashable, render: Callable[[], str]) -> Markup:
        """Return the part under this key, rendered now if it is not there."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = Markup(render())  # noqa: S704  templates escape
            self._used += getsizeof(found)
            while self._used > self._room:
                self._used -= getsizeof(self._kept.popitem(last=False)[1])
        else:
            self._kept.move_to_end(key)
        return found

    @property
    def used(self) -> int:
        """How many bytes the parts take."""
        return self._used
