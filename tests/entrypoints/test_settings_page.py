"""Settings for staff: each section saved by itself and recorded, what is wrong said, a logo of pixels only."""

from collections.abc import AsyncIterator
from io import BytesIO

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import select

from making import credit, make_provider, make_service, make_user
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.catalog.models import Service
from smmpanel.entrypoints.panel_settings.logos import KEPT_MAX_BYTES, draw_logo
from smmpanel.entrypoints.panel_settings.sections import READERS, typed_from
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.options import read_option, write_option
from smmpanel.kernel.panel import Panel
from smmpanel.web.brand import worn_accent
from staff_browser import OWN, StaffBrowser, sign_in

LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])
PATH = "/staff/settings"


@pytest.fixture
async def admin(panel: Panel) -> AsyncIterator[StaffBrowser]:
    browser = await sign_in(panel)
    await browser.get(PATH)
    yield browser
    await browser.client.aclose()


async def option(db: Database, name: str) -> object:
    async with db.transaction() as session:
        return await read_option(session, name)


async def recorded(db: Database) -> list[tuple[str, object, object]]:
    async with db.transaction() as session:
        wanted = select(AuditEntry).where(AuditEntry.subject.startswith("settings:")).order_by(AuditEntry.id)
        return [(one.subject, one.before, one.after) for one in (await session.scalars(wanted)).all()]


def picture(size: tuple[int, int] = (64, 32), kind: str = "PNG", **more: object) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, "#c04020").save(written, kind, **more)
    return written.getvalue()


@LANGUAGES
async def test_all_sections_are_shown(admin: StaffBrowser, language: str) -> None:
    shown = await admin.get(PATH, params={"lang": language})

    assert shown.status_code == 200
    for section in (*READERS, "logo", "currency"):
        assert f'action="/staff/settings/{section}"' in shown.text


async def test_the_brand_is_saved_recorded_and_worn(admin: StaffBrowser, db: Database) -> None:
    saved = await admin.post(f"{PATH}/brand", {"brand_name": " Mai   Media ", "brand_accent": "#E0632F"})

    assert (saved.status_code, saved.headers["location"]) == (303, f"{PATH}#brand")
    assert await recorded(db) == [
        (
            "settings:brand",
            {"brand_name": None, "brand_accent": None},
            {"brand_name": "Mai Media", "brand_accent": "#e0632f"},
        )
    ]
    shown = await admin.get(PATH)
    assert "<title>Settings · Mai Media</title>" in shown.text
    assert "/theme.e0632f.css" in shown.text

    await admin.post(f"{PATH}/brand", {"brand_name": "Mai Media", "brand_accent": "#e0632f", "own_colour": "yes"})
    assert "/theme." not in (await admin.get(PATH)).text
    await admin.post(f"{PATH}/brand", {"brand_name": "Mai Media", "brand_accent": "#e0632f", "own_colour": "yes"})
    assert len(await recorded(db)) == 2


async def test_a_colour_is_looked_at_without_being_saved(admin: StaffBrowser, db: Database) -> None:
    form = {"brand_name": "New name", "brand_accent": "#ffee00", "deed": "preview"}
    shown = await admin.post(f"{PATH}/brand", form)
    part = await admin.get(f"{PATH}/accent", params={"brand_accent": "#ffee00"})
    none = await admin.get(f"{PATH}/accent", params={"brand_accent": "url(x)"})

    solid = f'fill="{worn_accent("#ffee00").solid}"'
    assert shown.status_code == 200
    assert solid in shown.text
    assert solid in part.text
    assert "<svg" not in none.text
    assert 'value="New name"' in shown.text
    assert await option(db, "brand_name") is None


@pytest.mark.parametrize("accent", ["#000000", "#ffffff", "#ff0000", "#00ff00", "#0000ff", "#ffff00", "#777777"])
def test_every_accent_is_worn_with_contrast(accent: str) -> None:
    assert worn_accent(accent).contrast >= 4.5


