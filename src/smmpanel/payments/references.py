"""References and memo codes: short, unguessable, without look-alikes, never used twice."""

import re
import secrets
import unicodedata
from collections.abc import Iterable

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Letters and digits that nobody mistakes for one another, and that every gateway and bank lets through."""
REFERENCE_LENGTH = 14
CODE_LENGTH = 6
"""Of one length: banks drop spaces, and then nothing else says where a code ends."""
PREFIX = re.compile(r"[A-Z][A-Z0-9]{1,9}")
MEMO_MAX = 25
"""What bank apps surely let through."""

_OTHERS = re.compile(r"[^A-Z0-9]+")
_NO_MARKS = str.maketrans({"Đ": "D"})


def new_reference() -> str:
    """Return a new reference for gateways."""
    return _random(REFERENCE_LENGTH)


def new_code() -> str:
    """Return a new code for the memo of a transfer."""
    return _random(CODE_LENGTH)


def memo_for(prefix: str, code: str, *, marker: str = "") -> str:
    """Return the whole text of a transfer: `HOMEMMO ABC123`, with what some banks demand in front of it."""
    return " ".join(part for part in (marker, prefix, code) if part)


def codes_in(texts: Iterable[str], prefixes: Iterable[str]) -> list[str]:
    """Return what may be memo codes in texts of banks, in the order in which they stand there.

    Banks write before and after it, drop accents, punctuation and spaces: it is looked for anywhere, with spaces and without.
    """
    wanted = "|".join(sorted(map(re.escape, prefixes), key=len, reverse=True))
    if not wanted:
        return []
    # Looking ahead, so that a code is found even if it begins within what looked like another one.
    spaced = re.compile(rf"(?=(?:{wanted}) ?([A-Z0-9]{{{CODE_LENGTH}}}))")
    found: dict[str, None] = {}
    for text in texts:
        plain = plain_text(text)
        for version in (plain, plain.replace(" ", "")):
            found.update(dict.fromkeys(spaced.findall(version)))
    return list(found)


def plain_text(text: str) -> str:
    """Write a text as banks do: capitals without accents, one space for everything else."""
    upper = unicodedata.normalize("NFD", text.upper()).translate(_NO_MARKS)
    bare = "".join(letter for letter in upper if not unicodedata.combining(letter))
    return _OTHERS.sub(" ", bare).strip()


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
