"""Telling users what accounts and the ledger say happened to them. What orders say is told by `orders.telling`."""

from collections.abc import Sequence

from smmpanel.accounts.resetting import ResetAsked
from smmpanel.accounts.signing_in import SignedInFromNewPlace
from smmpanel.accounts.signing_up import UserRegistered
from smmpanel.accounts.verifying import ConfirmationAsked
from smmpanel.kernel.facts import on, on_many
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.adjusting import BalanceAdjusted
from smmpanel.notifications.mails import MailKind, NewMail, queue_mails
from smmpanel.notifications.sending import wake_mail
from smmpanel.notifications.telling import Notice, notify


@on(ResetAsked)
async def mail_reset_link(panel: Panel, fact: ResetAsked) -> None:
    """Have the link sent. Told twice, it is one mail."""
    key = f"reset:{fact.user_id}:{fact.asked_at.isoformat()}"
    await _mail(panel, NewMail(key, fact.user_id, MailKind.RESET))


@on(ConfirmationAsked)
async def mail_confirmation_link(panel: Panel, fact: ConfirmationAsked) -> None:
    """Have the link sent to the address that is to be confirmed. Told twice, it is one mail."""
    key = f"verify:{fact.user_id}:{fact.asked_at.isoformat()}"
    await _mail(panel, NewMail(key, fact.user_id, MailKind.VERIFY, address=fact.email))


@on(UserRegistered)
async def mail_first_confirmation_link(panel: Panel, fact: UserRegistered) -> None:
    """Have a new user confirm the address. Told twice, it is one mail."""
    await _mail(panel, NewMail(f"verify:{fact.user_id}:first", fact.user_id, MailKind.VERIFY))


@on(SignedInFromNewPlace)
async def tell_of_sign_in(panel: Panel, fact: SignedInFromNewPlace) -> None:
    """Tell of a sign-in from a new place. Told twice, it is one notification."""
    fields = {"ip": fact.ip, "user_agent": fact.user_agent or "", "at": fact.at}
    notice = Notice(fact.user_id, f"sign_in:{fact.session_id}", "new_sign_in", fields, "/account/security")
    async with panel.db.transaction() as session:
        await notify(session, [notice], now=panel.clock())


@on_many(BalanceAdjusted)
async def tell_of_adjustments(panel: Panel, facts: Sequence[BalanceAdjusted]) -> None:
    """Tell of money that was added or taken by hand. Told twice, it is one notification each."""
    notices = [
        Notice(
            fact.user_id,
            f"adjustment:{fact.key}",
            "balance_credited" if fact.amount > 0 else "balance_debited",
            {"amount": abs(fact.amount), "currency": fact.currency, "reason": fact.reason},
            "/statement",
        )
        for fact in facts
    ]
    async with panel.db.transaction() as session:
        await notify(session, notices, now=panel.clock())


async def _mail(panel: Panel, mail: NewMail) -> None:
    async with panel.db.transaction() as session:
        await queue_mails(session, [mail], now=panel.clock())
        wake_mail(session)
