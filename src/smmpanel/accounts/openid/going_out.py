"""Sending a browser to another site, and reading what it brings back: bound to the browser, to this try, and once."""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.openid.issuers import Issuer, Issuers
from smmpanel.accounts.openid.settings import OpenIdSettings
from smmpanel.accounts.openid.tokens import Claims, TokenRefusedError, UnknownKeyError, claims_in, read_id_token
from smmpanel.accounts.steps import Step, StepKind, begin_step
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.ids import random_text

SCOPES = "openid email profile"
RANDOM_LENGTH = 43
CODE_MAX = 2_000


@dataclass(frozen=True, slots=True)
class WayOut:
    """Where a browser is sent, and the token of the step that it must bring back."""

    url: str
    token: str


async def send_out(
    session: AsyncSession,
    vault: Vault,
    ours: OpenIdSettings,
    issuer: Issuer,
    *,
    redirect_uri: str,
    target: str,
    user_id: int | None,
    now: datetime,
) -> WayOut:
    """Begin a try: to sign in, or with `user_id` to connect the other site with that user's account."""
    state, nonce, verifier = (random_text(RANDOM_LENGTH) for _ in range(3))
    body = {
        "state": state,
        "nonce": nonce,
        "verifier": verifier,
        "issuer": ours.issuer,
        "client_id": ours.client_id,
        "redirect_uri": redirect_uri,
        "target": target,
    }
    token = await begin_step(session, vault, StepKind.OPENID, user_id=user_id, body=body, now=now)
    asked = {
        "response_type": "code",
        "client_id": ours.client_id,
        "redirect_uri": redirect_uri,
        "scope": SCOPES,
        "state": state,
        "nonce": nonce,
        "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    mark = "&" if "?" in issuer.authorize_url else "?"
    return WayOut(f"{issuer.authorize_url}{mark}{urlencode(asked)}", token)


async def read_answer(
    issuers: Issuers, ours: OpenIdSettings, step: Step, *, state: str, code: str, iss: str, now: datetime
) -> Claims:
    """Return whom the other site vouches for, from what a browser brought back. No transaction is open here.

    Raises `TokenRefusedError` or `IssuerTroubleError`.
    """
    body = step.body
    is_same = body["issuer"] == ours.issuer and body["client_id"] == ours.client_id
    if not is_same or not hmac.compare_digest(state.encode(), body["state"].encode()):
        raise TokenRefusedError
    issuer = await issuers.describe(ours.issuer, now=now)
    if not 1 <= len(code) <= CODE_MAX or (iss and iss != issuer.name):
        raise TokenRefusedError
    tokens = await issuers.exchange(
        issuer, ours, code=code, verifier=body["verifier"], redirect_uri=body["redirect_uri"]
    )
    signed = tokens.get("id_token")
    if not isinstance(signed, str):
        raise TokenRefusedError
    claims = await _verified(issuers, ours, issuer, signed, nonce=body["nonce"], now=now)
    access = tokens.get("access_token")
    if not claims.email and issuer.user_url and isinstance(access, str):
        said = claims_in(await issuers.user(issuer, access), issuer.name)
        # Only the token is signed: what is said beside it counts if it is about the same person.
        if said.subject != claims.subject:
            raise TokenRefusedError
        return said
    return claims


async def _verified(
    issuers: Issuers, ours: OpenIdSettings, issuer: Issuer, signed: str, *, nonce: str, now: datetime
) -> Claims:
    keys = await issuers.keys(ours.issuer, now=now)
    try:
        return read_id_token(signed, keys, issuer=issuer.name, client_id=ours.client_id, nonce=nonce, now=now)
    except UnknownKeyError:
        # Issuers change their keys: ask once more before refusing.
        keys = await issuers.keys(ours.issuer, now=now, unknown=True)
    return read_id_token(signed, keys, issuer=issuer.name, client_id=ours.client_id, nonce=nonce, now=now)
