"""Amounts as people type them: with either decimal sign, with thousands apart, with the currency's sign."""

import re
from decimal import Decimal

from smmpanel.kernel.money import parse_amount
from smmpanel.web.formats import MINUS, SYMBOLS, WITHOUT_DECIMALS, Formats

_BETWEEN = re.compile(r"[\s_'\u2019\u00a0\u202f]")
_SIGNS = (",", ".")


def amount_typed(formats: Formats, text: str, *, field: str = "amount", currency: str = "") -> Decimal | None:
    """Read an amount in a currency, the panel's unless told otherwise; nothing typed is `None`. Raises `InvalidInputError`.

    `1.500` is one and a half to whoever reads English and fifteen hundred to whoever reads Vietnamese; where a currency
    has no decimals it is fifteen hundred to everybody.
    """
    currency = currency or formats.currency
    typed = _BETWEEN.sub("", text).replace(MINUS, "-")
    for mark in {SYMBOLS.get(currency, ""), currency} - {""}:
        typed = typed.replace(mark, "")
    if not typed:
        return None
    thousands, _ = formats.marks
    return parse_amount(_plain(typed, thousands, whole=currency in WITHOUT_DECIMALS), field=field)


def amount_written(formats: Formats, amount: Decimal) -> str:
    """Write an amount into a field so that `amount_typed` reads the same again: with the reader's sign, thousands together."""
    _, point = formats.marks
    whole, _, decimals = f"{amount:f}".partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole}{point}{decimals}" if decimals else whole


def _plain(typed: str, thousands: str, *, whole: bool) -> str:
    """Write it with a point before the decimals and nothing else; what is no number stays none."""
    used = sorted((sign for sign in _SIGNS if sign in typed), key=typed.rfind)
    if not used:
        return typed
    if len(used) == 2:
        apart, point = used
        front, _, decimals = typed.rpartition(point)
        return f"{_joined(front, apart)}.{decimals}"
    (sign,) = used
    once_and_maybe_apart = re.fullmatch(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", typed) is not None
    if typed.count(sign) > 1 or (once_and_maybe_apart and (whole or sign == thousands)):
        return _joined(typed, sign)
    return typed.replace(sign, ".")


def _joined(typed: str, sign: str) -> str:
    groups = re.fullmatch(rf"[+-]?\d{{1,3}}(?:{re.escape(sign)}\d{{3}})+", typed)
    return typed.replace(sign, "") if groups else "?"
