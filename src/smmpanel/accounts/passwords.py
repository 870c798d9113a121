"""Passwords: argon2id, computed off the event loop; old bcrypt hashes are accepted and upgraded."""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from smmpanel.kernel.errors import PanelError

LENGTH_MIN = 8
LENGTH_MAX = 128
TYPED_MAX = 1024
"""What is looked at when signing in; nobody's password is longer, and hashing more would be a gift to attackers."""
BCRYPT_BYTES_MAX = 72
"""bcrypt sees no further than this."""
NO_PASSWORD = "-"  # noqa: S105 - no password has this hash
"""Kept in place of a hash for accounts that sign in by other means only."""
_BCRYPT_MARKS = ("$2a$", "$2b$", "$2y$")

# Blocks above 32 MiB are always mapped, and so given back at once: with the usual 19 MiB each thread would keep its
# block for good, which is most of what an idle process weighs. One pass over 46 MiB costs an attacker as much.
_hasher = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
# Two at a time: guesses from many addresses must not eat the machine's memory or all of its cores.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")

_NOBODYS_HASH = _hasher.hash("no password matches this one, and nobody has it")


class WeakPasswordError(PanelError):
    """The password is too short or too long."""

    code, status, message = "weak_password", 422, "A password has {min} to {max} characters."


def check_password_rules(password: str) -> None:
    """Raise `WeakPasswordError` for a password that may not be chosen."""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise WeakPasswordError(field="password", min=LENGTH_MIN, max=LENGTH_MAX)


async def hash_password(password: str) -> str:
    """Hash a new password; raises `WeakPasswordError`."""
    check_password_rules(password)
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, _typed(password))


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether a password fits a stored hash. Without one (nobody has that name, or it has none) it takes as long and says no."""
    if len(password) > TYPED_MAX:
        stored, password = None, password[:TYPED_MAX]
    return await asyncio.get_running_loop().run_in_executor(_threads, _fits, stored, password)


def should_upgrade(stored: str, password: str) -> bool:
    """Whether a hash whose password was just given right ought to be made anew.

    Longer passwords than bcrypt sees are left alone: only their beginning was checked, and an upgrade would set in stone
    whatever was typed after it.
    """
    if stored.startswith(_BCRYPT_MARKS):
        return len(password.encode()) <= BCRYPT_BYTES_MAX
    return _hasher.check_needs_rehash(stored)


async def upgraded_hash(password: str) -> str:
    """Hash a password that was accepted before, whatever today's rules for new ones are."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, _typed(password))


def _typed(password: str) -> str:
    # The same Vietnamese letter can be one character or two, depending on the keyboard.
    return unicodedata.normalize("NFC", password)


def _fits(stored: str | None, password: str) -> bool:
    if stored is None or stored == NO_PASSWORD:
        _argon2_fits(_NOBODYS_HASH, password)
        return False
    if stored.startswith(_BCRYPT_MARKS):
        return _bcrypt_fits(stored, password)
    return _argon2_fits(stored, password)


def _argon2_fits(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, _typed(password))
    except (VerificationError, InvalidHashError, ValueError):
        return False


def _bcrypt_fits(stored: str, password: str) -> bool:
    if "\0" in password:
        return False  # bcrypt takes the end of a text for the beginning of its repetition
    try:
        return bcrypt.checkpw(password.encode()[:BCRYPT_BYTES_MAX], stored.encode())
    except ValueError:
        return False
