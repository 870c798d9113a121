"""Proofs of payment: what is taken, what is left of it, who sees it, and for how long."""

import struct
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from struct import pack

import pytest
from PIL import Image, ImageOps

from making import make_user
from payments.browsers import browser_of
from payments.conftest import Till
from smmpanel.accounts.access import Actor
from smmpanel.accounts.states import Role
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.payments.deciding import approve_deposit, reject_deposit
from smmpanel.payments.expiring import expire_deposits
from smmpanel.payments.proof_files import KEPT_SIDE_MAX, PASSES_PIXELS_MAX, UPLOAD_MAX_BYTES, read_proof
from smmpanel.payments.proofs import KEPT_FOR, forget_old_proofs, proofs_of
from staff_browser import OWN, StaffBrowser, sign_in

PDF = b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\ntrailer <</Root 1 0 R>>\n%%EOF\n"
SCRIPT = b"<script>alert(1)</script>"


def picture(kind: str = "JPEG", size: tuple[int, int] = (320, 200), colour: str = "teal", **more: object) -> bytes:
    drawn = BytesIO()
    Image.new("RGB", size, colour).save(drawn, kind, **more)
    return drawn.getvalue()


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of few bytes and many pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + name + content + pack(">I", zlib.crc32(name + content))

    head = pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 1) * 64), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def with_place() -> bytes:
    """Return a photograph that says where it was taken, lying on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "SECRET PLACE"
    exif.get_ifd(0x8825)[2] = (21.0, 1.0, 42.0)
    return picture(exif=exif.tobytes(), comment=b"SECRET COMMENT")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_drawn_anew(kind: str) -> None:
    sent = picture(kind)
    read = read_proof(sent)
    assert read.media_type == "image/jpeg"
    assert read.content != sent
    assert Image.open(BytesIO(read.content)).size == (320, 200)


def test_nothing_but_pixels_is_left_of_a_photograph() -> None:
    sent = with_place()
    assert b"SECRET PLACE" in sent
    kept = read_proof(sent).content
    assert b"SECRET" not in kept
    shown = Image.open(BytesIO(kept))
    assert not shown.getexif()
    assert shown.size == (200, 320), "it stands upright, although nothing says so any more"


@pytest.mark.parametrize("held", range(1, 9))
def test_photographs_stand_upright_however_the_camera_was_held(held: int) -> None:
    exif, drawn, sent = Image.Exif(), Image.new("RGB", (64, 32), "white"), BytesIO()
    drawn.paste("black", (0, 0, 16, 16))
    exif[0x0112] = held
    drawn.save(sent, "JPEG", exif=exif)
    kept = Image.open(BytesIO(read_proof(sent.getvalue()).content)).convert("1")
    with Image.open(sent) as photograph:
        assert kept.tobytes() == ImageOps.exif_transpose(photograph).convert("1").tobytes()


def test_unreadable_notes_of_a_camera_are_no_fault() -> None:
    sent = with_place()
    broken = sent.replace(b"\x01\x0e\x00\x02", b"\x01\x01\x00\x02")
    with pytest.raises(struct.error), Image.open(BytesIO(broken)) as photograph:
        ImageOps.exif_transpose(photograph)
    assert read_proof(broken).media_type == "image/jpeg"


def test_what_hides_behind_a_picture_is_gone() -> None:
    for sent in (picture() + SCRIPT, picture("PNG") + b"PK\x03\x04" + SCRIPT, picture("PNG", pnginfo=None) + PDF):
        kept = read_proof(sent).content
        assert SCRIPT not in kept
        assert b"%PDF" not in kept
        assert b"PK\x03\x04" not in kept


def test_transparent_pictures_stand_on_white() -> None:
    drawn = BytesIO()
    Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(drawn, "PNG")
    assert Image.open(BytesIO(read_proof(drawn.getvalue()).content)).getpixel((5, 5)) == (255, 255, 255)


def test_what_has_to_be_in_memory_as_a_whole_may_be_less() -> None:
    """A JPEG in several passes takes 430 MB of memory at 64 million pixels, in one pass 120."""
    size, drawn = (4600, 4400), Image.new("L", (4600, 4400))
    for more, taken in (({}, True), ({"progressive": True}, False)):
        sent = BytesIO()
        drawn.save(sent, "JPEG", **more)
        if taken:
            assert read_proof(sent.getvalue()).media_type == "image/jpeg"
            # The same, but for a second colour that comes in a scan of its own.
            head = sent.getvalue().index(b"\xff\xc0") + 9
            sent.getbuffer()[head] = 3
            with pytest.raises(InvalidInputError, match="file"):
                read_proof(sent.getvalue())
            continue
        with pytest.raises(InvalidInputError, match="file"):
            read_proof(sent.getvalue())
    assert size[0] * size[1] > PASSES_PIXELS_MAX


def test_large_photographs_are_kept_smaller() -> None:
    kept = read_proof(picture(size=(4200, 3000))).content
    assert max(Image.open(BytesIO(kept)).size) == KEPT_SIDE_MAX


@pytest.mark.parametrize(
    "sent",
    [
        b"GIF89a" + bytes(64), b"<svg xmlns='http://www.w3.org/2000/svg'/>", SCRIPT, b"MZ" + bytes(500), b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff" + SCRIPT, b"RIFF\0\0\0\0WEBP" + SCRIPT, picture()[:200], b"%PDF-1.7 cut off", b" " + PDF,
        bomb(16_000, 16_000), bomb(60_000, 40), picture(size=(8, 400)), PDF + bytes(UPLOAD_MAX_BYTES),
    ],
)  # fmt: skip
def test_other_files_are_refused(sent: bytes) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_proof(sent)
    assert refused.value.fields["field"] == "file"


@pytest.fixture
async def customer(till: Till) -> AsyncIterator[StaffBrowser]:
    """The customer's browser, in a panel with transfers that staff approve."""
    await till.add("manual")
    async with browser_of(till, till.user) as browser:
        yield browser


