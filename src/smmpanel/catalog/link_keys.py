"""The canonical form of a link, by which two spellings of one target are seen to be the same.

A key is for comparing, never for sending: it has no scheme, no fragment, no `www.`, and keeps of the query only what
identifies. Making the key of a key changes nothing.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from smmpanel.catalog.platforms import Platform, platform_of_host

_DEFAULT_PORTS = frozenset({"", "80", "443"})
_EVERYWHERE_PREFIXES = frozenset({"www", "m"})
_PLATFORM_PREFIXES = frozenset({"www", "m", "mobile", "web", "mbasic", "touch"})
_SAME_HOST: Mapping[str, str] = {
    "instagr.am": "instagram.com",
    "telegram.me": "t.me",
    "telegram.dog": "t.me",
    "twitter.com": "x.com",
    "fb.com": "facebook.com",
    "threads.com": "threads.net",
    "music.youtube.com": "youtube.com",
    "discordapp.com": "discord.com",
    "vk.ru": "vk.com",
}
# The names of query parameters that only say where a visitor came from.
_TRACKING = re.compile(r"utm_[a-z_]*|fbclid|gclid|igsh|igshid|mc_cid|mc_eid|si", re.ASCII)
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def link_key(host: str, port: str, rest: str) -> str:
    """Make the key of a link from its lower-case host, its port and all that follows (`/path?query#fragment`)."""
    before_fragment, _, _ = rest.partition("#")
    path, _, query = before_fragment.partition("?")
    segments = [segment for segment in path.split("/") if segment]
    owner = platform_of_host(host)
    host = _plain_host(host, owner)
    if owner is None or owner.slug == "google":
        tail = _website_tail(segments, query)
        return f"{host}{tail}" if port in _DEFAULT_PORTS else f"{host}:{port}{tail}"
    host, segments, kept = _RULES.get(owner.slug, _as_it_is)(host, segments, query)
    return _joined(host, segments, kept)


def _plain_host(host: str, owner: Platform | None) -> str:
    prefixes = _EVERYWHERE_PREFIXES if owner is None else _PLATFORM_PREFIXES
    first, _, others = host.partition(".")
    while first in prefixes and "." in others:
        host = others
        first, _, others = host.partition(".")
    if owner is not None and owner.slug == "pinterest" and host.startswith("pinterest."):
        return "pinterest.com"
    return _SAME_HOST.get(host, host)


def _joined(host: str, segments: Sequence[str], query: str) -> str:
    path = "".join(f"/{segment}" for segment in segments)
    return f"{host}{path}?{query}" if query else f"{host}{path}"


def _website_tail(segments: Sequence[str], query: str) -> str:
    kept = "&".join(part for part in query.split("&") if part and not _TRACKING.fullmatch(part.partition("=")[0]))
    return _joined("", segments, kept)


def _parameter(query: str, name: str) -> str:
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return ""


def _kept_parameters(query: str, names: Sequence[str]) -> str:
    found = ((name, _parameter(query, name)) for name in names)
    return "&".join(f"{name}={value}" for name, value in found if value)


def _after(segments: Sequence[str], markers: frozenset[str], *, within: int) -> str:
    """Return the segment that follows the first marker, if the marker is among the first `within` segments."""
    for marker, following in pairwise(segments[: within + 1]):
        if marker in markers:
            return following
    return ""


_Rule = Callable[[str, list[str], str], tuple[str, list[str], str]]


def _as_it_is(host: str, segments: list[str], _query: str) -> tuple[str, list[str], str]:
    return host, segments, ""


def _lone_name(host: str, segments: list[str], _query: str) -> tuple[str, list[str], str]:
    """User names are the same in any case; codes of posts and invitations are not."""
    if len(segments) == 1 and platform_of_host(host) is not None and host.count(".") == 1:
        return host, [segments[0].lower()], ""
    return host, segments, ""


def _instagram(host: str, segments: list[str], query: str) -> tuple[str, list[str], str]:
    code = _after(segments, frozenset({"p", "reel", "reels", "tv"}), within=2)
    if code and code != "audio":
        return host, ["p", code], ""
    return _lone_name(host, segments, query)


def _tiktok(host: str, segments: list[str], query: str) -> tuple[str, list[str], str]:
    for kind in ("video", "photo"):
        if number := _after(segments, frozenset({kind}), within=2):
            return host, [kind, number], ""
    if segments and segments[0].startswith("@"):
        return host, [segments[0].lower(), *segments[1:]], ""
    return _lone_name(host, segments, query) if host == "tiktok.com" else (host, segments, "")


def _youtube(host: str, segments: list[str], query: str) -> tuple[str, list[str], str]:
    video = ""
    if segments[:1] == ["watch"]:
        video = _parameter(query, "v")
    elif host == "youtu.be":
        video = segments[0] if segments else ""
    else:
        video = _after(segments, frozenset({"shorts", "live", "embed", "v"}), within=1)
    if found := _VIDEO_ID.match(video):
        return "youtube.com", ["watch"], f"v={found[0]}"
    if segments and segments[0].startswith("@"):
        return host, [segments[0].lower()], ""
    return host, segments, _kept_parameters(query, ("list",))


def _facebook(host: str, segments: list[str], query: str) -> tuple[str, list[str], str]:
    host, segments, _ = _lone_name(host, segments, "") if host == "facebook.com" else (host, segments, "")
    return host, segments, _kept_parameters(query, ("story_fbid", "fbid", "v", "id"))


def _telegram(host: str, segments: list[str], query: str) -> tuple[str, list[str], str]:
    while len(segments) > 1 and segments[0].lower() == "s":  # t.me/s/name is the same channel as a web page
        segments = segments[1:]
    if len(segments) > 1 and segments[0].lower() == "joinchat":
        return host, [f"+{segments[1]}"], ""
    if segments and not segments[0].startswith("+"):
        segments = [segments[0].lower(), *segments[1:]]
    return host, segments, _kept_parameters(query, ("start", "startapp"))


def _x(host: str, segments: list[str], query: str) -> tuple[str, list[str], str]:
    if number := _after(segments, frozenset({"status", "statuses"}), within=3):
        return host, ["i", "status", number], ""
    return _lone_name(host, segments, query)


def _threads(host: str, segments: list[str], query: str) -> tuple[str, list[str], str]:
    if segments and segments[0].startswith("@"):
        return host, [segments[0].lower(), *segments[1:]], ""
    return _lone_name(host, segments, query)


def _spotify(host: str, segments: list[str], _query: str) -> tuple[str, list[str], str]:
    while segments and segments[0].startswith("intl-"):
        segments = segments[1:]
    return host, segments, ""


def _discord(host: str, segments: list[str], _query: str) -> tuple[str, list[str], str]:
    if host == "discord.com" and len(segments) == 2 and segments[0] == "invite":
        return "discord.gg", segments[1:], ""
    return host, segments, ""


_RULES: Mapping[str, _Rule] = {
    "instagram": _instagram,
    "tiktok": _tiktok,
    "youtube": _youtube,
    "facebook": _facebook,
    "telegram": _telegram,
    "x": _x,
    "threads": _threads,
    "spotify": _spotify,
    "discord": _discord,
    "twitch": _lone_name,
    "kick": _lone_name,
    "soundcloud": _lone_name,
    "vk": _lone_name,
}
