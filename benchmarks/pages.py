"""The pages that are opened most, in a panel with years of trade, against a page of the same server that shows nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.request import Request, urlopen

from benchmarks.bulk import Spread, fill
from benchmarks.figures import Figure
from benchmarks.load import Load, drive
from benchmarks.place import Place
from benchmarks.seeding import Customer, Wanted, with_panel
from smmpanel.accounts.finding import user_named
from smmpanel.accounts.sessions import open_session
from smmpanel.kernel.panel import Panel
from smmpanel.orders.timing import measure_services
from smmpanel.reports.counting import count_lately

SESSION_COOKIE = "smmpanel_session"
SIGNED_IN = 20
"""Customers whose pages are opened in turn, so that nobody's are always the ones that were just read."""
ROUNDS = 5
CONNECTIONS = 16
WARM_UP = 20
EMPTY = "/subscriptions"
"""A list of which there is nothing, in the same frame for the same people."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A page, the number of its figure, and whether staff open it."""

    number: int
    name: str
    path: str
    by_staff: bool = False


PAGES = (
    Opened(7, "new order", "/orders/new"),
    Opened(8, "orders list", "/orders"),
    Opened(9, "staff dashboard", "/staff", by_staff=True),
)


def measure(
    place: Place,
    customers: Sequence[Customer],
    services: list[Wanted],
    *,
    orders: int,
    each: int,
    seconds: float,
    wanted: set[int],
) -> list[Figure]:
    """Open the pages one at a time in turns, so that whatever else the machine does befalls all; then the list by many."""
    with place.copy("pages") as here:
        fill(here, list(customers), services, Spread(orders, open=orders // 100, days=365))
        people, staff = _signed_in(here, customers)
        port = here.serve(1)[0]
        empty = Opened(0, "empty page", EMPTY)
        opened = [empty, *(one for one in PAGES if one.number in wanted)]
        requests = {
            one.number: [_request(port, one.path, token) for token in _openers(one, people, staff)] for one in opened
        }
        sizes = {one.number: _size(port, one.path, _openers(one, people, staff)[0]) for one in opened}
        took: dict[int, Load] = {one.number: Load() for one in opened}
        for turn in range(ROUNDS + 1):
            for one in opened if turn % 2 else reversed(opened):
                load = _open(port, requests[one.number], number=each // ROUNDS if turn else WARM_UP)
                if turn:
                    took[one.number].took += load.took
        many = {
            one.number: _open(port, requests[one.number], seconds=seconds) for one in opened if one.number in {0, 8}
        }
    base = took[0].quantile(0.95)
    return [
        Figure(
            one.number,
            f"{one.name}, p95, {orders:,} orders",
            f"{took[one.number].quantile(0.95):.1f} ms, {sizes[one.number] / 1e3:.1f} KB",
            f"empty page: {base:.1f} ms",
            took[one.number].quantile(0.95) / base,
            5,
            "at most",
            note=_per_second(many, one.number),
        )
        for one in opened
        if one.number
    ]


def _per_second(many: dict[int, Load], number: int) -> str:
    if number not in many:
        return ""
    return f"{many[number].per_second:,.0f} requests/s of one process; of the empty page {many[0].per_second:,.0f}/s"


def _openers(page: Opened, people: list[str], staff: str) -> list[str]:
    return [staff] if page.by_staff else people


def _signed_in(place: Place, customers: Sequence[Customer]) -> tuple[list[str], str]:
    """Sign some customers and the owner in, with the figures counted that jobs count; return their sessions' tokens."""
    tokens: list[str] = []

    async def work(panel: Panel) -> None:
        await measure_services.function(panel)
        await count_lately.function(panel)
        async with panel.db.transaction() as session:
            owner = await user_named(session, "owner")
            for user_id in [*(customer.user_id for customer in customers[:SIGNED_IN]), owner.id]:
                opened = await open_session(
                    session, user_id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock()
                )
                tokens.append(opened.token)

    with_panel(place, work)
    return tokens[:-1], tokens[-1]


def _request(port: int, path: str, token: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: br\r\nAccept: text/html\r\n"
    return f"{head}Cookie: {SESSION_COOKIE}={token}\r\n\r\n".encode()


def _size(port: int, path: str, token: str) -> int:
    headers = {"Cookie": f"{SESSION_COOKIE}={token}", "Accept-Encoding": "br", "Accept": "text/html"}
    with urlopen(Request(f"http://127.0.0.1:{port}{path}", headers=headers), timeout=60) as answer:
        assert answer.url.endswith(path), f"{path} led to {answer.url}"
        return len(answer.read())


def _open(port: int, requests: list[bytes], *, number: int | None = None, seconds: float | None = None) -> Load:
    load = drive(
        [port],
        lambda count: requests[count % len(requests)],
        wanted=b"",
        connections=1 if number else CONNECTIONS,
        number=number,
        seconds=seconds,
    )
    if load.refused:
        raise RuntimeError(f"pages were refused: {load.refused}")
    return load
