"""What stands around every page: the brand, the ways to other pages, and for members their balance and their bell.

The kit knows no feature, so what to show is read by a function that the entry point hands in (`read_shell`), once for each
page and before the page's own transaction begins, so that no request holds two connections.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from starlette.requests import Request

from smmpanel.web.brand import Brand

Side = Literal["visitor", "customer", "staff"]


@dataclass(frozen=True, slots=True)
class NavItem:
    """One way to a page: its address, its English label, its icon, and how many things wait there."""

    href: str
    label: str
    icon: str
    count: int = 0
    hot: bool = False
    """Whether what is counted waits for this very person."""
    keys: str = ""
    """The keyboard's way there after `g`."""
    holds: tuple[str, ...] = ()
    """Addresses of other pages that are found under it."""


@dataclass(frozen=True, slots=True)
class NavGroup:
    """Some ways under one label; the first group has none."""

    label: str
    items: Sequence[NavItem]


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, as far as the frame of a page says it."""

    username: str
    time_zone: str = "UTC"
    is_staff: bool = False
    acting_for: str | None = None
    """The staff member who is signed in as this user, if it is one."""

    @property
    def initials(self) -> str:
        """Two letters for the round picture."""
        return self.username[:2].upper()


@dataclass(frozen=True, slots=True)
class TierMark:
    """The tier of whoever is signed in, and how far the next one is."""

    name: str
    icon: str
    discount: Decimal
    """In percent of list prices."""
    next_name: str = ""
    """Empty at the top; then nothing remains, and all of the way is done."""
    next_discount: Decimal = Decimal(0)
    remaining: Decimal = Decimal(0)
    progress: int = 100
    """In percent of what the next tier takes."""


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame of one page for one reader."""

    brand: Brand
    side: Side = "visitor"
    person: Person | None = None
    nav: Sequence[NavGroup] = ()
    tabs: Sequence[NavItem] = ()
    """The four places of the bar at the bottom of a phone; the fifth is the menu."""
    balance: Decimal | None = None
    tier: TierMark | None = None
    """Of customers, on panels that have tiers."""
    unread: int = 0
    links: dict[str, str] = field(default_factory=dict)
    """Addresses outside the panel that its owner set, such as `support`."""
    ways: frozenset[str] = frozenset()
    """The paths that this panel answers: a frame leads nowhere else."""

    @property
    def staff_home(self) -> str:
        """Where the back office begins."""
        return "/staff" if "/staff" in self.ways else "/staff/orders"

    def current(self, path: str) -> str:
        """Return the address of the way that leads to this page or to what it belongs to."""
        ways = {way: item.href for group in self.nav for item in group.items for way in (item.href, *item.holds)}
        fitting = [way for way in ways if path == way or path.startswith(way.rstrip("/") + "/")]
        return ways[max(fitting, key=len)] if fitting else ""


ShellReader = Callable[[Request, Any], Awaitable[Shell]]
"""Called with the request and its viewer, or `None` for a visitor."""


async def read_bare_shell(request: Request, _viewer: Any) -> Shell:
    """Return a frame with nothing but the brand."""
    return bare_shell(request)


def bare_shell(request: Request) -> Shell:
    """Return the frame of a page that nothing was read for, such as an error's."""
    brand = request.app.state.brand
    assert isinstance(brand, Brand)
    return Shell(brand)


async def keep_shell(request: Request, viewer: Any, *, side: Side) -> None:
    """Read the frame for a request and keep it for `page`."""
    request.state.side = side
    reader: ShellReader = request.app.state.read_shell
    shell = await reader(request, viewer)
    request.state.shell = shell
    # Errors that come before any reading wear the brand as this process last saw it.
    request.app.state.brand = shell.brand


def shell_of(request: Request) -> Shell:
    """Return the frame that was read for a request, or a bare one."""
    shell = getattr(request.state, "shell", None)
    return shell if isinstance(shell, Shell) else bare_shell(request)
