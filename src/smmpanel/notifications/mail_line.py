"""Handing mails to a mail server over SMTP, and saying of each how far it came.

What matters is the moment when the mail itself is handed over: what fails before it has certainly not been sent, a refusal
is an answer, and a line that breaks after it leaves nobody knowing.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import aiosmtplib

from smmpanel.kernel.settings import Settings
from smmpanel.notifications.composing import Letter
from smmpanel.notifications.handing_over import Handed
from smmpanel.notifications.letters import message_of

PORTS = {"starttls": 587, "tls": 465, "none": 25}
PERMANENT_FROM = 500
SAID_MAX = 500
_LINE_ERRORS = (aiosmtplib.SMTPException, OSError, TimeoutError, ssl.SSLError)


class MailLineError(Exception):
    """The mail server cannot be reached, or does not let us in."""


class MailLine:
    """An open line to the mail server."""

    def __init__(self, client: aiosmtplib.SMTP, sender: str) -> None:
        self._client = client
        self._sender = sender

    async def hand_over(self, letter: Letter, *, now: datetime) -> Handed:
        """Give one mail to the server. Never raises for what a server or a line may do."""
        message = message_of(letter, self._sender, now)
        try:
            await self._client.mail(self._sender)
            await self._client.rcpt(letter.address)
        except aiosmtplib.SMTPResponseException as refusal:
            return await self._refused(refusal)
        except _LINE_ERRORS as broken:
            return Handed("later", _told(broken), line_is_up=False)
        try:
            answer = await self._client.data(message)
        except aiosmtplib.SMTPResponseException as refusal:
            return await self._refused(refusal)
        except _LINE_ERRORS as broken:
            return Handed("unknown", _told(broken), line_is_up=False)
        return Handed("sent", _clean(f"{answer.code} {answer.message}"))

    async def _refused(self, answer: aiosmtplib.SMTPResponseException) -> Handed:
        how: Literal["refused", "later"] = "refused" if answer.code >= PERMANENT_FROM else "later"
        try:
            await self._client.rset()
        except _LINE_ERRORS:
            return Handed(how, _told(answer), line_is_up=False)
        return Handed(how, _told(answer))


@asynccontextmanager
async def mail_line(settings: Settings) -> AsyncIterator[MailLine]:
    """Open a line to the mail server, encrypted and signed in as the settings say. Raises `MailLineError`."""
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port or PORTS[settings.smtp_tls],
        username=settings.smtp_user or None,
        password=settings.smtp_password.get_secret_value() if settings.smtp_user and settings.smtp_password else None,
        local_hostname=_own_name(settings),
        timeout=settings.smtp_timeout_seconds,
        use_tls=settings.smtp_tls == "tls",
        start_tls=settings.smtp_tls == "starttls",
    )
    try:
        await client.connect()
    except _LINE_ERRORS as broken:
        raise MailLineError(_told(broken)) from None
    try:
        yield MailLine(client, settings.smtp_from)
    finally:
        try:
            await client.quit(timeout=2)
        except _LINE_ERRORS:
            client.close()


def _own_name(settings: Settings) -> str:
    # Given, because looking it up would ask a name server from the event loop.
    host = urlsplit(settings.address).hostname or "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdigit() else host


def _told(error: BaseException) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _clean(f"{error.code} {error.message}")
    return _clean(f"{type(error).__name__}: {error}")


def _clean(said: str) -> str:
    return " ".join(said.replace("\x00", "\N{REPLACEMENT CHARACTER}").split())[:SAID_MAX]
