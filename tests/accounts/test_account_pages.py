"""The own account: each section saves by itself, keeps what was typed, and takes effect on the next page."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from orders.customer_pages import browser_of
from smmpanel.accounts.models import AuditEntry, LoginSession, User
from smmpanel.accounts.sessions import open_session
from smmpanel.accounts.signing_in import ACCOUNT_LIMIT, Origin, WrongPasswordError, sign_in
from smmpanel.accounts.signing_up import register
from smmpanel.accounts.verifying import LIMIT
from smmpanel.kernel.facts import FactRow

PASSWORD, NEW = "correct horse battery", "a better staple"


@pytest.fixture
def mailing(panel):
    """The panel, with a mail server."""
    told = {"smtp_host": "127.0.0.1", "smtp_from": "panel@panel.example"}
    return replace(panel, settings=panel.settings.model_copy(update=told))


@pytest.fixture
async def mai(panel):
    async with panel.db.transaction() as session:
        return (await register(session, username="mai", email="mai@example.com", password=PASSWORD)).id


@pytest.fixture
async def browser(mailing, mai):
    opened = await browser_of(mailing, mai)
    await opened.get("/account")
    yield opened
    await opened.client.aclose()


async def user_now(panel, user):
    async with panel.db.transaction() as session:
        return await session.get_one(User, user)


async def confirmations(panel):
    async with panel.db.transaction() as session:
        rows = await session.scalars(select(FactRow.body).where(FactRow.name == "confirmation_asked"))
        return [body["email"] for body in rows]


async def test_a_new_name_is_taken_at_once_and_needs_no_password(browser, panel, mai):
    done = await browser.post("/account/profile", username="mai.tran", email="mai@example.com")

    assert (done.status_code, done.headers["location"]) == (303, "/account")
    assert (await user_now(panel, mai)).username == "mai.tran"
    async with panel.db.transaction() as session:
        entry = (await session.scalars(select(AuditEntry).where(AuditEntry.permission == "account.rename"))).one()
    assert (entry.before, entry.after) == ({"username": "mai"}, {"username": "mai.tran"})


async def test_a_new_address_waits_until_it_is_confirmed(browser, panel, mai):
    await browser.post("/account/profile", username="mai", email="new@example.com", current_password=PASSWORD)

    user = await user_now(panel, mai)
    assert (user.email, user.pending_email) == ("mai@example.com", "new@example.com")
    assert await confirmations(panel) == ["new@example.com"]
    assert "new@example.com waits to be confirmed." in (await browser.get("/account")).text

    await browser.post("/account/confirm")
    assert await confirmations(panel) == ["new@example.com", "new@example.com"]
    await browser.post("/account/keep-email")
    assert (await user_now(panel, mai)).pending_email is None


async def test_without_a_mail_server_a_new_address_counts_at_once(panel, mai):
    browser = await browser_of(panel, mai)
    await browser.get("/account")

    await browser.post("/account/profile", username="mai", email="new@example.com", current_password=PASSWORD)
    await browser.client.aclose()

    user = await user_now(panel, mai)
    assert (user.email, user.pending_email, user.email_verified_at) == ("new@example.com", None, None)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"username": "tom", "email": "mai@example.com"}, "This user name is taken."),
        ({"username": "a..b", "email": "mai@example.com"}, "Enter 3 to 32 letters"),
        ({"username": "mai", "email": "nothing"}, "Enter an e-mail address such as"),
        ({"username": "mai", "email": "TOM@example.com", "current_password": PASSWORD}, "already an account with this"),
        (
            {"username": "mai", "email": "new@example.com", "current_password": "wrong horse"},
            "present password is wrong",
        ),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(*, browser, panel, mai, typed, said):
    async with panel.db.transaction() as session:
        await register(session, username="tom", email="tom@example.com", password=PASSWORD)

    answer = await browser.post("/account/profile", **typed)

    assert answer.status_code == 422
    assert said in answer.text
    for name in ("username", "email"):
        assert f'value="{typed[name]}"' in answer.text
    assert f'value="{typed.get("current_password")}"' not in answer.text
    assert (await user_now(panel, mai)).username == "mai"


async def test_guesses_of_the_password_end_in_a_wait(browser):
    typed = {"username": "mai", "email": "new@example.com", "current_password": "wrong horse"}
    for _ in range(ACCOUNT_LIMIT.free):
        assert (await browser.post("/account/profile", **typed)).status_code == 422

    assert (await browser.post("/account/profile", **typed)).status_code == 429


async def test_links_that_confirm_are_few(browser):
    for _ in range(LIMIT.free):
        assert (await browser.post("/account/confirm")).status_code == 303

    assert (await browser.post("/account/confirm")).status_code == 429


async def test_language_and_zone_are_what_pages_use(browser, panel, mai):
    done = await browser.post("/account/region", language="vi", time_zone="Asia/Ho_Chi_Minh")

    assert done.status_code == 303
    shown = (await browser.get("/account")).text
    assert '<html lang="vi"' in shown
    assert "<option selected>Asia/Ho_Chi_Minh</option>" in shown
    user = await user_now(panel, mai)
    assert (user.language, user.time_zone) == ("vi", "Asia/Ho_Chi_Minh")


async def test_the_language_menu_of_a_page_is_kept_in_the_browser_and_changes_nothing_of_the_account(
    browser, panel, mai
):
    await browser.get("/account?lang=id")

    assert '<html lang="id"' in (await browser.get("/account")).text
    assert (await user_now(panel, mai)).language == "en"


@pytest.mark.parametrize(
    "wrong", [{"language": "xx", "time_zone": "UTC"}, {"language": "en", "time_zone": "Mars/Base"}]
)
async def test_unknown_languages_and_zones_are_refused(*, browser, panel, mai, wrong):
    answer = await browser.post("/account/region", **wrong)

    assert answer.status_code == 422
    assert "Choose one of the list." in answer.text
    assert (await user_now(panel, mai)).time_zone == "UTC"


async def test_a_new_password_signs_all_others_out(browser, panel, mai):
    async with panel.db.transaction() as session:
        await open_session(session, mai, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock())

    done = await browser.post("/account/security/password", current_password=PASSWORD, new_password=NEW, again=NEW)

    assert (done.status_code, done.headers["location"]) == (303, "/account/security")
    async with panel.db.transaction() as session:
        alive = select(func.count()).select_from(LoginSession).where(LoginSession.revoked_at.is_(None))
        assert await session.scalar(alive) == 1
    assert (await browser.get("/account/security")).status_code == 200


@pytest.mark.parametrize(
    ("current", "new", "again", "said"),
    [
        (PASSWORD, NEW, "other staple", "The two passwords differ."),
        (PASSWORD, "short", "short", "8 to 128 characters"),
        ("wrong horse", NEW, NEW, "present password is wrong"),
    ],
)
async def test_a_password_that_is_refused_stays(*, browser, panel, current, new, again, said):
    answer = await browser.post("/account/security/password", current_password=current, new_password=new, again=again)

    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{new}"' not in answer.text
    origin = Origin("203.0.113.7")
    await sign_in(
        panel.db, login="mai", password=PASSWORD, origin=origin, lifetime=timedelta(days=1), now=panel.clock()
    )


async def test_devices_and_tries_are_listed_and_ended(browser, panel, mai):
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605 Version/17.5 Mobile Safari/604.1"
    signed = []
    for _ in range(2):
        one = await sign_in(
            panel.db,
            login="mai",
            password=PASSWORD,
            origin=Origin("198.51.100.4", agent),
            lifetime=timedelta(days=1),
            now=panel.clock(),
        )
        signed.append(one.session.session_id)
    with pytest.raises(WrongPasswordError):
        await sign_in(
            panel.db,
            login="mai",
            password="wrong horse",
            origin=Origin("198.51.100.5", None),
            lifetime=timedelta(days=1),
            now=panel.clock(),
        )

    shown = (await browser.get("/account/security")).text
    assert shown.count("Safari on iPhone") >= 4
    assert "Wrong password" in shown
    assert "198.51.100.5" in shown

    await browser.post(f"/account/security/sessions/{signed[0]}/end")
    remaining = re.findall(r"/sessions/(\d+)/end", (await browser.get("/account/security")).text)
    assert remaining == [str(signed[1])]
    await browser.post("/account/security/sessions/end-others")
    assert re.findall(r"/sessions/(\d+)/end", (await browser.get("/account/security")).text) == []


async def test_nobody_ends_sessions_of_others(browser, panel):
    async with panel.db.transaction() as session:
        tom = await register(session, username="tom", email="tom@example.com", password=PASSWORD)
        theirs = await open_session(
            session, tom.id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock()
        )

    assert (await browser.post(f"/account/security/sessions/{theirs.session_id}/end")).status_code == 404
    async with panel.db.transaction() as session:
        assert (await session.get_one(LoginSession, theirs.session_id)).revoked_at is None


async def test_staff_who_are_signed_in_as_a_user_change_neither_name_nor_language(panel, mai):
    async with panel.db.transaction() as session:
        staff = await register(session, username="staff", email="staff@example.com", password=PASSWORD)
        staff.role = "master_admin"
        acted = await open_session(
            session,
            mai,
            lifetime=timedelta(days=1),
            ip=None,
            user_agent=None,
            now=panel.clock(),
            acted_by=staff.id,
        )
    browser = await browser_of(panel, mai)
    browser.client.cookies.set("smmpanel_session", acted.token, domain="panel.example")
    assert (await browser.get("/account?lang=vi")).status_code == 200

    refused = await browser.post("/account/profile", username="other", email="mai@example.com")
    await browser.client.aclose()

    assert refused.status_code == 403
    user = await user_now(panel, mai)
    assert (user.username, user.language) == ("mai", "en")


@pytest.mark.parametrize("path", ["/account/profile", "/account/region", "/account/security/password"])
async def test_looking_again_at_an_answer_leads_to_the_form(browser, path):
    answer = await browser.get(path)

    assert (answer.status_code, answer.headers["location"]) in {(303, "/account"), (303, "/account/security")}


@pytest.mark.parametrize(("language", "word"), [("vi", "Bảo mật"), ("id", "Keamanan")])
async def test_the_pages_speak_the_readers_language(*, browser, language, word):
    for path in ("/account", "/account/security", "/account/notifications"):
        shown = (await browser.get(f"{path}?lang={language}")).text
        assert word in shown
        for english in ("Profile", "Save", "Sign out", "Present password", "By mail"):
            assert english not in shown


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+84 912 345 678", "+84912345678"),
        ("0062 (812) 3456-7890", "+6281234567890"),
        ("", None),
        ("0912345678", "wrong"),
        ("+0912345678", "wrong"),
        ("+84 912 345 678 9999 999", "wrong"),
        ("+84٩١٢٣٤٥٦٧٨", "wrong"),
        ("call me", "wrong"),
    ],
)
async def test_a_phone_number_is_kept_in_one_form(*, browser, panel, mai, typed, kept):
    answer = await browser.post("/account/profile", username="mai", email="mai@example.com", phone=typed)
    phone = (await user_now(panel, mai)).phone

    if kept == "wrong":
        assert (answer.status_code, phone) == (422, None)
        assert "Enter the number with its country" in answer.text
        assert f'value="{typed}"' in answer.text
    else:
        assert (answer.status_code, phone) == (303, kept)
        assert kept is None or kept in (await browser.get("/account")).text
