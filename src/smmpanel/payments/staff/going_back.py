"""What staff see of money that goes back, and of deeds that wait for a second person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.finding import usernames_of
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.panel import Panel
from smmpanel.payments.models import Deposit
from smmpanel.payments.refunding import Refundable, refundable, returns_of
from smmpanel.payments.return_models import (
    Confirmation,
    ConfirmationState,
    Deed,
    PaymentReturn,
    ReturnKind,
    ReturnState,
)
from smmpanel.payments.second_looks import PERMISSIONS, confirmation_for, confirmations_of, persons_in
from smmpanel.web.amounts import amount_written
from smmpanel.web.formats import Formats

KEY_LENGTH = 20
AWAITS = marked("Noted: somebody else has to confirm it")
R, C = ReturnState, ConfirmationState
RETURN_WORDS: Mapping[str, tuple[str, str]] = {
    R.PENDING: ("is-info", marked("On its way")),
    R.UNKNOWN: ("is-bad", marked("Unknown")),
    R.DONE: ("is-warn", marked("Went back")),
    R.FAILED: ("", marked("Failed")),
    R.RELEASED: ("is-ok", marked("Came again")),
}
KIND_WORDS: Mapping[str, str] = {
    ReturnKind.REFUND: marked("Refund"),
    ReturnKind.CHARGEBACK: marked("Taken back by the bank"),
}
DEED_WORDS: Mapping[str, str] = {
    Deed.APPROVE: marked("Approve and credit"),
    Deed.ASSIGN: marked("Assign and credit"),
    Deed.REFUND: marked("Pay back"),
}
CONFIRMATION_WORDS: Mapping[str, tuple[str, str]] = {
    C.WAITING: ("is-info", marked("Waits for a second person")),
    C.CONFIRMED: ("is-ok", marked("Confirmed")),
    C.WITHDRAWN: ("", marked("Withdrawn")),
}


@dataclass(frozen=True, slots=True)
class Awaited:
    """A deed that waits for a second person, or waited; who took part, and what this person may do about it."""

    row: Confirmation
    word: str
    state: tuple[str, str]
    first: str
    second: str
    to: str
    """Whose wallet money that is assigned goes to; empty for other deeds, which say it themselves."""
    may_confirm: bool
    may_withdraw: bool


@dataclass(frozen=True, slots=True)
class GoneBack:
    """Money that went back, and who took part."""

    row: PaymentReturn
    word: str
    state: tuple[str, str]
    people: Mapping[str, str]
    """By what they did."""
    may_resolve: bool


@dataclass(frozen=True, slots=True)
class GoingBack:
    """All of it, for the page of a deposit."""

    rows: Sequence[GoneBack]
    awaited: Sequence[Awaited]
    limits: Refundable | None
    """What can be paid back; nothing if this person may not."""
    may_over: bool
    key: str
    first: Mapping[str, str] = field(default_factory=dict)
    """What stands in the form as long as nobody has typed anything."""

    def awaits(self, deed: Deed) -> bool:
        """Whether a deed of this kind waits for a second person."""
        return any(one.row.deed == deed and one.row.state == C.WAITING for one in self.awaited)


async def going_back(
    session: AsyncSession, panel: Panel, viewer: Viewer, deposit: Deposit, formats: Formats
) -> GoingBack:
    """Return what a deposit's page shows of money that goes back."""
    rows = await returns_of(session, deposit.id)
    confirmations = await confirmations_of(session, deposit.id)
    ids = [one for row in rows for one in (row.requested_by, row.confirmed_by, row.resolved_by)]
    names = await usernames_of(session, [*ids, *_people(confirmations), deposit.user_id])
    may = viewer.may(Permission.DEPOSITS_REFUND) and deposit.user_id not in persons_in(viewer)
    limits = await refundable(session, panel, deposit) if may and deposit.received > deposit.returned else None
    owner = names.get(deposit.user_id, "")
    awaited = [_awaited(row, viewer, names, to=owner if row.deed == Deed.ASSIGN else "") for row in confirmations]
    return GoingBack(
        rows=[_gone(row, names, may=may) for row in rows if not _says_nothing_new(row)],
        awaited=awaited,
        limits=limits,
        may_over=viewer.may(Permission.DEPOSITS_REFUND_OVER),
        key=random_text(KEY_LENGTH),
        first={
            "refund_amount": amount_written(formats, limits.unspent) if limits is not None and limits.unspent else "",
            "refund_reason": "",
            "bank_ref": "",
            "by_hand": "" if limits is None or limits.by_gateway else "yes",
        },
    )


async def awaited_for(session: AsyncSession, viewer: Viewer, receipt_id: int) -> list[Awaited]:
    """Return what waits for a second person for money in review."""
    row = await confirmation_for(session, receipt_id)
    if row is None:
        return []
    deposit = await session.get(Deposit, row.deposit_id) if row.deposit_id is not None else None
    owner = deposit.user_id if deposit is not None else row.user_id
    names = await usernames_of(session, [*_people([row]), owner])
    return [_awaited(row, viewer, names, to=names.get(owner or 0, ""))]


def _people(rows: Iterable[Confirmation]) -> list[int | None]:
    return [one for row in rows for one in (row.first_by, row.second_by)]


def _awaited(row: Confirmation, viewer: Viewer, names: Mapping[int, str], *, to: str) -> Awaited:
    may = row.state == C.WAITING and viewer.may(PERMISSIONS[Deed(row.deed)])
    return Awaited(
        row=row,
        word=DEED_WORDS[row.deed],
        state=CONFIRMATION_WORDS[row.state],
        first=names.get(row.first_by, ""),
        second=names.get(row.second_by or 0, ""),
        to=to,
        may_confirm=may and row.first_by not in persons_in(viewer),
        may_withdraw=may,
    )


def _says_nothing_new(row: PaymentReturn) -> bool:
    """Whether a gateway only said in sum what is known one by one."""
    return row.is_total and row.state == R.DONE and not row.amount and not row.taken


def _gone(row: PaymentReturn, names: Mapping[int, str], *, may: bool) -> GoneBack:
    people = {
        marked("Wanted by"): row.requested_by,
        marked("Confirmed by"): row.confirmed_by,
        marked("Resolved by"): row.resolved_by,
    }
    is_open = row.state == R.UNKNOWN or (row.state == R.PENDING and row.answered_at is not None)
    return GoneBack(
        row=row,
        word=KIND_WORDS[row.kind],
        state=RETURN_WORDS[row.state],
        people={what: names.get(one, "") for what, one in people.items() if one is not None},
        may_resolve=may and is_open and row.key is not None,
    )
