"""What staff type about a payment method: read from its form, and written into it."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import parse_amount, plain
from smmpanel.payments.methods import MethodTerms
from smmpanel.payments.models import PaymentMethod
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import Gateway, Setting
from smmpanel.web.amounts import amount_typed, amount_written
from smmpanel.web.formats import Formats

NEEDED = marked("is needed")
NOT_WHOLE = marked("must be a whole number")
WHOLE_DIGITS_MAX = 9
AMOUNTS = ("minimum", "maximum", "fee_fixed")
TEST_WORDS = frozenset({"sandbox", "test"})
THIS_MACHINE = frozenset({"127.0.0.1", "localhost"})
_WITHIN = re.compile(r"http://(127\.0\.0\.1|localhost)\b[^\s\"']*")


def terms_in(kind: type[Gateway], form: Mapping[str, str], formats: Formats) -> MethodTerms:
    """Read a form, its amounts as its reader writes them; raises `InvalidInputError`."""
    currency = form.get("currency", "").strip().upper()
    amounts = {
        name: amount_typed(formats, form.get(name, ""), field=name, currency=currency)
        for name in [*AMOUNTS, *(setting.name for setting in kind.settings if setting.kind == "amount")]
    }
    minimum = amounts["minimum"]
    if minimum is None:
        raise InvalidInputError(field="minimum", reason=NEEDED)
    options = {setting.name: _option(setting, form, amounts) for setting in kind.settings if setting.kind != "secret"}
    return MethodTerms(
        name=form.get("name", ""),
        currency=currency,
        minimum=minimum,
        maximum=amounts["maximum"],
        fee_percent=_percent(form) or Decimal(0),
        fee_fixed=amounts["fee_fixed"] or Decimal(0),
        expires_minutes=_whole(form, "expires_minutes"),
        options=options,
        policy=Policy(
            underpaid=form.get("underpaid", ""),
            overpaid=form.get("overpaid", ""),
            repeated=form.get("repeated", ""),
            late_days=_whole(form, "late_days"),
        ),
        position=_whole(form, "position"),
    )


def secrets_in(kind: type[Gateway], form: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that were typed; those that were left empty stay as they are."""
    names = [setting.name for setting in kind.settings if setting.kind == "secret"]
    return {name: form.get(name, "").strip() for name in names}


def typed_of(method: PaymentMethod, formats: Formats) -> dict[str, str]:
    """Return what stands in the fields of a method, for this reader."""
    policy = Policy.of(method.policy)
    fixed: dict[str, Any] = {
        "name": method.name,
        "currency": method.currency,
        "minimum": method.minimum,
        "maximum": method.maximum,
        "fee_percent": method.fee_percent,
        "fee_fixed": method.fee_fixed,
        "expires_minutes": method.expires_minutes,
        "position": method.position,
        "underpaid": policy.underpaid,
        "overpaid": policy.overpaid,
        "repeated": policy.repeated,
        "late_days": policy.late_days,
    }
    return {name: _written(value, formats) for name, value in {**method.options, **fixed}.items()}


def new_typed(kind: type[Gateway], *, name: str, currency: str, prefix: str) -> dict[str, str]:
    """Return what stands in the fields of a method that is new."""
    policy = Policy.usual(by_transfer=kind.uses_memo)
    only = sorted(kind.currencies)
    return {
        **{setting.name: setting.default for setting in kind.settings if setting.kind != "secret"},
        "memo_prefix": prefix,
        "name": name,
        "currency": currency if not only or currency in only else only[0],
        "minimum": "",
        "maximum": "",
        "fee_percent": "0",
        "fee_fixed": "0",
        "expires_minutes": str(kind.expires_minutes),
        "position": "0",
        "underpaid": policy.underpaid,
        "overpaid": policy.overpaid,
        "repeated": policy.repeated,
        "late_days": str(policy.late_days),
    }


def sign_of_tests(
    kind: type[Gateway], options: Mapping[str, Any], secrets: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Return what shows that a method is set up for tests: another address than its gateway's own, its word for tests, its key."""
    for setting in kind.settings:
        kept = str(options.get(setting.name) or "")
        newest = next(iter((secrets or {}).get(setting.name, ())), kept)
        if sign := next((begin for begin in setting.test_begins if newest.startswith(begin)), ""):
            return sign
        if setting.kind == "choice" and kept in TEST_WORDS:
            return kept
        if setting.kind == "lines" and (within := _WITHIN.search(kept)):
            return within[0]
        if kept.startswith(("http://", "https://")) and (
            urlsplit(kept).hostname in THIS_MACHINE or setting.default not in {"", kept}
        ):
            return kept
    return ""


def _option(setting: Setting, form: Mapping[str, str], amounts: Mapping[str, Decimal | None]) -> str:
    typed = form.get(setting.name, "")
    if setting.kind == "amount":
        amount = amounts[setting.name]
        return "" if amount is None else plain(amount)
    return typed.replace("\r\n", "\n").strip() if setting.kind == "lines" else " ".join(typed.split())


def _percent(form: Mapping[str, str]) -> Decimal | None:
    typed = "".join(form.get("fee_percent", "").split()).replace("%", "")
    if "," in typed and "." not in typed and typed.count(",") == 1:
        typed = typed.replace(",", ".")
    return parse_amount(typed, field="fee_percent") if typed else None


def _whole(form: Mapping[str, str], name: str) -> int:
    typed = form.get(name, "").strip() or "0"
    if not (typed.isascii() and typed.isdigit() and len(typed) <= WHOLE_DIGITS_MAX):
        raise InvalidInputError(field=name, reason=NOT_WHOLE)
    return int(typed)


def _written(value: Any, formats: Formats) -> str:
    if value is None:
        return ""
    return amount_written(formats, value) if isinstance(value, Decimal) else str(value)
