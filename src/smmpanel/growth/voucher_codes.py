"""Codes of vouchers: sixteen signs of Crockford's base 32 in groups of four, such as `7K2M-9QXR-0FHT-W3ZC`.

Eighty random bits, so nobody guesses one; signs that look alike are one sign, so whoever types one from paper gets it right.
"""

import secrets

from smmpanel.kernel.crypto import Vault

SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH, GROUP = 16, 4
TYPED_MAX = 64
_ALIKE = str.maketrans({"I": "1", "L": "1", "O": "0"})


def new_code() -> str:
    """Return a code that nobody can guess, as it is given to people."""
    signs = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
    return "-".join(signs[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def bare(typed: str) -> str:
    """Return a code as it was meant, however it was typed.

    >>> bare("7k2m 9qxr-ofht w3zc")
    '7K2M9QXR0FHTW3ZC'
    """
    return "".join(typed[:TYPED_MAX].split()).replace("-", "").upper().translate(_ALIKE)


def code_hash(vault: Vault, typed: str) -> bytes:
    """Return what is kept of a code."""
    return vault.keyed_hash("voucher", bare(typed))
