"""`/staff/audit`: who did what to what, from what to what, when, and from where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.audit_search import OWN_KINDS, AuditFilter, AuditLine, find_audit_lines
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.accounts.finding import find_user
from smmpanel.accounts.permission_words import PERMISSION_GROUPS, PERMISSION_WORDS
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import parse_amount
from smmpanel.web.formats import Formats
from smmpanel.web.inputs import CleanText
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/audit"
ROWS = 50
TYPED_MAX = 200
ACTOR_UNKNOWN = marked("Nobody has this name or id. Besides users there are: cli, system.")
SUBJECT_WAYS = {
    "order": ("/staff/orders", Permission.ORDERS_VIEW),
    "user": ("/staff/users", Permission.USERS_VIEW),
    "service": ("/staff/services", Permission.SERVICES_VIEW),
    "provider": ("/staff/providers", Permission.PROVIDERS_VIEW),
    "deposit": ("/staff/deposits", Permission.DEPOSITS_VIEW),
    "receipt": ("/staff/deposits/money", Permission.DEPOSITS_VIEW),
    "payment_method": ("/staff/payment-methods", Permission.GATEWAYS_VIEW),
}
"""Where the things are that deeds are about, and who may look at them."""
AMOUNTS = frozenset({"amount", "minimum", "maximum", "min_spent", "threshold", "min_charge", "refunded"})
"""Values that are money: in the currency that stands beside them, or in the panel's."""
UNREAD = frozenset({"key"})
"""Values that tell people nothing: names by which a repeated call is known."""
Looking = Annotated[Viewer, Depends(staff_with(Permission.AUDIT_VIEW))]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """What accounts/audit.html receives."""

    lines: Sequence[AuditLine]
    after: str | None
    typed: Mapping[str, str]
    actor_error: str
    is_plain: bool
    ways: Mapping[str, str]
    """By subject: the page of what a deed was about."""
    groups: Sequence[tuple[str, Sequence[Permission]]] = field(default_factory=lambda: PERMISSION_GROUPS)
    words: Mapping[str, str] = field(default_factory=lambda: PERMISSION_WORDS)


@router.get(PATH)
async def show_audit(
    request: Request,
    viewer: Looking,
    session: Session,
    *,
    actor: CleanText = "",
    action: CleanText = "",
    target: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show the deeds that are looked for, newest first."""
    typed = {"actor": actor.strip()[:TYPED_MAX], "action": action, "target": target.strip()[:TYPED_MAX]}
    wanted = await _filter(session, typed)
    if wanted is None:
        shown = AuditPage((), None, typed, say(request, ACTOR_UNKNOWN), is_plain=False, ways={})
        return page(request, "accounts/audit.html", shown, status=422, fragment="rows")
    found = await find_audit_lines(session, wanted, after=after or None, size=ROWS)
    ways = _ways(request, viewer, {line.subject for line in found.rows})
    formats = formats_of(request)
    lines = [_readable(line, formats) for line in found.rows]
    shown = AuditPage(lines, found.after, typed, "", is_plain=wanted.is_plain, ways=ways)
    return page(request, "accounts/audit.html", shown, fragment="rows")


def _readable(line: AuditLine, formats: Formats) -> AuditLine:
    values = {one.name: one.before if one.after is None else one.after for one in line.changes}
    currency = values.get("currency") if values.keys() & AMOUNTS else None

    def written(name: str, value: Any) -> Any:
        if name not in AMOUNTS or not isinstance(value, str):
            return value
        try:
            return formats.exact(parse_amount(value), currency)
        except InvalidInputError:  # old lines stay as they are
            return value

    changes = (
        replace(one, before=written(one.name, one.before), after=written(one.name, one.after))
        for one in line.changes
        if one.name not in UNREAD and not (one.name == "currency" and currency)
    )
    return replace(line, changes=tuple(changes))


async def _filter(session: AsyncSession, typed: Mapping[str, str]) -> AuditFilter | None:
    """Read the filters; `None` if nobody is called what was typed."""
    actor = typed["actor"].removeprefix("@")
    kind, actor_id = (actor, None) if actor in OWN_KINDS else ("", None)
    if actor and not kind:
        user = await find_user(session, actor)
        number = actor.removeprefix("#")
        if user is not None:
            actor_id = user.id
        elif number.isascii() and number.isdigit() and len(number) < 19:
            actor_id = int(number)
        else:
            return None
    permission = typed["action"] if typed["action"] in PERMISSION_WORDS else ""
    return AuditFilter(actor_id, kind, permission, typed["target"].replace(" ", ":").lower())


def _ways(request: Request, viewer: Viewer, subjects: set[str]) -> dict[str, str]:
    served: frozenset[str] = request.app.state.ways
    ways = {}
    for subject in subjects:
        kind, _, number = subject.partition(":")
        way, needs = SUBJECT_WAYS.get(kind, ("", None))
        if needs is not None and way in served and viewer.may(needs) and number.isdigit():
            ways[subject] = f"{way}/{number}"
    return ways
