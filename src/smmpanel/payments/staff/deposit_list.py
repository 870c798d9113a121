"""`/staff/deposits`: all deposits by state, and the money that waits for somebody to look at it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.paging import Paged
from smmpanel.payments.methods import methods_of
from smmpanel.payments.models import ReceiptState
from smmpanel.payments.proofs import proof_counts
from smmpanel.payments.queries import (
    MANUAL,
    SEARCH_MAX,
    DepositFilter,
    DepositLine,
    ReceiptLine,
    count_by_state,
    deposits_page,
    receipts_page,
)
from smmpanel.payments.second_looks import deposits_waiting, receipts_waiting
from smmpanel.payments.states import OPEN
from smmpanel.payments.words import REASON_WORDS, STATE_WORDS, TAB_WORDS, TABS
from smmpanel.web.inputs import CleanText, number_in
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/deposits"
ROWS = 25
COUNTED_MAX = 100
REVIEW, DISMISSED, BY_HAND = "review", "dismissed", "by_hand"
Looking = Annotated[Viewer, Depends(staff_with(Permission.DEPOSITS_VIEW))]
Settling = Annotated[Viewer, Depends(staff_with(Permission.DEPOSITS_SETTLE))]
ALL_TABS: Mapping[str, str] = {
    "": TAB_WORDS[""],
    BY_HAND: marked("To approve"),
    REVIEW: marked("In review"),
    **{name: word for name, word in TAB_WORDS.items() if name},
    DISMISSED: marked("Dismissed"),
}


@dataclass(frozen=True, slots=True)
class StaffDepositsPage:
    """What payments/staff/deposits.html receives: deposits, or money that is nobody's yet."""

    tab: str
    search: str
    deposits: Paged[DepositLine] | None
    receipts: Paged[ReceiptLine] | None
    counts: Mapping[str, int]
    proofs: Mapping[int, int]
    """How many files customers sent, by deposit."""
    awaited: Collection[int]
    """Those of the rows that wait for a second person."""
    method: int | None
    methods: Mapping[int, str]
    cursor: str
    sees_users: bool
    counted_max: int = COUNTED_MAX
    tabs: Mapping[str, str] = field(default_factory=lambda: ALL_TABS)
    words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STATE_WORDS)
    reasons: Mapping[str, str] = field(default_factory=lambda: REASON_WORDS)


@router.get(PATH)
async def show_deposits(
    request: Request,
    viewer: Looking,
    session: Session,
    *,
    status: CleanText = "",
    q: CleanText = "",
    method: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show deposits, newest first."""
    tab, typed = status if status in ALL_TABS else "", q.strip()[:SEARCH_MAX]
    method_id = number_in(method)
    deposits, receipts = None, None
    if tab in {REVIEW, DISMISSED}:
        receipts = await receipts_page(session, ReceiptState(tab), after=after or None, size=ROWS)
    else:
        wanted = DepositFilter(
            states=OPEN if tab == BY_HAND else TABS.get(tab, ()),
            gateway=MANUAL if tab == BY_HAND else None,
            method_id=method_id,
            search=typed,
        )
        deposits = await deposits_page(session, wanted, after=after or None, size=ROWS)
    if deposits is not None:
        awaited = await deposits_waiting(session, [line.deposit.id for line in deposits.rows])
    else:
        awaited = await receipts_waiting(session, [line.receipt.id for line in receipts.rows] if receipts else ())
    shown = StaffDepositsPage(
        tab=tab,
        search=typed,
        deposits=deposits,
        receipts=receipts,
        counts=await count_by_state(session, most=COUNTED_MAX),
        proofs=await proof_counts(session, [line.deposit.id for line in deposits.rows] if deposits else ()),
        awaited=awaited,
        method=method_id,
        methods={one.id: one.name for one in await methods_of(session)},
        cursor=after,
        sees_users=viewer.may(Permission.USERS_VIEW),
    )
    return page(request, "payments/staff/deposits.html", shown, fragment="rows")