async def send(browser: StaffBrowser, deposit: int, content: bytes | None, payer: str = "", name: str = "a.jpg") -> int:
    if not browser.token:
        await browser.get("/add-funds")
    files = {"file": (name, content, "application/octet-stream")} if content is not None else {"file": ("", b"")}
    answer = await browser.client.post(
        f"/deposits/{deposit}/proofs",
        data={"csrf_token": browser.token, "payer": payer},
        files=files,
        headers=OWN,
    )
    return answer.status_code


async def test_a_customer_shows_that_they_have_paid(till: Till, customer: StaffBrowser) -> None:
    deposit = await till.open(gateway="manual")
    shown = await customer.get(f"/deposits/{deposit.id}")
    assert 'enctype="multipart/form-data"' in shown.text

    assert await send(customer, deposit.id, with_place(), payer="  Nguyễn   Văn B ") == 303

    page = await customer.get(f"/deposits/{deposit.id}")
    assert "You told us that you have paid." in page.text
    assert 'value="Nguyễn Văn B"' in page.text
    handed = await customer.client.get(f"/deposits/{deposit.id}/proofs/1")
    assert handed.content.startswith(b"\xff\xd8\xff")
    assert b"SECRET" not in handed.content
    assert handed.headers["content-type"] == "image/jpeg"
    assert handed.headers["content-disposition"] == f'attachment; filename="deposit-{deposit.id}-proof-1.jpg"'
    assert handed.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in handed.headers["content-security-policy"]
    assert await till.balance() == 0, "a proof is evidence, never a reason to credit"


async def test_what_is_wrong_is_said_at_the_field_and_what_was_typed_is_kept(
    till: Till, customer: StaffBrowser
) -> None:
    deposit = await till.open(gateway="manual")
    await customer.get("/add-funds")
    for content, payer, word in (
        (SCRIPT, "Anna", "Choose a JPEG, PNG or WebP picture, or a PDF."),
        (None, "", "Choose a file, or say who paid."),
    ):
        answer = await customer.client.post(
            f"/deposits/{deposit.id}/proofs",
            data={"csrf_token": customer.token, "payer": payer},
            files={"file": ("x.png", content or b"")},
            headers=OWN,
        )
        assert answer.status_code == 422
        assert 'id="file-error"' in answer.text
        assert word in answer.text
        assert f'value="{payer}"' in answer.text
    assert await send(customer, deposit.id, None, payer="x" * 101) == 422
    huge = await customer.client.post(
        f"/deposits/{deposit.id}/proofs", content=bytes(UPLOAD_MAX_BYTES + 200_000), headers=OWN
    )
    assert huge.status_code == 413


async def test_three_files_are_enough_and_the_same_one_is_no_further_one(till: Till, customer: StaffBrowser) -> None:
    deposit = await till.open(gateway="manual")
    for colour in ("red", "red", "green", "red"):
        assert await send(customer, deposit.id, picture(colour=colour)) == 303
    assert await send(customer, deposit.id, PDF, name="evil.html") == 303
    assert await send(customer, deposit.id, picture(colour="blue")) == 422
    assert await send(customer, deposit.id, picture(colour="red")) == 303
    async with till.panel.db.transaction() as session:
        kept = await proofs_of(session, deposit.id)
    assert [one.media_type for one in kept] == ["image/jpeg", "image/jpeg", "application/pdf"]
    document = await customer.client.get(f"/deposits/{deposit.id}/proofs/{kept[2].id}")
    assert document.content == PDF
    assert document.headers["content-type"] == "application/pdf"
    assert document.headers["content-disposition"].startswith("attachment")


