"""`/staff/payment-methods`: what customers may pay by, set up and switched on and off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.staff.typed import faults_of
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.payments.banks import BANKS
from smmpanel.payments.methods import (
    add_method,
    disable_method,
    edit_method,
    enable_method,
    gateway_class,
    method_by,
    methods_of,
    secrets_of,
)
from smmpanel.payments.models import PaymentMethod
from smmpanel.payments.presets import memo_prefix
from smmpanel.payments.protocol import Gateway, Setting
from smmpanel.payments.reconciliation_models import Reconciliation
from smmpanel.payments.reconciling_jobs import has_list, latest_reconciliations
from smmpanel.payments.staff.method_forms import new_typed, secrets_in, sign_of_tests, terms_in, typed_of
from smmpanel.web.formats import SYMBOLS
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.origins import site_of
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/payment-methods"
ADDED = marked("Payment method added")
ADDED_NEXT = marked("Enable it when everything is right.")
SAVED = marked("Payment method saved")
SWITCHED_ON = marked("{name} is offered to customers")
SWITCHED_OFF = marked("{name} is not offered any more")
TAIL = 4
COMPARISONS = 10
Looking = Annotated[Viewer, Depends(staff_with(Permission.GATEWAYS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.GATEWAYS_EDIT))]


@dataclass(frozen=True, slots=True)
class MethodsPage:
    """What payments/staff/methods.html receives."""

    methods: Sequence[PaymentMethod]
    gateways: Sequence[tuple[str, str]]
    """Names under which adapters are registered, and what they are called."""
    titles: Mapping[str, str]
    tests: Mapping[int, str]
    """What shows that a method is set up for tests, by number."""
    may_edit: bool


@dataclass(frozen=True, slots=True)
class MethodPage:
    """What payments/staff/method.html receives."""

    gateway: str
    title: str
    settings: Sequence[Setting]
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    method: PaymentMethod | None
    secrets: Mapping[str, Sequence[str]]
    """The ends of those that are kept, by name."""
    test_address: str
    """What shows that it is set up for tests; empty for one that takes real money."""
    webhook: str
    """Where the gateway sends its messages; empty if it sends none."""
    may_edit: bool
    currencies: Sequence[str]
    comparisons: Sequence[Reconciliation] | None
    """The latest with its gateway's list; `None` if it has none."""
    banks: Mapping[str, str] = field(default_factory=lambda: BANKS)


@router.get(PATH)
async def show_methods(request: Request, panel: CurrentPanel, viewer: Looking, session: Session) -> Response:
    """Show all payment methods."""
    kinds = [(name, gateway_class(panel, name).title) for name in panel.payment_gateways.names()]
    methods = await methods_of(session)
    tests = {
        one.id: sign_of_tests(gateway_class(panel, one.gateway), one.options, secrets_of(panel.vault, one))
        for one in methods
    }
    shown = MethodsPage(methods, kinds, dict(kinds), tests, viewer.may(Permission.GATEWAYS_EDIT))
    return page(request, "payments/staff/methods.html", shown)


@router.get(PATH + "/new")
async def show_new(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, gateway: CleanText = "sepay"
) -> Response:
    """Show the form for a new payment method."""
    kind = gateway_class(panel, gateway)
    prefix = await memo_prefix(session)
    typed = new_typed(kind, name=say(request, kind.title), currency=panel.currency, prefix=prefix)
    return _form(request, panel, viewer, kind, typed)


