"""Changing many services at once: say what is to change, look at what that does, then do it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Actor
from smmpanel.accounts.current import FOR_STAFF
from smmpanel.catalog.editing import edit_services
from smmpanel.catalog.service_fields import ServiceFields
from smmpanel.catalog.staff.listing import BULK_MAX, Named, category_names, ids_of
from smmpanel.catalog.staff.services_page import Editing, filter_from
from smmpanel.catalog.staff.typed import amount_in, faults_of, row_id_in
from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.web.forms import read_form
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

SHOWN_MAX = 200
PICK = "pick-"
FILTER_FIELDS = ("q", "provider", "category", "state", "mode")
PRICINGS: Mapping[str, str] = {
    "": marked("Leave as it is"),
    "markup": marked("Own markup"),
    "fixed": marked("One fixed price"),
    "inherit": marked("Follow category, provider, panel"),
}
NOTHING_PICKED = marked("Tick the services to change first")
NOTHING_TO_DO = marked("Choose what is to change.")
NOTHING_DIFFERS = marked("Nothing changes: all of them are like this already.")
PERCENT_NEEDED = marked("Enter a markup, a fixed part or a rounding step.")
PRICE_NEEDED = marked("Enter the price.")
DONE = marked("{n} services changed")


class Effect(NamedTuple):
    """What happens to one service."""

    id: int
    name: str
    rate_before: Decimal
    rate_after: Decimal
    cost: Decimal | None

    @property
    def below_cost(self) -> bool:
        """Whether it ends up below cost."""
        return self.cost is not None and self.cost > self.rate_after


@dataclass(frozen=True, slots=True)
class Effects:
    """What a bulk edit does."""

    changed: int
    going_below: int
    """Services that sell below cost after it and did not before."""
    prices_up: int
    prices_down: int
    lines: Sequence[Effect]
    """The first `SHOWN_MAX`, those below cost in front."""


@dataclass(frozen=True, slots=True)
class BulkPage:
    """What catalog/staff/bulk.html receives."""

    count: int
    carried: Mapping[str, str]
    """Which services: fields that go along from form to form."""
    typed: Mapping[str, str]
    faults: Mapping[str, str]
    effects: Effects | None
    categories: Sequence[Named]
    pricings: Mapping[str, str] = field(default_factory=lambda: PRICINGS)


@router.post("/staff/services/bulk")
async def show_bulk(request: Request, _viewer: Editing, session: Session) -> Response:
    """Show the form for the services that were ticked, or for all that the filter found."""
    form = await read_form(request)
    carried = _carried(form)
    ids = await _chosen(session, carried)
    if not ids:
        return with_toast(see_other("/staff/services"), Toast(say(request, NOTHING_PICKED), kind="is-info"))
    shown = BulkPage(len(ids), carried, {}, {}, None, await category_names(session))
    return page(request, "catalog/staff/bulk.html", shown)


@router.post("/staff/services/bulk/preview")
async def preview_bulk(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Show what the edit would do, without doing it."""
    form = await read_form(request)
    carried = _carried(form)
    ids = await _chosen(session, carried)
    faults: Mapping[str, str] = {}
    effects = None
    try:
        fields = _fields_in(form)
        if not fields:
            faults = {"": say(request, NOTHING_TO_DO)}
        else:
            effects = await foresee(session, panel, ids, fields, actor=viewer)
            if not effects.changed:
                faults = {"": say(request, NOTHING_DIFFERS)}
    except PanelError as wrong:
        faults = faults_of(request, wrong)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    shown = BulkPage(len(ids), carried, form, faults, None if faults else effects, await category_names(session))
    return page(request, "catalog/staff/bulk.html", shown, status=status)


