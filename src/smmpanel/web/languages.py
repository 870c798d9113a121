"""Which language a request is answered in."""

from starlette.requests import Request

from smmpanel.kernel.i18n import SOURCE_LANGUAGE, accepted_language, known_language, translate

LANGUAGE_COOKIE = "lang"


def asked_language(request: Request) -> str | None:
    """Return the language that the address asks for by `?lang=`."""
    return known_language(request.query_params.get("lang"))


def language_of(request: Request) -> str:
    """Return the language to answer in: asked for, the user's, the cookie's, the browser's, the panel's, or English."""
    return (
        asked_language(request)
        or known_language(getattr(request.state, "user_language", None))
        or known_language(request.cookies.get(LANGUAGE_COOKIE))
        or accepted_language(request.headers.get("accept-language", ""))
        or known_language(getattr(request.state, "panel_language", None))
        or SOURCE_LANGUAGE
    )


def say(request: Request, text: str, **fields: object) -> str:
    """Say an English text in the request's language."""
    return translate(language_of(request), text, **fields)
