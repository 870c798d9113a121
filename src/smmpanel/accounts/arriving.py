"""How a browser arrives: with the cookie of its new session, or on the page that asks for the second proof."""

from datetime import datetime
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.entering import HalfWay
from smmpanel.accounts.second_step import begin_second_step
from smmpanel.accounts.sessions import OpenedSession, revoke_token
from smmpanel.accounts.steps import StepKind
from smmpanel.kernel.panel import Panel
from smmpanel.web.cookies import (
    drop_step_cookie,
    session_cookie,
    set_session_cookie,
    set_step_cookie,
    step_cookie,
)
from smmpanel.web.redirects import see_other

CODE_PATH = "/sign-in/code"
_DAY_SECONDS = 24 * 3600


async def arrive(request: Request, panel: Panel, opened: OpenedSession, target: str, *, now: datetime) -> Response:
    """Give a browser its new session, end the one that it had, and lead it on."""
    if (old := session_cookie(request)) is not None:
        async with panel.db.transaction() as session:
            await revoke_token(session, old, now=now)
    response = see_other(target)
    set_session_cookie(request, response, opened.token, panel.settings.session_days * _DAY_SECONDS)
    for kind in StepKind:
        if step_cookie(request, kind.value) is not None:
            drop_step_cookie(request, response, kind.value)
    return response


async def lead_to_second_step(request: Request, panel: Panel, half: HalfWay, target: str, *, now: datetime) -> Response:
    """Begin the second step in this browser, and lead to its page."""
    token = await begin_second_step(panel.db, panel.vault, half, now=now)
    response = see_other(CODE_PATH if target == "/" else f"{CODE_PATH}?next={quote(target, safe='/')}")
    keep_step(request, response, StepKind.SECOND, token)
    return response


def keep_step(request: Request, response: Response, kind: StepKind, token: str) -> None:
    """Have this browser, and no other, carry a step."""
    set_step_cookie(request, response, kind.value, token, int(kind.lifetime.total_seconds()))
