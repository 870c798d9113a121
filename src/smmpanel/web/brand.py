"""The panel's own face: its name, and an accent colour turned into a stylesheet of some two hundred bytes.

Contrast holds for every hue: lightness is fixed, and chroma is cut to what sRGB can show at that lightness, because
browsers clip the channels instead, which would shift the lightness. Formulas: Björn Ottosson, "A perceptual color space
for image processing" (OKLab, 2020).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

NAME_OPTION = "brand_name"
ACCENT_OPTION = "brand_accent"
LOGO_OPTION = "brand_logo"
"""Name, width and height of the picture beside the name; what it holds is kept apart, for few requests want it."""
OPTIONS = (NAME_OPTION, ACCENT_OPTION, LOGO_OPTION)
THEME_PATH = "/theme"
LOGO_PATH = "/logo"
IS_HEX = re.compile(r"#[0-9a-fA-F]{6}\Z")
LIGHT_BRAND_FROM = 0.72
"""From this lightness on an accent is worn as it is, with dark writing on it."""
_CHROMA_MAX = 0.37


@dataclass(frozen=True, slots=True)
class Logo:
    """The panel's picture: a hash of its content, and its size in pixels."""

    digest: str
    width: int
    height: int

    @property
    def address(self) -> str:
        """Where it is. The name changes with the content, so it can be kept for good."""
        return f"{LOGO_PATH}.{self.digest}.png"


@dataclass(frozen=True, slots=True)
class Brand:
    """What a panel is called and which colour it wears; an accent of `""` is the house's own blue."""

    name: str
    accent: str = ""
    logo: Logo | None = None

    @property
    def theme_css(self) -> str:
        """The stylesheet of the accent; empty for the house's own."""
        return theme_from_hex(self.accent) if self.accent else ""

    @property
    def theme_address(self) -> str:
        """Where that stylesheet is; empty if none is needed. The name says all, so it can be kept for good."""
        return f"{THEME_PATH}.{self.accent[1:].lower()}.css" if self.accent else ""


def brand_of(options: Mapping[str, Any], fallback: Brand) -> Brand:
    """Read the brand from the panel's options."""
    name = str(options.get(NAME_OPTION) or fallback.name)
    accent = str(options.get(ACCENT_OPTION, fallback.accent) or "")
    logo = options.get(LOGO_OPTION)
    return Brand(name, accent if IS_HEX.match(accent) else "", Logo(**logo) if logo else None)


@dataclass(frozen=True, slots=True)
class WornAccent:
    """An accent as pages wear it: the colour of its surfaces, that of the writing on them, and the contrast between."""

    solid: str
    writing: str
    contrast: float


def worn_accent(value: str) -> WornAccent:
    """Return how an accent such as `#2f63e0` is worn, so that it can be shown before it is taken."""
    lightness, chroma, hue = _oklch(value)
    if lightness > LIGHT_BRAND_FROM:
        solid = _rgb(0.84, min(chroma, _chroma_shown(hue, 0.84, 0.79)), hue)
        writing = _rgb(0.22, 0.03, hue)
    else:
        solid = _rgb(0.54, min(chroma, 0.25, _chroma_shown(hue, 0.54, 0.49)), hue)
        writing = (1.0, 1.0, 1.0)
    bright, dark = sorted((_luminance(solid), _luminance(writing)), reverse=True)
    return WornAccent(_hex(solid), _hex(writing), (bright + 0.05) / (dark + 0.05))


@lru_cache(maxsize=64)
def theme_from_hex(value: str) -> str:
    """Return the stylesheet for an accent such as `#2f63e0`."""
    lightness, chroma, hue = _oklch(value)
    text_chroma = min(chroma, 0.25, _chroma_shown(hue, 0.54, 0.49))
    light = ""
    if lightness > LIGHT_BRAND_FROM:
        solid = min(chroma, _chroma_shown(hue, 0.84, 0.79))
        light = f"--brand-l:.84;--on-brand:oklch(.22 .03 {hue:.1f});--brand-solid-c:{solid:.4f};"
    return f":root{{--brand-h:{hue:.1f};--brand-c:{text_chroma:.4f};{light}}}"


def theme_route() -> Route:
    """Return the route of the stylesheets, one for each accent there can be."""
    return Route(f"{THEME_PATH}.{{accent}}.css", _serve_theme, methods=["GET"])


async def _serve_theme(request: Request) -> Response:
    accent = f"#{request.path_params['accent']}"
    if not IS_HEX.match(accent):
        raise HTTPException(404)
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(theme_from_hex(accent), media_type="text/css", headers=kept)


def _rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _luminance(linear: tuple[float, float, float]) -> float:
    red, green, blue = linear
    return max(0.2126 * red + 0.7152 * green + 0.0722 * blue, 0.0)


def _hex(linear: tuple[float, float, float]) -> str:
    channels = (min(max(channel, 0.0), 1.0) for channel in linear)
    shown = (12.92 * one if one <= 0.0031308 else 1.055 * one ** (1 / 2.4) - 0.055 for one in channels)
    return "#" + "".join(f"{round(one * 255):02x}" for one in shown)


def _chroma_shown(hue: float, *lightnesses: float) -> float:
    """Return the most chroma that sRGB shows at all of these lightnesses, by bisection."""
    best = _CHROMA_MAX
    for lightness in lightnesses:
        low, high = 0.0, _CHROMA_MAX
        for _ in range(24):
            middle = (low + high) / 2
            fits = all(-1e-4 <= channel <= 1.0001 for channel in _rgb(lightness, middle, hue))
            low, high = (middle, high) if fits else (low, middle)
        best = min(best, low)
    return best


def _oklch(value: str) -> tuple[float, float, float]:
    red, green, blue = (_linear(int(value[place : place + 2], 16) / 255) for place in (1, 3, 5))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
