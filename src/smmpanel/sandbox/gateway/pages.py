"""The sandbox's own pages: its vendors, and one page for each payment with everything that can be done to it."""

from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from smmpanel.sandbox.gateway.faults import read_fault
from smmpanel.sandbox.gateway.look import SAFE, STYLE, drawn
from smmpanel.sandbox.gateway.payments import Payment
from smmpanel.sandbox.gateway.sandbox import GatewaySandbox
from smmpanel.sandbox.http_server import HTML, Exchange

LATEST = 50
FAULTS = (
    ("duplicate", "message: sent twice"),
    ("reorder", "message: sent after the next one"),
    ("delay", "message: five seconds late"),
    ("lose", "message: lost"),
    ("forge", "message: signed by a stranger"),
    ("other_environment", "message: from the other environment"),
    ("cut", "message: cut in half"),
    ("huge", "message: far too large"),
    ("odd_headers", "message: odd letters in its headers"),
    ("wrong_currency", "payment: arrives in another currency"),
    ("status_5xx", "call: answered 502"),
    ("timeout", "call: not answered"),
)
DONE = "Done: {deed}."


def answer_page(sandbox: GatewaySandbox, exchange: Exchange) -> None:
    """Serve one of the pages, the style sheet, or 404."""
    parts = exchange.path.strip("/").split("/")
    match exchange.method, parts:
        case "GET", [""]:
            _index(sandbox, exchange)
        case "GET", ["sandbox.css"]:
            exchange.answer(STYLE, content_type="text/css; charset=utf-8", headers=SAFE)
        case "GET", ["pay", token] if token in sandbox.book.payments:
            sandbox.run_out()
            _payment(sandbox, exchange, sandbox.book.payments[token])
        case "POST", ["pay", token] if token in sandbox.book.payments:
            _deed(sandbox, exchange, sandbox.book.payments[token])
        case "POST", ["pay", token, "fault"] if token in sandbox.book.payments:
            _fault(sandbox, exchange, sandbox.book.payments[token])
        case _:
            exchange.answer(
                b"There is no such page.", status=404, content_type="text/plain; charset=utf-8", headers=SAFE
            )


def _index(sandbox: GatewaySandbox, exchange: Exchange) -> None:
    vendors = [
        (
            vendor,
            vendor.setup(f"{sandbox.origin}/{vendor.name}"),
            [
                f"/{vendor.name}{route.path}"
                for route in vendor.routes()
                if (route.method, route.action) == ("GET", "page")
            ],
        )
        for vendor in sandbox.vendors.values()
    ]
    latest = list(sandbox.book.payments.values())[: -LATEST - 1 : -1]
    page, kind = drawn("index.html", vendors=vendors, payments=latest, notify_base=sandbox.courier.notify_base)
    exchange.answer(page, content_type=kind, headers=SAFE)


def _payment(sandbox: GatewaySandbox, exchange: Exchange, payment: Payment, problem: str = "") -> None:
    vendor = sandbox.vendors[payment.vendor]
    done = dict(parse_qsl(exchange.query)).get("done", "")
    back = vendor.return_address(payment)
    waiting = [
        rule.kind
        for rule in sandbox.faults.rules
        if rule.times != 0 and rule.payment in ("", payment.token) and rule.vendor in ("", vendor.name)
    ]
    page, _ = drawn(
        "payment.html",
        payment=payment,
        vendor=vendor,
        said=problem or (DONE.format(deed=done.replace("_", " ")) if done else ""),
        is_done=not problem,
        back=back if urlsplit(back).scheme in ("http", "https") else "",
        faults=FAULTS,
        rules=", ".join(waiting),
        deliveries=sandbox.courier.of(payment)[::-1],
        at=_at,
    )
    exchange.answer(page, status=409 if problem else 200, content_type=HTML, headers=SAFE)


def _deed(sandbox: GatewaySandbox, exchange: Exchange, payment: Payment) -> None:
    wanted = dict(parse_qsl(exchange.body.decode("utf-8", "replace")))
    deed = wanted.get("deed", "")
    try:
        sandbox.do(payment, deed)
    except ValueError as wrong:
        _payment(sandbox, exchange, payment, f"Not done: {wrong}.")
        return
    _back(exchange, payment, deed)


def _fault(sandbox: GatewaySandbox, exchange: Exchange, payment: Payment) -> None:
    wanted = dict(parse_qsl(exchange.body.decode("utf-8", "replace")))
    try:
        rule = read_fault({"kind": wanted.get("kind", ""), "vendor": payment.vendor})
    except ValueError as wrong:
        _payment(sandbox, exchange, payment, f"Not done: {wrong}.")
        return
    # Calls do not all name a payment, so a fault of calls strikes the vendor's next one.
    rule.payment = "" if rule.place == "call" else payment.token
    sandbox.faults.add(rule)
    _back(exchange, payment, f"fault {rule.kind}")


def _back(exchange: Exchange, payment: Payment, deed: str) -> None:
    location = f"/pay/{payment.token}?{urlencode({'done': deed})}"
    exchange.answer(b"", status=303, content_type=HTML, headers=(("location", location), *SAFE))


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
