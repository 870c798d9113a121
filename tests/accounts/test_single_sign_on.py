"""Signing in with another site: a real OpenID Connect provider in a process of its own, asked over HTTP."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from accounts.visitors import Moving, account_of, set_up, visitor_of
from orders.customer_pages import browser_of
from smmpanel.accounts.models import AuditEntry, LoginHistory, User
from smmpanel.accounts.openid.settings import OPTION, kept_openid
from smmpanel.accounts.passwords import NO_PASSWORD
from smmpanel.accounts.referral_codes import code_of
from smmpanel.accounts.sign_in_models import OutsideIdentity
from smmpanel.accounts.sign_up_gate import OPTION as GATE
from smmpanel.accounts.sign_up_gate import SignUpMode, SignUpRules
from smmpanel.accounts.signing_up import UserRegistered
from smmpanel.accounts.states import Role
from smmpanel.kernel.facts import FactRow
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.options import write_option

PATIENCE_SECONDS = 60
OUT, BACK = "/sign-in/openid", "/sign-in/openid/back"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(port):
    """Run a provider; it knows nobody and takes every client."""
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address, began = f"http://127.0.0.1:{port}", time.monotonic()
    try:
        while True:
            try:
                httpx.get(f"{address}/jwks", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, "the provider ended"
                assert time.monotonic() - began < PATIENCE_SECONDS, "the provider does not answer"
                time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def with_issuer(panel, address, **more):
    """Return the panel with an issuer in its settings."""
    given = {
        "openid_issuer": address,
        "openid_client_id": "the-panel",
        "openid_client_secret": SecretStr("a secret"),
        "openid_label": "Example",
    }
    return replace(panel, settings=panel.settings.model_copy(update=given | more))


@pytest.fixture(scope="module")
def provider():
    with running(free_port()) as address:
        yield address


@pytest.fixture
def moving(panel, provider):
    """The panel, with that provider in its settings and a clock that the test moves."""
    return Moving(with_issuer(panel, provider))


@pytest.fixture
async def visitor(moving):
    async with visitor_of(moving.panel) as opened:
        yield opened


class Elsewhere:
    """What the browser does at the provider."""

    def __init__(self, address):
        self.address = address

    async def knows(self, sub, **claims):
        """Have the provider know somebody."""
        async with httpx.AsyncClient() as client:
            (await client.put(f"{self.address}/users/{sub}", json=claims)).raise_for_status()

    async def sign_in(self, url, sub, **changed):
        """Sign in there and return where it leads back to; `changed` is what somebody meddled with on the way."""
        parts = urlsplit(url)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()} | changed
        async with httpx.AsyncClient() as client:
            there = f"{parts.scheme}://{parts.netloc}{parts.path}?{urlencode(asked)}"
            answer = await client.post(there, data={"sub": sub})
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["location"])
        assert back.path == BACK
        return f"{back.path}?{back.query}"


@pytest.fixture
def elsewhere(provider):
    return Elsewhere(provider)


async def arrive(visitor, elsewhere, sub, path=OUT, **changed):
    out = await visitor.get(path)
    assert out.status_code == 303
    return await visitor.get(await elsewhere.sign_in(out.headers["location"], sub, **changed))


async def count(panel, row):
    async with panel.db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(row))


async def user_by(panel, email):
    async with panel.db.transaction() as session:
        return await session.scalar(select(User).where(User.email == email))


async def confirm(panel, user_id):
    async with panel.db.transaction() as session:
        user = await session.get_one(User, user_id)
        user.email_verified_at = panel.clock()


async def refused(answer, visitor):
    """Whether a try ended at the sign-in page with nobody signed in."""
    return answer.headers["location"] == "/sign-in" and "smmpanel_session" not in visitor.client.cookies


async def test_somebody_new_gets_an_account_with_a_free_name_and_comes_back_to_it(moving, visitor, elsewhere):
    panel = moving.panel
    await account_of(panel, "lan")
    await elsewhere.knows("lan-1", email="lan.new@example.com", email_verified=True, preferred_username="lan")
    button = (await visitor.get("/sign-in?next=/statement")).text
    out = await visitor.get(f"{OUT}?next=/statement")
    asked = parse_qs(urlsplit(out.headers["location"]).query)

    assert 'href="/sign-in/openid?next=/statement"' in button
    assert "Sign in with Example" in (await visitor.get("/sign-up")).text
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://panel.example/sign-in/openid/back"]

    done = await visitor.get(await elsewhere.sign_in(out.headers["location"], "lan-1"))
    user = await user_by(panel, "lan.new@example.com")
    async with visitor_of(panel) as again:
        second = await arrive(again, elsewhere, "lan-1")
        name = (await again.get("/account")).text

    assert (done.headers["location"], second.headers["location"]) == ("/statement", "/")
    assert user.username.startswith("lan")
    assert user.username != "lan"
    assert (user.password_hash, user.email_verified_at is not None) == (NO_PASSWORD, True)
    assert user.username in name
    assert await count(panel, OutsideIdentity) == 1
    async with panel.db.transaction() as session:
        facts = await session.scalars(select(FactRow.body).where(FactRow.name == UserRegistered.fact))
        ways = await session.scalars(select(LoginHistory.way))
        assert {body["user_id"] for body in facts} >= {user.id}
        assert [str(way) for way in ways] == ["openid", "openid"]


async def test_the_code_that_a_link_left_counts_for_who_joins_this_way(moving, visitor, elsewhere):
    await elsewhere.knows("ref-1", email="ref@example.com", email_verified=True)
    owner = await account_of(moving.panel, "owner.of.code")
    async with moving.panel.db.transaction() as session:
        code = await code_of(session, owner)
    await visitor.get(f"/?ref={code}")
    await arrive(visitor, elsewhere, "ref-1")

    user = await user_by(moving.panel, "ref@example.com")
    async with moving.panel.db.transaction() as session:
        bodies = await session.scalars(select(FactRow.body).where(FactRow.name == UserRegistered.fact))
        [came] = [body for body in bodies if body["user_id"] == user.id]
    assert came["referral_code"] == code


@pytest.mark.parametrize(
    ("claims", "confirmed", "role"),
    [
        ({"email": "mai@example.com"}, True, Role.CUSTOMER),
        ({"email": "mai@example.com", "email_verified": False}, True, Role.CUSTOMER),
        ({"email": "mai@example.com", "email_verified": True}, False, Role.CUSTOMER),
        ({"email": "MAI@example.com", "email_verified": True}, True, Role.STAFF),
        ({"email_verified": True}, True, Role.CUSTOMER),
    ],
    ids=["silent", "unverified there", "unconfirmed here", "staff", "no address"],
)
async def test_an_address_that_is_not_proved_on_both_sides_opens_nobodys_account(  # noqa: PLR0917
    moving, visitor, elsewhere, claims, confirmed, role
):
    mai = await account_of(moving.panel, "mai")
    async with moving.panel.db.transaction() as session:
        (await session.get_one(User, mai)).role = role
    if confirmed:
        await confirm(moving.panel, mai)
    await elsewhere.knows(f"thief-{role}-{confirmed}-{len(claims)}", **claims)

    answer = await arrive(visitor, elsewhere, f"thief-{role}-{confirmed}-{len(claims)}")

    assert await refused(answer, visitor)
    assert await count(moving.panel, OutsideIdentity) == 0
    assert await count(moving.panel, User) == 1


async def test_an_address_that_is_proved_on_both_sides_leads_to_its_account(moving, visitor, elsewhere):
    mai = await account_of(moving.panel, "mai")
    await confirm(moving.panel, mai)
    await elsewhere.knows("mai-1", email="Mai@Example.com", email_verified=True)

    answer = await arrive(visitor, elsewhere, "mai-1")

    assert answer.headers["location"] == "/"
    assert (await visitor.get("/account")).status_code == 200
    async with moving.panel.db.transaction() as session:
        [identity] = await session.scalars(select(OutsideIdentity))
        [entry] = await session.scalars(select(AuditEntry).where(AuditEntry.permission == "account.link_sign_in"))
    assert (identity.user_id, entry.after["subject"]) == (mai, "mai-1")


@pytest.mark.parametrize(
    "fault", ["nonce", "state", "replayed", "other browser", "other client", "iss", "late", "denied"]
)
async def test_what_does_not_fit_is_refused(*, moving, visitor, elsewhere, provider, fault):
    panel = moving.panel
    await elsewhere.knows("any-1", email="any@example.com", email_verified=True)
    if fault == "late":
        moving.on(seconds=2 * 3600)  # the provider's tokens are good for an hour
    out = (await visitor.get(OUT)).headers["location"]
    back = await elsewhere.sign_in(out, "any-1", **({"nonce": "another"} if fault == "nonce" else {}))

    if fault == "state":
        back = back.replace("state=", "state=x")
    if fault == "iss":
        back += "&iss=https%3A%2F%2Fevil.example"
    if fault == "denied":
        back = f"{BACK}?error=access_denied&state=x"
    if fault == "other client":
        async with visitor_of(with_issuer(panel, provider, openid_client_id="somebody-else")) as elsewhere_signed:
            elsewhere_signed.client.cookies.update(visitor.client.cookies)
            answer = await elsewhere_signed.get(back)
            assert await refused(answer, elsewhere_signed)
    elif fault == "other browser":
        async with visitor_of(panel) as other:
            assert await refused(await other.get(back), other)
    else:
        if fault == "replayed":
            assert (await visitor.get(back)).headers["location"] == "/"
            visitor.client.cookies.delete("smmpanel_session", domain="panel.example")
            await visitor.get(OUT)  # even with a step of its own in the browser
        assert await refused(await visitor.get(back), visitor)
    assert await count(panel, User) == (1 if fault == "replayed" else 0)


async def test_a_second_factor_is_still_asked_for(moving, visitor, elsewhere):
    mai = await account_of(moving.panel, "mai")
    await confirm(moving.panel, mai)
    factor = await set_up(moving, mai)
    await elsewhere.knows("mai-2", email="mai@example.com", email_verified=True)

    answer = await arrive(visitor, elsewhere, "mai-2", f"{OUT}?next=/statement")

    assert answer.headers["location"] == "/sign-in/code?next=/statement"
    assert "smmpanel_session" not in visitor.client.cookies
    done = await visitor.post("/sign-in/code", code=factor.code(), next="/statement")
    assert done.headers["location"] == "/statement"


async def test_it_is_connected_and_disconnected_in_the_account_by_who_shows_that_it_is_them(moving, elsewhere):
    panel, path = moving.panel, "/account/security/other-sites"
    mai, tom = await account_of(panel, "mai"), await account_of(panel, "tom")
    await elsewhere.knows("mai-3", email="whatever@example.org")
    browser, other = await browser_of(panel, mai), await browser_of(panel, tom)

    async def connect(of, proof="correct horse battery"):
        shown = await of.post(path, proof=proof)
        found = [part for part in shown.text.split('"') if "/oauth2/authorize?" in part]
        if not found:
            return shown
        return await of.get(await elsewhere.sign_in(found[0].replace("&amp;", "&"), "mai-3"))

    assert (await connect(browser, "wrong horse")).status_code == 422
    assert (await connect(browser)).headers["location"] == path
    assert (await connect(other)).headers["location"] == path
    async with panel.db.transaction() as session:
        [identity] = await session.scalars(select(OutsideIdentity))
    assert identity.user_id == mai

    gone = await browser.post(f"{path}/{identity.id}/disconnect", proof="correct horse battery")
    foreign = await other.post(f"{path}/{identity.id}/disconnect", proof="correct horse battery")
    await browser.client.aclose()
    await other.client.aclose()
    assert (gone.status_code, foreign.status_code, await count(panel, OutsideIdentity)) == (303, 404, 0)


async def test_the_last_way_in_stays(moving, visitor, elsewhere):
    await elsewhere.knows("only-1", email="only@example.com", email_verified=True)
    await arrive(visitor, elsewhere, "only-1")
    async with moving.panel.db.transaction() as session:
        [identity] = await session.scalars(select(OutsideIdentity.id))
    await visitor.get("/account/security/other-sites")

    kept = await visitor.post(f"/account/security/other-sites/{identity}/disconnect")

    assert kept.status_code == 422
    assert "Set a password first" in kept.text


async def test_the_gate_counts_for_newcomers_only(moving, visitor, elsewhere):
    await elsewhere.knows("late-1", email="late@example.com", email_verified=True)
    async with moving.panel.db.transaction() as session:
        await write_option(session, GATE, SignUpRules(SignUpMode.CLOSED).kept)
    assert await refused(await arrive(visitor, elsewhere, "late-1"), visitor)

    mai = await account_of(moving.panel, "mai")
    await confirm(moving.panel, mai)
    await elsewhere.knows("mai-4", email="mai@example.com", email_verified=True)
    assert (await arrive(visitor, elsewhere, "mai-4")).headers["location"] == "/"


async def test_an_issuer_that_is_away_or_is_another_is_said_and_private_addresses_are_not_asked(panel, provider):
    port = urlsplit(provider).port
    async with panel.db.transaction() as session:
        kept = kept_openid(panel.vault, issuer=f"http://127.0.0.1:{free_port()}", client_id="x", secret="s", label="")
        await write_option(session, OPTION, kept)
    async with visitor_of(panel) as visitor:
        away = await visitor.get(OUT)
        assert (away.status_code, away.headers["location"]) == (303, "/sign-in")
        assert "does not answer as it should" in (await visitor.get("/sign-in")).text

    async with Outgoing() as careful:
        shut = with_issuer(replace(panel, http=careful), f"http://127.0.0.1:{port}")
        async with visitor_of(shut) as visitor:
            assert (await visitor.get(OUT)).headers["location"] == "/sign-in"


async def test_an_issuer_may_change_its_keys(panel):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    moving, there = Moving(with_issuer(panel, address)), Elsewhere(address)
    async with visitor_of(moving.panel) as visitor:
        for _ in range(2):
            with running(port):
                await there.knows("key-1", email="key@example.com", email_verified=True)
                assert (await arrive(visitor, there, "key-1")).headers["location"] == "/"
            visitor.client.cookies.delete("smmpanel_session", domain="panel.example")
            moving.on(seconds=31)
            await asyncio.sleep(0)