@pytest.mark.parametrize(
    ("section", "form", "wrong"),
    [
        ("brand", {"brand_name": " ", "brand_accent": "#12345"}, ["brand_name", "brand_accent"]),
        ("languages", {"language": "vi", "time_zone": "Mars/Base"}, ["time_zone"]),
        ("languages", {"language": "vi", "time_zone": "UTC", "offer_en": "yes"}, ["language"]),
        ("links", {"link_name_0": "Chat", "link_0": "javascript:alert(1)"}, ["link_0"]),
        ("links", {"link_name_0": "", "link_0": "https://t.me/mai"}, ["link_name_0"]),
        ("links", {"link_name_2": "Chat", "link_2": "https://localhost"}, ["link_2"]),
        ("markup", {"default_markup_percent": "-1", "default_markup_fixed": "x"}, ["default_markup_percent"]),
        ("markup", {"default_markup_percent": "10001"}, ["default_markup_percent"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_changes(
    admin: StaffBrowser, db: Database, section: str, form: dict[str, object], wrong: list[str]
) -> None:
    shown = await admin.post(f"{PATH}/{section}", form)

    assert shown.status_code == 422
    for name in wrong:
        assert f'id="{name}-error"' in shown.text
    for value in form.values():
        if value not in {"yes", "", " ", "vi", "#12345"}:
            assert f'value="{value}"' in shown.text
    assert await recorded(db) == []


async def test_languages_that_are_not_offered_are_not_spoken(admin: StaffBrowser, db: Database) -> None:
    form = {"language": "vi", "time_zone": "Asia/Ho_Chi_Minh", "offer_vi": "yes"}
    assert (await admin.post(f"{PATH}/languages", form)).status_code == 303

    shown = await admin.get(PATH, params={"lang": "id"})

    assert '<html lang="vi"' in shown.text
    assert "Bahasa Indonesia</a>" not in shown.text
    assert await option(db, "time_zone") == "Asia/Ho_Chi_Minh"


async def test_support_links(admin: StaffBrowser, db: Database) -> None:
    form = {
        "link_name_0": "Telegram",
        "link_0": "https://t.me/mai",
        "link_name_3": "Mail",
        "link_3": "help@example.com",
    }
    assert (await admin.post(f"{PATH}/links", form)).status_code == 303

    assert await option(db, "brand_links") == {"Telegram": "https://t.me/mai", "Mail": "mailto:help@example.com"}
    shown = await admin.get(PATH)
    assert 'value="help@example.com"' in shown.text


async def test_the_services_list_is_closed_and_opened(admin: StaffBrowser, db: Database) -> None:
    assert typed_from({})["services_public"] == "yes"
    await admin.post(f"{PATH}/services", {})
    assert await option(db, "services_public") is False
    await admin.post(f"{PATH}/services", {"services_public": "yes"})
    assert await option(db, "services_public") is True


async def test_prices_follow_the_default_markup(admin: StaffBrowser, db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        service = await make_service(session, await make_provider(session, panel), cost="2")
        (await session.get_one(Service, service)).fixed_rate = None

    form = {"default_markup_percent": "50", "default_markup_fixed": "0,1", "default_rounding_step": ""}
    assert (await admin.post(f"{PATH}/markup", form)).status_code == 303

    async with db.transaction() as session:
        assert str((await session.get_one(Service, service)).rate) == "3.100000"
    after = {"default_markup_percent": "50", "default_markup_fixed": "0.1"}
    assert (await recorded(db))[0][2] == after


async def test_texts_for_each_language(admin: StaffBrowser, db: Database) -> None:
    form = {"transfer_vi": "Chuyển khoản\r\nVCB 0123", "transfer_en": "  "}
    assert (await admin.post(f"{PATH}/transfer", form)).status_code == 303
    assert await option(db, "manual_transfer") == {"vi": "Chuyển khoản\nVCB 0123"}
    assert "VCB 0123" in (await admin.get("/add-funds", params={"lang": "vi"})).text
    assert (await admin.post(f"{PATH}/transfer", {})).status_code == 303
    assert await option(db, "manual_transfer") is None

    assert (await admin.post(f"{PATH}/terms", {"terms_en": "Ours\n\nPay first."})).status_code == 303
    assert "Pay first." in (await admin.get("/terms", params={"lang": "en"})).text
    long = await admin.post(f"{PATH}/terms", {"terms_id": "x" * 20_001})
    assert long.status_code == 422
    assert 'id="terms_id-error"' in long.text


async def test_what_becomes_of_refused_orders(admin: StaffBrowser, db: Database) -> None:
    await admin.post(f"{PATH}/orders", {"refused_orders": "hold"})
    assert await option(db, "refused_orders") == "hold"
    await admin.post(f"{PATH}/orders", {"refused_orders": "nonsense"})
    assert await option(db, "refused_orders") == "refund"


async def test_the_currency_stays_once_there_are_prices(admin: StaffBrowser, db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        await make_service(session, await make_provider(session, panel))

    assert (await admin.post(f"{PATH}/currency", {"currency": "IDR"})).status_code == 422
    assert await recorded(db) == []


async def test_the_currency_stays_once_money_has_moved(admin: StaffBrowser, db: Database) -> None:
    assert (await admin.post(f"{PATH}/currency", {"currency": "IDR"})).status_code == 303
    assert await option(db, "currency") == "IDR"
    assert "still runs in USD" in (await admin.get(PATH)).text
    assert (await admin.post(f"{PATH}/currency", {"currency": "XXX"})).status_code == 422

    async with db.transaction() as session:
        await credit(session, await make_user(session, funds=None), "5")
    late = await admin.post(f"{PATH}/currency", {"currency": "VND"})
    assert late.status_code == 422
    assert await option(db, "currency") == "IDR"
    assert 'action="/staff/settings/currency"' not in (await admin.get(PATH)).text


async def test_a_logo_is_drawn_anew_and_served(admin: StaffBrowser, db: Database) -> None:
    about = PngInfo()
    about.add_text("Comment", "<script>secret</script>")
    sent = picture((1000, 500), pnginfo=about)
    saved = await admin.post(f"{PATH}/logo", {}, files={"logo": ("x.svg", sent, "image/svg+xml")})

    assert saved.status_code == 303
    named = await option(db, "brand_logo")
    assert isinstance(named, dict)
    assert (named["width"], named["height"]) == (192, 96)
    address = f"/logo.{named['digest']}.png"
    assert address in (await admin.get(PATH)).text
    served = await admin.client.get(address)
    assert (served.status_code, served.headers["content-type"]) == (200, "image/png")
    assert "immutable" in served.headers["cache-control"]
    assert b"secret" not in served.content
    assert (await admin.client.get("/logo.0000000000000000.png")).status_code == 404

    assert (await admin.post(f"{PATH}/logo", {"deed": "remove"})).status_code == 303
    assert (await admin.client.get(address)).status_code == 404
    assert [subject for subject, _, _ in await recorded(db)] == ["settings:logo", "settings:logo"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x89PNG\r\n\x1a\n" + b"broken" * 9,
        b"GIF89a" + bytes(50),
        picture()[:60],
        picture((8, 8)),
        picture((5000, 16)),
        b"\x89PNG\r\n\x1a\n" + bytes(2 * 1024 * 1024),
    ],
    ids=["nothing", "svg", "broken", "gif", "cut off", "too small", "too long", "too heavy"],
)
async def test_what_is_no_logo_is_refused(admin: StaffBrowser, db: Database, content: bytes) -> None:
    shown = await admin.post(f"{PATH}/logo", {}, files={"logo": ("logo.png", content, "image/png")})

    assert shown.status_code == 422
    assert 'id="logo-file-error"' in shown.text
    assert await option(db, "brand_logo") is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pictures_of_three_kinds_are_read(kind: str) -> None:
    drawn = draw_logo(picture((64, 32), kind))
    assert (drawn.width, drawn.height) == (64, 32)
    assert drawn.content.startswith(b"\x89PNG")
    assert draw_logo(drawn.content).digest == drawn.digest


def test_a_busy_picture_is_kept_small() -> None:
    written = BytesIO()
    Image.effect_noise((1920, 400), 90).convert("RGB").save(written, "PNG")
    assert len(draw_logo(written.getvalue()).content) <= KEPT_MAX_BYTES


def test_a_picture_that_claims_to_be_another_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        draw_logo(b"\xff\xd8\xff" + picture()[3:])


async def test_it_takes_the_permission(panel: Panel, db: Database) -> None:
    async with db.transaction() as session:
        await write_option(session, "brand_name", "Ours")
    browser = await sign_in(panel, role=Role.STAFF, permissions=[Permission.SETTINGS_VIEW.value])
    shown = await browser.get(PATH)
    assert shown.status_code == 200
    assert 'value="Ours"' in shown.text
    assert ">Save</button>" not in shown.text
    for section in (*READERS, "currency", "logo"):
        assert (await browser.post(f"{PATH}/{section}", {"brand_name": "Theirs"})).status_code == 403
    await browser.client.aclose()

    stranger = await sign_in(panel, role=Role.STAFF, permissions=[])
    assert (await stranger.client.get(PATH, headers=OWN)).status_code == 403
    await stranger.client.aclose()


async def test_a_section_that_there_is_not(admin: StaffBrowser) -> None:
    assert (await admin.post(f"{PATH}/nothing", {})).status_code == 404
