"""Proofs of payment: taken in from a deposit's owner, shown to them and to staff, and forgotten some time after it is closed."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.jobs import job
from smmpanel.kernel.live import tell
from smmpanel.kernel.panel import Panel
from smmpanel.payments.crediting import LIVE_NAME
from smmpanel.payments.models import Deposit
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.proof_files import ProofFile
from smmpanel.payments.proof_models import DepositClaim, DepositProof
from smmpanel.payments.states import OPEN, DepositState

PROOFS_MAX = 3
"""For one deposit."""
PAYER_MAX = 100
KEPT_FOR = timedelta(days=180)
"""After the deposit is paid, rejected or over."""
AT_ONCE = 100
ENOUGH = marked("Three files are the most for one deposit.")
NOTHING_SENT = marked("Choose a file, or say who paid.")
LONG_PAYER = marked("must be up to 100 characters")
# Rows stay: by their digests the same file is known again.
_FORGET = text(
    "UPDATE deposit_proofs SET content = '', forgotten_at = :now WHERE id IN (SELECT p.id FROM deposit_proofs p"
    " JOIN deposits d ON d.id = p.deposit_id"
    " WHERE p.forgotten_at IS NULL AND p.created_at < :before AND coalesce(d.paid_at, d.closed_at, d.expires_at) < :before"
    " ORDER BY p.created_at LIMIT :most) RETURNING id"
)


class ProofNotTakenError(ConflictError):
    """The deposit is decided, or nobody looks at proofs of its kind."""

    code, message = "proof_not_taken", marked("Nothing can be sent for this deposit any more.")


def takes_proofs(deposit: Deposit, *, by_staff: bool) -> bool:
    """Whether somebody looks at proofs of a deposit: those that staff approve, until they are decided or over."""
    return by_staff and DepositState(deposit.state) in {*OPEN, DepositState.PARTIAL}


async def claim_paid(
    session: AsyncSession, deposit_id: int, *, by_staff: bool, payer: str, file: ProofFile | None, now: datetime
) -> None:
    """Note that a customer says they have paid, with a proof or without; a file that is there already is left alone.

    Raises `InvalidInputError` or `ProofNotTakenError`. The caller has made sure whose deposit it is.
    """
    deposit = await locked_deposit(session, deposit_id)
    if not takes_proofs(deposit, by_staff=by_staff):
        raise ProofNotTakenError
    if len(payer) > PAYER_MAX:
        raise InvalidInputError(field="payer", reason=LONG_PAYER)
    if not payer and file is None:
        raise InvalidInputError(field="file", reason=NOTHING_SENT)
    await _claim(session, deposit_id, payer, now)
    if file is not None:
        await _keep(session, deposit_id, file, now)
    await tell(session, LIVE_NAME, [deposit.user_id])


async def check_room(session: AsyncSession, deposit: Deposit, sent: bytes, *, by_staff: bool) -> None:
    """Raise `InvalidInputError` or `ProofNotTakenError` for a file that is not taken whatever it holds: reading it takes pains."""
    if not takes_proofs(deposit, by_staff=by_staff):
        raise ProofNotTakenError
    _check_room(await _digests(session, deposit.id), sha256(sent).digest())


def _check_room(known: Collection[bytes], digest: bytes) -> None:
    if digest not in known and len(known) >= PROOFS_MAX:
        raise InvalidInputError(field="file", reason=ENOUGH)


async def _digests(session: AsyncSession, deposit_id: int) -> Collection[bytes]:
    return (await session.scalars(select(DepositProof.digest).where(DepositProof.deposit_id == deposit_id))).all()


async def _claim(session: AsyncSession, deposit_id: int, payer: str, now: datetime) -> None:
    written = insert(DepositClaim).values(deposit_id=deposit_id, payer=payer, claimed_at=now)
    if payer:
        written = written.on_conflict_do_update(
            index_elements=[DepositClaim.deposit_id], set_={"payer": written.excluded.payer}
        )
    else:
        written = written.on_conflict_do_nothing()
    await session.execute(written)


async def _keep(session: AsyncSession, deposit_id: int, file: ProofFile, now: datetime) -> None:
    known = await _digests(session, deposit_id)
    _check_room(known, file.digest)
    if file.digest in known:
        return
    kept = DepositProof(
        deposit_id=deposit_id,
        media_type=file.media_type,
        size=len(file.content),
        digest=file.digest,
        content=file.content,
        created_at=now,
    )
    session.add(kept)
    await session.flush()


async def claim_of(session: AsyncSession, deposit_id: int) -> DepositClaim | None:
    """Return what a customer said of paying, if they did."""
    return await session.get(DepositClaim, deposit_id, populate_existing=True)


async def proofs_of(session: AsyncSession, deposit_id: int) -> Sequence[DepositProof]:
    """Return the proofs of a deposit without what is in them, oldest first."""
    wanted = select(DepositProof).where(DepositProof.deposit_id == deposit_id).order_by(DepositProof.id)
    return (await session.scalars(wanted)).all()


async def proof_counts(session: AsyncSession, deposit_ids: Collection[int]) -> dict[int, int]:
    """Return how many proofs there are of each of these deposits that has any."""
    row = DepositProof
    found = select(row.deposit_id, func.count()).where(row.deposit_id.in_(deposit_ids)).group_by(row.deposit_id)
    return dict((await session.execute(found)).all()) if deposit_ids else {}


async def same_elsewhere(session: AsyncSession, proofs: Sequence[DepositProof]) -> dict[bytes, list[int]]:
    """Return, by digest, the other deposits for which the same file was sent."""
    if not proofs:
        return {}
    row = DepositProof
    mine = {proof.deposit_id for proof in proofs}
    found = select(row.digest, row.deposit_id).where(
        row.digest.in_({proof.digest for proof in proofs}), row.deposit_id.not_in(mine)
    )
    same: dict[bytes, list[int]] = {}
    for digest, deposit_id in await session.execute(found.order_by(row.deposit_id).limit(AT_ONCE)):
        same.setdefault(digest, []).append(deposit_id)
    return same


async def proof_by(session: AsyncSession, deposit_id: int, proof_id: int) -> DepositProof:
    """Return a proof of a deposit with what is in it; raises `NotFoundError`, also for one that is forgotten."""
    row = DepositProof
    wanted = select(row).where(row.id == proof_id, row.deposit_id == deposit_id, row.forgotten_at.is_(None))
    found = await session.scalar(wanted.options(undefer(row.content)).execution_options(populate_existing=True))
    if found is None:
        raise NotFoundError
    return found


@job(queue="chores", cron="52 4 * * *")
async def forget_old_proofs(panel: Panel) -> None:
    """Drop what is in proofs of deposits that have long been decided. Idempotent."""
    while not panel.stopping.is_set():
        now = panel.clock()
        async with panel.db.transaction() as session:
            asked = {"now": now, "before": now - KEPT_FOR, "most": AT_ONCE}
            if len((await session.execute(_FORGET, asked)).all()) < AT_ONCE:
                return
