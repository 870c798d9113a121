"""`/staff/deposits/{id}`: the whole story of a deposit; approving and rejecting it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF
from smmpanel.catalog.staff.typed import faults_of
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.money import parse_amount
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.pages import REASONS
from smmpanel.ledger.statements import TransferLine, transfers_for
from smmpanel.payments.deciding import approve_deposit, reject_deposit
from smmpanel.payments.models import Deposit, GatewayEvent, Receipt
from smmpanel.payments.queries import deposit_line, story_of
from smmpanel.payments.return_models import Confirmation, Deed
from smmpanel.payments.staff.deposit_evidence import Evidence, evidence_of
from smmpanel.payments.staff.deposit_list import PATH, Looking, Settling
from smmpanel.payments.staff.going_back import AWAITS, GoingBack, going_back
from smmpanel.payments.states import DepositState, moves
from smmpanel.payments.words import OUTCOME_WORDS, REASON_WORDS, RECEIPT_WORDS, STATE_WORDS
from smmpanel.web.amounts import amount_typed, amount_written
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

BODY_SHOWN_MAX = 4000
KEY_LENGTH = 20
APPROVED = marked("Deposit approved")
REJECTED = marked("Deposit rejected")


@dataclass(frozen=True, slots=True)
class StaffDepositPage:
    """What payments/staff/deposit.html receives."""

    deposit: Deposit
    method: str
    username: str
    events: Sequence[GatewayEvent]
    bodies: Mapping[int, str]
    receipts: Sequence[Receipt]
    transfers: Sequence[TransferLine]
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    may_approve: bool
    may_reject: bool
    is_own: bool
    sees_users: bool
    sees_methods: bool
    key: str
    evidence: Evidence
    back: GoingBack
    words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STATE_WORDS)
    outcomes: Mapping[str, tuple[str, str]] = field(default_factory=lambda: OUTCOME_WORDS)
    receipt_words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: RECEIPT_WORDS)
    reasons: Mapping[str, str] = field(default_factory=lambda: REASON_WORDS)
    ledger_words: Mapping[str, str] = field(default_factory=lambda: REASONS)


@router.get(PATH + "/{deposit_id}")
async def show_deposit(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, deposit_id: RowId
) -> Response:
    """Show what is known of a deposit."""
    return await story_page(request, panel, viewer, session, deposit_id)


@router.post(PATH + "/{deposit_id}/approve")
async def approve(
    request: Request, panel: CurrentPanel, viewer: Settling, session: Session, deposit_id: RowId
) -> Response:
    """Credit what has arrived for it."""
    form = await read_form(request)
    try:
        async with session.begin_nested():
            done = await approve_deposit(
                session,
                deposit_id,
                actor=viewer,
                now=panel.clock(),
                amount=await amount_in(request, session, deposit_id, form.get("amount", "")),
                note=form.get("note", ""),
                key=form.get("key", "")[:KEY_LENGTH] or random_text(KEY_LENGTH),
                seen=parse_amount(form["received"]) if form.get("received") else None,
            )
    except NotFoundError:
        raise
    except PanelError as wrong:
        return await story_page(request, panel, viewer, session, deposit_id, typed=form, wrong=wrong)
    told = (
        Toast(say(request, AWAITS), kind="is-info") if isinstance(done, Confirmation) else Toast(say(request, APPROVED))
    )
    return with_toast(see_other(f"{PATH}/{deposit_id}"), told)


@router.post(PATH + "/{deposit_id}/reject")
async def reject(
    request: Request, panel: CurrentPanel, viewer: Settling, session: Session, deposit_id: RowId
) -> Response:
    """Say that nothing has arrived for it."""
    form = await read_form(request)
    try:
        async with session.begin_nested():
            await reject_deposit(session, deposit_id, actor=viewer, reason=form.get("reason", ""), now=panel.clock())
    except NotFoundError:
        raise
    except PanelError as wrong:
        return await story_page(request, panel, viewer, session, deposit_id, typed=form, wrong=wrong)
    return with_toast(see_other(f"{PATH}/{deposit_id}"), Toast(say(request, REJECTED), kind="is-warn"))


async def amount_in(request: Request, session: AsyncSession, deposit_id: int, typed: str) -> Decimal | None:
    """Read an amount in a deposit's currency; nothing typed is `None`. Raises `InvalidInputError`."""
    deposit = await session.get(Deposit, deposit_id)
    return amount_typed(formats_of(request), typed, currency=deposit.currency if deposit is not None else "")


async def story_page(
    request: Request,
    panel: Panel,
    viewer: Viewer,
    session: AsyncSession,
    deposit_id: int,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: PanelError | None = None,
) -> Response:
    """Return the page of a deposit; with what was typed and what is wrong with it, if something was refused."""
    line = await deposit_line(session, deposit_id)
    story = await story_of(session, deposit_id)
    state, settles = DepositState(line.deposit.state), viewer.may(Permission.DEPOSITS_SETTLE)
    is_own = line.deposit.user_id == viewer.user_id
    rest = line.deposit.amount - line.deposit.received
    back = await going_back(session, panel, viewer, line.deposit, formats_of(request))
    first = {
        "amount": amount_written(formats_of(request), rest) if rest > 0 else "",
        "note": "",
        "reason": "",
        **back.first,
    }
    shown = StaffDepositPage(
        deposit=line.deposit,
        method=line.method,
        username=line.username,
        events=story.events,
        bodies={one.id: one.body[:BODY_SHOWN_MAX].decode("utf-8", "replace") for one in story.events},
        receipts=story.receipts,
        transfers=await transfers_for(session, f"deposit:{deposit_id}"),
        typed={**first, **(typed or {})},
        errors=faults_of(request, wrong) if wrong else {},
        may_approve=settles and not is_own and moves(state, DepositState.PAID) and not back.awaits(Deed.APPROVE),
        may_reject=settles and not is_own and moves(state, DepositState.FAILED) and not back.awaits(Deed.APPROVE),
        is_own=is_own,
        sees_users=viewer.may(Permission.USERS_VIEW),
        sees_methods=viewer.may(Permission.GATEWAYS_VIEW),
        key=random_text(KEY_LENGTH),
        back=back,
        evidence=await evidence_of(session, panel, line.deposit, settles=settles),
    )
    status = wrong.status if wrong else HTTPStatus.OK
    return page(request, "payments/staff/deposit.html", shown, status=status)
