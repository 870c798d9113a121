"""Writing mails: what each kind says, in one look, as text and as HTML, in the language of its reader.

Links that open something are made here, at sending: until then nobody holds them, and no table ever does.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.mailed_tokens import Purpose, mint_token
from smmpanel.accounts.models import User
from smmpanel.kernel.i18n import known_language, marked, translate
from smmpanel.kernel.options import read_options
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.mails import NEWS, MailKind
from smmpanel.notifications.models import Mail, Notification
from smmpanel.notifications.words import ORDER_KINDS, device_named, said
from smmpanel.web.brand import Brand, brand_of, worn_accent
from smmpanel.web.formats import Formats

if TYPE_CHECKING:
    from jinja2 import Environment

HOUSE_NAME, HOUSE_ACCENT = "SMM panel", "#3562e3"
TEMPLATES = Path(__file__).parent / "mail_templates"
ORDERS_SHOWN = 10
ORDERS_READ = 1000
REASON = marked("You get this mail because you have an account at {site}.")
KEPT_REASON = marked("You get this mail because you have an account at {site}. It cannot be switched off.")
CHOOSE = marked("Choose which mails you get")
ACCOUNT = marked("Account")


class NothingToTellError(Exception):
    """What a mail was to tell is gone."""


@dataclass(frozen=True, slots=True)
class Words:
    """What one mail says."""

    subject: str
    preheader: str
    lead: str
    rows: Sequence[tuple[str, str]]
    action: str
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is sent."""

    mail_id: int
    address: str
    sender: str
    subject: str
    text: str
    html: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Who a mail is for, and in which language and with which formats it is written."""

    user: User
    mail: Mail
    formats: Formats
    now: datetime

    def say(self, english: str, **fields: object) -> str:
        """Say a text in the reader's language."""
        return translate(self.formats.language, english, **fields)


async def compose(session: AsyncSession, panel: Panel, mail: Mail, *, now: datetime) -> Letter:
    """Write a mail. Raises `NothingToTellError` if there is no longer anything to tell, or nobody to tell it."""
    user = await session.get_one(User, mail.user_id)
    language = known_language(mail.language) or "en"
    reader = Reader(user, mail, Formats(language, user.time_zone, panel.currency, now), now)
    kind = MailKind(mail.kind)
    words = await _WRITERS[kind](session, panel, reader)
    brand = brand_of(await read_options(session), Brand(HOUSE_NAME))
    worn = worn_accent(brand.accent or HOUSE_ACCENT)
    names = {
        **asdict(words),
        "lang": language,
        "site": brand.name,
        "button": worn.solid,
        "ink": worn.writing,
        "reason": reader.say(REASON if kind in NEWS else KEPT_REASON, site=brand.name),
        "settings_url": f"{panel.settings.address}/account/notifications",
        "settings_label": reader.say(CHOOSE),
    }
    domain = panel.settings.smtp_from.rpartition("@")[2] or "panel.invalid"
    marker = panel.vault.keyed_hash("message-id", mail.key).hex()[:24]
    return Letter(
        mail_id=mail.id,
        address=mail.address,
        sender=" ".join(brand.name.split()),
        subject=words.subject,
        text=_templates().get_template("mail.txt").render(names),
        html=_templates().get_template("mail.html").render(names),
        message_id=f"<{mail.id}.{marker}@{domain}>",
    )


@lru_cache(maxsize=1)
def _templates() -> "Environment":
    # Loaded with the first mail: processes that send none need not carry it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


async def _verify(session: AsyncSession, panel: Panel, reader: Reader) -> Words:
    user, mail = reader.user, reader.mail
    if mail.address.lower() not in {user.email.lower(), (user.pending_email or "").lower()}:
        raise NothingToTellError
    if user.pending_email is None and user.email_verified_at is not None:
        raise NothingToTellError
    token = await mint_token(
        session, panel.vault, user_id=user.id, purpose=Purpose.VERIFY, email=mail.address, now=reader.now
    )
    return Words(
        subject=reader.say(marked("Confirm your address")),
        preheader=mail.address,
        lead=reader.say(
            marked("Confirm that {email} is yours, so that mail about your account reaches you."), email=mail.address
        ),
        rows=[(reader.say(ACCOUNT), user.username)],
        action=reader.say(marked("Confirm address")),
        url=f"{panel.settings.address}/verify/{token}",
        note=reader.say(marked("The link is good for two days. If this was not you, ignore this mail.")),
    )


async def _reset(session: AsyncSession, panel: Panel, reader: Reader) -> Words:
    user = reader.user
    if reader.mail.address.lower() != user.email.lower():
        raise NothingToTellError
    token = await mint_token(
        session, panel.vault, user_id=user.id, purpose=Purpose.RESET, email=user.email, now=reader.now
    )
    return Words(
        subject=reader.say(marked("Set a new password")),
        preheader=user.username,
        lead=reader.say(marked("Somebody asked for a new password for your account.")),
        rows=[(reader.say(ACCOUNT), user.username)],
        action=reader.say(marked("Set a new password")),
        url=f"{panel.settings.address}/reset/{token}",
        note=reader.say(
            marked(
                "The link is good for one hour. If this was not you, ignore this mail: your password stays as it is."
            )
        ),
    )


