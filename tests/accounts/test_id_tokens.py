"""What another site signed is believed only if it fits in every respect."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from smmpanel.accounts.openid.issuers import Issuers, IssuerTroubleError
from smmpanel.accounts.openid.tokens import LEEWAY, TokenRefusedError, UnknownKeyError, read_id_token
from smmpanel.kernel.http import Outgoing

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ISSUER, CLIENT, NONCE = "https://issuer.example", "the-panel", "a nonce of our own"
RSA, OTHER, CURVE = (
    rsa.generate_private_key(65537, 2048),
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
)


def jwk(key, kid):
    kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


KEYS = [jwk(RSA, "one"), jwk(CURVE, "two")]


def signed(key=RSA, kid="one", algorithm="RS256", **changed):
    claims = {
        "iss": ISSUER,
        "sub": "mai-1",
        "aud": CLIENT,
        "nonce": NONCE,
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(minutes=5)).timestamp()),
        "email": "mai@example.com",
        "email_verified": True,
    }
    kept = {name: value for name, value in (claims | changed).items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={} if kid is None else {"kid": kid})


def read(token, keys=KEYS, now=NOW):
    return read_id_token(token, keys, issuer=ISSUER, client_id=CLIENT, nonce=NONCE, now=now)


@pytest.mark.parametrize(
    "token",
    [
        signed(),
        signed(CURVE, "two", "ES256"),
        signed(aud=[CLIENT, "another"], azp=CLIENT),
        signed(iat=int((NOW + LEEWAY / 2).timestamp())),
        signed(email_verified="true"),
    ],
)
def test_what_fits_is_read(token):
    claims = read(token)

    assert (claims.subject, claims.email, claims.email_verified) == ("mai-1", "mai@example.com", True)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another"},
        {"aud": ["another", "third"]},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"iss": "https://other.example"},
        {"iss": ISSUER + "/"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": int((NOW - timedelta(minutes=2)).timestamp())},
        {"exp": None},
        {"iat": int((NOW + timedelta(minutes=2)).timestamp())},
        {"nbf": int((NOW + timedelta(minutes=2)).timestamp())},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
    ],
    ids=str,
)
def test_a_claim_that_does_not_fit_is_refused(changed):
    with pytest.raises(TokenRefusedError):
        read(signed(**changed))


def test_an_address_counts_as_verified_only_if_that_is_said():
    assert [read(signed(email_verified=said)).email_verified for said in (False, None, "yes", 1, "false")] == [
        False, False, False, False, False,
    ]  # fmt: skip


def test_only_a_key_of_the_issuers_signs():
    public = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    # The library would refuse to sign with it, so the forger writes it by hand.
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = signed().split(".")[1].encode()
    head = part({"alg": "HS256", "kid": "one", "typ": "JWT"})
    mark = base64.urlsafe_b64encode(hmac.digest(public, head + b"." + body, "sha256")).rstrip(b"=")
    unsigned = b".".join([part({"alg": "none", "kid": "one"}), body, b""])
    forged = [
        signed(OTHER),
        b".".join([head, body, mark]).decode(),
        unsigned.decode(),
        "nonsense",
        "a.b.c",
        "x" * 30_000,
    ]

    for token in forged:
        with pytest.raises(TokenRefusedError):
            read(token)


def test_a_key_that_is_not_known_is_told_apart_so_that_it_can_be_asked_for():
    for token, keys in ((signed(OTHER, "new"), KEYS), (signed(OTHER, None), [jwk(RSA, "one")]), (signed(), [])):
        with pytest.raises(UnknownKeyError):
            read(token, keys)
    assert read(signed(OTHER, "new"), [*KEYS, jwk(OTHER, "new")]).subject == "mai-1"
    assert read(signed(kid=None), [jwk(RSA, "one")]).subject == "mai-1"


def test_a_key_for_other_things_signs_nobody_in():
    with pytest.raises(TokenRefusedError):
        read(signed(), [{**jwk(RSA, "one"), "use": "enc"}])
    with pytest.raises(TokenRefusedError):
        read(signed(), [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}])


@pytest.mark.parametrize(
    "address", ["http://issuer.example", "ftp://issuer.example", "issuer.example", "https://a@b.example", ""]
)
async def test_no_issuer_is_asked_over_a_line_that_anybody_can_write_on(address):
    async with Outgoing() as http:
        with pytest.raises(IssuerTroubleError):
            await Issuers(http).describe(address, now=NOW)
