"""What an issuer says of itself: its addresses and its keys, asked for when they are needed and kept for a while.

Nothing here touches the database: no transaction waits for another site.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from smmpanel.accounts.openid.settings import OpenIdSettings, is_address
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.http import Outgoing, OutgoingError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.logging import get_logger

KEPT_FOR = timedelta(hours=1)
KEYS_AGAIN_AFTER = timedelta(seconds=30)
"""A token with an unknown key has the keys asked for anew, but a flood of such tokens does not."""
ANSWER_BYTES_MAX = 256 * 1024
TIMEOUT_SECONDS = 10.0
KEYS_MAX = 50

log = get_logger()


class IssuerTroubleError(PanelError):
    """The other site cannot be reached, or answers what we do not understand."""

    code, status = "issuer_trouble", 502
    message = marked("The other site does not answer as it should. Try again later, or sign in with your password.")


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer as its own document describes it."""

    name: str
    """What its tokens call it."""
    authorize_url: str
    token_url: str
    keys_url: str
    user_url: str
    secret_in_form: bool
    """Whether it takes our secret in the form; else in the header."""


@dataclass(slots=True)
class _Known:
    issuer: Issuer
    asked_at: datetime
    keys: Sequence[Mapping[str, Any]] = ()
    keys_at: datetime | None = None


@dataclass(slots=True)
class Issuers:
    """The issuers that this process has asked."""

    http: Outgoing
    _known: dict[str, _Known] = field(default_factory=dict)

    async def describe(self, address: str, *, now: datetime) -> Issuer:
        """Return what an issuer says of itself. Raises `IssuerTroubleError`."""
        if not is_address(address):
            # Whatever the environment says: over a line that anybody can write on, anybody would be the issuer.
            raise IssuerTroubleError
        known = self._known.get(address)
        if known is None or known.asked_at + KEPT_FOR <= now:
            said = await self._ask(f"{address.rstrip('/')}/.well-known/openid-configuration")
            self._known.clear()  # there is one at a time
            known = self._known[address] = _Known(_described(address, said), now)
        return known.issuer

    async def keys(self, address: str, *, now: datetime, unknown: bool = False) -> Sequence[Mapping[str, Any]]:
        """Return an issuer's keys; with `unknown`, asked for anew because one of them was missing."""
        issuer = await self.describe(address, now=now)
        known = self._known[address]
        wait = KEYS_AGAIN_AFTER if unknown else KEPT_FOR
        if known.keys_at is None or known.keys_at + wait <= now:
            said = await self._ask(issuer.keys_url)
            keys = said.get("keys")
            if not isinstance(keys, list):
                raise IssuerTroubleError
            known.keys = [key for key in keys[:KEYS_MAX] if isinstance(key, dict)]
            known.keys_at = now
        return known.keys

    async def exchange(
        self, issuer: Issuer, ours: OpenIdSettings, *, code: str, verifier: str, redirect_uri: str
    ) -> Mapping[str, Any]:
        """Trade the code that a browser brought for tokens. Raises `IssuerTroubleError`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": ours.client_id,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        if ours.client_secret and issuer.secret_in_form:
            form["client_secret"] = ours.client_secret
        elif ours.client_secret:
            headers["authorization"] = _basic(ours)
        secrets = [secret for secret in (ours.client_secret, code, verifier) if secret]
        return await self._ask(issuer.token_url, form=form, headers=headers, secrets=secrets)

    async def user(self, issuer: Issuer, access_token: str) -> Mapping[str, Any]:
        """Return what an issuer says of whom a token stands for. Raises `IssuerTroubleError`."""
        headers = {"authorization": f"Bearer {access_token}"}
        return await self._ask(issuer.user_url, headers=headers, secrets=[access_token])

    async def _ask(
        self,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> Mapping[str, Any]:
        try:
            answer = await self.http.send(
                "GET" if form is None else "POST",
                url,
                form=form,
                headers={"accept": "application/json", **(headers or {})},
                timeout_seconds=TIMEOUT_SECONDS,
                max_body_bytes=ANSWER_BYTES_MAX,
                secrets=secrets,
            )
            said = json.loads(answer.text)
        except (OutgoingError, ValueError, RecursionError) as trouble:
            log.warning("issuer_trouble", url=url, why=str(trouble)[:200])
            raise IssuerTroubleError from None
        if answer.status != 200 or not isinstance(said, dict):
            why = str(said.get("error", ""))[:100] if isinstance(said, dict) else ""
            log.warning("issuer_trouble", url=url, status=answer.status, why=why)
            raise IssuerTroubleError
        return said


def _described(address: str, said: Mapping[str, Any]) -> Issuer:
    name = said.get("issuer")
    if not isinstance(name, str) or name.rstrip("/") != address.rstrip("/"):
        raise IssuerTroubleError
    ways = [said.get(way) for way in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    if not all(isinstance(way, str) and is_address(way.partition("?")[0]) for way in ways):
        raise IssuerTroubleError
    user_url = said.get("userinfo_endpoint")
    methods = said.get("token_endpoint_auth_methods_supported")
    in_form = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
    is_known = isinstance(user_url, str) and is_address(user_url)
    authorize_url, token_url, keys_url = map(str, ways)
    return Issuer(name, authorize_url, token_url, keys_url, str(user_url) if is_known else "", in_form)


def _basic(ours: OpenIdSettings) -> str:
    from base64 import b64encode
    from urllib.parse import quote_plus

    # Both parts are written as in a form first: RFC 6749, 2.3.1.
    pair = f"{quote_plus(ours.client_id)}:{quote_plus(ours.client_secret)}"
    return "Basic " + b64encode(pair.encode()).decode()
