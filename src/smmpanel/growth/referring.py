"""Who brought whom: written down when somebody signs up with a code or after following a link."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import User
from smmpanel.accounts.referral_codes import owner_of_code
from smmpanel.accounts.signing_up import UserRegistered
from smmpanel.growth.commissions import reckon_user
from smmpanel.growth.referral_models import Referral, ReferralState, Referrer, UserDevice
from smmpanel.growth.referral_signals import mailbox_of, signals_of
from smmpanel.kernel.facts import on
from smmpanel.kernel.panel import Panel


@on(UserRegistered)
async def note_referral(panel: Panel, fact: UserRegistered) -> None:
    """Write down who brought a new user. Told twice, it is one referral; a code that is nobody's is none."""
    async with panel.db.transaction() as session:
        await refer(session, fact, currency=panel.currency, now=panel.clock())


async def refer(session: AsyncSession, came: UserRegistered, *, currency: str, now: datetime) -> bool:
    """Make the referral of a new user; `False` if there is none to make. What speaks against it flags it."""
    email = await session.scalar(select(User.email).where(User.id == came.user_id))
    referrer = await owner_of_code(session, came.referral_code) if came.referral_code else None
    made = None
    if email is not None and referrer is not None and referrer != came.user_id:
        mailbox = mailbox_of(email)
        signals = await signals_of(
            session,
            referrer=referrer,
            referred=came.user_id,
            mailbox=mailbox,
            ip=came.ip,
            device=came.device,
        )
        state = ReferralState.FLAGGED if signals else ReferralState.CLEAR
        row = insert(Referral).values(
            referrer_id=referrer,
            referred_id=came.user_id,
            via=came.via,
            state=state.value,
            signals=[signal.value for signal in signals],
            mailbox=mailbox,
            created_at=now,
        )
        made = await session.scalar(row.on_conflict_do_nothing().returning(Referral.id))
    if email is not None and came.device is not None:
        await note_device(session, came.user_id, came.device, now=now)
    if made is None or referrer is None:
        return False
    await _count(session, referrer)
    # Facts may come in any order: orders may have ended before this.
    await reckon_user(session, came.user_id, currency=currency, now=now)
    return True


async def note_device(session: AsyncSession, user_id: int, device: str, *, now: datetime) -> None:
    """Remember that a browser is a user's."""
    seen = insert(UserDevice).values(user_id=user_id, device=device, seen_at=now)
    await session.execute(
        seen.on_conflict_do_update(
            index_elements=[UserDevice.user_id, UserDevice.device], set_={"seen_at": seen.excluded.seen_at}
        )
    )


async def _count(session: AsyncSession, referrer: int) -> None:
    row = insert(Referrer).values(user_id=referrer, referrals=1)
    await session.execute(
        row.on_conflict_do_update(index_elements=[Referrer.user_id], set_={"referrals": Referrer.referrals + 1})
    )
