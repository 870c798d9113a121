"""Mails are sent once: what was not handed over is tried again, what may have been is not, and no secret is ever stored."""

import asyncio
import re
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from sqlalchemy import select, text, update

from notifications.conftest import mails_of
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.mailed_tokens import Purpose, find_token
from smmpanel.accounts.models import MailedToken
from smmpanel.accounts.states import AccountState
from smmpanel.kernel.settings import Settings
from smmpanel.notifications import open_alerts
from smmpanel.notifications.handing_over import Handed
from smmpanel.notifications.mails import APART, GATHERED_FOR, MailKind, NewMail, queue_mails
from smmpanel.notifications.models import Mail
from smmpanel.notifications.post_office import CLAIM_LASTS, FAILING, TRIES_MAX, WORTHLESS_AFTER, _claim, _record
from smmpanel.notifications.sending import NOT_SET_UP, prune_told, send_mails
from smmpanel.notifications.telling import Notice, notify


async def queue(panel, user, kind=MailKind.RESET, key="a", **fields):
    async with panel.db.transaction() as session:
        await queue_mails(session, [NewMail(key, user, kind, fields)], now=panel.clock())


async def send(panel, after=timedelta(0)):
    await send_mails.function(replace(panel, clock=lambda: panel.clock() + after))


async def states(panel):
    return [(mail.state, mail.tries) for mail in await mails_of(panel)]


async def alerts(panel):
    async with panel.db.transaction() as session:
        return [alert.kind for alert in (await open_alerts(session)).rows]


def texts_of(mail):
    plain, html = mail.get_payload()
    return plain.get_content(), html.get_content()


async def test_a_mail_is_sent_once_and_the_link_in_it_works(mailing, mail_server, mai):
    await queue(mailing, mai)
    await queue(mailing, mai)
    await send(mailing)
    await send(mailing)

    [mail] = mail_server.mails
    plain, html = texts_of(mail)
    [token] = set(re.findall(r"https://panel\.example/reset/(\w+)", plain + html))
    async with mailing.db.transaction() as session:
        found = await find_token(session, mailing.vault, token, Purpose.RESET, now=mailing.clock())
        everything = await session.scalar(text("SELECT string_agg(m::text, '') FROM mails m"))
        jobs = await session.scalar(text("SELECT coalesce(string_agg(args::text, ''), '') FROM procrastinate_jobs"))
    assert (found.user_id, found.email) == (mai, "mai@example.com")
    assert token not in everything + jobs
    assert await states(mailing) == [("sent", 1)]
    assert mail_server.recipients == ["mai@example.com"]
    assert (mail["To"], mail["From"]) == ("mai@example.com", "SMM panel <panel@panel.example>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@panel.example>")


@pytest.mark.parametrize(
    ("misbehaves", "state", "is_retried"),
    [
        ({"greeting": "554 not now"}, "waiting", True),
        ({"drops_at": "EHLO"}, "waiting", True),
        ({"drops_at": "MAIL"}, "waiting", True),
        ({"drops_at": "RCPT"}, "waiting", True),
        ({"to_recipient": "451 try later"}, "waiting", True),
        ({"to_recipient": "550 nobody here"}, "failed", False),
        ({"after_data": "552 too large"}, "failed", False),
        ({"after_data": "451 disk full"}, "waiting", True),
        ({"after_data": None}, "unknown", False),
    ],
)
async def test_what_happens_to_a_mail_when_the_server_misbehaves(
    *, mailing, mail_server, mai, misbehaves, state, is_retried
):
    well = vars(mail_server) | {}
    for name, value in misbehaves.items():
        setattr(mail_server, name, value)
    await queue(mailing, mai)

    await send(mailing)

    assert await states(mailing) == [(state, 1)]
    given = len(mail_server.mails)
    for name in misbehaves:
        setattr(mail_server, name, well[name])
    await send(mailing)
    assert await states(mailing) == [(state, 1)], "not before its time"
    await send(mailing, timedelta(minutes=2))
    assert await states(mailing) == [("sent", 2) if is_retried else (state, 1)]
    assert len(mail_server.mails) == given + is_retried


