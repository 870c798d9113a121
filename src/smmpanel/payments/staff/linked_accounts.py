"""Which bank accounts a gateway watches, asked for by staff: a wrong number is seen before customers pay into it."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.current import FOR_STAFF
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.methods import gateway_for, method_by
from smmpanel.payments.protocol import Gateway, GatewayFailedError, LinkedAccount, NamesAccounts
from smmpanel.payments.staff.method_pages import PATH, Editing
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

SHOWN_MAX = 5
WATCHED = marked("The gateway watches this account")
NOT_WATCHED = marked("The gateway does not watch this account")
WATCHES = marked("It watches: {accounts}")
NONE = marked("none")
FAILED = marked("The gateway could not be asked")
NO_TOKEN = marked("An API token is needed for that.")


@router.post(PATH + "/{method_id}/accounts")
async def look_up(request: Request, panel: CurrentPanel, viewer: Editing, method_id: RowId) -> Response:
    """Ask a gateway which bank accounts it watches, and say whether the configured one is among them."""
    async with panel.db.transaction() as session:
        method = await method_by(session, method_id)
    adapter, page = gateway_for(panel, method), f"{PATH}/{method_id}"
    if not isinstance(adapter, NamesAccounts):
        raise NotFoundError
    try:
        found = await adapter.linked_accounts()
    except InvalidInputError:
        return with_toast(see_other(page), Toast(say(request, FAILED), say(request, NO_TOKEN), "is-warn"))
    except GatewayFailedError:
        return with_toast(see_other(page), Toast(say(request, FAILED), kind="is-bad"))
    async with panel.db.transaction() as session:
        told = {"accounts_looked_up": len(found)}
        await audit(session, viewer, Permission.GATEWAYS_EDIT, f"payment_method:{method_id}", after=told)
    return with_toast(see_other(page), _told(request, adapter, found))


def _told(request: Request, adapter: Gateway, found: Sequence[LinkedAccount]) -> Toast:
    names = [" ".join(part for part in (one.number, one.bank, one.holder) if part) for one in found[:SHOWN_MAX]]
    text = say(request, WATCHES, accounts=", ".join(names) or say(request, NONE))
    if adapter.accounts & {one.number for one in found}:
        return Toast(say(request, WATCHED), text)
    return Toast(say(request, NOT_WATCHED), text, "is-bad")
