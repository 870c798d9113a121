"""Words for people in three languages. English is the source; the catalogues of the others are data files."""

import json
from collections.abc import Container, Mapping
from functools import lru_cache
from pathlib import Path

LANGUAGES: Mapping[str, str] = {"en": "English", "vi": "Tiếng Việt", "id": "Bahasa Indonesia"}
"""The languages offered, named in themselves."""
SOURCE_LANGUAGE = "en"
_PACKAGE = Path(__file__).parent.parent
_ACCEPTED_MAX = 20


@lru_cache(maxsize=len(LANGUAGES))
def catalogue(language: str) -> Mapping[str, str]:
    """Return a language's translations by their English text; English needs none."""
    if language == SOURCE_LANGUAGE or language not in LANGUAGES:
        return {}
    return {text: said for path in catalogue_files(language) for text, said in _read(path).items()}


def catalogue_files(language: str) -> list[Path]:
    """Return the files of a language's catalogue: those that all share, then each feature's own (`orders/locales/vi/`)."""
    return [*sorted(_PACKAGE.glob(f"locales/{language}*.json")), *sorted(_PACKAGE.glob(f"*/locales/{language}/*.json"))]


def _read(path: Path) -> Mapping[str, str]:
    loaded: Mapping[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def translate(language: str, text: str, **fields: object) -> str:
    """Say an English text, with `{named}` places for the fields, in a language; untranslated texts stay English."""
    said = catalogue(language).get(text, text)
    return said.format(**fields) if fields else said


def marked(text: str) -> str:
    """Mark a text that is translated elsewhere, later; returns it unchanged."""
    return text


def known_language(code: str | None) -> str | None:
    """Return the offered language that a code such as `vi-VN` means; `None` if it means none of them."""
    if not code:
        return None
    base = code.strip().lower().replace("_", "-").partition("-")[0]
    # Browsers and old Java programs still say "in" for Indonesian.
    base = {"in": "id"}.get(base, base)
    return base if base in LANGUAGES else None


def accepted_language(header: str, offered: Container[str] = LANGUAGES) -> str | None:
    """Return the offered language that an `Accept-Language` header likes best; `None` if it likes none of them."""
    liked: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")[:_ACCEPTED_MAX]):
        code, _, weight = part.partition(";")
        language = known_language(code)
        if language is not None and language in offered and (share := _weight(weight)) > 0:
            liked.append((-share, place, language))
    return min(liked)[2] if liked else None


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        share = float(value)
    except ValueError:
        return 0.0
    return share if 0 <= share <= 1 else 0.0