async def test_a_server_that_is_not_there_is_told_to_staff_until_a_mail_goes_out(mailing, mail_server, mai):
    gone = replace(mailing, settings=mailing.settings.model_copy(update={"smtp_port": 1}))
    await queue(mailing, mai)

    await send(gone)
    assert await states(mailing) == [("waiting", 1)]
    assert await alerts(mailing) == [FAILING]
    assert (await mails_of(mailing))[0].said.startswith("SMTPConnectError")

    await send(mailing, timedelta(minutes=2))
    assert await states(mailing) == [("sent", 2)]
    assert await alerts(mailing) == []


async def test_tries_grow_apart_and_end(mailing, mail_server, mai):
    mail_server.to_recipient = "451 try later"
    await queue(mailing, mai, MailKind.VERIFY, "v")
    async with mailing.db.transaction() as session:
        (await locked_user(session, mai)).email_verified_at = None
    waits, past = [], timedelta(0)
    for number in range(1, TRIES_MAX + 1):
        await send(mailing, past)
        mail = (await mails_of(mailing))[0]
        assert mail.tries == number
        waits.append(mail.due_at)
        past = max(past, mail.due_at - mailing.clock()) + timedelta(seconds=1)

    gaps = [later - earlier for earlier, later in pairwise(waits)]
    assert gaps[0] > timedelta(minutes=1)
    assert gaps[5] > 10 * gaps[0]
    assert mail.state == "failed"


async def test_one_line_takes_many_and_a_refusal_among_them_harms_nobody(mailing, mail_server, mai):
    for number in range(3):
        await queue(mailing, mai, key=f"m{number}")
    async with mailing.db.transaction() as session:
        await session.execute(update(Mail).where(Mail.key == "m1").values(kind="no such kind"))

    await send(mailing)

    assert [mail.state for mail in await mails_of(mailing)] == ["sent", "failed", "sent"]
    assert sum(command.upper().startswith("EHLO") for command in mail_server.commands) == 1


async def test_a_mail_whose_sender_died_is_unknown_and_not_sent_again(mailing, mail_server, mai):
    await queue(mailing, mai)
    assert await _claim(mailing) is not None

    await send(mailing)
    assert await states(mailing) == [("sending", 1)]
    await send(mailing, CLAIM_LASTS + timedelta(seconds=1))

    assert await states(mailing) == [("unknown", 1)]
    assert mail_server.mails == []


async def test_what_is_too_old_or_about_nothing_is_not_sent(mailing, mail_server, mai):
    await queue(mailing, mai)
    await send(mailing, WORTHLESS_AFTER["reset"] + timedelta(seconds=1))
    await queue(mailing, mai, MailKind.VERIFY, "v")
    await send(mailing)

    assert [mail.state for mail in await mails_of(mailing)] == ["failed", "failed"]
    assert mail_server.mails == []


async def test_a_changed_address_gets_no_link_of_the_old_one(mailing, mail_server, mai):
    await queue(mailing, mai)
    async with mailing.db.transaction() as session:
        (await locked_user(session, mai)).email = "other@example.com"

    await send(mailing)

    assert mail_server.mails == []
    async with mailing.db.transaction() as session:
        assert (await session.scalars(select(MailedToken))).all() == []


async def test_without_a_mail_server_mails_wait_and_staff_know(panel, mai):
    await send(panel)
    assert await alerts(panel) == []
    await queue(panel, mai)

    await send(panel)

    assert await states(panel) == [("waiting", 0)]
    assert await alerts(panel) == [NOT_SET_UP]


