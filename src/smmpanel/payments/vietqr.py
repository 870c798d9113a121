"""VietQR: the code that Vietnamese bank apps read, made here (NAPAS's profile of EMVCo's merchant-presented mode)."""

from binascii import crc_hqx
from decimal import Decimal
from io import BytesIO
from urllib.parse import quote, urlencode

NAPAS = "A000000727"
TO_ACCOUNT = "QRIBFTTA"
VND = "704"
TEMPLATE = "compact2"
SCALE = 8
BORDER = 2


def vietqr_payload(bin_number: str, account: str, amount: Decimal | None = None, memo: str = "") -> str:
    """Return what the code says. Without an amount the payer types it. `memo` is plain ASCII."""
    assert memo.isascii()
    assert amount is None or amount == amount.to_integral_value(), "đồng have no decimals"
    receiver = _field("00", bin_number) + _field("01", account)
    parts = [
        _field("00", "01"),
        _field("01", "11" if amount is None else "12"),
        _field("38", _field("00", NAPAS) + _field("01", receiver) + _field("02", TO_ACCOUNT)),
        _field("53", VND),
        "" if amount is None else _field("54", f"{amount:.0f}"),
        _field("58", "VN"),
        _field("62", _field("08", memo)) if memo else "",
        "6304",
    ]
    text = "".join(parts)
    return f"{text}{crc16(text.encode()):04X}"


def crc16(content: bytes) -> int:
    """Return the checksum that stands at the end: CRC-16/CCITT-FALSE."""
    return crc_hqx(content, 0xFFFF)


def qr_svg(payload: str, title: str) -> str:
    """Draw a code as an `<svg>` to stand in a page: black on nothing, the page puts white behind it."""
    import segno

    return str(segno.make(payload, error="m", micro=False).svg_inline(border=BORDER, title=title, omitsize=True))


def qr_png(payload: str) -> bytes:
    """Draw a code as a picture to keep."""
    import segno

    drawn = BytesIO()
    segno.make(payload, error="m", micro=False).save(drawn, kind="png", scale=SCALE, border=BORDER + 2)
    return drawn.getvalue()


def quick_link(bin_number: str, account: str, holder: str, amount: Decimal, memo: str) -> str:
    """Return the address of the same code at a public service, for front ends that cannot draw."""
    asked = {"amount": f"{amount:.0f}", "addInfo": memo, "accountName": holder}
    name = f"{quote(bin_number)}-{quote(account)}-{TEMPLATE}.png"
    return f"https://img.vietqr.io/image/{name}?{urlencode(asked, quote_via=quote)}"


def _field(tag: str, value: str) -> str:
    length = len(value.encode())
    assert 0 < length < 100
    return f"{tag}{length:02}{value}"
