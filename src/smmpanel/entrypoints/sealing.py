"""Files sealed with a passphrase: what is read back is exactly what was written, to its end, or nothing is believed.

The first line of a file names the format and its version; a header with the salt and the cost of the key follows, then the
content in pieces. Each piece is sealed with its number and with whether it is the last, so that pieces can be neither
changed nor swapped, left out or cut off.
"""

import secrets
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC = b"smmpanel backup 1\n"
PIECE_BYTES = 1024 * 1024
TAG_BYTES = 16
SALT_BYTES = 16
SCRYPT_LOG_N = 16
SCRYPT_R = 8
SCRYPT_P = 1
# What a header may ask for: 256 MB of memory at most, or a forged file could exhaust the machine before it is refused.
SCRYPT_LOG_N_MAX = 18
_HEADER = struct.Struct(">BBB16s")


class SealedFileError(RuntimeError):
    """A sealed file cannot be opened; the message says why as far as that can be known."""


@dataclass(frozen=True)
class _Seal:
    cipher: AESGCM
    header: bytes

    def nonce(self, number: int, *, is_last: bool) -> bytes:
        # Never used twice: the key belongs to this file's salt alone, and the number to the piece.
        return struct.pack(">QHBB", number, 0, 0, is_last)


def seal(content: Iterable[bytes], passphrase: str, target: BinaryIO) -> None:
    """Write the content, sealed, to a file."""
    header = MAGIC + _HEADER.pack(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, secrets.token_bytes(SALT_BYTES))
    kept = _Seal(_cipher(passphrase, header), header)
    target.write(header)
    number, waiting = 0, bytearray()
    for part in content:
        waiting += part
        # The last piece must be known to be the last when it is sealed: a full one waits until more has come.
        while len(waiting) > PIECE_BYTES:
            target.write(_sealed(kept, number, bytes(waiting[:PIECE_BYTES]), is_last=False))
            del waiting[:PIECE_BYTES]
            number += 1
    target.write(_sealed(kept, number, bytes(waiting), is_last=True))


def unseal(source: BinaryIO, passphrase: str) -> Iterator[bytes]:
    """Yield the content piece by piece, each one proven; what is cut, changed or continued raises `SealedFileError`."""
    source.seek(0)
    header = source.read(len(MAGIC) + _HEADER.size)
    if not header.startswith(MAGIC):
        raise SealedFileError("this is not a backup that this version can read")
    if len(header) < len(MAGIC) + _HEADER.size:
        raise SealedFileError("the backup is cut off")
    kept = _Seal(_cipher(passphrase, header), header)
    number, piece = 0, source.read(PIECE_BYTES + TAG_BYTES)
    while piece:
        following = source.read(PIECE_BYTES + TAG_BYTES)
        yield _unsealed(kept, number, piece, is_last=not following)
        number, piece = number + 1, following
    if number == 0:
        raise SealedFileError("the backup is cut off")


def _sealed(kept: _Seal, number: int, piece: bytes, *, is_last: bool) -> bytes:
    return kept.cipher.encrypt(kept.nonce(number, is_last=is_last), piece, kept.header)


def _unsealed(kept: _Seal, number: int, piece: bytes, *, is_last: bool) -> bytes:
    try:
        return kept.cipher.decrypt(kept.nonce(number, is_last=is_last), piece, kept.header)
    except InvalidTag:
        reason = (
            "the passphrase is wrong, or the backup is damaged" if number == 0 else "the backup is damaged or cut off"
        )
        raise SealedFileError(reason) from None


def _cipher(passphrase: str, header: bytes) -> AESGCM:
    log_n, r, p, salt = _HEADER.unpack(header[len(MAGIC) :])
    if not 14 <= log_n <= SCRYPT_LOG_N_MAX or r != SCRYPT_R or not 1 <= p <= 4:
        raise SealedFileError("the backup is damaged")
    return AESGCM(Scrypt(salt=salt, length=32, n=2**log_n, r=r, p=p).derive(passphrase.encode()))
