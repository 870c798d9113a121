"""Signing in and out with a browser."""

import re
from html.parser import HTMLParser

import httpx
import pytest
from sqlalchemy import func, select

from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import LoginSession
from smmpanel.accounts.signing_in import ACCOUNT_LIMIT
from smmpanel.accounts.suspending import suspend_user

PASSWORD = "correct horse battery"
OWN = {"origin": "http://panel.example"}


def token_in(html: str) -> str:
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', html)
    assert found is not None
    return found[1]


async def sign_in(browser, *, login="mai", password=PASSWORD, target="/", headers=OWN, **more):
    shown = await browser.get("/sign-in")
    form = {"csrf_token": token_in(shown.text), "login": login, "password": password, "next": target, **more}
    return await browser.post("/sign-in", data=form, headers=headers)


async def test_the_start_page_leads_to_the_form_and_back(browser, mai):
    asked = await browser.get("/?tab=x&lang=vi")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=/%3Ftab%3Dx%26lang%3Dvi")

    form = await browser.get("/sign-in", params={"next": "/?tab=x"})
    assert 'name="next" value="/?tab=x"' in form.text

    answer = await sign_in(browser, target="/?tab=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?tab=x")
    home = await browser.get("/")
    assert home.status_code == 200
    assert "Signed in as mai" in home.text
    assert (await browser.get("/sign-in")).status_code == 303


async def test_the_cookie_is_for_the_server_only(browser, mai, panel):
    answer = await sign_in(browser)

    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("smmpanel_session="))
    assert {"httponly", "path=/", "samesite=lax", "max-age=2592000"} <= {
        part.strip().lower() for part in cookie.split(";")
    }
    assert "secure" not in cookie.lower()


async def test_behind_https_cookies_are_bound_to_host_and_https(app_for, mai):
    transport = httpx.ASGITransport(app_for(secure_cookies=True), client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://panel.example") as browser:
        answer = await sign_in(browser, headers={"origin": "https://panel.example"})
        lines = answer.headers.get_list("set-cookie")
        home = await browser.get("/")

    assert answer.status_code == 303
    assert [line for line in lines if line.startswith("__Host-smmpanel_session=") and "; Secure" in line]
    assert home.status_code == 200
    assert home.headers["strict-transport-security"] == "max-age=31536000"


async def test_a_wrong_password_keeps_the_name_and_says_what_is_wrong(browser, mai):
    answer = await sign_in(browser, login='"><script>mai', password="wrong horse")

    assert answer.status_code == 422
    assert 'value="&#34;&gt;&lt;script&gt;mai"' in answer.text
    assert "The name or the password is wrong." in answer.text
    assert "wrong horse" not in answer.text


@pytest.mark.parametrize(
    ("login", "password", "said", "silent"),
    [
        ("", PASSWORD, "Enter your user name or e-mail address.", "Enter your password."),
        ("mai", "", "Enter your password.", "Enter your user name or e-mail address."),
    ],
)
async def test_an_empty_field_is_named(*, browser, mai, login, password, said, silent):
    answer = await sign_in(browser, login=login, password=password)

    assert answer.status_code == 422
    assert said in answer.text
    assert silent not in answer.text


async def test_the_form_says_how_long_to_wait(browser, mai):
    for _ in range(ACCOUNT_LIMIT.free):
        await sign_in(browser, password="wrong horse")

    answer = await sign_in(browser)

    assert answer.status_code == 429
    assert 25 <= int(answer.headers["retry-after"]) <= 30
    assert f"Try again in {answer.headers['retry-after']} s." in answer.text
    assert (await browser.get("/")).status_code == 303


async def test_a_suspended_account_is_told_so_and_stopped_at_once(browser, mai, panel):
    await sign_in(browser)
    async with panel.db.transaction() as session:
        await suspend_user(session, Actor.cli(), mai.id, reason="chargeback", now=panel.clock())

    assert (await browser.get("/")).status_code == 403
    answer = await sign_in(browser)
    assert answer.status_code == 403
    assert "This account is suspended." in answer.text


async def test_signing_out_ends_the_session_on_the_server_too(browser, mai, panel):
    await sign_in(browser)
    cookie = browser.cookies["smmpanel_session"]
    home = await browser.get("/")

    answer = await browser.post("/sign-out", data={"csrf_token": token_in(home.text)}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert "smmpanel_session" not in browser.cookies

    browser.cookies.set("smmpanel_session", cookie, domain="panel.example")
    assert (await browser.get("/")).status_code == 303


async def test_signing_in_again_ends_the_session_before(browser, mai, panel):
    await sign_in(browser)
    first = browser.cookies["smmpanel_session"]
    browser.cookies.delete("smmpanel_session")
    shown = await browser.get("/sign-in")
    token = token_in(shown.text)
    await browser.post("/sign-in", data={"csrf_token": token, "login": "mai", "password": PASSWORD}, headers=OWN)
    second = browser.cookies["smmpanel_session"]
    assert first != second

    home = await browser.get("/")
    again = {"csrf_token": token_in(home.text), "login": "mai", "password": PASSWORD}
    assert (await browser.post("/sign-in", data=again, headers=OWN)).status_code == 303
    async with panel.db.transaction() as session:
        alive = await session.scalar(
            select(func.count()).select_from(LoginSession).where(LoginSession.revoked_at.is_(None))
        )
    assert alive == 2


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "evil",
        "/a\r\nSet-Cookie: x=1",
        "/\tx",
        "/" + "a" * 600,
        "",
    ],
)
async def test_after_signing_in_nobody_is_led_elsewhere(browser, mai, target):
    answer = await sign_in(browser, target=target)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


