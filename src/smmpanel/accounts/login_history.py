"""Who tried to sign in to an account: when, from where, with what, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from smmpanel.accounts.devices import ON, browser_in
from smmpanel.accounts.models import LoginHistory, LoginOutcome, LoginWay
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged
from smmpanel.web.languages import say

OUTCOMES = {
    LoginOutcome.SIGNED_IN: (marked("Signed in"), "is-ok"),
    LoginOutcome.WRONG_PASSWORD: (marked("Wrong password"), "is-bad"),
    LoginOutcome.REFUSED: (marked("Refused"), "is-warn"),
    LoginOutcome.HALF_WAY: (marked("Password right, code asked for"), "is-info"),
    LoginOutcome.WRONG_CODE: (marked("Wrong code"), "is-bad"),
}
WAYS = {
    LoginWay.PASSWORD: marked("Password"),
    LoginWay.PASSKEY: marked("Passkey"),
    LoginWay.OPENID: marked("Another site's sign-in"),
}


@dataclass(frozen=True, slots=True)
class Try:
    """One try to sign in, in words."""

    at: datetime
    word: str
    colour: str
    way: str
    name: str
    ip: str


async def login_history(
    session: AsyncSession, user_id: int, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[LoginHistory]:
    """Return tries to sign in to an account, newest first."""
    wanted = select(LoginHistory).where(LoginHistory.user_id == user_id).order_by(LoginHistory.id.desc())
    if (key := key_from(after)) is not None:
        wanted = wanted.where(LoginHistory.id < key)
    rows = (await session.scalars(wanted.limit(size + 1))).all()
    return paged(rows, size, [row.id for row in rows])


def tries_shown(request: Request, rows: Sequence[LoginHistory]) -> list[Try]:
    """Put tries into words; outcome and way are still to be translated."""
    return [
        Try(
            one.at,
            *OUTCOMES[one.outcome],
            way=WAYS[one.way],
            name=device_name(request, one.user_agent),
            ip=one.ip or "",
        )
        for one in rows
    ]


def device_name(request: Request, agent: str | None) -> str:
    """Return what a browser is called, in words that its owner knows."""
    browser, system = browser_in(agent)
    return say(request, ON, browser=browser, system=system) if system else browser
