"""Public ids: each number has one text, each text at most one number, and kinds and keys do not mix."""

import asyncio
import uuid

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.public_ids import (
    KINDS,
    REFERENCE_ALPHABET,
    REFERENCE_LENGTH,
    REFERENCE_NUMBER_MAX,
    UUID_NUMBER_MAX,
    PublicIds,
    load_public_ids,
    reseal_public_ids,
)

IDS = PublicIds(bytes(range(32)))
kinds = st.sampled_from(sorted(KINDS))
numbers = st.integers(1, UUID_NUMBER_MAX) | st.integers(1, 10_000)
few = st.integers(1, REFERENCE_NUMBER_MAX) | st.integers(1, 10_000)


@given(kind=kinds, number=numbers)
def test_a_uuid_leads_back_to_its_number_and_to_no_other_kind(kind, number):
    text = IDS.uuid_of(kind, number)

    read = uuid.UUID(text)
    assert (str(read), read.version, read.variant) == (text, 8, uuid.RFC_4122)
    assert IDS.number_of(kind, text) == IDS.number_of(kind, text.upper()) == number
    assert [IDS.number_of(other, text) for other in KINDS - {kind}] == [None] * (len(KINDS) - 1)
    assert PublicIds.made().number_of(kind, text) is None


@given(kind=kinds, number=few)
def test_a_reference_leads_back_to_its_number(kind, number):
    text = IDS.reference_of(kind, number)

    assert len(text) == REFERENCE_LENGTH
    assert set(text) <= set(REFERENCE_ALPHABET)
    typed = text.lower().replace("0", "o").replace("1", "l")
    for spelling in (text, typed, f"{text[:4]}-{text[4:]}"):
        assert IDS.number_of_reference(kind, spelling) == number


@given(first=few, second=few)
def test_two_numbers_have_two_texts(first, second):
    same = first == second

    assert (IDS.uuid_of("order", first) == IDS.uuid_of("order", second)) is same
    assert (IDS.reference_of("order", first) == IDS.reference_of("order", second)) is same


@given(text=st.text(max_size=40) | st.uuids().map(str) | st.text(REFERENCE_ALPHABET, min_size=13, max_size=13))
def test_foreign_text_is_no_id(text):
    assert IDS.number_of("order", text) is None
    found = IDS.number_of_reference("order", text)
    # Of well-formed foreign references one in a million stands for a number; it is then that number's only one.
    assert found is None or IDS.reference_of("order", found) == text.upper().translate(str.maketrans("OIL", "011", "-"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345678-1234-8234-8234-12345678901_",
        "{12345678-1234-8234-8234-123456789012}",
        "urn:uuid:12345678-1234-8234-8234-123456789012",
        "١" * 13,
        "U" * 13,
        "ZZZZZZZZZZZZZ",
    ],
)
def test_what_only_looks_like_one(text):
    assert (IDS.number_of("order", text), IDS.number_of_reference("order", text)) == (None, None)


def test_neighbours_have_nothing_in_common():
    texts = [IDS.uuid_of("order", number) for number in range(1, 400)]
    references = [IDS.reference_of("order", number) for number in range(1, 400)]

    assert len({text[:8] for text in texts}) == len({text[-8:] for text in texts}) == len(texts)
    assert len({text[:8] for text in references}) == len(references)


@pytest.mark.parametrize("number", [0, -1, 2**63])
def test_what_no_row_has_gets_no_id(number):
    with pytest.raises(ValueError, match="number"):
        IDS.uuid_of("order", number)
    with pytest.raises(ValueError, match="number"):
        IDS.reference_of("order", number)
    with pytest.raises(ValueError, match="kind"):
        IDS.uuid_of("nothing", 1)


async def test_the_key_is_made_once_and_stays_when_keys_are_rotated(db):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()

    async def load():
        async with db.transaction() as session:
            return await load_public_ids(session, Vault([old]))

    first, *others = await asyncio.gather(*(load() for _ in range(4)))
    assert others == [first] * 3

    async with db.transaction() as session:
        await reseal_public_ids(session, Vault([new, old]))
        assert await load_public_ids(session, Vault([new])) == first
