"""Secrets: encrypted at rest with keys that can be rotated, hashed with a key where they only need to be recognised."""

import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

KEYS_FILE = "secret.keys"


class SecretUnreadableError(RuntimeError):
    """A stored secret was written with a key that is not in the ring."""


class Vault:
    """Encrypts with the newest key, reads with any, and derives keys for other purposes from the oldest.

    The oldest key stays the root of derived keys (API key hashes, token signatures) until it is dropped from the ring;
    dropping it therefore signs everybody out and revokes API keys. `docs/howto/rotate-keys.md` says so.
    """

    def __init__(self, keys: list[str]) -> None:
        if not keys:
            raise ValueError("a vault needs at least one key")
        self._ring = MultiFernet([Fernet(key) for key in keys])
        self._root = keys[-1].encode()

    def seal(self, plain: str) -> bytes:
        """Encrypt a secret for storage."""
        return self._ring.encrypt(plain.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt a stored secret; raises `SecretUnreadableError` if no key of the ring fits."""
        try:
            return self._ring.decrypt(sealed).decode()
        except InvalidToken:
            raise SecretUnreadableError("no key in the ring opens this secret") from None

    def reseal(self, sealed: bytes) -> bytes:
        """Encrypt a stored secret anew with the newest key; raises `SecretUnreadableError` if no key of the ring fits."""
        try:
            return self._ring.rotate(sealed)
        except InvalidToken:
            raise SecretUnreadableError("no key in the ring opens this secret") from None

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key for one purpose."""
        return hmac.digest(self._root, purpose.encode(), "sha256")

    def keyed_hash(self, purpose: str, value: str) -> bytes:
        """Hash a value so that it can be recognised but, without the key, neither read nor guessed offline."""
        return hmac.digest(self.derive(purpose), value.encode(), sha256)


def load_vault(home: Path, given: str | None) -> Vault:
    """Open the key ring: the given keys, or those in `home`, made on first use and readable by their owner only."""
    if given:
        return Vault([key.strip() for key in given.split(",") if key.strip()])
    path = home / KEYS_FILE
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        _create_keys_file(path)
    return Vault([line for line in path.read_text().split() if line])


def _create_keys_file(path: Path) -> None:
    # Written beside and linked into place: of two processes starting at once one wins, and both read the same whole file.
    draft = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(Fernet.generate_key().decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def add_key(home: Path) -> None:
    """Put a new newest key in front of the ring kept in `home`."""
    path = home / KEYS_FILE
    kept = path.read_text()
    draft = path.with_suffix(f".{os.getpid()}.next")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(Fernet.generate_key().decode() + "\n" + kept)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
