"""`python -m benchmarks.bank ROWS`: a bank's list of transfers as SePay hands it out, made up as it is asked for; prints its port."""

import sys
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import orjson

ACCOUNT = "123456789"
BEGINS = datetime(2026, 1, 5, 8, 0, tzinfo=timezone(timedelta(hours=7)))
NEW_EVERY = 200
"""Each so many-th transfer is one that the panel has not heard of."""


def amount_of(number: int) -> int:
    """Return what was transferred."""
    return 50_000 + number % 1_000


def row(number: int) -> dict[str, object]:
    """Return one row of the list."""
    when = BEGINS + timedelta(seconds=number)
    return {
        "id": f"{number:08x}-0000-4000-8000-000000000000",
        "transaction_date": f"{when:%Y-%m-%d %H:%M:%S}",
        "account_number": ACCOUNT,
        "transfer_type": "in",
        "amount_in": amount_of(number),
        "amount_out": 0,
        "accumulated": 0,
        "transaction_content": f"transfer {number}",
        "reference_number": f"FT{number}",
        "code": None,
    }


def main(rows: int) -> None:
    """Answer until killed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            size, page = int(query["per_page"]), int(query["page"])
            first = (page - 1) * size
            data = [row(number) for number in range(first, min(first + size, rows))]
            meta = {"pagination": {"has_more": first + size < rows}}
            body = orjson.dumps({"status": "success", "data": data, "meta": meta})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
