"""Mails in development: kept in a folder, and read on a page that is there only as long as no mail server is."""

import re
from dataclasses import replace

import pytest

from accounts.visitors import account_of, visitor_of
from smmpanel.accounts.models import User
from smmpanel.accounts.resetting import find_account
from smmpanel.accounts.states import Role
from smmpanel.notifications.mails import MailKind, NewMail, queue_mails
from smmpanel.notifications.sending import send_mails
from staff_browser import sign_in


@pytest.fixture
def developing(panel):
    """The panel, which keeps its mails."""
    return replace(panel, settings=panel.settings.model_copy(update={"mail_to_folder": True}))


async def mailed(panel, user_id, key):
    async with panel.db.transaction() as session:
        await queue_mails(session, [NewMail(key, user_id, MailKind.RESET)], now=panel.clock())
    await send_mails.function(panel)


async def test_the_link_of_a_mail_that_was_kept_can_be_followed(developing):
    mai = await account_of(developing, "mai")
    async with visitor_of(developing) as visitor:
        await visitor.get("/reset")
        assert "Look into your mail" in (await visitor.post("/reset", email="mai@example.com")).text
        await find_account.function(developing, email="mai@example.com", asked_at=developing.clock().isoformat())
        await mailed(developing, mai, "asked")
        admin = await sign_in(developing, role=Role.MASTER_ADMIN)
        first = re.search(r'href="(/staff/settings/mails/\d+)"', (await admin.get("/staff/settings/mails")).text)[1]
        link = re.search(r'href="(/reset/\w+)"', (await admin.get(first)).text)[1]
        await admin.client.aclose()
        await visitor.get(link)
        done = await visitor.post(link, password="a better staple", again="a better staple")

    assert done.headers["location"] == "/sign-in"
    folder = developing.settings.home / "mails"
    assert [path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())] == [0, 0]


async def test_nobody_reads_the_mails_of_who_may_do_more(developing):
    admin_id = await account_of(developing, "boss")
    customer_id = await account_of(developing, "mai")
    async with developing.db.transaction() as session:
        (await session.get_one(User, admin_id)).role = Role.ADMIN
    await mailed(developing, admin_id, "a")
    await mailed(developing, customer_id, "b")
    clerk = await sign_in(developing, role=Role.STAFF, permissions=["settings.view", "settings.edit"])
    watcher = await sign_in(developing, role=Role.STAFF, permissions=["settings.view"])

    listed = (await clerk.get("/staff/settings/mails")).text
    foreign = await clerk.get("/staff/settings/mails/1")
    refused = await watcher.get("/staff/settings/mails")
    await clerk.client.aclose()
    await watcher.client.aclose()

    assert ("mai@example.com" in listed, "boss@example.com" in listed) == (True, False)
    assert re.findall(r"data-row-link>([^<]+)", listed) == ["Set a new password"]
    assert (foreign.status_code, refused.status_code) == (404, 403)


async def test_where_mails_are_sent_or_wait_there_is_no_such_page(panel, developing):
    sent = developing.settings.model_copy(update={"smtp_host": "127.0.0.1", "smtp_from": "a@panel.example"})
    for other in (panel, replace(developing, settings=sent)):
        admin = await sign_in(other, role=Role.MASTER_ADMIN)
        assert (await admin.get("/staff/settings/mails")).status_code == 404
        await admin.client.aclose()
