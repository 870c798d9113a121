"""The cookies of the panel: which there are, and how they are set."""

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from smmpanel.web.languages import LANGUAGE_COOKIE
from smmpanel.web.transactions import panel_of

YEAR_SECONDS = 365 * 24 * 3600
_SESSION = "smmpanel_session"
_VISITOR = "smmpanel_visitor"
_KEPT = "smmpanel_kept"
_STEP = "smmpanel_step_"
_REFERRAL = "smmpanel_ref"
_DEVICE = "smmpanel_device"


def _name(connection: HTTPConnection, plain: str) -> str:
    # The prefix makes browsers refuse such a cookie from a neighbouring host or over plain HTTP.
    return f"__Host-{plain}" if panel_of(connection).settings.secure_cookies else plain


def session_cookie(connection: HTTPConnection) -> str | None:
    """Return the session token that a browser brought."""
    return connection.cookies.get(_name(connection, _SESSION)) or None


def visitor_cookie(connection: HTTPConnection) -> str | None:
    """Return the random name that a browser was given before anybody signed in."""
    return connection.cookies.get(_name(connection, _VISITOR)) or None


def kept_cookie(connection: HTTPConnection) -> str | None:
    """Return the session token that a browser keeps aside while its owner is signed in as somebody else."""
    return connection.cookies.get(_name(connection, _KEPT)) or None


def referral_cookie(connection: HTTPConnection) -> str | None:
    """Return what the first link of somebody who recommends the panel left with a browser."""
    return connection.cookies.get(_name(connection, _REFERRAL)) or None


def device_cookie(connection: HTTPConnection) -> str | None:
    """Return the random name that a browser keeps for a year, whoever signs in with it."""
    return connection.cookies.get(_name(connection, _DEVICE)) or None


def step_cookie(connection: HTTPConnection, kind: str) -> str | None:
    """Return the token of a step on the way to being signed in."""
    return connection.cookies.get(_name(connection, _STEP + kind)) or None


def set_step_cookie(request: Request, response: Response, kind: str, token: str, max_age_seconds: int) -> None:
    """Have a browser carry a step to its end."""
    _set(request, response, _STEP + kind, token, max_age_seconds)


def drop_step_cookie(request: Request, response: Response, kind: str) -> None:
    """Have a browser forget a step."""
    _drop(request, response, _STEP + kind)


def set_session_cookie(request: Request, response: Response, token: str, max_age_seconds: int) -> None:
    """Give a browser its session: for the server only, not sent along when other sites post to us."""
    _set(request, response, _SESSION, token, max_age_seconds)


def set_kept_cookie(request: Request, response: Response, token: str, max_age_seconds: int) -> None:
    """Have a browser keep a session aside."""
    _set(request, response, _KEPT, token, max_age_seconds)


def set_visitor_cookie(request: Request, response: Response, value: str) -> None:
    """Name a browser until it is closed."""
    _set(request, response, _VISITOR, value, None)


def set_referral_cookie(connection: HTTPConnection, response: Response, value: str, max_age_seconds: int) -> None:
    """Have a browser remember whose link it followed."""
    _set(connection, response, _REFERRAL, value, max_age_seconds)


def set_device_cookie(connection: HTTPConnection, response: Response, value: str) -> None:
    """Name a browser for a year."""
    _set(connection, response, _DEVICE, value, YEAR_SECONDS)


def drop_session_cookie(request: Request, response: Response) -> None:
    """Have a browser forget its session."""
    _drop(request, response, _SESSION)


def drop_kept_cookie(request: Request, response: Response) -> None:
    """Have a browser forget the session that it kept aside."""
    _drop(request, response, _KEPT)


def set_language_cookie(request: Request, response: Response, language: str) -> None:
    """Have a browser remember its language."""
    secure = panel_of(request).settings.secure_cookies
    response.set_cookie(
        LANGUAGE_COOKIE, language, max_age=YEAR_SECONDS, path="/", secure=secure, httponly=True, samesite="lax"
    )


def _drop(request: Request, response: Response, name: str) -> None:
    secure = panel_of(request).settings.secure_cookies
    response.delete_cookie(_name(request, name), path="/", secure=secure, httponly=True, samesite="lax")


def _set(request: HTTPConnection, response: Response, name: str, value: str, max_age_seconds: int | None) -> None:
    secure = panel_of(request).settings.secure_cookies
    response.set_cookie(
        _name(request, name), value, max_age=max_age_seconds, path="/", secure=secure, httponly=True, samesite="lax"
    )
