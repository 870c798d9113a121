"""Which language a request is answered in."""

from collections.abc import Mapping

from starlette.requests import Request

from smmpanel.kernel.i18n import LANGUAGES, SOURCE_LANGUAGE, accepted_language, known_language, translate

LANGUAGE_COOKIE = "lang"


def offered_languages(request: Request) -> Mapping[str, str]:
    """Return the languages that this panel offers, named in themselves: all of them unless its owner chose some."""
    chosen: list[str] = getattr(request.state, "panel_languages", None) or []
    return {code: name for code, name in LANGUAGES.items() if code in chosen} or LANGUAGES


def asked_language(request: Request) -> str | None:
    """Return the language that the address asks for by `?lang=`."""
    return _offered(request, request.query_params.get("lang"))


def language_of(request: Request) -> str:
    """Return the language to answer in: asked for, last chosen in this browser, the user's, the browser's, the panel's.

    The language menu changes nothing but a cookie of this browser; the account page sets both.
    """
    return (
        asked_language(request)
        or _offered(request, request.cookies.get(LANGUAGE_COOKIE))
        or _offered(request, getattr(request.state, "user_language", None))
        or accepted_language(request.headers.get("accept-language", ""), offered_languages(request))
        or known_language(getattr(request.state, "panel_language", None) or request.app.state.customs.language)
        or SOURCE_LANGUAGE
    )


def _offered(request: Request, code: str | None) -> str | None:
    known = known_language(code)
    return known if known in offered_languages(request) else None


def say(request: Request, text: str, **fields: object) -> str:
    """Say an English text in the request's language."""
    return translate(language_of(request), text, **fields)
