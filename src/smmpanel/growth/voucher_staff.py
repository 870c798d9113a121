"""`/staff/vouchers`: making batches of codes, which are shown once, seeing who used them, and stopping them."""

import base64
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
from smmpanel.catalog.staff.typed import faults_of, whole_in
from smmpanel.growth.days import day_is_over
from smmpanel.growth.voucher_making import (
    NAME_MAX,
    NOTE_MAX,
    BatchMadeError,
    BatchTerms,
    make_batch,
    stop_batch,
)
from smmpanel.growth.voucher_models import VoucherBatch
from smmpanel.growth.voucher_reading import RedemptionLine, batch_by, batches_page, redemptions_page
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.web.amounts import amount_typed
from smmpanel.web.csrf import ForeignFormError
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/vouchers"
KEY_LENGTH, KEY_MAX = 32, 64
FRESH: Mapping[str, str] = {"codes": "1", "uses_each": "1", "uses_per_user": "1"}
STOPPED = marked("The batch is stopped")
STOPPED_TEXT = marked("Its codes cannot be redeemed any more.")
Looking = Annotated[Viewer, Depends(staff_with(Permission.VOUCHERS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.VOUCHERS_EDIT))]


@dataclass(frozen=True, slots=True)
class BatchList:
    """What growth/staff/vouchers.html receives; `key` is of this very form: sent twice, it makes one batch."""

    rows: Sequence[VoucherBatch]
    after: str | None
    now: datetime
    may_edit: bool
    key: str
    typed: Mapping[str, str] = field(default_factory=lambda: FRESH)
    errors: Mapping[str, str] = field(default_factory=dict)
    name_max: int = NAME_MAX
    note_max: int = NOTE_MAX


@dataclass(frozen=True, slots=True)
class BatchPage:
    """What growth/staff/voucher.html receives; the codes of a new batch are in it once, as text and as a file."""

    batch: VoucherBatch
    rows: Sequence[RedemptionLine]
    after: str | None
    now: datetime
    may_edit: bool
    sees_users: bool
    codes: Sequence[str] = ()
    file: str = ""


@router.get(WAY)
async def show_batches(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, after: CleanText = ""
) -> Response:
    """Show batches, newest first, and the form for another one."""
    shown = await _list(session, viewer, panel.clock(), after=after)
    return page(request, "growth/staff/vouchers.html", shown, fragment="rows")


@router.post(WAY)
async def make(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Make a batch and show its codes, or show the form again."""
    form, now = await read_form(request), panel.clock()
    key = form.get("key", "")
    if not KEY_LENGTH <= len(key) <= KEY_MAX or not key.isalnum():
        raise ForeignFormError
    try:
        terms = _terms(request, form, viewer.time_zone)
        made = await make_batch(session, panel.vault, viewer, terms, currency=panel.currency, key=key, now=now)
    except InvalidInputError as wrong:
        shown = await _list(session, viewer, now, typed=form, errors=faults_of(request, wrong), key=key)
        return page(request, "growth/staff/vouchers.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except BatchMadeError as wrong:
        return with_toast(see_other(WAY), Toast(failure_of(request, wrong).message, kind="is-bad"))
    # Shown in the answer itself: the codes are kept nowhere.
    shown_once = await _batch(session, viewer, made.id, now, codes=made.codes)
    return page(request, "growth/staff/voucher.html", shown_once)


@router.get(WAY + "/{batch_id}")
async def show_batch(
    request: Request,
    panel: CurrentPanel,
    viewer: Looking,
    session: Session,
    *,
    batch_id: RowId,
    after: CleanText = "",
) -> Response:
    """Show a batch and who redeemed out of it."""
    shown = await _batch(session, viewer, batch_id, panel.clock(), after=after)
    return page(request, "growth/staff/voucher.html", shown, fragment="rows")


@router.post(WAY + "/{batch_id}/stop")
async def stop(request: Request, panel: CurrentPanel, viewer: Editing, session: Session, batch_id: RowId) -> Response:
    """Have the codes of a batch redeemed no more."""
    await stop_batch(session, viewer, batch_id, now=panel.clock())
    return with_toast(see_other(f"{WAY}/{batch_id}"), Toast(say(request, STOPPED), say(request, STOPPED_TEXT)))


def _terms(request: Request, form: Mapping[str, str], zone: str) -> BatchTerms:
    per_user = whole_in(form, "uses_per_user")
    return BatchTerms(
        name=form.get("name", "").strip(),
        amount=amount_typed(formats_of(request), form.get("amount", "")) or Decimal(0),
        codes=whole_in(form, "codes") or 0,
        uses_each=whole_in(form, "uses_each") or 0,
        uses_per_user=per_user,
        valid_until=day_is_over(form, "valid_until", zone),
        note=form.get("note", "").strip(),
    )


async def _list(
    session: AsyncSession,
    viewer: Viewer,
    now: datetime,
    *,
    after: str = "",
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    key: str = "",
) -> BatchList:
    found = await batches_page(session, after=after or None)
    may_edit = viewer.may(Permission.VOUCHERS_EDIT)
    return BatchList(
        found.rows, found.after, now, may_edit, key or random_text(KEY_LENGTH), typed or FRESH, errors or {}
    )


async def _batch(
    session: AsyncSession,
    viewer: Viewer,
    batch_id: int,
    now: datetime,
    *,
    after: str = "",
    codes: Sequence[str] = (),
) -> BatchPage:
    batch = await batch_by(session, batch_id)
    found = await redemptions_page(session, batch_id, after=after or None)
    file = base64.b64encode("\r\n".join(("code", *codes, "")).encode()).decode() if codes else ""
    return BatchPage(
        batch=batch,
        rows=found.rows,
        after=found.after,
        now=now,
        may_edit=viewer.may(Permission.VOUCHERS_EDIT),
        sees_users=viewer.may(Permission.USERS_VIEW),
        codes=codes,
        file=file,
    )
