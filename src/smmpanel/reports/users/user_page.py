"""`/staff/users/{id}`: one user, and what can be done about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer, known_permissions
from smmpanel.accounts.current import FOR_STAFF
from smmpanel.accounts.devices import ON, browser_in
from smmpanel.accounts.finding import UserNotFoundError
from smmpanel.accounts.login_history import Try, login_history, tries_shown
from smmpanel.accounts.models import LoginSession, User
from smmpanel.accounts.pages import ROLE_NAMES
from smmpanel.accounts.permission_words import PERMISSION_WORDS
from smmpanel.accounts.states import AccountState, Role
from smmpanel.catalog.staff.typed import written
from smmpanel.growth.referral_pages import PAYOUT_WORDS, REFERRAL_WORDS
from smmpanel.kernel.errors import ForbiddenError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import AdjustmentKind
from smmpanel.ledger.adjusting import KIND_WORDS, may_adjust
from smmpanel.ledger.pages import REASONS
from smmpanel.reports.users.list_page import WAY, Looking
from smmpanel.reports.users.reading import ORDERS_LOOKED_AT, UserFacts, facts_of
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

KEY_LENGTH = 24
DEED_NAMES: Mapping[str, str] = {
    **PERMISSION_WORDS,
    "account.change_email": marked("E-mail address changed"),
    "account.change_password": marked("Password changed"),
    "account.change_phone": marked("Phone number changed"),
    "account.link_sign_in": marked("Sign-in of another site connected or disconnected"),
    "account.passkey": marked("Passkey added or removed"),
    "account.rename": marked("User name changed"),
    "account.reset_password": marked("Password reset by mail"),
    "account.second_factor": marked("Second factor changed"),
}
CHANGE_NAMES: Mapping[str, str] = {
    "amount": marked("Amount"),
    "api_key_revoked": marked("API key revoked"),
    "custom_rate": marked("Own rate"),
    "commission_percent": marked("Commission"),
    "discount_percent": marked("Discount"),
    "email": marked("E-mail address"),
    "permissions": marked("Permissions"),
    "reason": marked("Reason"),
    "role": marked("Role"),
    "second_factor": marked("Second factor"),
    "service": marked("Service"),
    "sessions_ended": marked("Sessions ended"),
    "signed_in_as": marked("Signed in as"),
    "state": marked("State"),
    "username": marked("User name"),
}
"""The values of a deed that the page tells; ids and keys are for the audit log."""
STATE_NAMES: Mapping[str, str] = {
    AccountState.ACTIVE.value: marked("Active"),
    AccountState.SUSPENDED.value: marked("Suspended"),
    AccountState.BANNED.value: marked("Banned"),
    **{state: word for state, (_, word) in {**REFERRAL_WORDS, **PAYOUT_WORDS}.items()},
}
UNKNOWN_DEVICE = marked("Unknown device")


@dataclass(frozen=True, slots=True)
class Typed:
    """A form that was not taken: which one, what was typed, and what is wrong by field."""

    form: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def value(self, form: str, name: str, otherwise: str = "") -> str:
        """Return what stands in a field of a form."""
        return self.values.get(name, "") if self.form == form else otherwise

    def fault(self, form: str, name: str) -> str | None:
        """Return what is wrong with a field of a form."""
        return self.faults.get(name) if self.form == form else None


@dataclass(frozen=True, slots=True)
class UserPage:
    """What reports/user.html receives."""

    facts: UserFacts
    devices: Mapping[int, str]
    tries: Sequence[Try]
    typed: Typed
    key: str
    """Makes sending the form of the balance twice one change."""
    discount_typed: str
    commission_typed: str
    may_edit_referrals: bool
    may_see_referrals: bool
    may_adjust: bool
    may_edit: bool
    may_end: bool
    may_stop: bool
    may_act: bool
    may_see_orders: bool
    may_see_audit: bool
    looked_at: int = ORDERS_LOOKED_AT
    role_names: Mapping[Role, str] = field(default_factory=lambda: ROLE_NAMES)
    state_names: Mapping[str, str] = field(default_factory=lambda: STATE_NAMES)
    change_names: Mapping[str, str] = field(default_factory=lambda: CHANGE_NAMES)
    deed_names: Mapping[str, str] = field(default_factory=lambda: DEED_NAMES)
    reasons: Mapping[str, str] = field(default_factory=lambda: REASONS)
    kinds: Mapping[AdjustmentKind, str] = field(default_factory=lambda: KIND_WORDS)
    decimal: type[Decimal] = Decimal
    """Amounts in the audit log are text."""


@dataclass(frozen=True, slots=True)
class UserSignInsPage:
    """What reports/user_sign_ins.html receives."""

    user_id: int
    username: str
    tries: Sequence[Try]
    after: str | None


@router.get(WAY + "/{user_id}")
async def show_user(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, user_id: RowId
) -> Response:
    """Show one user."""
    return await user_page(request, panel, viewer, session, user_id=user_id)


@router.get(WAY + "/{user_id}/sign-ins")
async def show_sign_ins(
    request: Request, _viewer: Looking, session: Session, user_id: RowId, after: CleanText = ""
) -> Response:
    """Show all tries to sign in to an account, newest first."""
    user = await session.get(User, user_id)
    if user is None:
        raise UserNotFoundError
    found = await login_history(session, user_id, after=after or None)
    shown = UserSignInsPage(user.id, user.username, tries_shown(request, found.rows), found.after)
    return page(request, "reports/user_sign_ins.html", shown, fragment="rows")


async def user_page(
    request: Request, panel: Panel, viewer: Viewer, session: AsyncSession, *, user_id: int, typed: Typed | None = None
) -> Response:
    """Render one user, with a form that was not taken if there is one."""
    facts = await facts_of(session, user_id, currency=panel.currency, now=panel.clock())
    user, is_self = facts.user, facts.user.id == viewer.user_id
    is_over = _is_allowed(viewer, user.role)
    shown = UserPage(
        facts=facts,
        devices={one.id: _device(request, one) for one in facts.sessions},
        tries=tries_shown(request, facts.tries),
        typed=typed or Typed(),
        key=random_text(KEY_LENGTH),
        discount_typed=written(facts.discount),
        commission_typed=written(facts.commission),
        may_edit_referrals=viewer.may(Permission.REFERRALS_EDIT) and not viewer.is_own(user.id),
        may_see_referrals=viewer.may(Permission.REFERRALS_VIEW),
        may_adjust=may_adjust(viewer, user.id),
        may_edit=viewer.may(Permission.USERS_EDIT) and not viewer.is_own(user.id),
        may_end=viewer.may(Permission.USERS_EDIT) and is_over,
        may_stop=viewer.may(Permission.USERS_SUSPEND) and is_over and not is_self,
        may_act=_may_act(viewer, facts),
        may_see_orders=viewer.may(Permission.ORDERS_VIEW),
        may_see_audit=viewer.may(Permission.AUDIT_VIEW),
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if shown.typed.faults else HTTPStatus.OK
    return page(request, "reports/user.html", shown, status=status)


def _is_allowed(viewer: Viewer, role: Role) -> bool:
    try:
        viewer.require_over(role)
    except ForbiddenError:
        return False
    return True


def _may_act(viewer: Viewer, facts: UserFacts) -> bool:
    user = facts.user
    try:
        viewer.require_own_sign_in()
        viewer.require_to_act_as(user.role, known_permissions(user.permissions))
    except ForbiddenError:
        return False
    return user.state is AccountState.ACTIVE and user.id != viewer.user_id


def _device(request: Request, opened: LoginSession) -> str:
    browser, system = browser_in(opened.user_agent)
    if not browser:
        return say(request, UNKNOWN_DEVICE)
    return say(request, ON, browser=browser, system=system) if system else browser
