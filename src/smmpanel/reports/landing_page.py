"""The start page: visitors are told what the panel is; whoever is signed in is led to where they work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastapi import APIRouter
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_EVERYBODY, MaybeViewer
from smmpanel.accounts.pages import show_home
from smmpanel.catalog.kept_lists import KeptList
from smmpanel.catalog.pages.looking import PUBLIC_OPTION, Line, Looker, lines_for
from smmpanel.catalog.pages.shelves import VISITOR, Tile, list_for, tiles
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.options import PanelOption
from smmpanel.payments.methods import offered_methods
from smmpanel.payments.models import PaymentMethod
from smmpanel.payments.pages.add_funds import TRANSFER_OPTION
from smmpanel.reports.landing import KeptFacts, LandingFacts, shown_services
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)

SHOWN_SERVICES = 6
STEPS = (
    (marked("Create an account"), marked("A user name, an e-mail address and a password are enough.")),
    (
        marked("Choose a service"),
        marked("Paste a public link and enter a quantity. The charge is shown before you order."),
    ),
    (marked("Follow the delivery"), marked("Each order shows its progress. What is not delivered is paid back.")),
)
QUESTIONS = (
    (
        marked("How do I pay for orders?"),
        marked("Orders are paid from your balance. Add funds first; each movement is listed on your statement."),
    ),
    (
        marked("What if an order is not delivered in full?"),
        marked("When it ends as Partial or Canceled, the part that was not delivered is paid back to your balance."),
    ),
    (
        marked("What is a refill?"),
        marked(
            "If delivered numbers drop, services with refill let you ask for the missing part within the stated days."
        ),
    ),
    (
        marked("Can I cancel an order?"),
        marked(
            "Before it is sent, yes, and the whole charge comes back. Later, services marked with Cancel take a request."
        ),
    ),
    (
        marked("Do you need my password?"),
        marked("No. Orders take a public link or a user name. Never give your password to anyone."),
    ),
    (
        marked("Can I resell the services?"),
        marked("Yes, through the API. Make keys in your account and limit them to addresses or to a daily amount."),
    ),
)


class PlatformTile(NamedTuple):
    """A platform that something is on sale for, and how many services that is."""

    tile: Tile
    services: int


@dataclass(frozen=True, slots=True)
class LandingPage:
    """What reports/landing.html receives."""

    facts: LandingFacts
    services: int
    platforms: Sequence[PlatformTile]
    lines: Sequence[Line]
    is_popular: bool
    takes_transfers: bool
    methods: Sequence[PaymentMethod]
    steps: Sequence[tuple[str, str]] = STEPS
    questions: Sequence[tuple[str, str]] = QUESTIONS


@router.get("/")
async def show_landing(request: Request, viewer: MaybeViewer, session: Session) -> Response:
    """Show visitors what there is; lead everybody else on."""
    if viewer is not None:
        return await show_home(request, viewer)
    kept = await list_for(request, session, VISITOR)
    facts = await _kept_facts(request).read(session)
    row, names = PanelOption, (PUBLIC_OPTION, TRANSFER_OPTION)
    options: dict[str, Any] = dict(
        (await session.execute(select(row.name, row.value).where(row.name.in_(names)))).all()
    )
    is_public = options.get(PUBLIC_OPTION) is not False
    rows = shown_services(kept, facts.popular, SHOWN_SERVICES) if is_public else []
    shown = LandingPage(
        facts=facts,
        services=len(kept.rows),
        platforms=_platforms(kept),
        lines=await lines_for(session, Looker(VISITOR, kept, {}), rows),
        is_popular=bool(rows) and all(row.id in facts.popular for row in rows),
        takes_transfers=bool(options.get(TRANSFER_OPTION)),
        methods=await offered_methods(session),
    )
    return page(request, "reports/landing.html", shown)


def _platforms(kept: KeptList) -> list[PlatformTile]:
    counts: dict[str | None, int] = {}
    for shelf in kept.shelves:
        counts[shelf.platform] = counts.get(shelf.platform, 0) + shelf.services
    return [PlatformTile(one, counts[one.slug]) for one in tiles(kept) if one.slug in counts]


def _kept_facts(request: Request) -> KeptFacts:
    state = request.app.state
    if not hasattr(state, "landing_facts"):
        state.landing_facts = KeptFacts()
    kept: KeptFacts = state.landing_facts
    return kept
