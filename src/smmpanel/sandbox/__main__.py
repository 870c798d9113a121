"""`python -m smmpanel.sandbox --port 0 --services 50`: a fake provider; prints its address as one line of JSON."""

import argparse
import sys
from decimal import Decimal, InvalidOperation

from smmpanel.sandbox.provider_errors import DIALECTS
from smmpanel.sandbox.provider_server import run_provider
from smmpanel.sandbox.provider_settings import LATENCY_ON, RATE_LIMIT_STYLES


def _amount(text: str) -> str:
    try:
        return str(Decimal(text))
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smmpanel.sandbox", description="A fake upstream provider that speaks API v2."
    )
    add = parser.add_argument
    add("what", nargs="?", choices=("provider",), default="provider", help="which fake to run")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8900, help="0 picks a free one")
    add("--services", type=int, default=500, help="size of the catalogue")
    add("--seed", type=int, default=1, help="the same seed makes the same catalogue")
    add("--key", default="sandbox-key", help="the API key it accepts")
    add("--balance", type=_amount, default="1000")
    add("--currency", default="USD")
    add("--latency-ms", type=int, default=0, help="time it takes to answer")
    add("--latency-on", choices=LATENCY_ON, default="all", help="the actions that take that time")
    add("--finish-after", type=float, default=240.0, help="seconds until orders are done; 0: they never move")
    add("--speed", type=float, default=1.0, help="seconds that pass for it in one of ours; 0: time stands still")
    add("--rate-limit", type=int, default=0, help="requests per minute; 0: no limit")
    add("--rate-limit-style", choices=RATE_LIMIT_STYLES, default="429", help="HTTP status of that refusal")
    add("--dialect", choices=DIALECTS, default="human", help="the engine whose words and forms it uses")
    add("--content-type", default="application/json")
    add("--unique-links", action="store_true", help="refuse a link that has an unfinished order")
    add("--partial-share", type=float, default=0.0, help="share of orders (0 to 1) that end Partial")
    add("--cancel-share", type=float, default=0.0, help="share of orders (0 to 1) that end Canceled")
    add("--first-order-id", type=int, default=1_000_001)
    add("--exit-with-parent", action="store_true", help="end when standard input closes or the parent dies")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; the exit status is 0 after SIGTERM, SIGINT or the end of the parent."""
    options = vars(_parser().parse_args(arguments))
    del options["what"]
    run_provider(**options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
