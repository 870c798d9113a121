"""`/staff/bonuses`: the rules for a bonus on deposits. A rule is never changed: it is stopped, and another one is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.staff.typed import amount_in, faults_of, row_id_in
from smmpanel.growth.days import day_begins, day_is_over
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.bonus_models import BonusRule
from smmpanel.payments.bonuses import RuleTerms, TooManyRulesError, add_rule, rules_lately, stop_rule
from smmpanel.payments.methods import methods_of
from smmpanel.web.amounts import amount_typed
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/bonuses"
SHOWN_MAX = 100
ADDED, STOPPED = marked("Rule added"), marked("Rule stopped")
ADDED_TEXT = marked("It holds for deposits that are begun from now on.")
STOPPED_TEXT = marked("Deposits that were begun before still get what they were promised.")
Looking = Annotated[Viewer, Depends(staff_with(Permission.VOUCHERS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.VOUCHERS_EDIT))]


@dataclass(frozen=True, slots=True)
class BonusRules:
    """What growth/staff/bonuses.html receives."""

    rules: Sequence[BonusRule]
    methods: Mapping[int, str]
    now: datetime
    may_edit: bool
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


@router.get(WAY)
async def show_rules(request: Request, panel: CurrentPanel, viewer: Looking, session: Session) -> Response:
    """Show the rules, newest first, and the form for another one."""
    return page(request, "growth/staff/bonuses.html", await _shown(session, viewer, panel.clock()))


@router.post(WAY)
async def make_rule(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Add a rule, or show the form again."""
    form, now = await read_form(request), panel.clock()
    try:
        terms = _terms(request, form, viewer.time_zone, now)
        async with session.begin_nested():
            await add_rule(session, terms, actor=viewer, now=now)
    except (InvalidInputError, TooManyRulesError) as wrong:
        shown = await _shown(session, viewer, now, typed=form, errors=faults_of(request, wrong))
        return page(request, "growth/staff/bonuses.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return with_toast(see_other(WAY), Toast(say(request, ADDED), say(request, ADDED_TEXT)))


@router.post(WAY + "/{rule_id}/stop")
async def stop(request: Request, panel: CurrentPanel, viewer: Editing, session: Session, rule_id: RowId) -> Response:
    """End a rule."""
    await stop_rule(session, rule_id, actor=viewer, now=panel.clock())
    return with_toast(see_other(WAY), Toast(say(request, STOPPED), say(request, STOPPED_TEXT)))


def _terms(request: Request, form: Mapping[str, str], zone: str, now: datetime) -> RuleTerms:
    formats = formats_of(request)
    return RuleTerms(
        percent=amount_in(form, "percent") or Decimal(0),
        threshold=amount_typed(formats, form.get("threshold", ""), field="threshold") or Decimal(0),
        maximum=amount_typed(formats, form.get("maximum", ""), field="maximum"),
        starts_at=max(day_begins(form, "starts_at", zone) or now, now),
        ends_at=day_is_over(form, "ends_at", zone),
        method_id=row_id_in(form, "method"),
    )


async def _shown(
    session: AsyncSession,
    viewer: Viewer,
    now: datetime,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> BonusRules:
    return BonusRules(
        rules=await rules_lately(session, most=SHOWN_MAX),
        methods={method.id: method.name for method in await methods_of(session)},
        now=now,
        may_edit=viewer.may(Permission.VOUCHERS_EDIT),
        typed=typed or {},
        errors=errors or {},
    )
