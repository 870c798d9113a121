"""Signing and proving: which bytes are signed, with what, and how a signature is written."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from smmpanel.payments.gateways.generic.configuration import IN_FIELDS, TOKENS, Sign
from smmpanel.payments.gateways.generic.paths import as_text, name_of, written_at
from smmpanel.payments.protocol import UnreadableMessageError
from smmpanel.payments.signing import is_one_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

NAMES_MAX = 40
PEM_COLUMNS = 64
RSA_BITS_MIN = 2048
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PEM = re.compile(r"-----BEGIN (?P<kind>[A-Z ]{3,40})-----(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=kind)-----")


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature is about: the bytes as they are sent, the fields in them, and the time that stands beside."""

    raw: bytes
    fields: Mapping[str, object]
    timestamp: str = ""


def bytes_of(sign: Sign, signed: Signed) -> bytes:
    """Return the bytes that are signed, without the secret. Raises `UnreadableMessageError` where a field is missing or none."""
    match sign.payload:
        case "raw_body":
            return signed.raw
        case "ts.body":
            return f"{signed.timestamp}.".encode() + signed.raw
        case "base64(raw_body)":
            return base64.b64encode(signed.raw)
    pairs = pairs_of(sign, signed.fields)
    if sign.payload == "fields_concat":
        return sign.separator.join(value for _, value in pairs).encode()
    return sign.separator.join(f"{name}{sign.kv_sep}{value}" for name, value in pairs).encode()


