"""`/deposits/return/{reference}`: where customers come back from a gateway.

It proves nothing and credits nothing: what the gateway has signed is taken in like any message, and the gateway is asked.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_EVERYBODY, MaybeViewer
from smmpanel.accounts.throttling import Limit, TooManyAttemptsError, count_attempt, forgive
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.payments.asking_now import ask_now
from smmpanel.payments.methods import gateway_for, method_by
from smmpanel.payments.models import Deposit
from smmpanel.payments.opening import RETURN_PATH
from smmpanel.payments.protocol import Message, SignsReturns
from smmpanel.payments.receiving import receive
from smmpanel.web.addresses import neighbourhood
from smmpanel.web.inputs import CleanText
from smmpanel.web.origins import address_of
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.transactions import CurrentPanel

router = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)

LIMIT = Limit(
    kind="payment:return",
    free=30,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(hours=1),
    forgotten_after=timedelta(hours=6),
)
"""Messages that prove nothing, by address."""
Reference = Annotated[CleanText, Path(max_length=64)]

log = get_logger()


@dataclass(frozen=True, slots=True)
class ReturnedPage:
    """What payments/returned.html receives."""

    is_known: bool
    """Whether somebody is signed in."""


@router.get(RETURN_PATH + "/{reference}")
async def come_back(request: Request, panel: CurrentPanel, viewer: MaybeViewer, reference: Reference) -> Response:
    """Lead customers to their deposit, and have its gateway asked; thank everybody else."""
    async with panel.db.transaction() as session:
        deposit = await session.scalar(select(Deposit).where(Deposit.reference == reference))
    if deposit is not None:
        await _hand_over(request, panel, deposit)
    if deposit is None or viewer is None or viewer.user_id != deposit.user_id:
        return page(request, "payments/returned.html", ReturnedPage(viewer is not None))
    async with panel.db.transaction() as session:
        await ask_now(session, panel, deposit.id)
    return see_other(f"/deposits/{deposit.id}")


async def _hand_over(request: Request, panel: Panel, deposit: Deposit) -> None:
    """Take in what the gateway has signed, if its customers carry such a thing back. What is wrong with it is not theirs to know."""
    async with panel.db.transaction() as session:
        adapter = gateway_for(panel, await method_by(session, deposit.method_id))
    if not isinstance(adapter, SignsReturns):
        return
    carried = request.query_params.get(adapter.return_field, "").replace(" ", "+")
    if not carried:
        return
    now, ip = panel.clock(), address_of(request)
    try:
        async with panel.db.transaction() as session:
            attempt = await count_attempt(session, LIMIT, neighbourhood(ip), now=now)
        await receive(panel, deposit.gateway, Message({}, carried.encode()), ip=ip)
    except TooManyAttemptsError:
        return
    except PanelError as failure:
        log.warning("payment_return_refused", deposit=deposit.id, gateway=deposit.gateway, failure=failure.code)
        return
    async with panel.db.transaction() as session:
        await forgive(session, attempt, everything=False, now=now)
