"""How Binance Pay's requests and messages are signed: over time, nonce and body, each with a line end, the last one too."""

import base64
import secrets
import string
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from smmpanel.payments.signing import hmac_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

NONCE_LETTERS = 32
STAMP_DIGITS_MAX = 14
"""Of milliseconds; longer than for the next thousand years."""
KEY_BITS_MIN = 2048
EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(moment: datetime) -> int:
    """Return a moment as Binance writes it."""
    return (moment - EPOCH) // _MILLISECOND


def new_nonce() -> str:
    """Return 32 random letters."""
    return "".join(secrets.choice(string.ascii_letters) for _ in range(NONCE_LETTERS))


def signed_bytes(stamp: bytes, nonce: bytes, body: bytes) -> bytes:
    """Return what is signed, in both directions."""
    return b"%b\n%b\n%b\n" % (stamp, nonce, body)


def request_signature(secret: str, stamp: str, nonce: str, body: bytes) -> str:
    """Return the signature of a request with exactly this body."""
    return hmac_text(secret, signed_bytes(stamp.encode(), nonce.encode(), body), "sha512").upper()


def public_key(pem: str) -> "RSAPublicKey | None":
    """Return the key that a PEM text holds, if it is one that messages can be signed with."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= KEY_BITS_MIN else None


def is_signed_with(key: "RSAPublicKey", signature: bytes, signed: bytes) -> bool:
    """Whether a signature in base64 is this key's, over these bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(base64.b64decode(signature, validate=True), signed, PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature):
        return False
    return True
