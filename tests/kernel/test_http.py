"""Outgoing HTTP against real sockets on 127.0.0.1."""

import asyncio
import gzip
import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smmpanel.kernel.addresses import AllowList, is_public
from smmpanel.kernel.http import (
    AddressForbiddenError,
    AnswerLostError,
    AnswerTooLargeError,
    NotSentError,
    Outgoing,
    redacted,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
Handler = Callable[["Server", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A scripted server that counts what reaches it."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections = 0
        self.open_now = 0
        self.open_most = 0
        self.requests: list[bytes] = []
        self.server_names: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self.handler(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open_now -= 1
            writer.close()

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        return request


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(handler)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        await listener.wait_closed()


def always(raw: bytes, *, then_close: bool = False) -> Handler:
    async def handler(server, reader, writer):
        while True:
            await server.read(reader)
            writer.write(raw)
            await writer.drain()
            if then_close:
                return

    return handler


def resolving(monkeypatch, addresses: list[str]) -> list[str]:
    """Let the running loop's resolver answer `*.test` so; returns the list of names that were asked for."""
    loop = asyncio.get_running_loop()
    real, asked = loop.getaddrinfo, []

    async def getaddrinfo(host, port, **kwargs):
        if not str(host).endswith(".test"):
            return await real(host, port, **kwargs)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "address",
    [
        str(ipaddress.IPv4Address(0)), "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.8", "192.0.2.1",
        "192.88.99.1", "192.168.1.1", "198.18.0.1", "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1",
        "255.255.255.255", "168.63.129.16", "::", "::1", "::7f00:1", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1",
        "ff02::1", "2001:db8::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
        "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_private_addresses_are_not_public(address):
    assert is_public(ipaddress.ip_address(address)) is False


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::", "::ffff:8.8.8.8"],
)
def test_public_addresses_are_public(address):
    assert is_public(ipaddress.ip_address(address)) is True


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "admitted"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1", True),
        ("127.0.0.1:9000", "localhost", 9000, "127.0.0.1", True),
        ("127.0.0.1:9000", "127.0.0.1", 9001, "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", 9001, "127.0.0.1", True),
        ("10.0.0.0/8", "db.internal", 80, "10.9.9.9", True),
        ("10.0.0.0/8", "db.internal", 80, "11.9.9.9", False),
        ("sandbox:9000", "sandbox", 9000, "172.17.0.2", True),
        ("sandbox:9000", "sandbox", 80, "172.17.0.2", False),
        ("sandbox", "sandbox", 80, "172.17.0.2", True),
        ("sandbox", "sandbox.evil.test", 80, "172.17.0.2", False),
        ("[::1]:9000", "::1", 9000, "::1", True),
        ("::1", "::1", 9000, "::1", True),
        ("127.0.0.0/8", "x", 80, "::ffff:127.0.0.1", False),
    ],
)
def test_the_allow_list_admits_only_what_it_names(entry, host, port, address, admitted):
    assert AllowList([entry]).admits(host, port, ipaddress.ip_address(address)) is admitted


@pytest.mark.parametrize("entry", ["", "http://a/", "a b:c", "host:99999", "user@host"])
def test_a_broken_allow_list_is_refused_at_once(entry):
    with pytest.raises(ValueError, match="not a host"):
        Outgoing(allow=[entry])


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0", "127.1"]
)
async def test_a_private_address_is_never_connected_to(host):
    async with serving(always(OK)) as server, Outgoing() as http:
        with pytest.raises(AddressForbiddenError):
            await http.send("GET", f"http://{host}:{server.port}/")
        assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/", "file:///etc/passwd", "http://", "//example.com", "http://user:pw@example.com/", "http://[::1",
     "gopher://127.0.0.1", "http://example.com:99999/", ""],
)  # fmt: skip
async def test_only_plain_http_urls_are_called(url):
    async with Outgoing(allow=["0.0.0.0/0"]) as http:
        with pytest.raises(AddressForbiddenError):
            await http.send("GET", url)


async def test_the_checked_address_is_the_one_connected_to(monkeypatch):
    async with serving(always(OK)) as server, Outgoing(allow=[f"127.0.0.1:{server.port}"]) as http:
        asked = resolving(monkeypatch, ["10.0.0.1", "127.0.0.1"])
        answer = await http.send("GET", f"http://panel.test:{server.port}/x")
        assert answer.status == 200
        assert asked == ["panel.test"]
        assert f"host: panel.test:{server.port}".encode() in server.requests[0].lower()


async def test_a_name_that_leads_inside_is_forbidden(monkeypatch):
    async with Outgoing() as http:
        resolving(monkeypatch, ["169.254.169.254"])
        with pytest.raises(AddressForbiddenError, match=r"panel\.test leads to a private"):
            await http.send("GET", "http://panel.test/latest/meta-data")


