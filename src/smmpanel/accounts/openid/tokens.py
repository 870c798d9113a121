"""Reading what an issuer signed: by one of its keys, for us, for this try, and not too old."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked

LEEWAY = timedelta(seconds=60)
SUBJECT_MAX = 255
TOKEN_MAX = 20_000
KEY_KINDS = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "EC", "ES384": "EC", "ES512": "EC", "EdDSA": "OKP",
}  # fmt: skip
"""The signatures that are taken, each with the kind of its key. None of them is made with a secret that both sides have."""


class TokenRefusedError(PanelError):
    """What the other site handed out is not meant for us, not for this try, not signed by it, or over."""

    code, status = "openid_refused", 403
    message = marked("The sign-in of the other site was not accepted. Please try again.")


class UnknownKeyError(TokenRefusedError):
    """The token is signed by no key that the issuer had when we last asked."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who somebody is, as an issuer says."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    """What they would like to be called; only a wish."""


def read_id_token(
    token: str, keys: Sequence[Mapping[str, Any]], *, issuer: str, client_id: str, nonce: str, now: datetime
) -> Claims:
    """Check an ID token in every respect and return what it says. Raises `TokenRefusedError`."""
    if len(token) > TOKEN_MAX:
        raise TokenRefusedError
    try:
        header = jwt.get_unverified_header(token)
        key = _key_for(header, keys)
        # Time is checked here and not by the library, which would look at its own clock.
        options: Any = {
            "require": ["iss", "sub", "aud", "exp", "iat"],
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        said = jwt.decode(
            token, key, algorithms=[header["alg"]], audience=client_id, issuer=issuer, options=options, leeway=LEEWAY
        )
        _check_time(said, now)
    except jwt.InvalidSignatureError:
        # Perhaps a new key under no name, or under an old one.
        raise UnknownKeyError from None
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        raise TokenRefusedError from None
    audience, party = said["aud"], said.get("azp")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        raise TokenRefusedError
    if party is not None and party != client_id:
        raise TokenRefusedError
    if not hmac.compare_digest(str(said.get("nonce", "")).encode(), nonce.encode()):
        raise TokenRefusedError
    return claims_in(said, issuer)


def claims_in(said: Mapping[str, Any], issuer: str) -> Claims:
    """Return what an issuer says of somebody. Raises `TokenRefusedError` if it does not say who."""
    subject, email = said.get("sub"), said.get("email")
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_MAX or not subject.isprintable():
        raise TokenRefusedError
    # Some issuers write the word instead of the value.
    verified = said.get("email_verified")
    is_verified = verified is True or verified == "true"
    name = said.get("preferred_username") or said.get("nickname") or ""
    return Claims(issuer, subject, email if isinstance(email, str) else "", is_verified, str(name))


def _check_time(said: Mapping[str, Any], now: datetime) -> None:
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    if float(said["exp"]) + leeway <= moment or float(said["iat"]) - leeway > moment:
        raise TokenRefusedError
    if float(said.get("nbf", 0)) - leeway > moment:
        raise TokenRefusedError


def _key_for(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> jwt.PyJWK:
    algorithm = header.get("alg")
    kind = KEY_KINDS.get(str(algorithm))
    if kind is None:
        raise TokenRefusedError
    wanted = header.get("kid")
    fitting = [
        key
        for key in keys
        if key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (wanted is None or key.get("kid") == wanted)
    ]
    if not fitting or (wanted is None and len(fitting) > 1):
        raise UnknownKeyError
    return jwt.PyJWK(dict(fitting[0]), algorithm=str(algorithm))
