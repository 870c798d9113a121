"""Passkeys: keys on people's devices, each for this site alone, that open with a finger, a face or a PIN.

The challenge of each try is made here, kept with its step, and good once. What a device says it signed for must be this
panel's own address, and its counter must have moved.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_bytes
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.sign_in_models import Passkey
from smmpanel.accounts.steps import Step, StepKind, begin_step
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import ConflictError, NotFoundError, PanelError

NAME_MAX = 60
PASSKEYS_MAX = 20
TYPED_MAX = 16_000
CHALLENGE_BYTES = 32
HANDLE_BYTES = 32
TRANSPORTS_MAX = 6


class PasskeyRefusedError(PanelError):
    """What the device said does not fit: the key is not known, the challenge is another, the signature is wrong."""

    code, status, message = "passkey_refused", 422, "The passkey was not accepted. Please try again."


class TooManyPasskeysError(ConflictError):
    """There are as many as there may be."""

    code, message = "too_many_passkeys", "There are {most} passkeys already. Remove one first."


@dataclass(frozen=True, slots=True)
class Place:
    """Where devices know us: our address, and its host."""

    origin: str
    host: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a device is asked, as JSON for the browser, and the token of the step."""

    options: str
    token: str


@dataclass(frozen=True, slots=True)
class Proven:
    """Whose passkey answered."""

    user_id: int
    is_verified: bool
    """Whether the device made sure of its owner, so that the key alone stands for two factors."""


async def list_passkeys(session: AsyncSession, user_id: int) -> Sequence[Passkey]:
    """Return a user's passkeys, oldest first."""
    return (await session.scalars(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.id))).all()


async def ask_for_new(
    session: AsyncSession, vault: Vault, viewer: Viewer, name: str, place: Place, *, site: str, now: datetime
) -> Asked:
    """Have a device make a key, for somebody who has just proved who they are. Raises `TooManyPasskeysError`."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    viewer.require_own_sign_in()
    known = await list_passkeys(session, viewer.user_id)
    if len(known) >= PASSKEYS_MAX:
        raise TooManyPasskeysError(most=PASSKEYS_MAX)
    challenge, handle = token_bytes(CHALLENGE_BYTES), known[0].user_handle if known else token_bytes(HANDLE_BYTES)
    options = generate_registration_options(
        rp_id=place.host,
        rp_name=site,
        user_id=handle,
        user_name=viewer.username,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in known],
    )
    body = {"challenge": _text(challenge), "handle": _text(handle), "name": name}
    token = await begin_step(session, vault, StepKind.NEW_PASSKEY, user_id=viewer.user_id, body=body, now=now)
    return Asked(options_to_json(options), token)


async def add_passkey(
    session: AsyncSession, viewer: Viewer, place: Place, step: Step, answer: str, *, now: datetime
) -> str:
    """Keep the key that a device made; returns its name. The step is over already, so that it is good for one answer.

    Raises `PasskeyRefusedError`.
    """
    from webauthn import verify_registration_response

    viewer.require_own_sign_in()
    if step.user_id != viewer.user_id:
        raise PasskeyRefusedError
    credential = _read(answer)
    try:
        made = verify_registration_response(
            credential=credential,
            expected_challenge=_bytes(step.body["challenge"]),
            expected_rp_id=place.host,
            expected_origin=place.origin,
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001 - whatever a stranger's bytes do to a parser, they are no proof
        raise PasskeyRefusedError from None
    await locked_user(session, viewer.user_id)
    values = {
        "user_id": viewer.user_id,
        "user_handle": _bytes(step.body["handle"]),
        "credential_id": made.credential_id,
        "public_key": made.credential_public_key,
        "sign_count": made.sign_count,
        "transports": _transports(credential),
        "name": step.body["name"],
        "created_at": now,
    }
    kept = await session.scalar(insert(Passkey).values(values).on_conflict_do_nothing().returning(Passkey.id))
    if kept is None:
        raise PasskeyRefusedError
    await audit(
        session, viewer, "account.passkey", f"user:{viewer.user_id}", after={"passkey": kept, "name": step.body["name"]}
    )
    return step.body["name"]


async def rename_passkey(session: AsyncSession, viewer: Viewer, passkey_id: int, name: str) -> None:
    """Call a passkey something else. Raises `NotFoundError`."""
    (await _own(session, viewer, passkey_id)).name = name


async def remove_passkey(session: AsyncSession, viewer: Viewer, passkey_id: int) -> str:
    """Have a passkey open nothing any more; returns what it was called. Raises `NotFoundError`."""
    viewer.require_own_sign_in()
    row = await _own(session, viewer, passkey_id)
    name = row.name
    await session.delete(row)
    await audit(session, viewer, "account.passkey", f"user:{viewer.user_id}", before={"passkey": row.id, "name": name})
    return name


async def drop_passkeys(session: AsyncSession, user_id: int) -> int:
    """Take all passkeys of a user away; returns how many there were."""
    count = await session.scalar(select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id))
    await session.execute(delete(Passkey).where(Passkey.user_id == user_id))
    return count or 0


async def ask_for_known(
    session: AsyncSession, vault: Vault, place: Place, *, user_id: int | None = None, now: datetime
) -> Asked:
    """Have a device answer with a key that it has for us: anybody's, or one of a user's as their second proof."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorTransport,
        PublicKeyCredentialDescriptor,
        UserVerificationRequirement,
    )

    challenge = token_bytes(CHALLENGE_BYTES)
    known = await list_passkeys(session, user_id) if user_id is not None else ()
    options = generate_authentication_options(
        rp_id=place.host,
        challenge=challenge,
        allow_credentials=[
            PublicKeyCredentialDescriptor(
                id=one.credential_id, transports=[AuthenticatorTransport(way) for way in one.transports]
            )
            for one in known
        ],
        user_verification=UserVerificationRequirement.REQUIRED
        if user_id is None
        else UserVerificationRequirement.PREFERRED,
    )
    body = {"challenge": _text(challenge)}
    token = await begin_step(session, vault, StepKind.PASSKEY, user_id=user_id, body=body, now=now)
    return Asked(options_to_json(options), token)


