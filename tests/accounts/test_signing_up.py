"""Signing up: what may be chosen, and what two people at once are told."""

import asyncio

import pytest
from sqlalchemy import func, select

from smmpanel.accounts.models import User
from smmpanel.accounts.passwords import WeakPasswordError
from smmpanel.accounts.signing_up import EmailTakenError, UsernameTakenError, register
from smmpanel.accounts.states import AccountState, Role
from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.facts import FactRow


async def try_register(db, username="mai", email="mai@example.com", password="correct horse"):  # noqa: S107 - made up
    async with db.transaction() as session:
        return await register(session, username=username, email=email, password=password)


async def test_a_new_account_is_an_active_customer(db):
    user = await try_register(db, "Mai.Tran", " Mai@Example.COM ")

    assert (user.username, user.email) == ("Mai.Tran", "Mai@example.com")
    assert (user.role, user.state, user.permissions) == (Role.CUSTOMER, AccountState.ACTIVE, [])
    assert user.password_hash.startswith("$argon2id$")


async def test_signing_up_is_recorded_as_a_fact(db):
    user = await try_register(db)

    async with db.transaction() as session:
        facts = (await session.execute(select(FactRow.name, FactRow.body))).all()
    came = {"user_id": user.id, "referral_code": None, "via": "code", "ip": None, "device": None}
    assert [tuple(fact) for fact in facts] == [("user_registered", came)]


@pytest.mark.parametrize(
    "username",
    ["", "ab", "a" * 33, "mai tran", "mai@tran", ".mai", "mai.", "mai..tran", "mäi", "mai\n", "<b>mai", "１２３"],
)
async def test_names_that_may_not_be_chosen(db, username):
    with pytest.raises(InvalidInputError) as failure:
        await try_register(db, username)
    assert failure.value.fields["field"] == "username"


@pytest.mark.parametrize(
    "email",
    [
        "",
        "mai",
        "mai@",
        "@example.com",
        "a@b@example.com",
        "mai@localhost",
        "mai@ex ample.com",
        f"{'a' * 250}@example.com",
    ],
)
async def test_addresses_that_are_none(db, email):
    with pytest.raises(InvalidInputError) as failure:
        await try_register(db, email=email)
    assert failure.value.fields["field"] == "email"


async def test_a_weak_password_makes_no_account(db):
    with pytest.raises(WeakPasswordError):
        await try_register(db, password="seven77")
    assert await count_users(db) == 0


@pytest.mark.parametrize(
    ("username", "email", "error"),
    [
        ("MAI", "other@example.com", UsernameTakenError),
        ("other", "MAI@EXAMPLE.COM", EmailTakenError),
        ("mai", "mai@example.com", UsernameTakenError),
    ],
)
async def test_what_is_taken_in_any_case_stays_taken(db, username, email, error):
    await try_register(db)

    with pytest.raises(error) as failure:
        await try_register(db, username, email)
    assert failure.value.status == 409
    assert await count_users(db) == 1


async def test_of_many_at_once_one_gets_the_name_and_all_others_a_clear_answer(db):
    results = await asyncio.gather(
        *(try_register(db, "mai" if n % 2 else "MAI", f"mai{n}@example.com") for n in range(8)), return_exceptions=True
    )

    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, UsernameTakenError) for result in results) == 7
    assert await count_users(db) == 1


async def test_of_many_at_once_one_gets_the_address(db):
    results = await asyncio.gather(
        *(try_register(db, f"mai{n}", "mai@example.com") for n in range(8)), return_exceptions=True
    )

    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, EmailTakenError) for result in results) == 7
    assert all(isinstance(result, User | PanelError) for result in results)


async def count_users(db):
    async with db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(User))
