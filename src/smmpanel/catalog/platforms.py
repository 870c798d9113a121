"""The platforms whose services are sold: their hosts, their user names, and how a catalogue's wording gives them away."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

NAME_SCANNED_MAX = 500


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform: where its links live and, where customers order by name, what a name looks like."""

    slug: str
    name: str
    hosts: tuple[str, ...]
    """Each host stands for its subdomains as well. Empty means that any public host will do."""
    words: tuple[str, ...] = ()
    """Words that mean this platform wherever they stand in a category's or service's name."""
    short_words: tuple[str, ...] = ()
    """Abbreviations, believed only if no platform's full word is found."""
    user_name: re.Pattern[str] | None = None
    """What a bare name looks like, without its `@`; `None` where a name alone does not identify anything."""
    profile_url: str = ""
    """Where `{name}` lives."""
    at_required: bool = False
    """A bare name needs its `@`, because without one it could be an id of something else."""


def _name(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_ALL = (
    Platform(
        "instagram",
        "Instagram",
        ("instagram.com", "instagr.am", "ig.me"),
        ("instagram", "insta"),
        ("ig",),
        _name(r"[A-Za-z0-9._]{1,30}"),
        "https://instagram.com/{name}",
    ),
    Platform(
        "tiktok",
        "TikTok",
        ("tiktok.com", "vm.tiktok.com", "vt.tiktok.com"),
        ("tiktok", "tik tok", "douyin"),
        ("tt",),
        _name(r"[A-Za-z0-9._]{2,24}"),
        "https://www.tiktok.com/@{name}",
    ),
    Platform(
        "youtube",
        "YouTube",
        ("youtube.com", "youtu.be"),
        ("youtube", "you tube"),
        ("yt",),
        _name(r"[A-Za-z0-9._-]{3,30}"),
        "https://www.youtube.com/@{name}",
        at_required=True,
    ),
    Platform(
        "facebook",
        "Facebook",
        ("facebook.com", "fb.com", "fb.watch", "fb.me", "fb.gg", "messenger.com", "m.me"),
        ("facebook",),
        ("fb",),
    ),
    Platform(
        "telegram",
        "Telegram",
        ("t.me", "telegram.me", "telegram.dog"),
        ("telegram",),
        ("tg",),
        _name(r"[A-Za-z0-9_]{4,32}"),
        "https://t.me/{name}",
    ),
    Platform(
        "x",
        "X (Twitter)",
        ("x.com", "twitter.com", "t.co"),
        ("twitter", "tweet", "tweets", "retweets"),
        (),
        _name(r"[A-Za-z0-9_]{1,15}"),
        "https://x.com/{name}",
    ),
    Platform(
        "threads",
        "Threads",
        ("threads.net", "threads.com"),
        ("threads",),
        (),
        _name(r"[A-Za-z0-9._]{1,30}"),
        "https://www.threads.net/@{name}",
    ),
    Platform("spotify", "Spotify", ("spotify.com", "spotify.link", "spoti.fi"), ("spotify",)),
    Platform(
        "soundcloud",
        "SoundCloud",
        ("soundcloud.com", "snd.sc"),
        ("soundcloud", "sound cloud"),
        (),
        _name(r"[A-Za-z0-9_-]{3,25}"),
        "https://soundcloud.com/{name}",
    ),
    Platform(
        "twitch",
        "Twitch",
        ("twitch.tv",),
        ("twitch",),
        (),
        _name(r"[A-Za-z0-9_]{3,25}"),
        "https://www.twitch.tv/{name}",
    ),
    Platform("kick", "Kick", ("kick.com",), ("kick",), (), _name(r"[A-Za-z0-9_-]{3,25}"), "https://kick.com/{name}"),
    Platform("discord", "Discord", ("discord.gg", "discord.com", "discordapp.com"), ("discord",)),
    Platform("linkedin", "LinkedIn", ("linkedin.com", "lnkd.in"), ("linkedin", "linked in")),
    Platform(
        "pinterest",
        "Pinterest",
        (
            "pinterest.com",
            "pin.it",
            "pinterest.co.uk",
            "pinterest.de",
            "pinterest.fr",
            "pinterest.es",
            "pinterest.ca",
            "pinterest.jp",
            "pinterest.it",
            "pinterest.ph",
            "pinterest.com.au",
            "pinterest.com.mx",
        ),
        ("pinterest",),
    ),
    Platform("reddit", "Reddit", ("reddit.com", "redd.it"), ("reddit",)),
    Platform(
        "snapchat",
        "Snapchat",
        ("snapchat.com",),
        ("snapchat",),
        (),
        _name(r"[A-Za-z0-9._-]{3,30}"),
        "https://www.snapchat.com/add/{name}",
    ),
    Platform("whatsapp", "WhatsApp", ("whatsapp.com", "wa.me"), ("whatsapp", "whats app")),
    Platform(
        "shopee",
        "Shopee",
        (
            "shopee.vn",
            "shopee.co.id",
            "shopee.co.th",
            "shopee.com.my",
            "shopee.ph",
            "shopee.sg",
            "shopee.tw",
            "shopee.com.br",
            "shopee.com",
            "shp.ee",
        ),
        ("shopee",),
    ),
    Platform(
        "zalo", "Zalo", ("zalo.me", "zaloapp.com"), ("zalo",), (), _name(r"\+?[0-9]{8,15}"), "https://zalo.me/{name}"
    ),
    Platform("vk", "VK", ("vk.com", "vk.ru"), ("vkontakte",), ("vk",)),
    Platform(
        "google",
        "Google",
        ("google.com", "goo.gl", "g.page", "g.co", "google.com.vn", "google.co.id", "google.co.in", "google.co.uk"),
        ("google",),
    ),
    Platform("website", "Website", (), ("website", "web", "traffic", "seo", "backlinks", "backlink")),
)

PLATFORMS: Mapping[str, Platform] = {platform.slug: platform for platform in _ALL}
"""All platforms by slug, in the order in which they are shown."""

_BY_HOST = {host: platform for platform in _ALL for host in platform.hosts}
_TOKENS = re.compile(r"[a-z0-9]+")


def platform_of_host(host: str) -> Platform | None:
    """Find the platform that owns a lower-case host name or a domain above it."""
    while host:
        if (found := _BY_HOST.get(host)) is not None:
            return found
        _, _, host = host.partition(".")
    return None


@lru_cache(maxsize=4096)
def platform_of(text: str) -> str | None:
    """Guess a platform's slug from a category's or service's name; `None` if nothing in it tells.

    The first full word wins ("Website Traffic from Instagram" is about websites), then abbreviations, then words grown
    together ("InstagramFollowers"). A lone X counts only as the first word, because it also multiplies ("2 x faster").
    """
    # Catalogues love bold and italic look-alike letters; NFKC turns them into letters.
    plain = unicodedata.normalize("NFKC", text[:NAME_SCANNED_MAX]).lower()
    tokens = _TOKENS.findall(plain)
    line = f" {' '.join(tokens)} "
    return (
        _earliest(line, {f" {word} ": platform.slug for platform in _ALL for word in platform.words})
        or ("x" if tokens[:1] == ["x"] else None)
        or _earliest(line, {f" {word} ": platform.slug for platform in _ALL for word in platform.short_words})
        or _earliest(line, {word: p.slug for p in _ALL for word in p.words if len(word) >= len("twitter")})
    )


def _earliest(line: str, needles: Mapping[str, str]) -> str | None:
    found = [(at, slug) for needle, slug in needles.items() if (at := line.find(needle)) >= 0]
    return min(found)[1] if found else None
