"""Files that are sent as proof: known by their first bytes, and pictures drawn anew, so nothing hidden in them is kept."""

import threading
import warnings
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.logging import get_logger

if TYPE_CHECKING:
    from PIL import Image

UPLOAD_MAX_BYTES = 5 * 1024 * 1024
SIDE_MIN, SIDE_MAX = 16, 16_384
PIXELS_MAX = {"JPEG": 64_000_000, "PNG": 20_000_000, "WEBP": 12_000_000}
"""Only JPEG can be decoded smaller than it is; of the others every pixel is in memory for a moment, of WebP four times."""
PASSES_PIXELS_MAX = 20_000_000
"""Of a JPEG that comes in several passes: all of them are in memory before there is a picture."""
KEPT_SIDE_MAX = 2400
QUALITY = 85
PDF, JPEG = "application/pdf", "image/jpeg"
NOT_A_PROOF = marked("Choose a JPEG, PNG or WebP picture, or a PDF.")
TOO_HEAVY = marked("The file is larger than 5 MB. Choose a smaller one.")
WRONG_SIZE = marked("The picture is too large or too small. Take a screenshot of it and send that.")
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"))
_HELD = 0x0112
"""Where a photograph says how the camera was held, from 1 to 8."""
_SOF, _SOS, _FILL = (0xC0, 0xC1), 0xDA, 0xFF
_PASSES = frozenset({*range(0xC2, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PDF_START, _PDF_END, _PDF_TAIL = b"%PDF-", b"%%EOF", 2048
_one_at_a_time = threading.Lock()

log = get_logger()


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A file as it is kept, and the digest of what was sent."""

    content: bytes
    media_type: str
    digest: bytes


def read_proof(sent: bytes) -> ProofFile:
    """Read a file that somebody sent; raises `InvalidInputError`. Takes a while: not for the event loop's thread."""
    if len(sent) > UPLOAD_MAX_BYTES:
        raise InvalidInputError(field="file", reason=TOO_HEAVY)
    digest = sha256(sent).digest()
    if sent.startswith(_PDF_START):
        # It cannot be drawn anew here: it is only ever handed out as a download that may do nothing.
        if _PDF_END not in sent[-_PDF_TAIL:]:
            raise InvalidInputError(field="file", reason=NOT_A_PROOF)
        return ProofFile(sent, PDF, digest)
    kind = _kind_of(sent)
    if kind is None:
        raise InvalidInputError(field="file", reason=NOT_A_PROOF)
    with _one_at_a_time:
        return ProofFile(_drawn_anew(sent, kind), JPEG, digest)


def _kind_of(sent: bytes) -> str | None:
    if sent[:4] == b"RIFF" and sent[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for magic, kind in _MAGIC if sent.startswith(magic)), None)


def _drawn_anew(sent: bytes, kind: str) -> bytes:
    # Loaded with the first picture: processes that see none need not carry it.
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # How many pixels are too many is said here, for each kind; and what else is odd is nobody's concern.
            warnings.simplefilter("ignore")
            # The first bytes said what it is: no other decoder is let near it.
            with Image.open(BytesIO(sent), formats=[kind]) as found:
                _check_size(*found.size, sent, kind)
                # Made smaller while it is decoded where that can be done, and before anything copies it.
                if kind == "JPEG":
                    found.draft("RGB", (KEPT_SIDE_MAX, KEPT_SIDE_MAX))
                found.thumbnail((KEPT_SIDE_MAX, KEPT_SIDE_MAX), Image.Resampling.BICUBIC, reducing_gap=None)
                return _written(_upright(found))
    except InvalidInputError:
        raise
    except Exception as broken:
        # Decoders raise whatever they stumble over.
        raise InvalidInputError(field="file", reason=NOT_A_PROOF) from broken


def _check_size(width: int, height: int, sent: bytes, kind: str) -> None:
    most = PASSES_PIXELS_MAX if kind == "JPEG" and not _is_in_one_pass(sent) else PIXELS_MAX[kind]
    if not SIDE_MIN <= min(width, height) <= max(width, height) <= SIDE_MAX or width * height > most:
        raise InvalidInputError(field="file", reason=WRONG_SIZE)


def _upright(picture: "Image.Image") -> "Image.Image":
    """Turn a picture as the camera says that it was held; what says it unreadably says nothing."""
    from PIL import Image

    turns = Image.Transpose
    way = None
    try:
        way = {
            2: turns.FLIP_LEFT_RIGHT,
            3: turns.ROTATE_180,
            4: turns.FLIP_TOP_BOTTOM,
            5: turns.TRANSPOSE,
            6: turns.ROTATE_270,
            7: turns.TRANSVERSE,
            8: turns.ROTATE_90,
        }.get(int(picture.getexif().get(_HELD) or 1))
    except Exception:  # noqa: BLE001 - the notes of a camera are no reason to refuse a picture
        log.debug("proof_notes_unreadable")
    return picture if way is None else picture.transpose(way)


def _is_in_one_pass(sent: bytes) -> bool:
    """Whether a JPEG is decoded from top to bottom: its first scan has all colours, and no further one refines them."""
    at, colours = 2, b""
    while sent[at : at + 1] == b"\xff" and len(sent) > at + 4:
        marker = sent[at + 1]
        if marker == _FILL:
            at += 1
            continue
        if marker == _SOS:
            return colours != b"" and sent[at + 4 : at + 5] == colours
        if marker in _PASSES:
            return False
        if marker in _SOF:
            colours = sent[at + 9 : at + 10]
        at += 2 + int.from_bytes(sent[at + 2 : at + 4])
    return False


def _written(picture: "Image.Image") -> bytes:
    from PIL import Image

    # Pixels on white only: what else the file carried, such as where a photograph was taken, stays behind.
    plain = Image.new("RGB", picture.size, "white")
    seen = picture.convert("RGBA") if "A" in picture.getbands() or "transparency" in picture.info else None
    plain.paste(picture.convert("RGB") if seen is None else seen, mask=seen)
    drawn = BytesIO()
    plain.save(drawn, "JPEG", quality=QUALITY)
    return drawn.getvalue()
