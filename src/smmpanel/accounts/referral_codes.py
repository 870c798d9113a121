"""Referral codes: every user's short name to be recommended by, such as `HOMEM7K2`.

The code of a new user is made as they sign up; whoever is older gets theirs when it is first wanted.
"""

import re
import secrets
import unicodedata
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, String, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.accounts.models import User
from smmpanel.accounts.states import AccountState
from smmpanel.kernel.db import Base
from smmpanel.kernel.options import read_option
from smmpanel.web.brand import NAME_OPTION

PREFIX_OPTION = "referral_prefix"
"""Panel option: what codes begin with; without it, the beginning of the panel's name."""
PREFIX_MAX = 5
CODE_MAX = 20
HOUSE_PREFIX = "PANEL"
_LENGTHS = (3, 3, 4, 4, 5, 6, 8)
"""How long what follows the prefix is, try after try: codes grow only once the short ones are mostly taken."""
# Nothing that is mistaken for something else, and no vowels, so that no words come out.
_SIGNS = "23456789BCDFGHJKLMNPQRSTVWXZ"
_CODE = re.compile(rf"[A-Z0-9]{{4,{CODE_MAX}}}", re.ASCII)


class ReferralCode(Base):
    """The code of one user, in capital letters; it never changes."""

    __tablename__ = "referral_codes"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[str] = mapped_column(String, unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


async def code_of(session: AsyncSession, user_id: int) -> str:
    """Return a user's code, making it if they have none yet."""
    wanted = select(ReferralCode.code).where(ReferralCode.user_id == user_id)
    found: str | None = await session.scalar(wanted)
    if found is not None:
        return found
    prefix = await _prefix(session)
    for length in _LENGTHS:
        code = prefix + "".join(secrets.choice(_SIGNS) for _ in range(length))
        made = insert(ReferralCode).values(user_id=user_id, code=code).on_conflict_do_nothing()
        if await session.scalar(made.returning(ReferralCode.code)) is not None:
            return code
        found = await session.scalar(wanted)  # another process may have made it
        if found is not None:
            return found
    raise RuntimeError("no free referral code was found")


async def owner_of_code(session: AsyncSession, code: str) -> int | None:
    """Return whose code this is, in whatever case it was typed; `None` if it is nobody's who may use the panel."""
    typed = code.strip().upper()
    if not _CODE.fullmatch(typed):
        return None
    return await session.scalar(
        select(ReferralCode.user_id)
        .join(User, User.id == ReferralCode.user_id)
        .where(ReferralCode.code == typed, User.state == AccountState.ACTIVE)
    )


async def _prefix(session: AsyncSession) -> str:
    name = str(await read_option(session, PREFIX_OPTION) or await read_option(session, NAME_OPTION) or "")
    return prefix_from(name) or HOUSE_PREFIX


def prefix_from(name: str) -> str:
    """Return what codes of a panel of this name begin with.

    >>> prefix_from("Đặt Hàng")
    'DATHA'
    """
    letters = unicodedata.normalize("NFKD", name.replace("Đ", "D").replace("đ", "d")).upper()
    return "".join(sign for sign in letters if sign.isascii() and sign.isalnum())[:PREFIX_MAX]