def pairs_of(sign: Sign, fields: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the names and values that are signed, in their order."""
    if sign.payload == "sorted_kv" and not sign.fields:
        left_out = {*sign.exclude, *_own_names(sign)}
        pairs = [(name, as_text(fields[name])) for name in sorted(fields) if name not in left_out]
    else:
        paths = _listed(sign, fields) if sign.fields_from is not None else sign.fields
        pairs = [(name_of(path), written_at(fields, path)) for path in paths]
        if sign.payload == "sorted_kv":
            pairs.sort()
    if sign.skip_empty:
        return [pair for pair in pairs if pair[1]]
    return pairs


def is_ambiguous(sign: Sign, fields: Mapping[str, object]) -> bool:
    """Whether the signed text could be that of other fields too: where one ends is not to be seen in it."""
    if sign.payload not in IN_FIELDS:
        return False
    pairs = pairs_of(sign, fields)
    if not sign.separator:
        return len(pairs) > 1
    if sign.payload == "fields_concat":
        return any(sign.separator in value for _, value in pairs)
    return any(sign.separator in f"{name}{value}" or sign.kv_sep in name for name, value in pairs)


def signature_of(sign: Sign, signed: Signed, secret: str) -> str:
    """Sign something with a secret; of `rsa-sha256`, a private key in PEM. Raises `ValueError` for a key that is none."""
    if sign.algo == "static_token":
        return secret
    if sign.algo == "basic":
        return base64.b64encode(f"{sign.username}:{secret}".encode()).decode()
    content = bytes_of(sign, signed)
    if sign.algo == "rsa-sha256":
        return _written(_rsa_signature(content, secret), sign.encoding)
    if sign.algo.startswith("hmac-"):
        return _written(hmac.digest(secret.encode(), content, sign.algo.removeprefix("hmac-")), sign.encoding)
    digest = hashlib.new(sign.algo, _with_secret(sign, content, secret), usedforsecurity=False)
    return _written(digest.digest(), sign.encoding)


def is_proved(sign: Sign, signed: Signed, given: Sequence[str], secrets: Sequence[str]) -> bool:
    """Whether one of the signatures given is right, with one of the secrets."""
    bare = [one.removeprefix(sign.prefix) for one in given if one.startswith(sign.prefix)]
    if sign.encoding == "base64" and sign.algo not in TOKENS:
        # In an address or a form, plus signs that nobody encoded have become blanks.
        bare = [one.replace(" ", "+") for one in bare]
    if sign.algo == "rsa-sha256":
        content = bytes_of(sign, signed)
        return any(_rsa_holds(content, _read(one, sign.encoding), key) for one in bare for key in sign.public_keys)
    expected = [_plain(sign, signature_of(sign, signed, secret)) for secret in secrets if secret]
    found = False
    for one in bare:
        found |= is_one_of(expected, _plain(sign, one))
    return found


def pem_in(text: str) -> str | None:
    """Return a key in PEM with its lines as they belong, whatever became of them in a form; `None` if it is none."""
    found = _PEM.search(text)
    if found is None:
        return None
    body = "".join(found["body"].split())
    lines = "\n".join(body[at : at + PEM_COLUMNS] for at in range(0, len(body), PEM_COLUMNS))
    return f"-----BEGIN {found['kind']}-----\n{lines}\n-----END {found['kind']}-----\n"


def is_public_key(text: str) -> bool:
    """Whether it is a public RSA key that is long enough."""
    return _public_key(text) is not None


def is_private_key(text: str) -> bool:
    """Whether it is a private RSA key that is long enough."""
    return _private_key(text) is not None


def _own_names(sign: Sign) -> set[str]:
    # A signature does not sign itself.
    kind, _, where = sign.location.partition(":")
    return {where.removeprefix("$.")} if kind == "body" else set()


def _listed(sign: Sign, fields: Mapping[str, object]) -> list[str]:
    """Return the paths of the fields that a message says it signs: all that must be among them, and none twice."""
    assert sign.fields_from is not None
    names = written_at(fields, sign.fields_from).split(",")
    needed = {name_of(path) for path in sign.fields}
    if len(names) > NAMES_MAX or len(set(names)) != len(names) or not needed <= set(names):
        raise UnreadableMessageError
    if any(name not in fields or not _NAME.fullmatch(name) for name in names):
        raise UnreadableMessageError
    by_name = {name_of(path): path for path in sign.fields}
    return [by_name.get(name, f"$.{name}") for name in names]


def _with_secret(sign: Sign, content: bytes, secret: str) -> bytes:
    own, between = secret.encode(), sign.secret_separator.encode()
    position = sign.secret_position or ""
    if position == "prefix":
        return own + between + content
    if position.startswith("kv:"):
        return content + between + f"{position.removeprefix('kv:')}{sign.kv_sep}".encode() + own
    return content + between + own


def _written(digest: bytes, encoding: str) -> str:
    match encoding:
        case "hex":
            return digest.hex()
        case "HEX":
            return digest.hex().upper()
        case "base64":
            return base64.b64encode(digest).decode()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _plain(sign: Sign, signature: str) -> str:
    # Some write base64 for addresses with its equals signs, some without.
    return signature.rstrip("=") if sign.encoding == "base64url" and sign.algo not in TOKENS else signature


def _read(signature: str, encoding: str) -> bytes:
    try:
        if encoding in {"hex", "HEX"}:
            return bytes.fromhex(signature)
        if encoding == "base64":
            return base64.b64decode(signature, validate=True)
        return base64.urlsafe_b64decode(signature.rstrip("=") + "=" * (-len(signature.rstrip("=")) % 4))
    except ValueError:
        return b""


def _rsa_signature(content: bytes, secret: str) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    key = _private_key(secret)
    if key is None:
        raise ValueError("no private key")
    return key.sign(content, PKCS1v15(), hashes.SHA256())


def _rsa_holds(content: bytes, signature: bytes, public_key: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    key = _public_key(public_key)
    if key is None or not signature:
        return False
    try:
        key.verify(signature, content, PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=16)
def _public_key(text: str) -> "RSAPublicKey | None":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key((pem_in(text) or "").encode())
    except ValueError:
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN else None


@lru_cache(maxsize=16)
def _private_key(text: str) -> "RSAPrivateKey | None":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key((pem_in(text) or "").encode(), password=None)
    except (ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPrivateKey) and key.key_size >= RSA_BITS_MIN else None