async def test_no_news_to_addresses_that_nobody_confirmed_nor_to_the_suspended(panel, mai):
    async with panel.db.transaction() as session:
        (await locked_user(session, mai)).email_verified_at = None
    await queue(panel, mai, MailKind.LOW_BALANCE, "news")
    await queue(panel, mai, MailKind.RESET, "account")
    async with panel.db.transaction() as session:
        (await locked_user(session, mai)).state = AccountState.SUSPENDED
    await queue(panel, mai, MailKind.RESET, "later")

    assert [mail.key for mail in await mails_of(panel)] == ["account"]


def finished(user, number, kind="completed"):
    fields = {"order_id": number, "service": "Likes", "refunded": "1.5", "currency": "USD"}
    return Notice(user, f"order:{number}:{kind}", f"order_{kind}", fields, f"/orders/{number}")


async def tell(panel, *notices, after=timedelta(0)):
    async with panel.db.transaction() as session:
        await notify(session, notices, now=panel.clock() + after)


async def test_orders_that_finish_are_gathered_in_one_mail(mailing, mail_server, mai):
    await tell(mailing, finished(mai, 1), finished(mai, 2, "partial"))
    await tell(mailing, finished(mai, 3), finished(mai, 1))
    await send(mailing)
    assert mail_server.mails == []

    await send(mailing, GATHERED_FOR + timedelta(seconds=1))

    [mail] = mail_server.mails
    plain, html = texts_of(mail)
    assert mail["Subject"] == "3 orders finished"
    assert "2 completed, 1 partial, 0 canceled." in plain
    for number in (1, 2, 3):
        assert f"Order {number} " in plain
        assert f"Order {number} " in html
    assert "https://panel.example/orders" in plain


async def test_the_next_such_mail_comes_an_hour_later_with_what_is_new(mailing, mail_server, mai):
    await tell(mailing, finished(mai, 1))
    sent_after = GATHERED_FOR + timedelta(seconds=1)
    await send(mailing, sent_after)
    await tell(mailing, finished(mai, 2), after=sent_after)
    await send(mailing, sent_after + APART - timedelta(minutes=1))
    assert [mail["Subject"] for mail in mail_server.mails] == ["Order 1 is completed"]

    await send(mailing, sent_after + APART + timedelta(minutes=1))

    assert [mail["Subject"] for mail in mail_server.mails] == ["Order 1 is completed", "Order 2 is completed"]


async def test_a_mail_that_came_back_joins_the_one_that_waits(mailing, mai):
    await tell(mailing, finished(mai, 1))
    async with mailing.db.transaction() as session:
        await session.execute(update(Mail).values(state="sending", tries=1, claimed_until=mailing.clock()))
    await tell(mailing, finished(mai, 2))
    first, _ = await mails_of(mailing)
    await _record(mailing, first, Handed("later", "451 try later"))

    first, second = await mails_of(mailing)
    assert (first.state, second.state) == ("failed", "waiting")
    assert second.fields == first.fields


@pytest.mark.parametrize(
    ("language", "subject", "choose"),
    [
        ("en", "Set a new password", "Choose which mails you get"),
        ("vi", "Đặt mật khẩu mới", "Chọn thư bạn muốn nhận"),
        ("id", "Buat kata sandi baru", "Pilih surel yang Anda terima"),
    ],
)
async def test_mails_speak_the_readers_language(*, mailing, mail_server, mai, language, subject, choose):
    async with mailing.db.transaction() as session:
        (await locked_user(session, mai)).language = language
    await queue(mailing, mai)

    await send(mailing)

    [mail] = mail_server.mails
    plain, html = texts_of(mail)
    assert mail["Subject"] == subject
    assert f"{choose}: " in plain
    assert f'<html lang="{language}">' in html
    assert f">{subject}</a>" in html
    assert f">{choose}</a>" in html


