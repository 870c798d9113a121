"""Signing in as a user and coming back: the browser keeps the own session aside meanwhile."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.acting import ACTING_LIFETIME, sign_in_as, stop_acting
from smmpanel.accounts.current import CurrentViewer, RequestOrigin
from smmpanel.accounts.sessions import SignInNeededError, viewer_of_cookie
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.panel import Panel
from smmpanel.web.cookies import (
    drop_kept_cookie,
    drop_session_cookie,
    kept_cookie,
    session_cookie,
    set_kept_cookie,
    set_session_cookie,
)
from smmpanel.web.inputs import RowId
from smmpanel.web.redirects import SIGN_IN_PATH, see_other
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False)

DAY_SECONDS = 24 * 3600


@router.post("/staff/users/{user_id}/sign-in-as")
async def begin(  # noqa: PLR0917 - what a request brings
    request: Request,
    panel: CurrentPanel,
    viewer: CurrentViewer,
    origin: RequestOrigin,
    session: Session,
    user_id: RowId,
) -> Response:
    """Sign in as a user."""
    own = session_cookie(request)
    if own is None:
        raise SignInNeededError
    opened = await sign_in_as(session, viewer, user_id, user_agent=origin.user_agent, now=panel.clock())
    response = see_other("/")
    seconds = int(ACTING_LIFETIME.total_seconds())
    set_kept_cookie(request, response, own, seconds)
    set_session_cookie(request, response, opened.token, seconds)
    return response


@router.post("/stop-acting")
async def stop(request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session) -> Response:
    """Sign out as that user, and be oneself again as long as the own session lives."""
    await stop_acting(session, viewer, now=panel.clock())
    kept = kept_cookie(request)
    if kept is not None and await _is_own(session, panel, kept, viewer):
        response = see_other(f"/staff/users/{viewer.user_id}")
        set_session_cookie(request, response, kept, panel.settings.session_days * DAY_SECONDS)
    else:
        response = see_other(SIGN_IN_PATH)
        drop_session_cookie(request, response)
    drop_kept_cookie(request, response)
    return response


async def _is_own(session: AsyncSession, panel: Panel, kept: str, viewer: Viewer) -> bool:
    try:
        own = await viewer_of_cookie(session, kept, ip=viewer.ip, now=panel.clock())
    except PanelError:
        return False
    return own.user_id == viewer.acted_by
