"""A mail as it travels: headers, text and HTML."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

from smmpanel.notifications.composing import Letter

_POLICY = SMTP_POLICY.clone(cte_type="7bit")


def message_of(letter: Letter, sender: str, now: datetime) -> bytes:
    """Write a mail down as it travels."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(letter.sender, addr_spec=sender)
    message["To"] = Address(addr_spec=letter.address)
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = format_datetime(now)
    message["Message-ID"] = letter.message_id
    # Programs that answer mails by themselves leave such ones alone.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message.as_bytes()
