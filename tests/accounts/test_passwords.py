"""Hashing passwords: what is accepted, what is upgraded, and what must not be."""

import unicodedata

import bcrypt
import pytest
from argon2 import PasswordHasher, extract_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from smmpanel.accounts import passwords
from smmpanel.accounts.passwords import (
    WeakPasswordError,
    hash_password,
    should_upgrade,
    upgraded_hash,
    verify_password,
)


def old_hash(password: bytes, mark: str = "$2y$") -> str:
    made = bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()
    return mark + made[4:]


async def test_new_hashes_are_argon2id():
    stored = await hash_password("correct horse")

    assert stored.startswith("$argon2id$")
    assert await verify_password(stored, "correct horse") is True
    assert await verify_password(stored, "correct horsf") is False
    assert should_upgrade(stored, "correct horse") is False


@pytest.mark.parametrize("mark", ["$2a$", "$2b$", "$2y$"])
async def test_bcrypt_hashes_of_all_marks_are_accepted_and_due_for_an_upgrade(mark):
    stored = old_hash(b"old password", mark)

    assert await verify_password(stored, "old password") is True
    assert await verify_password(stored, "old passwore") is False
    assert should_upgrade(stored, "old password") is True
    assert await verify_password(await upgraded_hash("old password"), "old password") is True


async def test_what_bcrypt_did_not_see_is_never_set_in_stone():
    stored = old_hash(b"x" * 72)

    assert await verify_password(stored, "x" * 72 + "anything") is True
    assert should_upgrade(stored, "x" * 72 + "anything") is False
    assert should_upgrade(stored, "x" * 72) is True


async def test_argon2id_sees_the_whole_password():
    stored = await hash_password("x" * 100)

    assert await verify_password(stored, "x" * 99 + "y") is False


@pytest.mark.parametrize("length", [0, 7, 129, 100_000])
async def test_too_short_and_too_long_are_refused(length):
    with pytest.raises(WeakPasswordError):
        await hash_password("a" * length)


@pytest.mark.parametrize("length", [8, 128])
async def test_the_limits_themselves_are_taken(length):
    stored = await hash_password("a" * length)

    assert await verify_password(stored, "a" * length) is True


async def test_a_letter_typed_as_one_or_two_characters_is_the_same():
    composed, decomposed = (
        unicodedata.normalize("NFC", "mật khẩu của tôi"),
        unicodedata.normalize("NFD", "mật khẩu của tôi"),
    )
    assert composed != decomposed

    assert await verify_password(await hash_password(composed), decomposed) is True
    assert await verify_password(await hash_password(decomposed), composed) is True


async def test_weaker_argon2_hashes_are_upgraded():
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("weak and old")

    assert await verify_password(weak, "weak and old") is True
    assert should_upgrade(weak, "weak and old") is True


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$", "$2y$10$short", "$argon2id$v=19$m=8,t=1,p=1$aa$bb"])
async def test_broken_hashes_fit_nothing(stored):
    assert await verify_password(stored, "plain") is False


async def test_nobodys_password_takes_as_much_work_as_somebodys():
    assert await verify_password(None, "wrong horse") is False
    assert extract_parameters(passwords._NOBODYS_HASH) == extract_parameters(await hash_password("correct horse"))


OLD_HASH_OF_NOTHING = old_hash(b"", "$2b$")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3))
def test_no_text_breaks_the_comparison(text):
    assert passwords._fits(OLD_HASH_OF_NOTHING, text) is (text == "")
