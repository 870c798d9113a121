"""API `services` against the same bytes served as a static response by the same server."""

from tempfile import NamedTemporaryFile
from urllib.request import Request, urlopen

from benchmarks.figures import Figure
from benchmarks.load import Load, drive, form_request
from benchmarks.place import Place, free_port, wait_for
from benchmarks.seeding import import_catalogue, make_customers

SERVICES = 10_000
CONNECTIONS = 16
CUSTOMERS = 100


def measure(place: Place, *, seconds: float) -> Figure:
    """Measure both in turn, twice, with everything else equal: server, request, client, connections."""
    import_catalogue(place, SERVICES)
    keys = [customer.key for customer in make_customers(place, CUSTOMERS)]
    port = place.serve(1)[0]
    with NamedTemporaryFile() as file:
        file.write(_body(port, keys[0]))
        file.flush()
        static_port = free_port()
        place.start_module("benchmarks.static", "--port", str(static_port), "--file", file.name)
        wait_for(f"http://127.0.0.1:{static_port}/")
    ours = theirs = 0.0
    size = 0
    for _ in range(2):
        made = _read(port, keys, seconds=seconds / 2)
        static = _read(static_port, keys, seconds=seconds / 2)
        ours += made.per_second / 2
        theirs += static.per_second / 2
        size = made.largest
    return Figure(
        2,
        f"services: {SERVICES:,} of them",
        f"{ours:,.0f}/s",
        f"the same {size / 1e6:.1f} MB, static: {theirs:,.0f}/s",
        ours / theirs,
        0.7,
        "at least",
    )


def _body(port: int, key: str) -> bytes:
    request = Request(f"http://127.0.0.1:{port}/api/v2", data=f"key={key}&action=services".encode())
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        body: bytes = answer.read()
    assert body.count(b'"service":') > SERVICES * 0.9, "the catalogue is not there"
    return body


def _read(port: int, keys: list[str], *, seconds: float) -> Load:
    def make(number: int) -> bytes:
        return form_request("127.0.0.1", port, "/api/v2", key=keys[number % len(keys)], action="services")

    drive([port], make, wanted=b"[{", connections=CONNECTIONS, seconds=min(seconds, 1))
    load = drive([port], make, wanted=b"[{", connections=CONNECTIONS, seconds=seconds)
    if load.refused:
        raise RuntimeError(f"catalogues were refused: {load.refused}")
    return load
