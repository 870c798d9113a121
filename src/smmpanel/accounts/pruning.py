"""Forgetting what the door no longer needs to know."""

from datetime import timedelta

from sqlalchemy import delete

from smmpanel.accounts.models import AttemptCounter, LoginHistory, LoginSession, MailedToken
from smmpanel.accounts.sign_in_models import SignInStep
from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel

COUNTERS_KEPT = timedelta(days=2)
SESSIONS_KEPT = timedelta(days=30)
HISTORY_KEPT = timedelta(days=365)
TOKENS_KEPT = timedelta(days=7)


@job(queue="chores", cron="41 3 * * *")
async def prune_sign_in_records(panel: Panel) -> None:
    """Delete old counters, sessions long ended, old login history, steps and links past their time. Idempotent."""
    now = panel.clock()
    async with panel.db.transaction() as session:
        await session.execute(
            delete(AttemptCounter).where(
                AttemptCounter.last_at < now - COUNTERS_KEPT, AttemptCounter.blocked_until < now
            )
        )
    async with panel.db.transaction() as session:
        await session.execute(delete(LoginSession).where(LoginSession.expires_at < now - SESSIONS_KEPT))
    async with panel.db.transaction() as session:
        await session.execute(delete(LoginHistory).where(LoginHistory.at < now - HISTORY_KEPT))
    async with panel.db.transaction() as session:
        await session.execute(delete(SignInStep).where(SignInStep.expires_at < now))
    async with panel.db.transaction() as session:
        await session.execute(delete(MailedToken).where(MailedToken.expires_at < now - TOKENS_KEPT))
