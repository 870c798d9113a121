"""The panel's picture: only what a decoder understood is kept, drawn anew, so nothing that was hidden in a file survives."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO

from PIL import Image
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor
from smmpanel.entrypoints.panel_settings.changing import change_options
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.options import read_option, write_option
from smmpanel.web.brand import LOGO_OPTION

CONTENT_OPTION = "brand_logo_content"
UPLOAD_MAX_BYTES = 2 * 1024 * 1024
SIDE_MIN, SIDE_MAX = 16, 4096
SHOWN_MAX = (480, 96)
"""Twice what pages show, for fine screens."""
KEPT_MAX_BYTES = 48 * 1024
DIGEST_LENGTH = 16
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"))
NOT_A_PICTURE = marked("Choose a PNG, JPEG or WebP picture.")
TOO_HEAVY = marked("The file is larger than 2 MB. Choose a smaller one.")
WRONG_SIZE = marked("The picture must have 16 to 4096 pixels on each side.")
MISSING = marked("Choose a file.")


@dataclass(frozen=True, slots=True)
class DrawnLogo:
    """A picture as it is kept: a PNG, and its size."""

    content: bytes
    width: int
    height: int

    @property
    def digest(self) -> str:
        """What its address is made of."""
        return sha256(self.content).hexdigest()[:DIGEST_LENGTH]


def draw_logo(content: bytes) -> DrawnLogo:
    """Read an uploaded picture and draw it anew, small enough for every page. Raises `InvalidInputError`."""
    if not content:
        raise InvalidInputError(field="logo", reason=MISSING)
    if len(content) > UPLOAD_MAX_BYTES:
        raise InvalidInputError(field="logo", reason=TOO_HEAVY)
    kind = _kind_of(content)
    if kind is None:
        raise InvalidInputError(field="logo", reason=NOT_A_PICTURE)
    try:
        # The first bytes said what it is: no other decoder is let near it.
        with Image.open(BytesIO(content), formats=[kind]) as found:
            if not (min(found.size) >= SIDE_MIN and max(found.size) <= SIDE_MAX):
                raise InvalidInputError(field="logo", reason=WRONG_SIZE)
            drawn = found.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as broken:
        raise InvalidInputError(field="logo", reason=NOT_A_PICTURE) from broken
    drawn.thumbnail(SHOWN_MAX, Image.Resampling.LANCZOS)
    # Pixels only: what else the file carried, such as where a photograph was taken, stays behind.
    plain = Image.new("RGBA", drawn.size)
    plain.paste(drawn)
    kept = _png(plain)
    if len(kept) > KEPT_MAX_BYTES:
        kept = _png(plain.quantize(256, method=Image.Quantize.FASTOCTREE))
    return DrawnLogo(kept, *plain.size)


async def keep_logo(session: AsyncSession, actor: Actor, logo: DrawnLogo) -> bool:
    """Make this the panel's picture; returns whether it was another one."""
    named = {"digest": logo.digest, "width": logo.width, "height": logo.height}
    changed = await change_options(session, actor, "logo", {LOGO_OPTION: named})
    await write_option(session, CONTENT_OPTION, {"digest": logo.digest, "png": b64encode(logo.content).decode()})
    return changed


async def drop_logo(session: AsyncSession, actor: Actor) -> bool:
    """Go back to the house's mark; returns whether there was a picture."""
    changed = await change_options(session, actor, "logo", {LOGO_OPTION: None})
    await write_option(session, CONTENT_OPTION, None)
    return changed


async def logo_content(session: AsyncSession, digest: str) -> bytes | None:
    """Return the picture with this hash; `None` if the panel has another one, or none."""
    kept = await read_option(session, CONTENT_OPTION)
    return b64decode(kept["png"]) if kept and kept["digest"] == digest else None


def _kind_of(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)


def _png(image: Image.Image) -> bytes:
    written = BytesIO()
    image.save(written, "PNG", optimize=True)
    return written.getvalue()
