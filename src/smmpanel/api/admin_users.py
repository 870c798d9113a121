"""`/api/admin/users`: all accounts, their money, and stopping them; each deed by permission and on the record."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import staff_with
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.states import AccountState, Role
from smmpanel.accounts.suspending import REASON_MAX, ban_user, reactivate_user, suspend_user
from smmpanel.api.admin_user_views import UserDetail, Users, user_detail, user_row
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.lists import LIMIT_USUAL, NUMBERED_MAX, After, ByAge, Limit, Page, Pagination, Search, skipped
from smmpanel.api.public import Number, PublicId, UserNumber, reader_of
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.live import tell
from smmpanel.kernel.money import LIMIT, Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import AdjustmentKind, adjust_by_staff, balance_of
from smmpanel.ledger.adjusting import REASON_LENGTH_MAX
from smmpanel.reports.users.finding import count_users, find_users
from smmpanel.reports.users.reading import facts_of
from smmpanel.web.inputs import CleanText
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/admin/users", tags=["Staff: users"])

KEY_MAX = 100
RANDOM_KEY_LENGTH = 32
NOT_BOTH_WAYS = marked("must be above zero where the operation is given")
OTHER_KEY = marked("is another one than the header Idempotency-Key")

Looking = Annotated[Viewer, Depends(staff_with(Permission.USERS_VIEW))]
Adjusting = Annotated[Viewer, Depends(staff_with(Permission.USERS_BALANCE))]
Stopping = Annotated[Viewer, Depends(staff_with(Permission.USERS_SUSPEND))]
Key = Annotated[CleanText, Field(min_length=1, max_length=KEY_MAX)]
KeyHeader = Annotated[
    Key | None,
    Header(alias="Idempotency-Key", description="Made by the client: the same key changes the balance once."),
]
_STOPS = {AccountState.BANNED: ban_user, AccountState.SUSPENDED: suspend_user}


class BalanceChange(BaseModel):
    """What is added to a wallet or taken from it, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"amount": 50000, "operation": "add", "reason": "Bonus for the first order", "key": "bonus-1042"}
            ]
        }
    )

    amount: Annotated[Decimal, Field(gt=-LIMIT, lt=LIMIT, decimal_places=6)] = Field(
        description="With `operation` above zero; without it, negative takes money away."
    )
    operation: Literal["add", "subtract"] | None = None
    reason: Annotated[CleanText, Field(min_length=1, max_length=REASON_LENGTH_MAX)] = Field(
        description="Stands in the statement and in the audit log."
    )
    kind: AdjustmentKind = Field(
        AdjustmentKind.PLAIN,
        description="What the statement calls it. A `gift` is not paid in and brings no commission; the others are.",
    )
    key: Key | None = Field(None, description="The same as the header `Idempotency-Key`.")


class BalanceChanged(BaseModel):
    """The wallet after the change."""

    success: Literal[True] = True
    user_id: PublicId
    number: Number
    amount: Amount = Field(description="What was added; negative: taken away.", examples=[50000])
    new_balance: Amount
    currency: str = Field(examples=["VND"])
    repeated: bool = Field(description="Whether an earlier call with the same key had done it.")


class Ban(BaseModel):
    """Whether the account is shut out, and why."""

    banned: bool
    reason: Annotated[CleanText, Field(min_length=1, max_length=REASON_MAX)] = Field(
        description="For staff, in the audit log.", examples=["Charged back a deposit"]
    )


class Suspension(BaseModel):
    """Whether the account is stopped until further notice, and why."""

    suspended: bool
    reason: Annotated[CleanText, Field(min_length=1, max_length=REASON_MAX)] = Field(
        description="For staff, in the audit log.", examples=["Waiting for proof of payment"]
    )


class StateChanged(BaseModel):
    """What the account may do now."""

    success: Literal[True] = True
    user_id: PublicId
    number: Number
    state: AccountState
    banned: bool


