"""Which site people may sign in with: from the environment, or as staff set it; its secret is sealed."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.staff_door import require_to_change_doors
from smmpanel.kernel.crypto import SecretUnreadableError, Vault
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.options import read_option, write_option
from smmpanel.kernel.panel import Panel

OPTION = "openid"
ISSUER_MAX, CLIENT_MAX, SECRET_MAX, LABEL_MAX = 300, 300, 500, 40
CHANGING_LOCK = 0x5A11_0006
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
ISSUER_WRONG = marked("Enter an address that begins with https://, such as https://accounts.google.com.")
CLIENT_WRONG = marked("Enter the client id that the other site gave you.")
SECRET_WRONG = marked("Shorten it to 500 characters.")
LABEL_WRONG = marked("Enter up to 40 characters, such as: Google.")


@dataclass(frozen=True, slots=True)
class OpenIdSettings:
    """The site that people may sign in with, and what it knows us by."""

    issuer: str
    client_id: str
    client_secret: str
    label: str
    """What it is called on the button."""
    is_fixed: bool = False
    """Whether the environment says so, and staff cannot change it."""


async def openid_settings(session: AsyncSession, panel: Panel) -> OpenIdSettings | None:
    """Return the site that people may sign in with; `None` if there is none."""
    given = panel.settings
    if given.openid_issuer and given.openid_client_id:
        secret = given.openid_client_secret.get_secret_value() if given.openid_client_secret else ""
        label = given.openid_label or _label_of(given.openid_issuer)
        return OpenIdSettings(given.openid_issuer, given.openid_client_id, secret, label, is_fixed=True)
    kept: Mapping[str, Any] | None = await read_option(session, OPTION)
    if not kept or not kept.get("issuer"):
        return None
    return OpenIdSettings(
        str(kept["issuer"]), str(kept["client_id"]), _open(panel.vault, kept.get("secret")), str(kept["label"])
    )


def kept_openid(vault: Vault, *, issuer: str, client_id: str, secret: str, label: str) -> dict[str, str]:
    """Return settings as the option holds them, checked. Raises `InvalidInputError`."""
    if not is_address(issuer) or len(issuer) > ISSUER_MAX:
        raise InvalidInputError(field="openid_issuer", reason=ISSUER_WRONG)
    if not 1 <= len(client_id) <= CLIENT_MAX:
        raise InvalidInputError(field="openid_client_id", reason=CLIENT_WRONG)
    if len(secret) > SECRET_MAX:
        raise InvalidInputError(field="openid_secret", reason=SECRET_WRONG)
    if len(label) > LABEL_MAX:
        raise InvalidInputError(field="openid_label", reason=LABEL_WRONG)
    sealed = b64encode(vault.seal(secret)).decode() if secret else ""
    return {"issuer": issuer, "client_id": client_id, "secret": sealed, "label": label or _label_of(issuer)}


async def change_openid(
    session: AsyncSession, actor: Actor, vault: Vault, *, issuer: str, client_id: str, secret: str, label: str
) -> bool:
    """Set the site that people may sign in with; without an issuer there is none. Returns whether anything was different.

    An empty secret leaves the one that is kept for the same client. Raises `InvalidInputError`.
    """
    require_to_change_doors(actor)
    await session.execute(select(func.pg_advisory_xact_lock(CHANGING_LOCK)))
    kept: dict[str, str] = await read_option(session, OPTION) or {}
    wanted = {}
    if issuer:
        wanted = kept_openid(vault, issuer=issuer, client_id=client_id, secret=secret, label=label)
        if not secret and (kept.get("issuer"), kept.get("client_id")) == (issuer, client_id):
            wanted["secret"] = kept.get("secret", "")
    if wanted == kept:
        return False
    await write_option(session, OPTION, wanted)
    before, after = _told(kept), _told(wanted)
    if secret:
        after["secret"] = "changed"  # noqa: S105 - that it changed, not what it is
    await audit(session, actor, Permission.SETTINGS_EDIT, "settings:openid", before=before, after=after)
    return True


def _told(kept: Mapping[str, str]) -> dict[str, str]:
    return {name: kept.get(name, "") for name in ("issuer", "client_id", "label")}


async def reseal_openid(session: AsyncSession, vault: Vault) -> int:
    """Seal the secret anew with the newest key; returns how many secrets that were."""
    kept = await read_option(session, OPTION)
    if not kept or not kept.get("secret"):
        return 0
    try:
        await write_option(session, OPTION, resealed_openid(vault, kept))
    except SecretUnreadableError:
        return 0
    return 1


def resealed_openid(vault: Vault, kept: Mapping[str, str]) -> dict[str, str]:
    """Return the option with its secret sealed by the newest key."""
    sealed = kept.get("secret")
    return {**kept, "secret": b64encode(vault.reseal(b64decode(sealed))).decode() if sealed else ""}


def is_address(text: str) -> bool:
    """Whether an issuer may have this address: over TLS, or on this very machine."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.username is not None or parts.query or parts.fragment or not text.isascii() or " " in text:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _HERE)


def _open(vault: Vault, sealed: Any) -> str:
    try:
        return vault.open(b64decode(sealed)) if sealed else ""
    except SecretUnreadableError:
        # Without its secret the other site refuses us, and says so in words.
        return ""


def _label_of(issuer: str) -> str:
    host = urlsplit(issuer).hostname or issuer
    return "Google" if host == "accounts.google.com" else host[:LABEL_MAX]
