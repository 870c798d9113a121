"""The fake gateways: deeds, messages, faults and pages, seen from a shop that keeps what it is sent."""

import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from smmpanel.sandbox.gateway.process import GatewayProcess
from smmpanel.sandbox.gateway.vendors import vendor_classes

KEY = "sk_test_of_ours"
COMMAND = [sys.executable, "-m", "smmpanel.sandbox", "gateway", "--port", "0"]


@dataclass
class Listener:
    """A shop: it keeps messages, and answers what it is told to."""

    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200

    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, _, body in self.got]


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[Listener, str]]:
    kept = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.got.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
            self.send_response(kept.status)
            self.send_header("content-length", "16")
            self.end_headers()
            self.wfile.write(b'{"success":true}')

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield kept, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def running(listening: tuple[Listener, str]) -> Iterator[GatewayProcess]:
    with GatewayProcess.start(notify_base=listening[1], key=f"paystack.secret_key={KEY}") as process:
        process.configure(retry_seconds=[0.01, 0.01])
        yield process


@pytest.fixture
def gateways(running: GatewayProcess, shop: Listener) -> GatewayProcess:
    # What an earlier test left under way arrives before this one begins.
    assert running.wait_idle()
    running.reset()
    shop.got.clear()
    return running


@pytest.fixture
def shop(listening: tuple[Listener, str]) -> Listener:
    listening[0].status = 200
    return listening[0]


@pytest.fixture
def client(gateways: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateways.url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False) as made:
        yield made


def begin(client: httpx.Client, reference: str = "R1") -> str:
    """Begin a payment at Paystack and return its page's address."""
    wanted = {"email": "a@example.com", "amount": "500050", "reference": reference, "callback_url": "http://shop/back"}
    answer = client.post("/paystack/transaction/initialize", json=wanted)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["authorization_url"])


def after(gateways: GatewayProcess, deed: str, reference: str = "R1", **more: Any) -> None:
    gateways.do("paystack", reference, deed, **more)
    assert gateways.wait_idle()


def is_signed(message: tuple[str, dict[str, str], bytes]) -> bool:
    _, headers, body = message
    return headers["x-paystack-signature"] == hmac.new(KEY.encode(), body, hashlib.sha512).hexdigest()


def test_every_vendor_says_how_the_panel_is_set_up_with_it(gateways):
    told = gateways.control("GET", "vendors")

    assert set(told) == {one.name for one in vendor_classes()} >= {"paystack", "sepay"}
    for name, row in told.items():
        assert row["address"] == f"{gateways.url}/{name}"
        assert any(row["address"] in str(value) for value in row["setup"].values()), name


def test_a_payment_is_told_of_signed_and_says_the_same_when_asked(client, gateways, shop):
    begin(client)
    assert client.get("/paystack/transaction/verify/R1").json()["data"]["status"] == "ongoing"

    after(gateways, "pay")

    [message] = shop.got
    assert message[0] == "/api/payment/paystack/webhook"
    assert is_signed(message)
    asked = client.get("/paystack/transaction/verify/R1").json()["data"]
    assert json.loads(message[2])["data"] == asked
    assert (asked["status"], asked["amount"], asked["currency"]) == ("success", 500050, "NGN")


def test_money_goes_back_at_most_once(client, gateways, shop):
    begin(client)
    after(gateways, "pay")
    after(gateways, "refund_half")
    after(gateways, "refund")
    with pytest.raises(httpx.HTTPStatusError, match="NGN are left"):
        gateways.do("paystack", "R1", "refund")

    assert shop.events() == ["charge.success", "refund.processed", "refund.processed"]
    assert sum(int(json.loads(body)["data"]["amount"]) for _, _, body in shop.got[1:]) == 500050


@pytest.mark.parametrize(
    ("fault", "signed"),
    [
        ({"kind": "duplicate", "copies": 3}, [True] * 3),
        ({"kind": "lose"}, []),
        ({"kind": "forge"}, [False]),
        ({"kind": "cut"}, [False]),
        ({"kind": "delay", "seconds": 0.05}, [True]),
    ],
)
def test_messages_are_spoilt_as_the_script_says_and_once(client, gateways, shop, fault, signed):
    begin(client)
    gateways.add_fault(vendor="paystack", **fault)

    after(gateways, "pay")
    after(gateways, "send_again")

    assert [is_signed(one) for one in shop.got] == [*signed, True]


def test_messages_change_places(client, gateways, shop):
    begin(client)
    gateways.add_fault("reorder")
    gateways.do("paystack", "R1", "pay")
    after(gateways, "charge_back")

    assert shop.events() == ["charge.dispute.create", "charge.success"]


