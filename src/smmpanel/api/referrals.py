"""`/api/referral` and `/api/user/referrals`: the own link, what it brings, and the people who followed it."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.idempotency import KeyHeader, one_key
from smmpanel.api.lists import AFTER, LIMIT_USUAL, NUMBERED_MAX, After, ByAge, Limit, Page, Pagination, skipped
from smmpanel.api.order_forms import Key
from smmpanel.api.public import PublicId
from smmpanel.api.times import LocalDate, LocalTime, local_date, local_time
from smmpanel.growth.payouts import request_payout
from smmpanel.growth.referral_links import link_of
from smmpanel.growth.referral_models import PayoutState, ReferralState
from smmpanel.growth.referral_reading import count_referred, earnings_page, figures_of, referred_page
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT
from smmpanel.ledger import balance_of, earnings_of
from smmpanel.web.languages import say
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(tags=["Referrals"])

RECENT = 10
PAID, ASKED = marked("The commission is in your balance."), marked("Payout requested. We look at it and tell you.")
REFUSED = marked("This payout was refused.")
MESSAGES = {PayoutState.PAID: PAID, PayoutState.WAITING: ASKED, PayoutState.REFUSED: REFUSED}


class Earning(BaseModel):
    """Commission of one order."""

    user: str = Field(description="Who ordered.", examples=["user123"])
    order_id: PublicId
    amount: Amount = Field(description="What was credited for it, less what was taken back.", examples=[5000])
    date: LocalDate = Field(description="When money last moved for it.")


class ReferralStats(BaseModel):
    """What recommending the panel has come to."""

    referral_code: str = Field(examples=["HOMEM123"])
    referral_link: str = Field(examples=["https://social.homemmo.store/?ref=HOMEM123"])
    total_referrals: int = Field(description="People who signed up with the code or after following the link.")
    total_earnings: Amount = Field(
        description="Commission that has reached the wallet, less what was taken back.", examples=[125000]
    )
    pending_earnings: Amount = Field(
        description="Commission that has not: what open orders bring if they are delivered in full, what waits until "
        "staff have looked at a referral, and, where payouts are approved, what was not paid out yet.",
        examples=[5000],
    )
    recent_earnings: list[Earning] = Field(description=f"The latest {RECENT} orders that brought commission.")


class ReferredUser(BaseModel):
    """Somebody who was brought."""

    user: str = Field(description="The name, with its middle hidden.", examples=["us•••3"])
    status: Literal["clear", "flagged", "refused"] = Field(
        description="`flagged`: staff look at it first, until then its commission waits. `refused`: it brings nothing."
    )
    spent: Amount = Field(description="What their finished orders have cost, after refunds.", examples=[100000])
    earned: Amount = Field(description="The commission of these orders.", examples=[5000])
    created_at: LocalTime


class ReferredUsers(BaseModel):
    """A page of them."""

    success: Literal[True] = True
    data: list[ReferredUser]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


@router.get("/api/referral/stats", summary="The own referrals", responses=errors(401, 403))
async def referral_stats(
    request: Request, panel: CurrentPanel, session: Session, viewer: CurrentCaller
) -> ReferralStats:
    """Return the own link, what it has earned, and the latest orders that brought commission."""
    figures = await figures_of(session, viewer.user_id, panel.currency)
    latest = await earnings_page(session, viewer.user_id, size=RECENT)
    return ReferralStats(
        referral_code=figures.code,
        referral_link=link_of(request, figures.code),
        total_referrals=figures.referrals,
        total_earnings=figures.received,
        pending_earnings=figures.pending,
        recent_earnings=[
            Earning(
                user=line.username,
                order_id=panel.public_ids.uuid_of("order", line.order_id),
                amount=line.amount,
                date=local_date(line.at, viewer.time_zone),
            )
            for line in latest.rows
        ],
    )


class PayoutForm(BaseModel):
    """How much of the commission that was gathered is to go into the wallet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 5000, "key": "payout-11"}]})

    amount: Annotated[Decimal, Field(gt=0, lt=LIMIT, decimal_places=6)] | None = Field(
        None, description="Left out: all of it.", examples=[5000]
    )
    key: Key | None = Field(
        None,
        description="Made by the client. The same key and amount is the same payout; with another amount an error.",
    )


class PayoutAsked(BaseModel):
    """A payout as it stands, and what is left."""

    success: Literal[True] = True
    status: Literal["waiting", "paid", "refused"] = Field(
        description="`waiting` for staff; where payouts are not approved, it is `paid` at once."
    )
    amount: Amount = Field(examples=[5000])
    currency: str = Field(examples=["VND"])
    created_at: LocalTime
    gathered: Amount = Field(
        description="Commission that is not in the wallet, what waits to be paid out among it; below zero: what is owed back."
    )
    new_balance: Amount
    message: str = Field(examples=["Payout requested. We look at it and tell you."])


@router.post("/api/referral/payout", summary="Ask for a payout", responses=errors(401, 403, 409, 422, 429))
async def ask_payout(
    request: Request,
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    *,
    form: PayoutForm,
    key: KeyHeader = None,
) -> PayoutAsked:
    """Have commission that was gathered go into the own wallet. One payout waits at a time; a repeat of its key is that one."""
    once = one_key(key, form.key)
    payout = await request_payout(session, viewer, form.amount, currency=panel.currency, now=panel.clock(), key=once)
    state = PayoutState(payout.state)
    return PayoutAsked(
        status=state.value,
        amount=payout.amount,
        currency=panel.currency,
        created_at=local_time(payout.created_at, viewer.time_zone),
        gathered=(await earnings_of(session, viewer.user_id, panel.currency)).amount,
        new_balance=(await balance_of(session, viewer.user_id, panel.currency)).amount,
        message=say(request, MESSAGES[state]),
    )


@router.get("/api/user/referrals", summary="List the people brought", responses=errors(401, 403, 422))
async def referrals(
    session: Session,
    viewer: CurrentCaller,
    *,
    status: Annotated[ReferralState | None, Query(description="Only people of this status.")] = None,
    sort: ByAge = "-created_at",
    page: Page = 1,
    limit: Limit = LIMIT_USUAL,
    after: After = None,
) -> ReferredUsers:
    """Return the people who signed up on the caller's recommendation, the newest first unless sorted otherwise."""
    found = await referred_page(
        session,
        viewer.user_id,
        state=status,
        after=after,
        skip=skipped(page, limit),
        size=limit,
        oldest_first=sort == "created_at",
    )
    total = await count_referred(session, viewer.user_id, state=status, most=NUMBERED_MAX)
    return ReferredUsers(
        data=[
            ReferredUser(
                user=line.masked,
                status=ReferralState(line.state).value,
                spent=line.spent,
                earned=line.amount,
                created_at=local_time(line.at, viewer.time_zone),
            )
            for line in found.rows
        ],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )
