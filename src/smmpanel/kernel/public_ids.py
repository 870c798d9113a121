"""Row numbers as strangers see them: texts that say nothing of how many rows there are, and lead nowhere when guessed.

A number and its text are the two ends of a keyed permutation (a Feistel network over HMAC-SHA256), so that nothing is
stored beside the number and no index is needed. Each kind of row has a permutation of its own. The spare bits of a text
must come out as zero: of foreign texts one in 2**59 (UUID) or one in 2**20 (reference) passes, and then names a number
that hardly exists; whether the row is the caller's is asked of the row all the same.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.options import PanelOption

OPTION = "public_id_key"
KEY_BYTES = 32
KINDS = frozenset({"order", "user", "deposit"})
UUID_NUMBER_MAX = 2**63 - 1
REFERENCE_NUMBER_MAX = 2**44 - 1
"""Some seventeen trillion orders."""
REFERENCE_LENGTH = 13
REFERENCE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no I, L, O and U, which are taken for others or make words."""

_UUID_BITS = 122
_REFERENCE_BITS = 64
_ROUNDS = 8
# Version 8 ("made by the application") and the variant of RFC 9562 take six of the 128 bits.
_VERSION, _VARIANT = 8, 0b10
_LOW = (1 << 62) - 1
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
# What people type for what they read.
_TYPED_AS = str.maketrans("OIL", "011", "-")


@dataclass(frozen=True, slots=True)
class PublicIds:
    """The public ids of one panel. The same key makes the same ids for ever."""

    key: bytes

    @classmethod
    def made(cls) -> "PublicIds":
        """Make ids with a new key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def uuid_of(self, kind: str, number: int) -> str:
        """Return the UUID (version 8) of a row."""
        if not 0 < number <= UUID_NUMBER_MAX:
            raise ValueError("a row's number is from 1 to 2**63 - 1")
        mixed = _forth(self._key(kind, "uuid"), number, _UUID_BITS)
        high, middle, low = mixed >> 74, mixed >> 62 & 0xFFF, mixed & _LOW
        return str(UUID(int=high << 80 | _VERSION << 76 | middle << 64 | _VARIANT << 62 | low))

    def number_of(self, kind: str, text: str) -> int | None:
        """Return the number of the row with this UUID, in the usual spelling of any case; `None` if it is none of ours."""
        if _UUID.fullmatch(text) is None:
            return None
        whole = UUID(text)
        if whole.version != _VERSION:
            return None
        high, middle, low = whole.int >> 80, whole.int >> 64 & 0xFFF, whole.int & _LOW
        mixed = high << 74 | middle << 62 | low
        return _row(_back(self._key(kind, "uuid"), mixed, _UUID_BITS), UUID_NUMBER_MAX)

    def reference_of(self, kind: str, number: int) -> str:
        """Return the short text of a row: thirteen letters and digits, none of which looks like another."""
        if not 0 < number <= REFERENCE_NUMBER_MAX:
            raise ValueError("a reference is for numbers from 1 to 2**44 - 1")
        mixed = _forth(self._key(kind, "reference"), number, _REFERENCE_BITS)
        return "".join(REFERENCE_ALPHABET[mixed >> 5 * place & 31] for place in reversed(range(REFERENCE_LENGTH)))

    def number_of_reference(self, kind: str, text: str) -> int | None:
        """Return the number of the row with this reference, as typed by people; `None` if it is none of ours."""
        if not text.isascii():
            return None
        mixed = 0
        typed = text.upper().translate(_TYPED_AS)
        if len(typed) != REFERENCE_LENGTH:
            return None
        for character in typed:
            digit = REFERENCE_ALPHABET.find(character)
            if digit < 0:
                return None
            mixed = mixed << 5 | digit
        if mixed >> _REFERENCE_BITS:
            return None
        return _row(_back(self._key(kind, "reference"), mixed, _REFERENCE_BITS), REFERENCE_NUMBER_MAX)

    def _key(self, kind: str, form: str) -> bytes:
        if kind not in KINDS:
            raise ValueError(f"there is no kind of public id named {kind}")
        return hmac.digest(self.key, f"{kind}:{form}".encode(), "sha256")


async def load_public_ids(session: AsyncSession, vault: Vault) -> PublicIds:
    """Return a panel's public ids, with a key that is made on first use and kept sealed among the panel's options."""
    wanted = select(PanelOption.value).where(PanelOption.name == OPTION)
    sealed: str | None = await session.scalar(wanted)
    if sealed is None:
        # Of several processes that start at once one makes the key; all read the same.
        made = vault.seal(PublicIds.made().key.hex()).decode()
        await session.execute(insert(PanelOption).values(name=OPTION, value=made).on_conflict_do_nothing())
        sealed = await session.scalar(wanted)
    return PublicIds(bytes.fromhex(vault.open(str(sealed).encode())))


async def reseal_public_ids(session: AsyncSession, vault: Vault) -> None:
    """Encrypt the key anew with the newest key of the ring; the ids stay."""
    row = await session.get(PanelOption, OPTION, with_for_update=True)
    if row is not None:
        row.value = vault.reseal(row.value.encode()).decode()


def _forth(key: bytes, block: int, bits: int) -> int:
    half = bits // 2
    left, right = block >> half, block & (1 << half) - 1
    for number in range(_ROUNDS):
        left, right = right, left ^ _mixed(key, number, right, half)
    return left << half | right


def _back(key: bytes, block: int, bits: int) -> int:
    half = bits // 2
    left, right = block >> half, block & (1 << half) - 1
    for number in reversed(range(_ROUNDS)):
        left, right = right ^ _mixed(key, number, left, half), left
    return left << half | right


def _mixed(key: bytes, number: int, half_block: int, bits: int) -> int:
    digest = hmac.digest(key, bytes([number]) + half_block.to_bytes(8, "big"), "sha256")
    return int.from_bytes(digest[:8], "big") >> 64 - bits


def _row(number: int, most: int) -> int | None:
    return number if 0 < number <= most else None