@router.get("", summary="List users", responses=errors(401, 403, 422))
async def users(
    panel: CurrentPanel,
    session: Session,
    viewer: Looking,
    *,
    search: Search = None,
    state: Annotated[AccountState | None, Query(description="Only accounts in this state.")] = None,
    role: Annotated[Role | None, Query(description="Only accounts of this role.")] = None,
    sort: ByAge = "-created_at",
    page: Page = 1,
    after: After = None,
    limit: Limit = LIMIT_USUAL,
) -> Users:
    """Return all accounts; `search` is the beginning of a user name or of an e-mail address, or the plain number."""
    tab, typed = state.value if state else "", search or ""
    found = await find_users(
        session,
        tab=tab,
        search=typed,
        role=role,
        currency=panel.currency,
        after=after,
        size=limit,
        skip=0 if after else skipped(page, limit),
        oldest_first=sort == "created_at",
    )
    total = await count_users(session, tab=tab, search=typed, role=role, most=NUMBERED_MAX)
    reader = reader_of(panel, viewer)
    return Users(
        data=[user_row(one, reader, panel.currency) for one in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get("/{user_id}", summary="One user", responses=errors(401, 403, 404, 422))
async def user(panel: CurrentPanel, session: Session, viewer: Looking, user_id: UserNumber) -> UserDetail:
    """Return one account."""
    facts = await facts_of(session, user_id, currency=panel.currency, now=panel.clock())
    return user_detail(facts, reader_of(panel, viewer), panel.currency)


@router.put("/{user_id}/balance", summary="Change a balance", responses=errors(401, 402, 403, 404, 409, 422))
async def change_balance(
    panel: CurrentPanel,
    session: Session,
    viewer: Adjusting,
    user_id: UserNumber,
    form: BalanceChange,
    *,
    key: KeyHeader = None,
) -> BalanceChanged:
    """Add money to a wallet by hand, or take it away. Without a key every call does it anew."""
    if key is not None and form.key is not None and key != form.key:
        raise InvalidInputError(field="key", reason=OTHER_KEY)
    once = key or form.key or random_text(RANDOM_KEY_LENGTH)
    amount = Money(_signed(form), panel.currency)
    # Keys are the caller's own: two who count theirs from one do not meet.
    is_new = await adjust_by_staff(
        session, viewer, user_id, amount, reason=form.reason, key=f"json:{viewer.user_id}:{once}", kind=form.kind
    )
    if is_new:
        await tell(session, "balance", [user_id])
    balance = await balance_of(session, user_id, panel.currency)
    return BalanceChanged(
        user_id=panel.public_ids.uuid_of("user", user_id),
        number=user_id,
        amount=amount.amount,
        new_balance=balance.amount,
        currency=panel.currency,
        repeated=not is_new,
    )


@router.put("/{user_id}/ban", summary="Ban a user", responses=errors(401, 403, 404, 409, 422))
async def ban(panel: CurrentPanel, session: Session, viewer: Stopping, user_id: UserNumber, form: Ban) -> StateChanged:
    """Shut an account out and end its sessions, or let a banned one back in."""
    return await _change_state(
        panel, session, viewer, user_id, AccountState.BANNED, wanted=form.banned, reason=form.reason
    )


@router.put("/{user_id}/suspend", summary="Suspend a user", responses=errors(401, 403, 404, 409, 422))
async def suspend(
    panel: CurrentPanel, session: Session, viewer: Stopping, user_id: UserNumber, form: Suspension
) -> StateChanged:
    """Stop an account until further notice and end its sessions, or let it go on."""
    return await _change_state(
        panel, session, viewer, user_id, AccountState.SUSPENDED, wanted=form.suspended, reason=form.reason
    )


async def _change_state(
    panel: Panel,
    session: AsyncSession,
    viewer: Viewer,
    user_id: int,
    stopped: AccountState,
    *,
    wanted: bool,
    reason: str,
) -> StateChanged:
    one = await locked_user(session, user_id)
    # What is so already is not done again: the same call twice is one deed.
    if (one.state is stopped) is not wanted:
        move = _STOPS[stopped] if wanted else reactivate_user
        one = await move(session, viewer, user_id, reason=reason, now=panel.clock())
    return StateChanged(
        user_id=panel.public_ids.uuid_of("user", user_id),
        number=user_id,
        state=one.state,
        banned=one.state is AccountState.BANNED,
    )


def _signed(form: BalanceChange) -> Decimal:
    if form.operation is None:
        return form.amount
    if form.amount <= 0:
        raise InvalidInputError(field="amount", reason=NOT_BOTH_WAYS)
    return form.amount if form.operation == "add" else -form.amount
