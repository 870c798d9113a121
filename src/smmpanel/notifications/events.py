"""What users are told of: the events that they may choose between, and the kinds of notification that belong to each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.i18n import marked
from smmpanel.notifications.models import NotificationChoice


class Event(StrEnum):
    """Something that a user can want to be told of, or not."""

    ORDERS = "orders"
    REFILLS = "refills"
    DEPOSITS = "deposits"
    BALANCE = "balance"
    REFERRALS = "referrals"
    LOW_BALANCE = "low_balance"
    TIER = "tier"
    SIGN_IN = "sign_in"


@dataclass(frozen=True, slots=True)
class Wish:
    """Where somebody wants to be told of an event."""

    in_panel: bool
    by_mail: bool


@dataclass(frozen=True, slots=True)
class EventTerms:
    """What an event is called, what holds until somebody chooses, and whether there is a mail about it at all."""

    label: str
    hint: str
    default: Wish
    has_mail: bool
    mail_is_kept: bool = False
    """Whether the mail cannot be switched off."""


EVENTS: Mapping[Event, EventTerms] = {
    Event.ORDERS: EventTerms(
        marked("Orders that finish"),
        marked("Completed, partial or canceled. Mails gather what finished within an hour."),
        Wish(in_panel=True, by_mail=True),
        has_mail=True,
    ),
    Event.REFILLS: EventTerms(
        marked("Refills that finish"),
        marked("Completed or rejected."),
        Wish(in_panel=True, by_mail=False),
        has_mail=False,
    ),
    Event.DEPOSITS: EventTerms(
        marked("Deposits"),
        marked("Money of yours that has arrived or went back, and deposits that were rejected."),
        Wish(in_panel=True, by_mail=True),
        has_mail=True,
    ),
    Event.BALANCE: EventTerms(
        marked("Changes of the balance by us"),
        marked("Money that was added or taken by hand."),
        Wish(in_panel=True, by_mail=False),
        has_mail=False,
    ),
    Event.REFERRALS: EventTerms(
        marked("Commission and payouts"),
        marked("What people you brought earned you, gathered for an hour, and what became of payouts."),
        Wish(in_panel=True, by_mail=False),
        has_mail=False,
    ),
    Event.LOW_BALANCE: EventTerms(
        marked("Low balance"),
        marked("When less is left than the amount below."),
        Wish(in_panel=True, by_mail=True),
        has_mail=True,
    ),
    Event.TIER: EventTerms(
        marked("Changes of your tier"),
        marked("When what you have spent lifts you to another tier, or refunds take you back."),
        Wish(in_panel=True, by_mail=False),
        has_mail=True,
    ),
    Event.SIGN_IN: EventTerms(
        marked("Sign-ins from a new place"),
        marked("The mail is always sent: it protects your account."),
        Wish(in_panel=True, by_mail=True),
        has_mail=True,
        mail_is_kept=True,
    ),
}


def settled(event: Event, wish: Wish) -> Wish:
    """Return a wish as far as an event leaves a choice."""
    terms = EVENTS[event]
    return Wish(wish.in_panel, terms.has_mail and (wish.by_mail or terms.mail_is_kept))


async def wishes_of(session: AsyncSession, user_ids: Iterable[int]) -> dict[tuple[int, Event], Wish]:
    """Return what users chose, by user and event; what nobody chose is missing, and its default holds."""
    row = NotificationChoice
    found = await session.execute(
        select(row.user_id, row.event, row.in_panel, row.by_mail).where(row.user_id.in_(set(user_ids)))
    )
    known = {event.value for event in Event}
    return {
        (user_id, Event(event)): settled(Event(event), Wish(in_panel, by_mail))
        for user_id, event, in_panel, by_mail in found
        if event in known
    }


async def choose(session: AsyncSession, user_id: int, wishes: Mapping[Event, Wish]) -> None:
    """Keep what a user wants to be told of."""
    rows = [
        {"user_id": user_id, "event": event.value, "in_panel": kept.in_panel, "by_mail": kept.by_mail}
        for event, kept in ((event, settled(event, wish)) for event, wish in wishes.items())
    ]
    written = insert(NotificationChoice).values(rows)
    await session.execute(
        written.on_conflict_do_update(
            index_elements=[NotificationChoice.user_id, NotificationChoice.event],
            set_={"in_panel": written.excluded.in_panel, "by_mail": written.excluded.by_mail},
        )
    )
