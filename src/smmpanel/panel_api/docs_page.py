"""The documentation of the reseller API, with examples that name this panel's address, and a form to try it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_EVERYBODY, MaybeViewer
from smmpanel.catalog.service_types import SERVICE_TYPES, ServiceType
from smmpanel.orders.pages.wording import FIELD_LABELS
from smmpanel.panel_api.calls import ACTIONS, CALLS, ERRORS, Call
from smmpanel.panel_api.examples import LANGUAGES, PLACEHOLDER_KEY, Example, examples_of
from smmpanel.panel_api.tasks import IDS_MAX
from smmpanel.web.origins import site_of
from smmpanel.web.pages import page
from smmpanel.web.transactions import CurrentPanel

router = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)

PATH = "/api-docs"
API_PATH = "/api/v2"


class ShownCall(NamedTuple):
    """A call with its examples."""

    call: Call
    examples: Sequence[Example]


@dataclass(frozen=True, slots=True)
class ApiDocsPage:
    """What panel_api/docs.html receives."""

    address: str
    calls: Sequence[ShownCall]
    is_member: bool
    rate_per_minute: int
    burst: int
    ids_max: int = IDS_MAX
    programmed_in: Sequence[tuple[str, str]] = LANGUAGES
    placeholder: str = PLACEHOLDER_KEY
    errors: Sequence[tuple[str, str]] = ERRORS
    actions: Sequence[str] = ACTIONS
    types: Sequence[ServiceType] = tuple(SERVICE_TYPES.values())
    labels: Mapping[str, str] = field(default_factory=lambda: FIELD_LABELS)


@router.get(PATH)
async def show_api_docs(request: Request, viewer: MaybeViewer, panel: CurrentPanel) -> Response:
    """Show how to call the API."""
    address = f"{site_of(request)}{API_PATH}"
    shown = ApiDocsPage(
        address=address,
        calls=[ShownCall(call, examples_of(address, call.fields)) for call in CALLS],
        is_member=viewer is not None,
        rate_per_minute=panel.settings.api_rate_per_minute,
        burst=panel.settings.api_burst,
    )
    return page(request, "panel_api/docs.html", shown)