async def test_each_kind_can_be_written(mailing, mail_server, mai):
    async with mailing.db.transaction() as session:
        (await locked_user(session, mai)).email_verified_at = None
    at = mailing.clock().isoformat()
    await queue(mailing, mai, MailKind.VERIFY, "v")
    await queue(mailing, mai, MailKind.NEW_SIGN_IN, "s", ip="203.0.113.9", user_agent="curl/8", at=at)
    async with mailing.db.transaction() as session:
        (await locked_user(session, mai)).email_verified_at = mailing.clock()
    await queue(mailing, mai, MailKind.LOW_BALANCE, "l", balance="0.123456", below="5", currency="USD")
    async with mailing.db.transaction() as session:
        (await locked_user(session, mai)).email_verified_at = None

    await send(mailing)

    said = {mail["Subject"]: texts_of(mail)[0] for mail in mail_server.mails}
    assert set(said) == {"Confirm your address", "New sign-in to your account", "Your balance is low"}
    assert "https://panel.example/verify/" in said["Confirm your address"]
    assert "203.0.113.9" in said["New sign-in to your account"]
    assert "$0.123456" in said["Your balance is low"]
    for plain in said.values():
        assert "https://panel.example/account/notifications" in plain


async def test_a_name_with_markup_or_line_breaks_stays_text(mailing, mail_server, mai):
    async with mailing.db.transaction() as session:
        name = '"<b>Panel</b>\r\nBcc: all@example.com'
        await session.execute(
            text("INSERT INTO panel_options VALUES ('brand_name', to_jsonb(CAST(:name AS text)))"), {"name": name}
        )
    await queue(mailing, mai)

    await send(mailing)

    [mail] = mail_server.mails
    assert mail["Bcc"] is None
    assert mail_server.recipients == ["mai@example.com"]
    assert "<b>Panel</b>" not in texts_of(mail)[1]


async def test_old_mails_and_notifications_are_forgotten(panel, mai):
    await tell(panel, finished(mai, 1), finished(mai, 2))
    async with panel.db.transaction() as session:
        await session.execute(text("UPDATE mails SET created_at = created_at - interval '91 days'"))
        await session.execute(
            text("UPDATE notifications SET created_at = created_at - interval '91 days' WHERE key LIKE '%:1:%'")
        )

    await prune_told.function(panel)

    async with panel.db.transaction() as session:
        assert await session.scalar(text("SELECT string_agg(key, ',') FROM notifications")) == "order:2:completed"
    assert await mails_of(panel) == []


@pytest.mark.parametrize(
    "told",
    [
        {"smtp_host": "mail.example"},
        {"smtp_host": "mail.example", "smtp_from": "a@b.c", "smtp_user": "u", "smtp_tls": "none"},
        {"smtp_from": "no address"},
        {"public_url": "panel.example"},
    ],
)
def test_settings_that_would_fail_or_leak_are_refused(told):
    with pytest.raises(ValueError, match=r"SMMPANEL|pattern"):
        Settings(**told)


async def test_nothing_is_said_in_the_clear_to_a_server_that_should_encrypt(mailing, mail_server, mai):
    told = {"smtp_tls": "starttls", "smtp_user": "panel", "smtp_password": SecretStr("secret word")}
    strict = replace(mailing, settings=mailing.settings.model_copy(update=told))
    await queue(mailing, mai)

    await send(strict)

    assert await states(mailing) == [("waiting", 1)]
    assert {command.partition(" ")[0].upper() for command in mail_server.commands} <= {"EHLO", "QUIT"}
    assert "secret word" not in (await mails_of(mailing))[0].said


async def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(mailing, mail_server, mai, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    server = await asyncio.start_server(mail_server.serve, "127.0.0.1", 0, ssl=context)
    told = {"smtp_tls": "tls", "smtp_port": server.sockets[0].getsockname()[1]}
    await queue(mailing, mai)

    await send(replace(mailing, settings=mailing.settings.model_copy(update=told)))

    server.close()
    assert await states(mailing) == [("waiting", 1)]
    assert "certificate verify failed" in (await mails_of(mailing))[0].said.lower()
    assert mail_server.commands == []


def self_signed(folder):
    """Make a certificate for this machine that only this machine believes in."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