async def take_answer(session: AsyncSession, place: Place, step: Step, answer: str, *, now: datetime) -> Proven:
    """Check what a device answered, lock the user and move the counter on. Raises `PasskeyRefusedError`.

    The step is over already, so that it is good for one answer. Whether the user may come in is for the caller to see.
    """
    from webauthn import verify_authentication_response

    credential = _read(answer)
    row = await _answering(session, credential)
    if row is None or (step.user_id is not None and row.user_id != step.user_id):
        raise PasskeyRefusedError
    try:
        proof = verify_authentication_response(
            credential=credential,
            expected_challenge=_bytes(step.body["challenge"]),
            expected_rp_id=place.host,
            expected_origin=place.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            # A key that is all the proof there is must have made sure of its owner.
            require_user_verification=step.user_id is None,
        )
    except Exception:  # noqa: BLE001 - whatever a stranger's bytes do to a parser, they are no proof
        raise PasskeyRefusedError from None
    row.sign_count, row.last_used_at = proof.new_sign_count, now
    return Proven(row.user_id, proof.user_verified)


async def _answering(session: AsyncSession, credential: dict[str, Any]) -> Passkey | None:
    """Return the key that answers, locked, and its user before it, as everywhere."""
    try:
        credential_id = _bytes(str(credential["rawId"]))
    except (KeyError, ValueError):
        raise PasskeyRefusedError from None
    owner = await session.scalar(select(Passkey.user_id).where(Passkey.credential_id == credential_id))
    if owner is None:
        return None
    await locked_user(session, owner)
    wanted = select(Passkey).where(Passkey.credential_id == credential_id).with_for_update()
    row = await session.scalar(wanted.execution_options(populate_existing=True))
    handle = (credential.get("response") or {}).get("userHandle")
    if row is not None and handle and str(handle).rstrip("=") != _text(row.user_handle):
        return None
    return row


async def _own(session: AsyncSession, viewer: Viewer, passkey_id: int) -> Passkey:
    viewer.require_own_sign_in()
    wanted = select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == viewer.user_id).with_for_update()
    row = await session.scalar(wanted)
    if row is None:
        raise NotFoundError
    return row


def _read(answer: str) -> dict[str, Any]:
    try:
        read = json.loads(answer[:TYPED_MAX])
    except (ValueError, RecursionError):
        raise PasskeyRefusedError from None
    if not isinstance(read, dict) or not isinstance(read.get("response"), dict):
        raise PasskeyRefusedError
    return read


def _transports(credential: dict[str, Any]) -> list[str]:
    from webauthn.helpers.structs import AuthenticatorTransport

    known = {way.value for way in AuthenticatorTransport}
    named = credential["response"].get("transports")
    return [way for way in named if way in known][:TRANSPORTS_MAX] if isinstance(named, list) else []


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