async def _new_sign_in(_session: AsyncSession, panel: Panel, reader: Reader) -> Words:
    fields, formats = reader.mail.fields, reader.formats
    at = formats.moment(datetime.fromisoformat(fields["at"]))
    device = device_named(fields.get("user_agent"), formats.language)
    rows = [
        (reader.say(ACCOUNT), reader.user.username),
        (reader.say(marked("Time")), f"{at} ({formats.time_zone})"),
        (reader.say(marked("Address")), str(fields["ip"])),
        *([(reader.say(marked("Device")), device)] if device else []),
    ]
    return Words(
        subject=reader.say(marked("New sign-in to your account")),
        preheader=f"{fields['ip']}, {at}",
        lead=reader.say(marked("Somebody signed in to your account from a place where it was not used before.")),
        rows=rows,
        action=reader.say(marked("Look at your sessions")),
        url=f"{panel.settings.address}/account/security",
        note=reader.say(marked("If this was not you, change your password at once.")),
    )


async def _low_balance(_session: AsyncSession, panel: Panel, reader: Reader) -> Words:
    told = said("low_balance", reader.mail.fields, reader.formats)
    balance = reader.formats.exact(Decimal(reader.mail.fields["balance"]))
    return Words(
        subject=told.title,
        preheader=balance,
        lead=told.text,
        rows=[(reader.say(marked("Balance")), balance)],
        action=reader.say(marked("Add funds")),
        url=f"{panel.settings.address}/add-funds",
    )


async def _tier_changed(_session: AsyncSession, panel: Panel, reader: Reader) -> Words:
    fields = reader.mail.fields
    told = said("tier_up" if fields["promoted"] else "tier_down", fields, reader.formats)
    return Words(
        subject=told.title,
        preheader=told.text,
        lead=told.text,
        rows=[(reader.say(marked("Tier")), str(fields["tier"]))],
        action=reader.say(marked("See your tier")),
        url=f"{panel.settings.address}/tiers",
    )


async def _deposit(_session: AsyncSession, panel: Panel, reader: Reader) -> Words:
    fields = reader.mail.fields
    told = said(fields["kind"], fields, reader.formats)
    labels = {"amount": marked("Amount"), "credited": marked("Added to the balance"), "balance": marked("Balance")}
    sums = [
        (reader.say(label), reader.formats.exact(Decimal(str(fields[name])), fields.get("currency")))
        for name, label in labels.items()
        if name in fields
    ]
    reason = [(reader.say(marked("Reason")), str(fields["reason"]))] if fields.get("reason") else []
    return Words(
        subject=told.title,
        preheader=told.text,
        lead=told.title if reason else told.text or told.title,
        rows=[*sums, *reason],
        action=reader.say(marked("See deposit")),
        url=f"{panel.settings.address}{fields['href']}",
    )


async def _orders_finished(session: AsyncSession, panel: Panel, reader: Reader) -> Words:
    row = Notification
    found = (
        await session.scalars(
            select(row)
            .where(row.user_id == reader.user.id, row.id >= int(reader.mail.fields["first"]), row.kind.in_(ORDER_KINDS))
            .order_by(row.id.desc())
            .limit(ORDERS_READ)
        )
    ).all()
    if not found:
        raise NothingToTellError
    counts = {"completed": 0, "partial": 0, "canceled": 0}
    for one in found:
        for name in counts:
            counts[name] += (
                int(one.fields.get(name, 0)) if one.kind == "orders_finished" else one.kind == f"order_{name}"
            )
    total = {"n": sum(counts.values()), **counts}
    if total["n"] <= 1:
        return _one_order(panel, reader, found[0])
    overall = said("orders_finished", total, reader.formats)
    latest = [
        (said(one.kind, one.fields, reader.formats).title, str(one.fields.get("service", "")))
        for one in found
        if one.kind != "orders_finished"
    ][:ORDERS_SHOWN]
    labels = (marked("Completed"), marked("Partial"), marked("Canceled"))
    by_state = [
        (reader.say(label), reader.formats.num(count))
        for label, count in zip(labels, counts.values(), strict=True)
        if count
    ]
    return Words(
        subject=overall.title,
        preheader=", ".join(title for title, _ in latest[:3]) or overall.text,
        lead=overall.text,
        rows=latest or by_state,
        action=reader.say(marked("See your orders")),
        url=f"{panel.settings.address}/orders",
    )


def _one_order(panel: Panel, reader: Reader, told: Notification) -> Words:
    fields, service = told.fields, str(told.fields.get("service", ""))
    back = (
        reader.formats.exact(Decimal(str(fields["refunded"])), fields.get("currency")) if "refunded" in fields else ""
    )
    rows = [
        (reader.say(marked("Order")), str(fields.get("order_id", ""))),
        (reader.say(marked("Service")), service),
        (reader.say(marked("Paid back")), back),
    ]
    # The service has a line of its own here.
    lead = said(told.kind, {**fields, "service": ""}, reader.formats)
    return Words(
        subject=lead.title,
        preheader=service or lead.text,
        lead=lead.text or reader.say(marked("All of it was delivered.")),
        rows=[(name, value) for name, value in rows if value],
        action=reader.say(marked("See order")),
        url=f"{panel.settings.address}{told.href}",
    )


_WRITERS: dict[MailKind, Callable[[AsyncSession, Panel, Reader], Awaitable[Words]]] = {
    MailKind.VERIFY: _verify,
    MailKind.RESET: _reset,
    MailKind.NEW_SIGN_IN: _new_sign_in,
    MailKind.ORDERS_FINISHED: _orders_finished,
    MailKind.LOW_BALANCE: _low_balance,
    MailKind.TIER_CHANGED: _tier_changed,
    MailKind.DEPOSIT: _deposit,
}
