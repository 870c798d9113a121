"""Random names and secrets."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits


def random_text(length: int) -> str:
    """Return letters and digits, about 5.95 bits each, from the system's generator."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