async def test_what_goes_over_the_wire(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serving(always(OK)) as server, Outgoing(allow=["127.0.0.1"]) as http:
        await http.send("POST", f"{server.url}/api/v2", form={"key": "a b", "comments": "x\r\nü"})
        await http.send("POST", f"{server.url}/api", json={"n": 1}, headers={"X-Api-Key": "k"})
        await http.send("GET", f"{server.url}/api?a=1", params={"b": "2,3"})

    form, body, query = server.requests
    assert form.startswith(b"POST /api/v2 HTTP/1.1\r\n")
    assert form.endswith(b"\r\n\r\nkey=a+b&comments=x%0D%0A%C3%BC")
    assert b"content-type: application/x-www-form-urlencoded" in form.lower()
    assert b"user-agent: smmpanel/" in form.lower()
    assert body.endswith(b'\r\n\r\n{"n":1}')
    assert b"x-api-key: k" in body.lower()
    assert query.startswith(b"GET /api?a=1&b=2%2C3 HTTP/1.1\r\n")
    assert b"content-length" not in query.lower()
    assert server.connections == 1


async def test_redirects_are_answers():
    async with serving(always(OK)) as target:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {target.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(always(moved)) as server, Outgoing(allow=["127.0.0.1"]) as http:
            answer = await http.send("POST", server.url, form={"a": "b"})
            assert (answer.status, answer.headers["location"]) == (302, f"{target.url}/")
            assert target.connections == 0


ODD_BUT_WHOLE = [
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
    (b"HTTP/1.0 200 OK\r\n\r\nabc", b"abc"),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", b"abc"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 23\r\n\r\n" + gzip.compress(b"abc", mtime=0),
        b"abc",
    ),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 11\r\n\r\n" + zlib.compress(b"abc"), b"abc"),
    (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nConnection: close\r\n\r\n" + zlib.compress(b"abc")[2:-4],
        b"abc",
    ),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", b""),
]


@pytest.mark.parametrize(("raw", "body"), ODD_BUT_WHOLE)
async def test_every_framing_of_a_whole_answer_is_read(raw, body):
    async with serving(always(raw, then_close=True)) as server, Outgoing(allow=["127.0.0.1"]) as http:
        assert (await http.send("POST", server.url, form={})).body == body


BROKEN = [
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Len",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"\x00\x01\x02\x03" * 50,
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
    + gzip.compress(b"abc" * 100, mtime=0)[:-12],
    b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
]


@pytest.mark.parametrize("raw", BROKEN)
async def test_a_broken_answer_is_lost_and_the_request_is_not_repeated(raw):
    async with serving(always(raw, then_close=True)) as server, Outgoing(allow=["127.0.0.1"]) as http:
        with pytest.raises(AnswerLostError):
            await http.send("GET", server.url)
        assert len(server.requests) == 1


async def endless(server, reader, writer):
    await server.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()
        server.requests.append(b"chunk")


TOO_LARGE = [
    always(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
    endless,
    always(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 5000, then_close=True),
    always(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
        + gzip.compress(bytes(500_000), mtime=0),
        then_close=True,
    ),
]


@pytest.mark.parametrize("handler", TOO_LARGE)
async def test_an_answer_beyond_the_limit_is_not_read_on(handler):
    async with serving(handler) as server, Outgoing(allow=["127.0.0.1"], max_body_bytes=4000) as http:
        with pytest.raises(AnswerTooLargeError):
            await http.send("GET", server.url, timeout_seconds=5)
        assert len(server.requests) < 3000


async def test_a_large_packed_answer_within_its_own_limit_is_unpacked():
    body = bytes(range(256)) * 4000
    packed = gzip.compress(body, 0)
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    async with serving(always(raw)) as server, Outgoing(allow=["127.0.0.1"], max_body_bytes=10) as http:
        assert (await http.send("GET", server.url, max_body_bytes=2_000_000)).body == body


async def test_nothing_is_sent_where_nobody_listens(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with Outgoing(allow=["127.0.0.1"], connect_timeout_seconds=0.05) as http:
        with pytest.raises(NotSentError, match="no connection to 127"):
            await http.send("GET", f"http://127.0.0.1:{port}/")

        async def unknown(*_args, **_kwargs):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        with pytest.raises(NotSentError, match="cannot be resolved"):
            await http.send("GET", "http://panel.test/")

        async def never(*_args, **_kwargs):
            await asyncio.sleep(60)

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
        with pytest.raises(NotSentError, match="in time"):
            await http.send("GET", "http://panel.test/")
        with pytest.raises(NotSentError, match="in time"):
            await http.send("GET", "http://panel.test/", timeout_seconds=0.01)


async def test_a_header_that_would_smuggle_a_line_is_not_sent():
    async with serving(always(OK)) as server, Outgoing(allow=["127.0.0.1"]) as http:
        with pytest.raises(NotSentError) as failure:
            await http.send("GET", server.url, headers={"X-Key": "secret\r\nX: y"}, secrets=("secret\r\nX: y",))
        assert "secret" not in failure.value.text
        assert server.requests == []


async def silent(server, reader, writer):
    await server.read(reader)
    await asyncio.sleep(60)


async def trickling(server, reader, writer):
    await server.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("handler", [silent, trickling])
async def test_the_time_out_is_total_and_leaves_it_unclear(handler):
    async with serving(handler) as server, Outgoing(allow=["127.0.0.1"], timeout_seconds=0.15) as http:
        with pytest.raises(AnswerLostError, match=r"within 0\.15 seconds"):
            await http.send("POST", server.url, form={"a": "b"})
        assert len(server.requests) == 1


async def test_connections_are_kept_and_limited():
    async def slow(server, reader, writer):
        while True:
            await server.read(reader)
            await asyncio.sleep(0.01)
            writer.write(OK)

    async with serving(slow) as server, Outgoing(allow=["127.0.0.1"], max_connections=3) as http:
        answers = await asyncio.gather(*(http.send("POST", server.url, form={"n": str(n)}) for n in range(20)))
        assert [answer.status for answer in answers] == [200] * 20
        assert (server.open_most, server.connections) == (3, 3)


async def test_waiting_for_a_free_connection_counts_as_not_sent():
    async with serving(silent) as server, Outgoing(allow=["127.0.0.1"], max_connections=1) as http:
        first = asyncio.create_task(http.send("GET", server.url, timeout_seconds=0.4))
        await asyncio.sleep(0.05)
        with pytest.raises(NotSentError):
            await http.send("GET", server.url, timeout_seconds=0.1)
        with pytest.raises(AnswerLostError):
            await first
        assert len(server.requests) == 1


async def test_resting_connections_make_room_for_other_hosts():
    async with (
        serving(always(OK)) as one,
        serving(always(OK)) as two,
        Outgoing(allow=["127.0.0.1"], max_connections=1) as http,
    ):
        for server in (one, two, one):
            await http.send("GET", server.url)
        await asyncio.sleep(0.02)
        assert (one.open_now, two.open_now, one.connections) == (1, 0, 2)


async def test_a_connection_closed_while_resting_is_replaced_unnoticed():
    async with serving(always(OK, then_close=True)) as server, Outgoing(allow=["127.0.0.1"]) as http:
        for _ in range(3):
            assert (await http.send("POST", server.url, form={})).status == 200
            await asyncio.sleep(0.01)
        assert (len(server.requests), server.connections) == (3, 3)


async def test_a_resting_connection_is_given_up_before_the_server_may_close_it():
    async with serving(always(OK)) as server, Outgoing(allow=["127.0.0.1"], keep_alive_seconds=0.05) as http:
        for _ in range(2):
            assert (await http.send("GET", server.url)).status == 200
        await asyncio.sleep(0.1)
        assert (await http.send("GET", server.url)).status == 200
        assert server.connections == 2


async def test_a_close_that_the_event_loop_has_not_seen_yet_is_seen():
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def serve_two_connections() -> None:
            for _ in range(2):
                with listener.accept()[0] as connection:
                    requests.append(connection.recv(4096))
                    connection.sendall(OK)

        served = asyncio.create_task(asyncio.to_thread(serve_two_connections))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        async with Outgoing(allow=["127.0.0.1"]) as http:
            assert (await http.send("GET", url)).status == 200
            time.sleep(0.05)  # noqa: ASYNC251 - the loop must not get to read the close
            assert (await http.send("GET", url)).status == 200
        await served
    assert len(requests) == 2


async def test_words_pushed_into_a_resting_connection_are_not_the_next_answer():
    async def pushing(server, reader, writer):
        await server.read(reader)
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await server.read(reader)

    async with serving(pushing) as server, Outgoing(allow=["127.0.0.1"]) as http:
        assert (await http.send("GET", server.url)).status == 200
        await asyncio.sleep(0.03)
        assert (await http.send("GET", server.url)).status == 200
        assert server.connections == 2


async def test_a_kept_connection_that_breaks_under_a_request_is_unclear_and_not_repeated():
    async def second_breaks(server, reader, writer):
        await server.read(reader)
        writer.write(OK)
        await server.read(reader)

    async with serving(second_breaks) as server, Outgoing(allow=["127.0.0.1"]) as http:
        await http.send("GET", server.url)
        with pytest.raises(AnswerLostError):
            await http.send("GET", server.url)
        assert (len(server.requests), server.connections) == (2, 1)


@pytest.mark.parametrize(
    ("extra", "connections"), [(b"", 1), (b"Keep-Alive: timeout=1\r\n", 2), (b"Connection: close\r\n", 2)]
)
async def test_the_server_says_how_long_it_keeps_a_connection(extra, connections):
    raw = b"HTTP/1.1 200 OK\r\n" + extra + b"Content-Length: 0\r\n\r\n"
    async with serving(always(raw)) as server, Outgoing(allow=["127.0.0.1"]) as http:
        await http.send("GET", server.url)
        await http.send("GET", server.url)
        assert server.connections == connections


async def test_a_cancelled_call_closes_its_connection():
    async with serving(silent) as server, Outgoing(allow=["127.0.0.1"]) as http:
        call = asyncio.create_task(http.send("GET", server.url))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        server.handler = always(OK)
        assert (await http.send("GET", server.url)).status == 200
        assert server.connections == 2


def certificate_for(name: str, tmp_path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a server's context and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain = tmp_path / f"{name}.pem"
    chain.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return server, ssl.create_default_context(cafile=chain)


async def test_tls_is_checked_against_the_name_not_the_address(monkeypatch, tmp_path):
    server_tls, client_tls = certificate_for("panel.test", tmp_path)
    names: list[str | None] = []
    server_tls.sni_callback = lambda _socket, name, _context: names.append(name)
    resolving(monkeypatch, ["127.0.0.1"])
    async with serving(always(OK), server_tls) as server, Outgoing(allow=["127.0.0.1"], tls=client_tls) as http:
        for _ in range(2):
            assert (await http.send("POST", f"https://panel.test:{server.port}/", form={"a": "b"})).status == 200
        assert (names, server.connections) == (["panel.test"], 1)

        with pytest.raises(NotSentError, match="certificate is not valid"):
            await http.send("POST", f"https://other.test:{server.port}/", form={"a": "b"})
        assert len(server.requests) == 2


async def test_tls_failures_are_not_sent(monkeypatch, tmp_path):
    server_tls, _ = certificate_for("panel.test", tmp_path)
    resolving(monkeypatch, ["127.0.0.1"])
    async with serving(always(OK), server_tls) as untrusted, serving(always(OK, then_close=True)) as plain:
        async with Outgoing(allow=["127.0.0.1"], connect_timeout_seconds=0.3) as http:
            with pytest.raises(NotSentError, match="certificate is not valid"):
                await http.send("GET", f"https://panel.test:{untrusted.port}/")
            with pytest.raises(NotSentError):
                await http.send("GET", f"https://127.0.0.1:{plain.port}/")
        assert untrusted.requests == []


def test_it_works_on_uvloop_as_well():
    async def journey() -> list[int]:
        async with serving(always(OK)) as server, Outgoing(allow=["127.0.0.1"]) as http:
            statuses = [(await http.send("POST", server.url, form={"a": "b"})).status for _ in range(3)]
            assert server.connections == 1
            with pytest.raises(NotSentError):
                await http.send("GET", "http://127.0.0.1:1/")
            return statuses

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(journey()) == [200, 200, 200]


SECRET = 'k€y/+ "1&<2>%é'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        "key=k%E2%82%AC" + "y%2F%2B%20%221%26%3C2%3E%25%C3%A9",
        "key=k%e2%82%ac" + "y%2f%2b%20%221%26%3c2%3e%25%c3%a9",
        "key=k%E2%82%AC" + "y%2F%2B+%221%26%3C2%3E%25%C3%A9&action=add",
        r'{"key":"k\u20acy/+ \"1&<2>%\u00e9"}',
        r'{"key":"k\u20acy\/+ \"1&<2>%\u00e9"}',
        r'{"key":"k€y\/+ \"1&<2>%é"}',
        "<b>k€y/+ &quot;1&amp;&lt;2&gt;%é</b>",
    ],
)
def test_secrets_are_hidden_in_every_form(text):
    shown = redacted(text, (SECRET,))
    assert "[hidden]" in shown
    for piece in ("k€y", "k%", "k\\u20ac"):
        assert piece not in shown


def test_redacted_text_is_short_and_storable():
    assert redacted("a" * 5000, max_chars=10) == "a" * 9 + "…"
    assert redacted("a\x00b\ud800c") == "ab?c"
    assert redacted(b"\xef\xbb\xbf{\xff}") == "{\ufffd}"
    assert redacted("nothing", ("", "secret")) == "nothing"


def test_a_secret_on_the_edge_of_what_is_looked_at_does_not_slip_through():
    secret = "0123456789abcdef"
    text = "x" * (64 * 1024 - 8) + secret
    assert "01234567" not in redacted(text, (secret,), max_chars=100_000)