def test_a_shop_that_fails_is_told_again_and_then_left_alone(client, gateways, shop):
    begin(client)
    shop.status = 500
    after(gateways, "pay")

    assert len(shop.got) == 3
    [told] = gateways.deliveries(payment="R1")
    assert (told["done"], told["status"], len(told["tries"])) == (False, 500, 3)


@pytest.mark.parametrize("address", ["http://192.0.2.7/hook", "https://example.com/hook", "ftp://x", "//"])
def test_messages_never_leave_this_machine(client, gateways, shop, address):
    before = gateways.control("GET", "settings")["notify_base"]
    gateways.configure(notify_base=address)
    begin(client)
    after(gateways, "pay")
    gateways.configure(notify_base=before)

    assert shop.got == []
    assert "not sent" in gateways.deliveries(payment="R1")[0]["tries"][0]


@pytest.mark.parametrize("when", ["before", "after"])
def test_calls_fail_before_or_after_they_were_done(client, gateways, when):
    gateways.add_fault("status_5xx", action="create", when=when)
    wanted = {"email": "a@example.com", "amount": "100", "reference": "R9"}
    assert client.post("/paystack/transaction/initialize", json=wanted).status_code == 502

    again = client.post("/paystack/transaction/initialize", json=wanted)
    assert again.status_code == (200 if when == "before" else 400)


def test_strangers_and_nonsense_are_refused(client, gateways):
    assert client.get("/paystack/transaction/verify/R1", headers={"authorization": "Bearer x"}).status_code == 401
    assert client.post("/paystack/transaction/initialize", content=b"[").status_code == 400
    assert client.get("/paystack/nowhere").status_code == 404
    assert client.get("/pay/nowhere").status_code == 404
    for path, body in (("do", {"vendor": "paystack", "payment": "R404", "deed": "pay"}), ("nothing", {})):
        with pytest.raises(httpx.HTTPStatusError, match="there is no"):
            gateways.control("POST", path, body)
    for wrong in ({"kind": "elvish"}, {"kind": "delay", "seconds": "long"}, {"kind": "lose", "when": "never"}):
        with pytest.raises(httpx.HTTPStatusError, match=" is "):
            gateways.add_fault(**wrong)


def test_the_page_does_without_scripts_and_shows_no_markup_of_others(client, gateways):
    page = client.get(begin(client, "<b>R1</b>"))
    policy = page.headers["content-security-policy"]

    assert "<b>R1</b>" not in page.text
    assert "&lt;b&gt;R1&lt;/b&gt;" in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in policy
    paid = client.post(str(page.url), data={"deed": "pay"}, follow_redirects=True)
    assert 'role="status"' in paid.text
    assert "http://shop/back?trxref=" in paid.text
    refused = client.post(str(page.url), data={"deed": "cancel"})
    assert (refused.status_code, "Not done: it is paid." in refused.text) == (409, True)
    faulty = client.post(f"{page.url}/fault", data={"kind": "lose"}, follow_redirects=True)
    assert "Waiting to strike: lose" in faulty.text


def test_transfers_at_the_bank_are_told_of_and_listed_by_the_same_number(client, gateways, shop):
    told = gateways.setup("sepay")
    for memo, deed in (("HOMEMMO ABC123", "pay_twice"), ("wrong text", "pay_less")):
        slip = client.post("/sepay/bank", data={"memo": memo, "amount": "100000"})
        assert slip.status_code == 303
        gateways.do("sepay", slip.headers["location"].rpartition("/")[2], deed)
    assert gateways.wait_idle()

    bodies = [json.loads(body) for _, _, body in shop.got]
    bearer = {"authorization": f"Bearer {told['api_token']}"}
    listed = client.get("/sepay/v2/transactions", params={"transaction_date_sort": "asc"}, headers=bearer).json()
    assert sorted(one["transferAmount"] for one in bodies) == [60_000, 100_000, 100_000]
    assert {one["referenceCode"] for one in bodies} == {row["reference_number"] for row in listed["data"]}
    found = client.get("/sepay/v2/transactions", params={"q": "abc123", "per_page": 1}, headers=bearer).json()
    assert found["meta"]["pagination"] == {
        "total": 2, "per_page": 1, "current_page": 1, "last_page": 2, "has_more": True,
    }  # fmt: skip
    assert client.get("/sepay/v2/transactions").status_code == 401
    assert client.post("/sepay/bank", data={"memo": "x", "amount": "1.5"}).status_code == 422


def test_keys_that_nobody_has_are_refused_at_once():
    for option in ("paystack.nothing=1", "paystack"):
        done = subprocess.run([*COMMAND, "--key", option], capture_output=True, check=False, timeout=20)
        assert done.returncode != 0
        assert done.stdout == b""