FOREIGN = {
    "no token": ({"csrf_token": ""}, OWN),
    "other token": ({"csrf_token": "0" * 64}, OWN),
    "not ASCII": ({"csrf_token": "é" * 64}, OWN),
    "other origin": ({}, {"origin": "http://evil.example"}),
    "origin with our name in it": ({}, {"origin": "http://panel.example.evil.example"}),
    "other port": ({}, {"origin": "http://panel.example:8080"}),
    "null origin": ({}, {"origin": "null"}),
    "broken origin": ({}, {"origin": "http://["}),
    "other site": ({}, {"sec-fetch-site": "cross-site"}),
    "sister site": ({}, {"sec-fetch-site": "same-site"}),
}


@pytest.mark.parametrize("why", list(FOREIGN))
async def test_a_foreign_form_has_no_effect(browser, mai, panel, why):
    fields, headers = FOREIGN[why]

    answer = await sign_in(browser, headers=headers, **fields)

    assert answer.status_code == 403
    assert "This form has expired." in answer.text
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(LoginSession)) == 0


async def test_a_token_is_worth_nothing_in_another_browser(app_for, browser, mai):
    transport = httpx.ASGITransport(app_for(), client=("203.0.113.8", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as other:
        stolen = token_in((await other.get("/sign-in")).text)

    assert (await sign_in(browser, csrf_token=stolen)).status_code == 403


async def test_a_form_without_cookies_is_refused(app_for, browser, mai):
    token = token_in((await browser.get("/sign-in")).text)
    browser.cookies.clear()

    answer = await browser.post(
        "/sign-in", data={"csrf_token": token, "login": "mai", "password": PASSWORD}, headers=OWN
    )

    assert answer.status_code == 403


async def test_a_browser_that_names_no_origin_is_believed_its_token(browser, mai):
    assert (await sign_in(browser, headers={})).status_code == 303


async def test_a_foreign_sign_out_leaves_one_signed_in(browser, mai):
    await sign_in(browser)

    assert (await browser.post("/sign-out", headers={"origin": "http://evil.example"})).status_code == 403
    assert (await browser.get("/")).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "language", "word"),
    [
        ("/sign-in", {}, "en", "Sign in"),
        ("/sign-in?lang=vi", {}, "vi", "Đăng nhập"),
        ("/sign-in?lang=id", {"accept-language": "vi"}, "id", "Masuk"),
        ("/sign-in", {"accept-language": "fr, vi;q=0.8, en;q=0.5"}, "vi", "Đăng nhập"),
        ("/sign-in", {"accept-language": "in-ID"}, "id", "Masuk"),
        ("/sign-in", {"accept-language": "vi;q=0, en"}, "en", "Sign in"),
        ("/sign-in?lang=xx", {"accept-language": ";;q=,,*"}, "en", "Sign in"),
    ],
)
async def test_the_page_speaks_the_readers_language(browser, path, headers, language, word):
    answer = await browser.get(path, headers=headers)

    assert f'<html lang="{language}"' in answer.text
    assert f"<h1>{word}</h1>" in answer.text


async def test_a_chosen_language_is_remembered(browser):
    await browser.get("/sign-in?lang=vi")

    assert "<h1>Đăng nhập</h1>" in (await browser.get("/sign-in")).text


class Names(HTMLParser):
    """Collects what a page refers to and what it calls things."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.inputs: list[str] = []
        self.described: list[str] = []
        self.forbidden: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "label":
            self.labels.add(given["for"])
        if tag == "input" and given.get("type") != "hidden":
            self.inputs.append(given["id"])
        if "aria-describedby" in given:
            self.described.append(given["aria-describedby"])
        inline = tag == "style" or (tag == "script" and "src" not in given) or "style" in given
        if inline or any(name.startswith("on") for name in given):
            self.forbidden.append(tag)


async def test_the_form_can_be_read_aloud_and_runs_under_the_strict_policy(browser, mai):
    answer = await sign_in(browser, login="", password="")
    names = Names()
    names.feed(answer.text)

    assert len(names.ids) == len(set(names.ids))
    assert names.labels == set(names.inputs) == {"login", "password"}
    assert set(names.described) <= set(names.ids)
    assert len(names.described) == 2
    assert names.forbidden == []
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'"
    )
    for name, value in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ]:
        assert answer.headers[name] == value
    for part in ("form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in answer.headers["content-security-policy"]


async def test_static_files_are_ours_and_kept_for_good(browser):
    shown = (await browser.get("/sign-in")).text
    addresses = re.findall(r'<(?:link|script) [^>]*(?:href|src)="([^"]+)"', shown)
    assert len(addresses) == 6
    for address in addresses:
        assert re.fullmatch(r"/static/[a-z-]+\.[0-9a-f]{12}\.(css|svg|js|woff2)", address)
        answer = await browser.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].split(";")[0] in {
            "text/css",
            "image/svg+xml",
            "text/javascript",
            "font/woff2",
        }
    for missing in (
        "/static/app.css",
        "/static/app.000000000000.css",
        "/static/../pages.py",
        "/static/%2e%2e/pages.py",
    ):
        assert (await browser.get(missing)).status_code == 404
