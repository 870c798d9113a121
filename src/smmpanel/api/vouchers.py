"""`/api/payment/voucher`: redeeming a code."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.growth.redeeming import redeem
from smmpanel.growth.voucher_codes import TYPED_MAX
from smmpanel.ledger import balance_of
from smmpanel.web.inputs import CleanText
from smmpanel.web.transactions import CurrentPanel

router = APIRouter(prefix="/api/payment", tags=["Payments"])


class VoucherForm(BaseModel):
    """The code, however it is written."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "7K2M-9QXR-0FHT-W3ZC"}]})

    code: Annotated[CleanText, Field(min_length=1, max_length=TYPED_MAX)]


class VoucherRedeemed(BaseModel):
    """What the code was good for, and the wallet after it."""

    success: Literal[True] = True
    name: str = Field(examples=["Spring fair"])
    amount: Amount = Field(examples=[50000])
    new_balance: Amount = Field(examples=[150000])
    currency: str = Field(examples=["VND"])


@router.post("/voucher", summary="Redeem a voucher", responses=errors(401, 403, 422, 429))
async def redeem_voucher(panel: CurrentPanel, viewer: CurrentCaller, form: VoucherForm) -> VoucherRedeemed:
    """Add a voucher's worth to the own balance. Every code that is no good gets the same answer."""
    redeemed = await redeem(panel, viewer.user_id, form.code, ip=viewer.ip or "")
    async with panel.db.transaction() as session:
        balance = await balance_of(session, viewer.user_id, panel.currency)
    return VoucherRedeemed(
        name=redeemed.name,
        amount=redeemed.amount.amount,
        new_balance=balance.amount,
        currency=panel.currency,
    )
