"""People for the tests of accounts."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from smmpanel.accounts.models import User
from smmpanel.accounts.signing_in import Origin, SignedIn, sign_in
from smmpanel.accounts.signing_up import register
from smmpanel.accounts.states import Role
from smmpanel.kernel.db import Database

PASSWORD = "correct horse battery"
START = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    """The moment at which tests begin."""
    return START


@pytest.fixture
def a_user(db: Database) -> Callable[..., Awaitable[User]]:
    """Makes a user; all have the same password."""

    async def make(username: str = "mai", role: Role = Role.CUSTOMER, **more: str) -> User:
        async with db.transaction() as session:
            email = more.pop("email", f"{username}@example.com")
            return await register(session, username=username, email=email, password=PASSWORD, role=role, **more)

    return make


@pytest.fixture
def try_sign_in(db: Database) -> Callable[..., Awaitable[SignedIn]]:
    """Tries to sign in."""

    async def make(
        login: str = "mai", password: str = PASSWORD, *, ip: str = "203.0.113.7", now: datetime = START
    ) -> SignedIn:
        origin = Origin(ip, "Test/1.0")
        return await sign_in(db, login=login, password=password, origin=origin, lifetime=timedelta(days=30), now=now)

    return make
