"""The panel's picture: handed in by staff, handed out to everybody."""

import asyncio

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_STAFF
from smmpanel.entrypoints.panel_settings.logos import UPLOAD_MAX_BYTES, draw_logo, drop_logo, keep_logo, logo_content
from smmpanel.entrypoints.panel_settings.pages import PATH as SETTINGS_PATH
from smmpanel.entrypoints.panel_settings.pages import Editing, refused, saved
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.web.brand import LOGO_PATH
from smmpanel.web.forms import read_form, read_upload
from smmpanel.web.inputs import CleanText
from smmpanel.web.languages import say
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False)

PATH = f"{SETTINGS_PATH}/logo"
BODY_MAX_BYTES = UPLOAD_MAX_BYTES + 64 * 1024
"""The picture, and the form around it."""
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.post(PATH, dependencies=FOR_STAFF)
async def save_logo(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Take a picture, or take it away."""
    if (await read_form(request)).get("deed") == "remove":
        return saved(request, "logo", changed=await drop_logo(session, viewer))
    content = await read_upload(request, "logo")
    try:
        # Decoding takes a while and no database: elsewhere, and before the transaction says anything.
        drawn = await asyncio.to_thread(draw_logo, content)
    except InvalidInputError as wrong:
        error = say(request, str(wrong.fields["reason"]))
        return await refused(request, panel, viewer, session, "logo", {}, {"logo": error})
    return saved(request, "logo", changed=await keep_logo(session, viewer, drawn))


@router.get(f"{LOGO_PATH}.{{digest}}.png")
async def serve_logo(session: Session, digest: CleanText) -> Response:
    """Hand out the picture. The address changes with it, so browsers keep it for good."""
    content = await logo_content(session, digest)
    if content is None:
        raise HTTPException(404)
    return Response(content, media_type="image/png", headers=_KEPT)
