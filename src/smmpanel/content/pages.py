"""Pages of plain text for everybody: the terms of use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from fastapi import APIRouter
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_EVERYBODY, MaybeViewer
from smmpanel.content.terms import USUAL_DATE, Section, own_text, sections_of, usual_sections
from smmpanel.kernel.options import PanelOption
from smmpanel.web.languages import language_of
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)

PATH = "/terms"
TERMS_OPTION = "terms_text"
"""Panel option: the terms as plain text, or one text for each language; empty for the usual ones."""


@dataclass(frozen=True, slots=True)
class TermsPage:
    """What content/terms.html receives."""

    sections: Sequence[Section]
    changed: date | datetime
    is_member: bool


@router.get(PATH)
async def show_terms(request: Request, viewer: MaybeViewer, session: Session) -> Response:
    """Show the terms of use."""
    language = language_of(request)
    found = await session.execute(
        select(PanelOption.value, PanelOption.updated_at).where(PanelOption.name == TERMS_OPTION)
    )
    value, changed = found.one_or_none() or (None, None)
    text = own_text(value, language)
    sections = sections_of(text) if text else usual_sections(language)
    shown = TermsPage(sections, changed if text and changed else USUAL_DATE, viewer is not None)
    return page(request, "content/terms.html", shown)
