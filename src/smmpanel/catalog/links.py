"""Checking the link of an order before anything is charged, with a reason that a customer understands."""

import ipaddress
import re
from dataclasses import dataclass
from typing import NoReturn

from smmpanel.catalog.link_keys import link_key
from smmpanel.catalog.order_faults import OrderFault, OrderFieldError
from smmpanel.catalog.platforms import PLATFORMS, Platform, platform_of_host
from smmpanel.kernel.i18n import marked

LINK_BYTES_MAX = 2000
"""Longest link, in UTF-8. Its key is at most some 300 bytes longer, which a B-tree index still takes (2,704 bytes)."""

# White space, control characters, lone surrogates, invisible and direction-changing characters that come along when a
# link is copied, and four that are never part of one but are read differently by different programs.
_FORBIDDEN = re.compile(
    "[\\s\\x00-\\x1f\\x7f-\\x9f\\xad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ud800-\\udfff" + '\\\\<>"]'
)
_END_OF_HOST = re.compile(r"[/?#]")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+", re.ASCII)
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PRIVATE_ENDINGS = frozenset(
    {"localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "arpa"}
)
_HOST_MAX = 253
NOT_OF_PLATFORM = marked("is not a link to {platform}")


@dataclass(frozen=True, slots=True)
class NormalLink:
    """A link that may be ordered for."""

    text: str
    """What is stored and sent: as typed and trimmed, completed only where that is certain."""
    key: str
    """What is compared: equal for two spellings of one target."""
    platform: str | None
    """The platform whose host the link names, whatever was expected."""


def check_link(text: str, platform: str | None = None, *, field: str = "link") -> NormalLink:
    """Check a link for a service of a platform; raises `OrderFieldError` with `missing_link` or `bad_link`.

    Where a platform's customers order by name, `@name` and `name` become the profile's address. A host without a scheme
    gets `https://` if the platform is known. `website` takes any public web address; without a platform, a word that is
    no address (an invitation code, an e-mail address) passes unchanged.
    """
    text = text.strip()
    if not text:
        raise OrderFieldError(field=field, reason=marked("is missing"), code=OrderFault.MISSING_LINK)
    _refuse_odd_characters(text, field)
    wanted = PLATFORMS.get(platform) if platform is not None else None
    if text[:8].lower() == "https://":
        return _web_address(text, text[8:], wanted, field)
    if text[:7].lower() == "http://":
        return _web_address(text, text[7:], wanted, field)
    return _without_scheme(text, wanted, field)


def _bad(field: str, reason: str, **named: object) -> NoReturn:
    raise OrderFieldError(field=field, reason=reason, code=OrderFault.BAD_LINK, limit=None, **named)


def _refuse_odd_characters(text: str, field: str) -> None:
    if found := _FORBIDDEN.search(text):
        if found[0] == " ":
            _bad(field, marked("contains a space, which no link has"))
        reason = marked("contains the character {character}, which no link has")
        _bad(field, reason, character=f"U+{ord(found[0]):04X}")
    if len(text) > LINK_BYTES_MAX or (not text.isascii() and len(text.encode()) > LINK_BYTES_MAX):
        _bad(field, marked("is longer than {bytes} bytes"), bytes=LINK_BYTES_MAX)


def _split_authority(body: str) -> tuple[str, str]:
    end = _END_OF_HOST.search(body)
    return (body, "") if end is None else (body[: end.start()], body[end.start() :])


def _web_address(text: str, body: str, wanted: Platform | None, field: str) -> NormalLink:
    authority, rest = _split_authority(body)
    if "@" in authority:
        _bad(field, marked("must not contain a user name or password before the host"))
    place = _host_and_port(authority, field)
    if place is None:
        _bad(field, marked("does not name a public web host"))
    return _judged(NormalLink(text, link_key(*place, rest), _owner(place[0])), place, wanted, field)


def _without_scheme(text: str, wanted: Platform | None, field: str) -> NormalLink:
    if wanted is not None and (profile := _profile(text, wanted)):
        return _web_address(profile, profile[8:], wanted, field)
    authority, rest = _split_authority(text)
    before, colon, after = authority.partition(":")
    if colon and not (after.isascii() and after.isdigit() and "." in before):
        _bad(field, marked("must begin with https:// or http://"))
    place = None if "@" in authority else _host_and_port(authority, field)
    if place is None:
        if wanted is not None:
            if not wanted.hosts:
                _bad(field, marked("is not the address of a website"))
            _bad(field, NOT_OF_PLATFORM, platform=wanted.name)
        if not authority or ("@" in authority and rest):
            _bad(field, marked("does not name a public web host"))
        return NormalLink(text, text, None)
    owner = _owner(place[0])
    completed = text if wanted is None and owner is None else f"https://{text}"
    return _judged(NormalLink(completed, link_key(*place, rest), owner), place, wanted, field)


def _owner(host: str) -> str | None:
    owner = platform_of_host(host)
    return None if owner is None else owner.slug


def _judged(link: NormalLink, place: tuple[str, str], wanted: Platform | None, field: str) -> NormalLink:
    """Pass a well-formed link on if it belongs where it should."""
    if wanted is not None and wanted.hosts and link.platform != wanted.slug:
        _bad(field, NOT_OF_PLATFORM, platform=wanted.name)
    if link.platform is not None and place[1] not in {"", "80", "443"}:
        _bad(field, marked("must not name a port at {platform}"), platform=PLATFORMS[link.platform].name)
    if wanted is not None and link.key in wanted.hosts:
        _bad(field, marked("names no profile or post at {platform}"), platform=wanted.name)
    return link


def _profile(text: str, wanted: Platform) -> str:
    """Return the address of the profile that a bare name means, or nothing if it is not a name."""
    if wanted.user_name is None or (wanted.at_required and text[0] != "@"):
        return ""
    name = text.removeprefix("@")
    if not wanted.user_name.fullmatch(name):
        return ""
    # A dot is part of names and of hosts: what is known to be a host is not taken for a name.
    if text[0] != "@" and (name.lower().startswith("www.") or platform_of_host(name.lower()) is not None):
        return ""
    return wanted.profile_url.format(name=name)


def _host_and_port(authority: str, field: str) -> tuple[str, str] | None:
    """Read a host name and port; `None` if it is no host name, `OrderFieldError` if it is one that must not be used."""
    host, _, port = authority.partition(":")
    if authority.startswith("["):
        _bad(field, marked("must name a host, not an IPv6 address"))
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        return None
    host = _ascii_host(host)
    if not host or _HOST.fullmatch(host) is None:
        return None
    last = host.rpartition(".")[2]
    if last in _PRIVATE_ENDINGS:
        _bad(field, marked("names a private host"))
    if _NUMERIC_LABEL.fullmatch(last) and not _is_public_address(host):
        _bad(field, marked("names a private or malformed numeric address"))
    return host, port.lstrip("0")


def _ascii_host(host: str) -> str:
    host = host.lower()
    if len(host) > _HOST_MAX + 1:
        return ""
    if not host.isascii():
        try:
            # Also undoes look-alikes, such as full-width digits and dots, before anything is compared.
            host = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return ""
    return host.removesuffix(".")


def _is_public_address(host: str) -> bool:
    try:
        return ipaddress.IPv4Address(host).is_global
    except ValueError:  # short, octal and hexadecimal spellings, which browsers and clients read as addresses
        return False
