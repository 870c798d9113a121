"""Forgotten passwords and confirmed addresses: what the pages say, and that a link is good once, for a while, for one thing."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, text

from smmpanel.accounts.access import Actor
from smmpanel.accounts.api_keys import issue_key
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.mailed_tokens import LIFETIMES, LinkWorthlessError, Purpose, mint_token
from smmpanel.accounts.models import ApiKey, AuditEntry, LoginSession, MailedToken, User
from smmpanel.accounts.resetting import TO_LIMIT, find_account, reset_password
from smmpanel.accounts.sessions import open_session
from smmpanel.accounts.sign_in_models import OutsideIdentity, Passkey, SecondFactor
from smmpanel.accounts.signing_in import ACCOUNT_LIMIT, Origin, WrongPasswordError, sign_in
from smmpanel.accounts.signing_up import register
from smmpanel.accounts.suspending import suspend_user
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.facts import FactRow

PASSWORD, NEW = "correct horse battery", "a better staple"
OWN = {"origin": "http://panel.example"}
HERE = Origin("203.0.113.7")


@pytest.fixture
async def mailing(panel):
    """The panel, with a mail server."""
    told = {"smtp_host": "127.0.0.1", "smtp_from": "panel@panel.example"}
    return replace(panel, settings=panel.settings.model_copy(update=told))


@pytest.fixture
async def browser(mailing):
    transport = httpx.ASGITransport(build_app(mailing), client=("203.0.113.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
        yield client


@pytest.fixture
async def mai(panel):
    async with panel.db.transaction() as session:
        return await register(session, username="mai", email="Mai@example.com", password=PASSWORD)


async def link(panel, user, purpose=Purpose.RESET, *, email=None, now=None):
    async with panel.db.transaction() as session:
        token = await mint_token(
            session,
            panel.vault,
            user_id=user.id,
            purpose=purpose,
            email=email or user.email,
            now=now or panel.clock(),
        )
    return f"/{purpose.value}/{token}"


async def post(browser, path, **form):
    shown = await browser.get(path)
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', shown.text)
    if found is None:
        shown = await browser.get("/sign-in")
        found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', shown.text)
    return await browser.post(path, data={"csrf_token": found[1], **form}, headers=OWN)


async def enter(panel, password):
    return await sign_in(
        panel.db, login="mai", password=password, origin=HERE, lifetime=timedelta(days=1), now=panel.clock()
    )


async def queued(panel):
    async with panel.db.transaction() as session:
        rows = await session.execute(
            text("SELECT args FROM procrastinate_jobs WHERE task_name LIKE '%find_account' ORDER BY id")
        )
        return [row.args for row in rows]


async def asked_facts(panel):
    async with panel.db.transaction() as session:
        return (await session.scalars(select(FactRow.body).where(FactRow.name == "reset_asked"))).all()


async def test_the_answer_is_the_same_whether_somebody_has_the_address_or_not(browser, mai, panel):
    known = await post(browser, "/reset", email="mai@example.com")
    unknown = await post(browser, "/reset", email="tom@example.com")

    assert known.status_code == unknown.status_code == 200
    same = re.compile(r"(mai|tom)@example\.com")
    assert same.sub("", known.text) == same.sub("", unknown.text)
    assert "Look into your mail" in known.text
    jobs = await queued(panel)
    assert [job["email"] for job in jobs] == ["mai@example.com", "tom@example.com"]

    for job in jobs:
        await find_account.function(panel, **job)

    assert [body["user_id"] for body in await asked_facts(panel)] == [mai.id]


async def test_who_is_suspended_gets_no_link(panel, mai):
    async with panel.db.transaction() as session:
        await suspend_user(session, Actor.cli(), mai.id, reason="chargeback", now=panel.clock())

    await find_account.function(panel, email="mai@example.com", asked_at=panel.clock().isoformat())

    assert await asked_facts(panel) == []


async def test_what_is_no_address_is_said_and_kept(browser):
    answer = await post(browser, "/reset", email="nobody at all")

    assert answer.status_code == 422
    assert 'value="nobody at all"' in answer.text
    assert "Enter an e-mail address such as" in answer.text


async def test_links_to_one_address_are_few_known_or_not(browser, mai, panel):
    for _ in range(TO_LIMIT.free):
        assert (await post(browser, "/reset", email="tom@example.com")).status_code == 200

    refused = await post(browser, "/reset", email="Tom@example.com")

    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 200
    assert len(await queued(panel)) == TO_LIMIT.free


async def test_a_panel_without_a_mail_server_says_so(panel):
    transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as browser:
        shown = await browser.get("/reset")

    assert "cannot send e-mail yet" in shown.text
    assert 'action="/reset"' not in shown.text


async def test_a_link_sets_the_password_once_and_signs_everybody_out(browser, mai, panel):
    path = await link(panel, mai)
    other = await link(panel, mai)
    async with panel.db.transaction() as session:
        await open_session(session, mai.id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock())

    shown = await browser.get(path)
    assert shown.headers["referrer-policy"] == "strict-origin"
    assert "mai" in shown.text
    done = await post(browser, path, password=NEW, again=NEW)

    assert (done.status_code, done.headers["location"]) == (303, "/sign-in")
    assert (await enter(panel, NEW)).user.id == mai.id
    with pytest.raises(WrongPasswordError):
        await enter(panel, PASSWORD)
    for used in (path, other):
        again = await post(browser, used, password="yet another one", again="yet another one")
        assert again.status_code == 404
        assert "expired or was used" in again.text
    async with panel.db.transaction() as session:
        alive = select(func.count()).select_from(LoginSession).where(LoginSession.revoked_at.is_(None))
        assert await session.scalar(alive) == 1
        audited = (await session.scalars(select(AuditEntry.permission))).all()
        assert "account.reset_password" in audited
        user = await session.get_one(User, mai.id)
        assert user.email_verified_at is not None


async def test_of_many_uses_at_once_one_counts(browser, mai, panel):
    tokens = [(await link(panel, mai)).rpartition("/")[2] for _ in range(2)] * 2

    async def use(number, token):
        try:
            await reset_password(
                panel.db, panel.vault, token=token, new=f"{NEW} {number}", origin=HERE, now=panel.clock()
            )
        except LinkWorthlessError:
            return False
        return True

    answers = await asyncio.gather(*(use(number, token) for number, token in enumerate(tokens)))

    assert sorted(answers) == [False, False, False, True]
    assert (await enter(panel, f"{NEW} {answers.index(True)}")).user.id == mai.id


async def test_a_lock_out_ends_with_the_reset(browser, mai, panel):
    for _ in range(ACCOUNT_LIMIT.free):
        with pytest.raises(WrongPasswordError):
            await enter(panel, "wrong horse")
    with pytest.raises(TooManyAttemptsError):
        await enter(panel, PASSWORD)

    await post(browser, await link(panel, mai), password=NEW, again=NEW)

    assert (await enter(panel, NEW)).user.id == mai.id


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [(NEW, "a better stapler", "The two passwords differ."), ("short", "short", "8 to 128 characters")],
)
async def test_a_password_that_is_wrong_leaves_the_link_good(*, browser, mai, panel, password, again, said):
    path = await link(panel, mai)

    wrong = await post(browser, path, password=password, again=again)

    assert wrong.status_code == 422
    assert said in wrong.text
    assert password not in wrong.text
    assert (await post(browser, path, password=NEW, again=NEW)).status_code == 303


async def test_links_that_are_worth_nothing(browser, mai, panel):
    old = await link(panel, mai, now=panel.clock() - LIFETIMES[Purpose.RESET])
    moved = await link(panel, mai, email="other@example.com")
    foreign = (await link(panel, mai, Purpose.VERIFY)).replace("/verify/", "/reset/")

    for path in (old, moved, foreign, "/reset/nonsense", "/reset/" + "a" * 5000):
        shown = await browser.get(path)
        assert shown.status_code == 404
        assert "expired or was used" in shown.text
        assert (await post(browser, path, password=NEW, again=NEW)).status_code == 404


async def test_only_a_keyed_hash_of_the_token_is_stored(panel, mai):
    path = await link(panel, mai)

    async with panel.db.transaction() as session:
        row = (await session.scalars(select(MailedToken))).one()
        everything = await session.scalar(text("SELECT string_agg(m::text, '') FROM mailed_tokens m"))

    token = path.rpartition("/")[2]
    assert row.token_hash == panel.vault.keyed_hash("mailed-token:reset", token)
    assert token not in everything


async def test_an_address_is_confirmed_by_a_button_and_not_by_looking(browser, mai, panel):
    path = await link(panel, mai, Purpose.VERIFY)
    for _ in range(2):
        assert "Mai@example.com" in (await browser.get(path)).text
    async with panel.db.transaction() as session:
        assert (await session.get_one(User, mai.id)).email_verified_at is None

    done = await post(browser, path)

    assert done.status_code == 303
    async with panel.db.transaction() as session:
        assert (await session.get_one(User, mai.id)).email_verified_at is not None
    assert (await post(browser, path)).status_code == 404


async def test_a_new_address_takes_the_place_of_the_old_one(browser, mai, panel):
    async with panel.db.transaction() as session:
        (await locked_user(session, mai.id)).pending_email = "new@example.com"
    stray = await link(panel, mai, Purpose.VERIFY, email="elsewhere@example.com")
    path = await link(panel, mai, Purpose.VERIFY, email="new@example.com")

    assert (await post(browser, stray)).status_code == 404
    assert (await post(browser, path)).status_code == 303

    async with panel.db.transaction() as session:
        user = await session.get_one(User, mai.id)
        assert (user.email, user.pending_email) == ("new@example.com", None)
        assert user.email_verified_at is not None


async def test_an_address_that_somebody_else_took_meanwhile_stays_theirs(browser, mai, panel):
    async with panel.db.transaction() as session:
        (await locked_user(session, mai.id)).pending_email = "new@example.com"
        await register(session, username="tom", email="NEW@example.com", password=PASSWORD)
    path = await link(panel, mai, Purpose.VERIFY, email="new@example.com")

    answer = await post(browser, path)

    assert answer.status_code == 409
    async with panel.db.transaction() as session:
        assert (await session.get_one(User, mai.id)).email == "Mai@example.com"


@pytest.mark.parametrize("language", ["vi", "id"])
async def test_the_pages_speak_the_readers_language(*, browser, mai, panel, language):
    for path in ("/reset", await link(panel, mai), await link(panel, mai, Purpose.VERIFY), "/reset/nonsense"):
        shown = await browser.get(f"{path}?lang={language}")
        assert f'<html lang="{language}"' in shown.text
        for english in ("Forgot your password", "New password", "Confirm address", "Ask for a new link"):
            assert english not in shown.text


@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed before", "first proof"])
async def test_who_first_proves_the_address_finds_no_other_way_in_left_by_somebody_else(
    mailing, browser, mai, confirmed
):
    async with mailing.db.transaction() as session:
        user = await locked_user(session, mai.id)
        user.email_verified_at = mailing.clock() if confirmed else None
        await issue_key(session, mailing.vault, user, "theirs", (), None, actor=Actor.cli())
        issuer = {"issuer": "https://issuer.example", "subject": "thief", "linked_at": mailing.clock()}
        session.add(OutsideIdentity(user_id=mai.id, **issuer))
        key = {"user_handle": b"h", "credential_id": b"c", "public_key": b"k", "sign_count": 0, "name": "theirs"}
        session.add(Passkey(user_id=mai.id, created_at=mailing.clock(), **key))
        session.add(SecondFactor(user_id=mai.id, secret=mailing.vault.seal("JBSWY3DPEHPK3PXP")))

    done = await post(browser, await link(mailing, mai), password=NEW, again=NEW)

    assert done.status_code == 303
    async with mailing.db.transaction() as session:
        left = [
            await session.scalar(select(func.count()).select_from(row))
            for row in (OutsideIdentity, Passkey, SecondFactor)
        ]
        keys = await session.scalar(select(func.count()).select_from(ApiKey).where(ApiKey.revoked_at.is_(None)))
    assert [*left, keys] == [int(confirmed)] * 4