async def test_nobody_else_sends_or_sees_a_proof(till: Till, customer: StaffBrowser) -> None:
    async with till.panel.db.transaction() as session:
        other = await make_user(session, funds=None)
    deposit, watched = await till.open(gateway="manual"), await till.open()
    assert await send(customer, deposit.id, picture()) == 303
    async with browser_of(till, other) as stranger:
        assert (await stranger.get(f"/deposits/{deposit.id}/proofs/1")).status_code == 404
        assert await send(stranger, deposit.id, picture(colour="red")) == 404
        own = await till.open(gateway="manual", user=other)
        assert (await stranger.get(f"/deposits/{own.id}/proofs/1")).status_code == 404
        assert (await stranger.get(f"/staff/deposits/{deposit.id}/proofs/1")).status_code in {403, 404}
    async with browser_of(till, None) as visitor:
        assert (await visitor.get(f"/deposits/{deposit.id}/proofs/1")).status_code in {303, 401}
    clerk = await sign_in(till.panel, role=Role.STAFF, permissions=["orders.view"])
    assert (await clerk.get(f"/staff/deposits/{deposit.id}/proofs/1")).status_code == 403
    await clerk.client.aclose()
    # Money that a bank tells of needs no proof.
    assert await send(customer, watched.id, picture()) == 409


async def test_what_is_decided_takes_no_more_proofs(till: Till, customer: StaffBrowser) -> None:
    paid, rejected = await till.open(gateway="manual"), await till.open(gateway="manual")
    async with till.panel.db.transaction() as session:
        await approve_deposit(session, paid.id, actor=Actor.cli(), now=till.panel.clock())
        await reject_deposit(session, rejected.id, actor=Actor.cli(), reason="no money", now=till.panel.clock())
    assert await send(customer, paid.id, picture()) == 409
    assert await send(customer, rejected.id, picture()) == 409


async def test_what_is_said_to_be_paid_waits_for_staff(till: Till, customer: StaffBrowser) -> None:
    claimed, forgotten = await till.open(gateway="manual"), await till.open(gateway="manual")
    assert await send(customer, claimed.id, None, payer="Anna") == 303
    later = till.at(hours=2)
    await expire_deposits.function(later.panel)
    assert [(await till.deposit(one.id)).state for one in (claimed, forgotten)] == ["pending", "expired"]
    assert await send(customer, forgotten.id, picture()) == 409
    admin = await sign_in(later.panel)
    waiting = (await admin.get("/staff/deposits", params={"status": "by_hand"})).text
    assert f'href="/staff/deposits/{claimed.id}"' in waiting
    assert f'href="/staff/deposits/{forgotten.id}"' not in waiting
    assert '<span class="count hot">1</span>' in waiting
    await admin.client.aclose()
    async with browser_of(later, till.user) as browser:
        assert "You told us that you have paid." in (await browser.get(f"/deposits/{claimed.id}")).text


async def test_staff_see_the_same_proof_of_another_deposit(till: Till, customer: StaffBrowser) -> None:
    async with till.panel.db.transaction() as session:
        other = await make_user(session, funds=None)
    mine, theirs = await till.open(gateway="manual"), await till.open(gateway="manual", user=other)
    sent = picture(colour="orange")
    assert await send(customer, mine.id, sent) == 303
    async with browser_of(till, other) as stranger:
        assert await send(stranger, theirs.id, sent, payer="Somebody") == 303, "nothing is refused silently"
    admin = await sign_in(till.panel)
    for deposit, same in ((mine, theirs), (theirs, mine)):
        shown = (await admin.get(f"/staff/deposits/{deposit.id}")).text
        assert "The same file was sent with another deposit:" in shown
        assert f'href="/staff/deposits/{same.id}"' in shown
    assert "Somebody" in shown
    handed = await admin.client.get(f"/staff/deposits/{theirs.id}/proofs/2")
    assert handed.status_code == 200
    assert handed.headers["content-disposition"].startswith("attachment")
    assert (await admin.get(f"/staff/deposits/{mine.id}/proofs/2")).status_code == 404
    await admin.client.aclose()


async def test_proofs_are_forgotten_and_still_known_again(till: Till, customer: StaffBrowser) -> None:
    deposit, still_open = await till.open(gateway="manual"), await till.open(gateway="manual")
    sent = picture(colour="pink")
    assert await send(customer, deposit.id, sent) == 303
    assert await send(customer, still_open.id, picture(colour="black")) == 303
    async with till.panel.db.transaction() as session:
        await approve_deposit(session, deposit.id, actor=Actor.cli(), now=till.panel.clock())
    days = KEPT_FOR // timedelta(days=1)
    await forget_old_proofs.function(till.at(days=days - 1).panel)
    assert (await customer.client.get(f"/deposits/{deposit.id}/proofs/1")).status_code == 200
    await forget_old_proofs.function(till.at(days=days, seconds=1).panel)
    assert (await customer.client.get(f"/deposits/{deposit.id}/proofs/1")).status_code == 404
    assert (await customer.client.get(f"/deposits/{still_open.id}/proofs/2")).status_code == 200
    assert (await customer.get(f"/deposits/{deposit.id}")).status_code == 200
    again = await till.open(gateway="manual")
    assert await send(customer, again.id, sent) == 303
    admin = await sign_in(till.panel)
    assert "The same file was sent with another deposit:" in (await admin.get(f"/staff/deposits/{again.id}")).text
    await admin.client.aclose()
