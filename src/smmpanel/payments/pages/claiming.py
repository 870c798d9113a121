"""`/deposits/{id}/proofs`: a customer says that they have paid, who paid, and shows it."""

import asyncio
from datetime import timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.accounts.throttling import Limit, count_attempt
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.payments.methods import gateway_class
from smmpanel.payments.models import Deposit
from smmpanel.payments.pages.deposit_page import deposit_page
from smmpanel.payments.pages.deposits import PATH
from smmpanel.payments.proof_downloads import as_download
from smmpanel.payments.proof_files import UPLOAD_MAX_BYTES, ProofFile, read_proof
from smmpanel.payments.proofs import check_room, claim_paid, proof_by
from smmpanel.payments.queries import deposit_line
from smmpanel.web.forms import read_form, read_upload
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

BODY_MAX = {f"{PATH}/": UPLOAD_MAX_BYTES + 64 * 1024}
"""A file, and the form around it."""
FILES = Limit(
    kind="payment:proof",
    free=30,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(hours=1),
    forgotten_after=timedelta(hours=6),
)
"""Files of one customer, good or bad: each takes a processor for up to a second."""
SENT = marked("We have it")
SENT_NEXT = marked("Somebody looks at it, and credits what has arrived.")


@router.post(PATH + "/{deposit_id}/proofs")
async def claim(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, deposit_id: RowId
) -> Response:
    """Take a proof, the payer's name, or both."""
    form, sent = await read_form(request), await read_upload(request, "file")
    payer = " ".join(form.get("payer", "").split())
    try:
        # Decoding takes a while and no database: before the transaction says anything.
        file = await _read(panel, viewer.user_id, deposit_id, sent) if sent else None
        line = await deposit_line(session, deposit_id, user_id=viewer.user_id)
        by_staff = _is_by_staff(panel, line.deposit)
        async with session.begin_nested():
            await claim_paid(session, deposit_id, by_staff=by_staff, payer=payer, file=file, now=panel.clock())
    except InvalidInputError as wrong:
        reason = say(request, str(wrong.fields["reason"]))
        errors = {str(wrong.fields["field"]): reason[:1].upper() + reason[1:]}
        return await deposit_page(request, panel, viewer, session, deposit_id, typed=form, errors=errors)
    said = Toast(say(request, SENT), say(request, SENT_NEXT))
    return with_toast(see_other(f"{PATH}/{deposit_id}"), said)


async def _read(panel: Panel, user_id: int, deposit_id: int, sent: bytes) -> ProofFile:
    """Read a file, if there is somebody to look at it and room for it."""
    async with panel.db.transaction() as session:
        deposit = (await deposit_line(session, deposit_id, user_id=user_id)).deposit
        await check_room(session, deposit, sent, by_staff=_is_by_staff(panel, deposit))
        await count_attempt(session, FILES, str(user_id), now=panel.clock())
    return await asyncio.to_thread(read_proof, sent)


def _is_by_staff(panel: Panel, deposit: Deposit) -> bool:
    return gateway_class(panel, deposit.gateway).approved_by_staff


@router.get(PATH + "/{deposit_id}/proofs/{proof_id}")
async def send_proof(viewer: CurrentViewer, session: Session, deposit_id: RowId, proof_id: RowId) -> Response:
    """Hand a proof out to whoever sent it."""
    await deposit_line(session, deposit_id, user_id=viewer.user_id)
    return as_download(await proof_by(session, deposit_id, proof_id))
