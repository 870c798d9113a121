"""`/staff/books`: the trial balance, whether it was proved, and every transfer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.audit import audit
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.jobs import enqueue
from smmpanel.kernel.queue_state import WaitingJob, job_named
from smmpanel.ledger.books import BookedTransfer, TrialBalance, booked_transfer, booked_transfers, kept_trial_balance
from smmpanel.ledger.models import AccountKind
from smmpanel.ledger.pages import REASONS
from smmpanel.ledger.proving import KeptProof, last_proof, verify_every_night
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/books"
ROWS = 25
SUBJECT_MAX = 100
PROOF_BEGUN = marked("The books are being proved")
KINDS: Mapping[str, str] = {
    AccountKind.WALLET: marked("Wallets of customers"),
    AccountKind.HELD: marked("Held for open orders"),
    AccountKind.REVENUE: marked("Revenue"),
    AccountKind.ADJUSTMENTS: marked("Changed by staff"),
    AccountKind.DEPOSITS: marked("Deposits"),
    AccountKind.BONUSES: marked("Bonuses"),
    AccountKind.COMMISSIONS: marked("Commissions"),
    AccountKind.EARNINGS: marked("Commissions to be paid out"),
    AccountKind.FEES: marked("Payment fees"),
}
Looking = Annotated[Viewer, Depends(staff_with(Permission.LEDGER_VIEW))]


@dataclass(frozen=True, slots=True)
class BooksPage:
    """What ledger/books.html receives."""

    trial: TrialBalance
    proof: KeptProof | None
    proving: WaitingJob | None
    transfers: Sequence[BookedTransfer]
    after: str | None
    subject: str
    sees_users: bool
    kinds: Mapping[str, str] = field(default_factory=lambda: KINDS)
    reasons: Mapping[str, str] = field(default_factory=lambda: REASONS)


@dataclass(frozen=True, slots=True)
class ProofPart:
    """What ledger/proof.html receives."""

    proof: KeptProof | None
    proving: WaitingJob | None


@dataclass(frozen=True, slots=True)
class TransferPage:
    """What ledger/transfer.html receives."""

    transfer: BookedTransfer
    reversed_by: int | None
    others: Sequence[BookedTransfer]
    """What else moved for the same subject, newest first."""
    sees_users: bool
    order_id: int | None
    kinds: Mapping[str, str] = field(default_factory=lambda: KINDS)
    reasons: Mapping[str, str] = field(default_factory=lambda: REASONS)


@router.get(PATH)
async def show_books(
    request: Request, viewer: Looking, session: Session, *, subject: CleanText = "", after: CleanText = ""
) -> Response:
    """Show the books as they are kept, and the latest transfers."""
    wanted = _subject(subject)
    found = await booked_transfers(session, subject=wanted, after=after or None, size=ROWS)
    shown = BooksPage(
        trial=await kept_trial_balance(session),
        proof=await last_proof(session),
        proving=await job_named(session, verify_every_night.name),
        transfers=found.rows,
        after=found.after,
        subject=wanted,
        sees_users=viewer.may(Permission.USERS_VIEW),
    )
    return page(request, "ledger/books.html", shown, fragment="rows")


@router.get(PATH + "/proof")
async def show_proof(request: Request, session: Session, _viewer: Looking) -> Response:
    """Show only how the proof stands, for a page that waits for it."""
    shown = ProofPart(await last_proof(session), await job_named(session, verify_every_night.name))
    return page(request, "ledger/proof.html", shown)


@router.post(PATH + "/proof")
async def prove(request: Request, viewer: Looking, session: Session) -> Response:
    """Have the books proved in the background, as every night; a proof that waits already is not doubled."""
    await enqueue(session, verify_every_night.call(once=verify_every_night.name))
    await audit(session, viewer, Permission.LEDGER_VIEW, "books", after={"proof": "begun"})
    return with_toast(see_other(PATH), Toast(say(request, PROOF_BEGUN), kind="is-info"))


@router.get(PATH + "/transfers/{transfer_id}")
async def show_transfer(request: Request, viewer: Looking, session: Session, transfer_id: RowId) -> Response:
    """Show one transfer and both its sides."""
    transfer, reversed_by = await booked_transfer(session, transfer_id)
    same = await booked_transfers(session, subject=transfer.subject, size=ROWS)
    kind, _, number = transfer.subject.partition(":")
    shown = TransferPage(
        transfer=transfer,
        reversed_by=reversed_by,
        others=[one for one in same.rows if one.id != transfer.id],
        sees_users=viewer.may(Permission.USERS_VIEW),
        order_id=int(number) if kind == "order" and number.isdigit() and viewer.may(Permission.ORDERS_VIEW) else None,
    )
    return page(request, "ledger/transfer.html", shown)


def _subject(typed: str) -> str:
    """Read what was looked for: `order:12`, `user:5`, or a bare number, which is an order's."""
    wanted = typed.strip().removeprefix("#")[:SUBJECT_MAX].lower()
    return f"order:{wanted}" if wanted.isascii() and wanted.isdigit() else wanted