@router.post("/staff/services/bulk/apply")
async def apply_bulk(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Do what the preview showed."""
    form = await read_form(request)
    ids = await _chosen(session, _carried(form))
    fields = _fields_in(form)
    edited = await edit_services(
        session,
        dict.fromkeys(ids, fields),
        currency=panel.currency,
        actor=viewer,
        now=panel.clock(),
        cause="bulk",
    )
    return with_toast(see_other("/staff/services"), Toast(say(request, DONE, n=len(edited.changed))))


async def foresee(
    session: AsyncSession, panel: Panel, ids: Sequence[int], fields: ServiceFields, *, actor: Actor
) -> Effects:
    """Say what an edit would do to these services: it is made, looked at and taken back, so nothing is guessed."""
    before = await _state_of(session, ids)
    savepoint = await session.begin_nested()
    try:
        edited = await edit_services(
            session, dict.fromkeys(ids, fields), currency=panel.currency, actor=actor, now=panel.clock(), cause="bulk"
        )
        after = await _state_of(session, edited.changed)
    finally:
        await savepoint.rollback()
    lines = [Effect(one, after[one].name, before[one].rate, after[one].rate, after[one].cost) for one in after]
    sunk = {one.id for one in lines if one.below_cost and not _at_loss(before[one.id])}
    lines.sort(key=lambda one: (one.id not in sunk, one.rate_before == one.rate_after, one.id))
    return Effects(
        changed=len(lines),
        going_below=len(sunk),
        prices_up=sum(1 for one in lines if one.rate_after > one.rate_before),
        prices_down=sum(1 for one in lines if one.rate_after < one.rate_before),
        lines=lines[:SHOWN_MAX],
    )


def _at_loss(row: Any) -> bool:
    return row.cost is not None and row.cost > row.rate


def _carried(form: Mapping[str, str]) -> dict[str, str]:
    """Keep only what says which services: the filter, or the ids in one field."""
    if form.get("all") == "1":
        return {"all": "1", **{f"f-{name}": form.get(f"f-{name}", "") for name in FILTER_FIELDS}}
    ticked = [name.removeprefix(PICK) for name in form if name.startswith(PICK)]
    return {"ids": ",".join([*ticked, *([form["ids"]] if form.get("ids") else [])])}


async def _chosen(session: AsyncSession, carried: Mapping[str, str]) -> list[int]:
    if carried.get("all") == "1":
        return await ids_of(session, filter_from(*(carried[f"f-{name}"] for name in FILTER_FIELDS)))
    given = [one for one in carried["ids"].split(",") if one.isascii() and one.isdigit() and len(one) <= 18]
    known = await session.scalars(_KNOWN, {"ids": [int(one) for one in given[:BULK_MAX]]})
    return list(known.all())


def _fields_in(form: Mapping[str, str]) -> ServiceFields:
    fields: ServiceFields = {}
    pricing = form.get("pricing", "")
    if pricing == "fixed":
        if (price := amount_in(form, "fixed_rate")) is None:
            raise InvalidInputError(field="fixed_rate", reason=PRICE_NEEDED)
        fields["fixed_rate"] = price
    elif pricing == "inherit":
        fields = {"fixed_rate": None, "markup_percent": None, "markup_fixed": None, "rounding_step": None}
    elif pricing == "markup":
        percent, fixed = amount_in(form, "markup_percent"), amount_in(form, "markup_fixed")
        step = amount_in(form, "rounding_step")
        if percent is None and fixed is None and step is None:
            raise InvalidInputError(field="markup_percent", reason=PERCENT_NEEDED)
        fields["fixed_rate"] = None
        if percent is not None:
            fields["markup_percent"] = percent
        if fixed is not None:
            fields["markup_fixed"] = fixed
        if step is not None:
            fields["rounding_step"] = step
    if (category_id := row_id_in(form, "category_id")) is not None:
        fields["category_id"] = category_id
    if form.get("enabled") in {"yes", "no"}:
        fields["enabled"] = form["enabled"] == "yes"
    return fields


async def _state_of(session: AsyncSession, ids: Sequence[int]) -> dict[int, Any]:
    rows = await session.execute(_STATE, {"ids": list(ids)})
    return {row.id: row for row in rows}


_KNOWN = text("SELECT id FROM services WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id")
_STATE = text("SELECT id, name, rate, cost FROM services WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id")
