"""`/api/payment/{gateway}/webhook`: where gateways tell of money. Public: what counts is what a message proves."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from smmpanel.api.errors import ErrorAnswer, errors
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.registry import UnknownPluginError
from smmpanel.payments.methods import gateway_class
from smmpanel.payments.protocol import Message, Reply
from smmpanel.payments.receiving import BODY_MAX_BYTES, Door, Incoming
from smmpanel.web.inputs import CleanText
from smmpanel.web.origins import address_of
from smmpanel.web.transactions import CurrentPanel

router = APIRouter(prefix="/api/payment", tags=["Payments"])

BODY_MAX = {"/api/payment/": BODY_MAX_BYTES}
"""Nothing that is sent below this path is longer."""
_EXAMPLE = {
    "transaction_id": "sepay_txn_id",
    "account_number": "123456789",
    "amount": 100000,
    "content": "HOMEMMO ABC123",
    "transaction_date": "2025-10-26 15:30:00",
    "signature": "d66d666d4412da870747a8f8fe5be09dd6b9ae00106704a5b9be6b01d65786b4",
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "What the gateway sends, in its own words. Its signature is checked on the raw bytes.",
        "content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}},
        "required": True,
    }
}
_QUERY: dict[str, Any] = {
    "parameters": [
        {
            "name": "told",
            "in": "query",
            "description": "What the gateway tells, by names of its own, and its signature.",
            "required": False,
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        }
    ]
}
Slug = Annotated[CleanText, Path(pattern=r"^[a-z][a-z0-9_-]{0,39}$", examples=["sepay"])]


@router.post(
    "/{gateway}/webhook",
    summary="What a gateway tells",
    responses={
        **errors(400, 401, 404, 413, 422),
        200: {"description": "It is stored.", "content": {"application/json": {"example": {"success": True}}}},
    },
    openapi_extra=_BODY,
)
async def webhook(request: Request, gateway: Slug) -> Response:
    """Take a message of a gateway, once. It is answered when it is safely stored; its money is credited right after.

    One that names nothing of ours, or the wrong amount, is answered with success too, and looked at by staff.
    """
    try:
        body = await request.body()
    except ClientDisconnect:
        raise HTTPException(400) from None
    door: Door = request.app.state.payment_door
    return _answer(await door.take(Incoming(gateway, Message(_headers(request), body), address_of(request))))


@router.get(
    "/{gateway}/webhook",
    summary="What a gateway tells in the address",
    responses={
        **errors(401, 404, 413, 422),
        200: {"description": "It is stored.", "content": {"application/json": {"example": {"status": "ok"}}}},
        405: {"model": ErrorAnswer, "description": "This gateway sends its messages."},
    },
    openapi_extra=_QUERY,
)
async def webhook_by_get(request: Request, panel: CurrentPanel, gateway: Slug) -> Response:
    """Take a message that stands in the address, once, of a gateway that is described to tell so."""
    try:
        kind = gateway_class(panel, gateway)
    except UnknownPluginError:
        raise NotFoundError from None
    if not getattr(kind, "tells_by_get", False):
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
    message = Message(_headers(request), request.scope["query_string"])
    door: Door = request.app.state.payment_door
    return _answer(await door.take(Incoming(gateway, message, address_of(request))))


def _answer(reply: Reply) -> Response:
    if isinstance(reply.body, str):
        return Response(reply.body, reply.status, media_type=reply.content_type)
    return JSONResponse(dict(reply.body), reply.status)


def _headers(request: Request) -> dict[str, bytes]:
    found: dict[str, bytes] = {":query": request.scope["query_string"], ":ip": address_of(request).encode()}
    for name, value in request.headers.raw:
        key = name.decode("latin-1").lower()
        # One that comes twice proves nothing: put together, it is like neither.
        found[key] = f"{found[key].decode('latin-1')}, ".encode("latin-1") + value if key in found else value
    return found