@router.post(PATH + "/new")
async def add(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Set a payment method up; it is not offered yet."""
    form = await read_form(request)
    kind = gateway_class(panel, form.get("gateway", ""))
    try:
        async with session.begin_nested():
            terms, secrets = terms_in(kind, form, formats_of(request)), secrets_in(kind, form)
            made = await add_method(session, panel, kind.slug, terms, actor=viewer, secrets=secrets)
    except PanelError as wrong:
        return _form(request, panel, viewer, kind, form, errors=faults_of(request, wrong))
    return with_toast(see_other(f"{PATH}/{made.id}"), Toast(say(request, ADDED), say(request, ADDED_NEXT)))


@router.get(PATH + "/{method_id}")
async def show_method(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, method_id: RowId
) -> Response:
    """Show one payment method."""
    method = await method_by(session, method_id)
    found = await latest_reconciliations(session, method_id, most=COMPARISONS) if has_list(panel, method) else None
    kind = gateway_class(panel, method.gateway)
    return _form(request, panel, viewer, kind, typed_of(method, formats_of(request)), method=method, comparisons=found)


@router.post(PATH + "/{method_id}")
async def save(request: Request, panel: CurrentPanel, viewer: Editing, session: Session, method_id: RowId) -> Response:
    """Take what was typed."""
    form = await read_form(request)
    method = await method_by(session, method_id)
    kind = gateway_class(panel, method.gateway)
    try:
        async with session.begin_nested():
            terms, secrets = terms_in(kind, form, formats_of(request)), secrets_in(kind, form)
            keep = form.get("keep_old_secrets") == "yes"
            await edit_method(session, panel, method_id, terms, actor=viewer, secrets=secrets, keep_old_secrets=keep)
    except NotFoundError:
        raise
    except PanelError as wrong:
        await session.refresh(method)
        return _form(request, panel, viewer, kind, form, method=method, errors=faults_of(request, wrong))
    return with_toast(see_other(f"{PATH}/{method_id}"), Toast(say(request, SAVED)))


@router.post(PATH + "/{method_id}/switch")
async def switch(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, method_id: RowId
) -> Response:
    """Offer it to customers, or no more."""
    wanted = (await read_form(request)).get("to")
    method = await method_by(session, method_id)
    try:
        async with session.begin_nested():
            if wanted == "off":
                await disable_method(session, method_id, actor=viewer)
            else:
                await enable_method(session, panel, method_id, actor=viewer)
    except PanelError as wrong:
        kind = gateway_class(panel, method.gateway)
        errors = faults_of(request, wrong)
        return _form(request, panel, viewer, kind, typed_of(method, formats_of(request)), method=method, errors=errors)
    said = SWITCHED_OFF if wanted == "off" else SWITCHED_ON
    return with_toast(see_other(f"{PATH}/{method_id}"), Toast(say(request, said, name=method.name)))


def _form(
    request: Request,
    panel: Panel,
    viewer: Viewer,
    kind: type[Gateway],
    typed: Mapping[str, str],
    *,
    method: PaymentMethod | None = None,
    errors: Mapping[str, str] | None = None,
    comparisons: Sequence[Reconciliation] | None = None,
) -> Response:
    hidden = {setting.name for setting in kind.settings if setting.kind == "secret"}
    kept = secrets_of(panel.vault, method) if method is not None else {}
    blank = dict.fromkeys(new_typed(kind, name="", currency="", prefix=""), "")
    shown = MethodPage(
        gateway=kind.slug,
        title=kind.title,
        settings=kind.settings,
        typed={**blank, **{name: value for name, value in typed.items() if name not in hidden}},
        errors=errors or {},
        method=method,
        secrets={name: [secret[-TAIL:] for secret in secrets] for name, secrets in kept.items()},
        test_address=sign_of_tests(kind, typed, kept),
        webhook=f"{site_of(request)}/api/payment/{kind.slug}/webhook" if _is_told(kind) else "",
        may_edit=viewer.may(Permission.GATEWAYS_EDIT),
        comparisons=comparisons,
        currencies=sorted(kind.currencies) or sorted({*SYMBOLS, panel.currency}),
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return page(request, "payments/staff/method.html", shown, status=status)


def _is_told(kind: type[Gateway]) -> bool:
    """Whether a gateway sends messages itself. What customers carry back goes another way."""
    return not kind.approved_by_staff and not hasattr(kind, "return_field")
