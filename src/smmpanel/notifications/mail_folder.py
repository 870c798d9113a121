"""Mails in development: kept as files for whoever develops, in place of being handed to a mail server.

They hold the links that sign people in and set passwords, so only the owner of the folder may read them.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from smmpanel.kernel.settings import Settings
from smmpanel.notifications.composing import Letter
from smmpanel.notifications.handing_over import FOLDER, KEPT, Handed
from smmpanel.notifications.letters import message_of

SENDER = "panel@panel.invalid"
"""What mails come from, if no address is set."""


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail as it would have been sent."""

    subject: str
    text: str


class FolderLine:
    """Takes mails as a line to a mail server does, and writes them down."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder, self._sender = folder, sender

    async def hand_over(self, letter: Letter, *, now: datetime) -> Handed:
        """Keep one mail."""
        message = message_of(letter, self._sender, now)
        try:
            await asyncio.to_thread(_keep, self._folder, letter.mail_id, message)
        except OSError as broken:
            return Handed("later", f"{type(broken).__name__}: {broken}", line_is_up=False)
        return Handed("sent", KEPT)


@asynccontextmanager
async def folder_line(settings: Settings) -> AsyncIterator[FolderLine]:
    """Open the folder."""
    yield FolderLine(settings.home / FOLDER, settings.smtp_from or SENDER)


def read_kept(settings: Settings, mail_id: int) -> KeptMail | None:
    """Return a mail that was kept; `None` if its file is gone."""
    try:
        content = _path(settings.home / FOLDER, mail_id).read_bytes()
    except OSError:
        return None
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    return KeptMail(str(message["Subject"]), body.get_content() if body is not None else "")


def _keep(folder: Path, mail_id: int, message: bytes) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _path(folder, mail_id)
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(message)
    draft.replace(path)


def _path(folder: Path, mail_id: int) -> Path:
    return folder / f"{mail_id}.eml"
