"""Who sent a request: an access token, or the session cookie with a form token. Checked on every request, in one query."""

import math
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.api_keys import KEY_MARK
from smmpanel.accounts.sessions import SignInNeededError, viewer_of_cookie, viewer_of_token
from smmpanel.accounts.signing_in import Origin
from smmpanel.kernel.errors import ForbiddenError, PanelError
from smmpanel.web.cookies import session_cookie
from smmpanel.web.csrf import check_csrf
from smmpanel.web.key_limiting import KeyLimiter
from smmpanel.web.origins import address_of
from smmpanel.web.shell import keep_shell
from smmpanel.web.transactions import panel_of

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The access token from `/api/auth/login`.")


class KeyNotEnoughError(ForbiddenError):
    """An API key orders and reads; accounts, keys and deeds of staff take somebody who is signed in."""

    code, message = "key_not_enough", "An API key may not do this. Sign in."


class TooManyCallsError(PanelError):
    """A program has called too often in a short time."""

    code, status, message = "too_many_calls", 429, "Too many calls. Try again in {retry_after_seconds} s."


BearerToken = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def signed_in(request: Request, bearer: BearerToken) -> Viewer:
    """Return who sent the request.

    Raises `SignInNeededError`, what the account's state forbids, `ForeignFormError`, or `TooManyCallsError` for a token.
    """
    panel = panel_of(request)
    ip, now = address_of(request), panel.clock()
    cookie = session_cookie(request)
    # Looked up in a transaction of its own: the handler's has not begun, so no request holds two connections.
    if bearer is not None:
        if bearer.credentials.startswith(KEY_MARK):
            raise KeyNotEnoughError
        async with panel.db.transaction() as session:
            viewer = await viewer_of_token(session, panel.vault, bearer.credentials, ip=ip, now=now)
    elif cookie is not None:
        await check_csrf(request)
        async with panel.db.transaction() as session:
            viewer = await viewer_of_cookie(session, cookie, ip=ip, now=now)
    else:
        raise SignInNeededError
    request.state.user_language = viewer.language
    if bearer is not None:
        count_call(request, f"user:{viewer.user_id}")
    return viewer


def count_call(request: Request, caller: str) -> None:
    """Count a call of a program, under a name that is its own. Raises `TooManyCallsError`."""
    limiter = request.app.state.key_limiter
    assert isinstance(limiter, KeyLimiter)
    wait = limiter.wait_seconds(caller)
    if wait:
        raise TooManyCallsError(retry_after_seconds=math.ceil(wait))


async def maybe_signed_in(request: Request) -> Viewer | None:
    """Return who sent the request, or `None` for a visitor, or for somebody whose session or account is no longer good."""
    try:
        return await signed_in(request, None)
    except PanelError:
        return None


def origin_of(request: Request) -> Origin:
    """Return where a request comes from, for the record."""
    return Origin(address_of(request), request.headers.get("user-agent"))


CurrentViewer = Annotated[Viewer, Depends(signed_in)]


@dataclass(frozen=True, slots=True)
class StaffWith:
    """The dependency of a staff route: who is signed in, if they hold the permission."""

    permission: Permission

    async def __call__(self, viewer: CurrentViewer) -> Viewer:
        """Return who is signed in. Raises `MissingPermissionError`, and why staff are held back."""
        viewer.require(self.permission)
        return viewer


def staff_with(permission: Permission) -> StaffWith:
    """Return the dependency of a route that takes a permission."""
    return StaffWith(permission)


MaybeViewer = Annotated[Viewer | None, Depends(maybe_signed_in)]
RequestOrigin = Annotated[Origin, Depends(origin_of)]


async def member_shell(request: Request, viewer: CurrentViewer) -> None:
    """Read the frame of a customer's page. Named in a router's dependencies, so that it comes before the transaction."""
    await keep_shell(request, viewer, side="customer")


async def staff_shell(request: Request, viewer: CurrentViewer) -> None:
    """Read the frame of a page of the back office; raises `ForbiddenError` for customers, and why staff are held back."""
    viewer.refuse_held_back()
    if not viewer.is_staff:
        raise ForbiddenError
    await keep_shell(request, viewer, side="staff")


async def visitor_shell(request: Request, viewer: MaybeViewer) -> None:
    """Read the frame of a page that everybody may see."""
    await keep_shell(request, viewer, side="customer" if viewer else "visitor")


FOR_MEMBERS = [Depends(member_shell)]
FOR_STAFF = [Depends(staff_shell)]
FOR_EVERYBODY = [Depends(visitor_shell)]
"""`APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)` makes a router of pages in that frame."""
