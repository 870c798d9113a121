"""`/deposits/{id}/receipt`: what a customer keeps of a deposit, to read and to print."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.accounts.models import User
from smmpanel.kernel.errors import NotFoundError
from smmpanel.payments.bonuses_given import bonus_taken_back, bonuses_given
from smmpanel.payments.fees import in_wallet
from smmpanel.payments.models import Deposit, Receipt, ReceiptState
from smmpanel.payments.pages.deposits import PATH
from smmpanel.payments.queries import deposit_line, story_of
from smmpanel.payments.stages import Stage, stage_of
from smmpanel.web.inputs import RowId
from smmpanel.web.pages import page
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)


@dataclass(frozen=True, slots=True)
class Line:
    """One payment that was credited."""

    receipt: Receipt
    gross: Decimal
    """What arrived, in the wallet's currency."""

    @property
    def rate_places(self) -> int:
        """How many decimals the rate has."""
        return max(0, -int(self.receipt.rate.normalize().as_tuple().exponent))


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """What payments/receipt.html receives; all but a line's own amount is in the wallet's currency."""

    deposit: Deposit
    method: str
    username: str
    email: str
    lines: Sequence[Line]
    bonus: Decimal
    bonus_back: Decimal
    """What was taken of it again since."""
    total: Decimal
    """All that was added to the balance."""
    went_back: str
    """`part`, `all` or nothing: whether money of it was given back since."""


@router.get(PATH + "/{deposit_id}/receipt")
async def show_receipt(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, deposit_id: RowId
) -> Response:
    """Show the receipt of a deposit that brought money; there is none of any other."""
    line = await deposit_line(session, deposit_id, user_id=viewer.user_id)
    deposit = line.deposit
    receipts = [one for one in (await story_of(session, deposit_id)).receipts if one.state == ReceiptState.CREDITED]
    if not receipts:
        raise NotFoundError
    bonus = (await bonuses_given(session, [deposit_id])).get(deposit_id, Decimal(0))
    # A receipt says what was added; what went back since is written below it.
    bonus_back = await bonus_taken_back(session, deposit_id) if deposit.taken else Decimal(0)
    bonus += bonus_back
    user = await session.get_one(User, viewer.user_id)
    stage = stage_of(deposit, receipts, panel.clock())
    back = {Stage.PARTLY_REFUNDED: "part", Stage.REFUNDED: "all", Stage.REVERSED: "all"}
    shown = ReceiptPage(
        deposit=deposit,
        method=line.method,
        username=line.username,
        email=user.email,
        lines=[Line(one, in_wallet(one.amount, one.rate)) for one in receipts],
        bonus=bonus,
        bonus_back=bonus_back,
        total=deposit.credited + bonus,
        went_back=back.get(stage, ""),
    )
    return page(request, "payments/receipt.html", shown)
