"""`python -m smmpanel.sandbox provider|gateway --port 0 …`: a fake of the outside; prints its address as one line of JSON."""

import argparse
import sys
from collections.abc import Callable
from decimal import Decimal, InvalidOperation


def _amount(text: str) -> str:
    try:
        return str(Decimal(text))
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount") from None


def _key(text: str) -> tuple[str, str]:
    name, sign, secret = text.partition("=")
    if not (sign and secret and "." in name):
        raise argparse.ArgumentTypeError(f"{text!r} is not written VENDOR.NAME=SECRET")
    return name, secret


def _add_provider(parser: argparse.ArgumentParser) -> None:
    from smmpanel.sandbox.provider_errors import DIALECTS
    from smmpanel.sandbox.provider_settings import LATENCY_ON, RATE_LIMIT_STYLES

    add = parser.add_argument
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


def _add_gateway(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--port", type=int, default=8910, help="0 picks a free one")
    add("--notify-base", default="", help="where the panel is, for vendors that are told so once for all")
    add("--key", dest="keys", type=_key, action="append", default=[], metavar="VENDOR.NAME=SECRET", help="another key")


def _run_provider(options: dict[str, object]) -> None:
    from smmpanel.sandbox.provider_server import run_provider

    run_provider(**options)  # type: ignore[arg-type]


def _run_gateway(options: dict[str, object]) -> None:
    from smmpanel.sandbox.gateway.server import run_gateway

    run_gateway(**{**options, "keys": dict(options["keys"])})  # type: ignore[call-overload]


_SANDBOXES: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[dict[str, object]], None]]] = {
    "provider": ("A fake upstream provider that speaks API v2.", _add_provider, _run_provider),
    "gateway": ("Fake payment gateways, with a page for each payment.", _add_gateway, _run_gateway),
}


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; the exit status is 0 after SIGTERM, SIGINT or the end of the parent."""
    given = sys.argv[1:] if arguments is None else arguments
    # The provider was there first: its options alone mean it.
    what = given[0] if given and given[0] in _SANDBOXES else "provider"
    told, add_options, run = _SANDBOXES[what]
    parser = argparse.ArgumentParser(prog=f"smmpanel.sandbox {what}", description=told)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="end when standard input closes or the parent dies"
    )
    add_options(parser)
    run(vars(parser.parse_args(given[1:] if given[:1] == [what] else given)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
