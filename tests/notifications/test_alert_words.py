"""Every kind of alert that anything raises has a name and a sentence."""

import ast
import importlib
from datetime import UTC, datetime
from pathlib import Path

import smmpanel
from smmpanel.notifications.alert_words import ALERT_NAMES, sentence_of
from smmpanel.web.formats import Formats

PACKAGE = Path(smmpanel.__file__).parent
FORMATS = Formats("en", "UTC", "USD", datetime(2026, 5, 1, tzinfo=UTC))


def raised_kinds():
    for path in PACKAGE.glob("**/*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "raise_alert":
                kind = call.args[1]
                module = ".".join(("smmpanel", *path.relative_to(PACKAGE).with_suffix("").parts))
                assert isinstance(kind, ast.Name), f"{module}: the kind of an alert is a constant of its module"
                yield getattr(importlib.import_module(module), kind.id)


def test_what_is_raised_has_a_name():
    raised = set(raised_kinds())

    assert "books_differ" in raised
    assert raised == set(ALERT_NAMES)


def test_an_amount_is_written_in_its_own_currency():
    fields = {"provider": "peak", "balance": "1234.5", "low_balance": "2000.00", "currency": "EUR"}

    assert sentence_of(FORMATS, "provider_low_balance", fields) == "€1,234.50 is left. The warning is set at €2,000.00."


def test_what_is_missing_or_odd_breaks_no_page():
    assert sentence_of(FORMATS, "provider_low_balance", {"balance": "1"}) == ""
    assert sentence_of(FORMATS, "nobody_knows_this", {"language": "x", "text": "y"}) == ""
    assert sentence_of(FORMATS, "provider_low_balance", {"balance": "?", "low_balance": None, "currency": "EUR"}) == (
        "? is left. The warning is set at ."
    )
