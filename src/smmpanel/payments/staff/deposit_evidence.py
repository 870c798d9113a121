"""What staff look at before they decide about a deposit: what its customer says and sent; and asking its gateway again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_STAFF
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.payments.asking_now import Question, ask_again, can_be_asked
from smmpanel.payments.models import Deposit
from smmpanel.payments.proof_downloads import as_download
from smmpanel.payments.proof_models import DepositClaim, DepositProof
from smmpanel.payments.proofs import claim_of, proof_by, proofs_of, same_elsewhere
from smmpanel.payments.staff.deposit_list import PATH, Looking, Settling
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

ASKED = marked("The gateway is being asked")
ASKED_NEXT = marked("What it says appears here.")
JUST_ASKED = marked("It was asked a moment ago")
CANNOT_ASK = marked("This gateway cannot be asked")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a customer says of a deposit and sent for it, and whether somebody can be asked."""

    claim: DepositClaim | None
    proofs: Sequence[DepositProof]
    same: Mapping[bytes, Sequence[int]]
    """Other deposits for which the same file was sent, by its digest."""
    may_ask: bool


async def evidence_of(session: AsyncSession, panel: Panel, deposit: Deposit, *, settles: bool) -> Evidence:
    """Return what there is to look at for a deposit."""
    proofs = await proofs_of(session, deposit.id)
    return Evidence(
        claim=await claim_of(session, deposit.id),
        proofs=proofs,
        same=await same_elsewhere(session, proofs),
        may_ask=settles and await can_be_asked(session, panel, deposit),
    )


@router.get(PATH + "/{deposit_id}/proofs/{proof_id}")
async def send_proof(viewer: Looking, session: Session, deposit_id: RowId, proof_id: RowId) -> Response:  # noqa: ARG001 - known is who asks
    """Hand a proof out to staff."""
    return as_download(await proof_by(session, deposit_id, proof_id))


@router.post(PATH + "/{deposit_id}/ask")
async def ask(request: Request, panel: CurrentPanel, viewer: Settling, session: Session, deposit_id: RowId) -> Response:
    """Have the gateway asked how a deposit stands."""
    asked = await ask_again(session, panel, deposit_id, actor=viewer)
    told = {
        Question.ASKED: Toast(say(request, ASKED), say(request, ASKED_NEXT), kind="is-info"),
        Question.JUST_NOW: Toast(say(request, JUST_ASKED), kind="is-info"),
        Question.NEVER: Toast(say(request, CANNOT_ASK), kind="is-warn"),
    }
    return with_toast(see_other(f"{PATH}/{deposit_id}"), told[asked])
