"""`/deposits/{id}/pay`: a form that the customer's own browser sends to the gateway, and nothing else."""

from dataclasses import dataclass
from decimal import Decimal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.payments.elsewhere import Elsewhere, elsewhere
from smmpanel.payments.pages.deposits import PATH
from smmpanel.payments.queries import deposit_line
from smmpanel.payments.stages import Stage, stage_of
from smmpanel.web.guards import policy_with_forms_to
from smmpanel.web.inputs import RowId
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)


@dataclass(frozen=True, slots=True)
class PayPage:
    """What payments/pay.html receives."""

    deposit_id: int
    amount: Decimal
    currency: str
    method: str
    elsewhere: Elsewhere


@router.get(PATH + "/{deposit_id}/pay")
async def show_form(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, deposit_id: RowId
) -> Response:
    """Show the form while it can be paid; else lead to the deposit, which says how it stands."""
    line = await deposit_line(session, deposit_id, user_id=viewer.user_id)
    deposit, outside = line.deposit, elsewhere(line.deposit)
    if outside is None or not outside.is_form or stage_of(deposit, (), panel.clock()) is not Stage.WAITING:
        return see_other(f"{PATH}/{deposit_id}")
    shown = PayPage(deposit_id, deposit.amount, deposit.currency, line.method, outside)
    headers = {
        "Content-Security-Policy": policy_with_forms_to(outside.origin, *outside.further),
        # Gateways that look where a form comes from are told: our address, no page of it.
        "Referrer-Policy": "strict-origin",
    }
    return page(request, "payments/pay.html", shown, headers=headers)
