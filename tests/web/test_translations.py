"""Every text that people read exists in every language, with the same places for names and numbers."""

import ast
import importlib
import json
import re
import string
from collections import Counter
from pathlib import Path

import pytest

import smmpanel
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import LANGUAGES, catalogue, catalogue_files, translate

PACKAGE = Path(smmpanel.__file__).parent
IN_TEMPLATE = re.compile(r"""\bt\(\s*(?:"([^"]+)"|'([^']+)')""")
IN_BRACES = re.compile(r"\{[^}]*\}")
COUNTED = re.compile(r"""\btn\([^"']+,\s*(?:"([^"]+)"|'([^']+)'),\s*(?:"([^"]+)"|'([^']+)')""")
SPEAKING = ("kernel", "web", "accounts", "ledger", "catalog", "orders", "payments", "growth")


def texts_of_templates():
    return {
        found[1] or found[2]
        for path in PACKAGE.glob("*/templates/**/*.html")
        for found in IN_TEMPLATE.finditer(path.read_text("utf-8"))
    } | {
        # Only English has a form for one; the others say everything in the form for many.
        found[3] or found[4]
        for path in PACKAGE.glob("*/templates/**/*.html")
        for found in COUNTED.finditer(path.read_text("utf-8"))
    }


def marked_texts():
    return {
        call.args[0].value
        for path in PACKAGE.glob("**/*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "marked"
        and isinstance(call.args[0], ast.Constant)
    }


def kinds_of(kind):
    yield kind
    for narrower in kind.__subclasses__():
        yield from kinds_of(narrower)


def messages_of_errors():
    for package in SPEAKING:
        for path in (PACKAGE / package).glob("*.py"):
            importlib.import_module(f"smmpanel.{package}.{path.stem}")
    said = {kind.message for kind in kinds_of(PanelError) if _speaks(kind)}
    return {message for message in said if IN_BRACES.sub("", message)}  # some are one of their facts


def _speaks(kind):
    return kind.__module__.startswith(tuple(f"smmpanel.{package}." for package in SPEAKING))


def places(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.fixture(scope="module")
def texts():
    found = texts_of_templates() | marked_texts() | messages_of_errors()
    assert {"Sign in", "Enter your password.", "The name or the password is wrong."} <= found
    return found


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_every_text_is_translated(texts, language):
    assert texts - set(catalogue(language)) == set()


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_translations_have_the_same_places(language):
    wrong = {
        text: said for text, said in catalogue(language).items() if places(text) != places(said) or not said.strip()
    }

    assert wrong == {}


def test_no_marked_text_is_put_together_at_run_time():
    for path in PACKAGE.glob("**/*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "marked":
                assert isinstance(call.args[0], ast.Constant), path


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_no_text_is_translated_in_two_places(language):
    counted = Counter(text for path in catalogue_files(language) for text in json.loads(path.read_text("utf-8")))

    assert [text for text, times in counted.items() if times > 1] == []


def test_catalogues_are_sorted_so_that_changes_can_be_read():
    for language in ("vi", "id"):
        for path in catalogue_files(language):
            loaded = json.loads(path.read_text("utf-8"))
            assert list(loaded) == sorted(loaded), path


def test_an_untranslated_text_stays_english():
    assert translate("vi", "Nobody has translated this {thing}.", thing="text") == "Nobody has translated this text."
    assert translate("en", "Braces {} stay without fields") == "Braces {} stay without fields"
