"""A customer who confirmed the address, and a mail server of our own that can misbehave."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from sqlalchemy import select

import smmpanel.entrypoints.declarations  # noqa: F401 - facts reach those who listen
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.signing_up import register
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.models import Mail


@dataclass
class FakeMailServer:
    """Speaks enough SMTP for a client, keeps what it was given, and misbehaves on request."""

    greeting: str = "220 mail.example ESMTP"
    to_recipient: str = "250 ok"
    after_data: str | None = "250 kept"
    """What it answers to a whole mail; `None` drops the line instead of answering, having taken the mail."""
    drops_at: str = ""
    """The command at which it hangs up."""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client."""
        try:
            await self._talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._say(writer, self.greeting)
        while line := await asyncio.wait_for(reader.readline(), 10):
            command = line.decode().strip()
            self.commands.append(command)
            word = command.partition(" ")[0].upper()
            if word == self.drops_at:
                return
            if word == "RCPT":
                self.recipients.append(command.partition("<")[2].partition(">")[0])
                await self._say(writer, self.to_recipient)
            elif word == "DATA":
                await self._say(writer, "354 go on")
                content = await asyncio.wait_for(reader.readuntil(b"\r\n.\r\n"), 10)
                self.mails.append(message_from_bytes(content[:-5].replace(b"\r\n..", b"\r\n."), policy=policy.default))
                if self.after_data is None:
                    return
                await self._say(writer, self.after_data)
            elif word == "QUIT":
                await self._say(writer, "221 bye")
                return
            else:
                await self._say(writer, "250 mail.example")

    async def _say(self, writer: asyncio.StreamWriter, answer: str) -> None:
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()


@pytest.fixture
async def mail_server() -> AsyncIterator[FakeMailServer]:
    """A mail server on this machine."""
    fake = FakeMailServer()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    yield fake
    server.close()
    await server.wait_closed()


@pytest.fixture
def mailing(panel: Panel, mail_server: FakeMailServer) -> Panel:
    """The panel, with that mail server."""
    told = {
        "smtp_host": "127.0.0.1",
        "smtp_port": mail_server.port,
        "smtp_tls": "none",
        "smtp_from": "panel@panel.example",
        "smtp_timeout_seconds": 5,
        "public_url": "https://panel.example",
    }
    return replace(panel, settings=panel.settings.model_copy(update=told))


@pytest.fixture
async def mai(panel: Panel) -> int:
    """A customer who has confirmed the address, and has no mail yet."""
    async with panel.db.transaction() as session:
        user = await register(session, username="mai", email="mai@example.com", password="correct horse battery")
        (await locked_user(session, user.id)).email_verified_at = panel.clock()
        return user.id


async def mails_of(panel: Panel) -> list[Mail]:
    """Return all mails, oldest first."""
    async with panel.db.transaction() as session:
        return list((await session.scalars(select(Mail).order_by(Mail.id))).all())
