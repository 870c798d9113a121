"""`/add-funds`: choose a method and an amount; and how to pay in otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.catalog.fx import FxRateMissingError
from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.money import Money
from smmpanel.kernel.options import read_option
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of, held_of
from smmpanel.payments.bonus_models import BonusRule
from smmpanel.payments.bonuses import Bonus, best_bonus, holds, rules_since
from smmpanel.payments.fees import fee_on, fits, in_wallet
from smmpanel.payments.methods import offered_methods
from smmpanel.payments.models import PaymentMethod
from smmpanel.payments.opening import NewDeposit, check_amount, open_deposit
from smmpanel.payments.queries import DepositFilter, DepositLine, deposits_page
from smmpanel.payments.rates import rate_to
from smmpanel.payments.suggesting import suggested_amounts
from smmpanel.payments.words import STATE_WORDS
from smmpanel.web.amounts import amount_typed
from smmpanel.web.errors import failure_of
from smmpanel.web.formats import Formats
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, is_clean
from smmpanel.web.languages import language_of, say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/add-funds"
TRANSFER_OPTION = "manual_transfer"
"""Panel option: how to pay in without any method, in the owner's words."""
LATEST = 5
KEY_LENGTH = 32
NO_NUMBER = marked("Enter an amount, such as 100000.")
CHOOSE = marked("Choose a payment method.")


@dataclass(frozen=True, slots=True)
class Sum:
    """What an amount comes to."""

    amount: Decimal
    fee: Decimal
    currency: str
    wallet: Decimal | None = None
    """What is credited in the wallet's currency, at today's rate; nothing if that is this one, or there is no rate."""
    bonus: Bonus | None = None
    """What comes on top of it, in the wallet's currency."""

    @property
    def gained(self) -> Decimal:
        """What is credited."""
        return self.amount - self.fee


@dataclass(frozen=True, slots=True)
class AddFundsPage:
    """What payments/add_funds.html receives; the owner's words as paragraphs of lines."""

    balance: Money
    held: Money
    methods: Sequence[PaymentMethod]
    chosen: PaymentMethod | None
    typed: str
    suggestions: Sequence[Decimal]
    sum: Sum | None
    offers: Sequence[BonusRule]
    """Rules for a bonus that hold for the chosen method, smallest threshold first."""
    instructions: Sequence[str]
    latest: Sequence[DepositLine]
    errors: Mapping[str, str]
    key: str
    """Of this very form: sent twice, it is one deposit."""
    words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STATE_WORDS)


@router.get(PATH)
async def show_add_funds(
    request: Request,
    panel: CurrentPanel,
    viewer: CurrentViewer,
    session: Session,
    *,
    method: CleanText = "",
    amount: CleanText = "",
) -> Response:
    """Show the methods, and what an amount comes to."""
    return await _page(request, panel, viewer, session, {"method": method, "amount": amount})


@router.post(PATH)
async def begin(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Begin a deposit and lead to it. No transaction is open while a gateway is asked."""
    form = await read_form(request)
    try:
        async with panel.db.transaction() as session:
            method = _chosen(await offered_methods(session), form.get("method", ""))
        if method is None:
            raise InvalidInputError(field="method", reason=CHOOSE)
        wanted = NewDeposit(
            viewer.user_id,
            method.id,
            _amount(formats_of(request), method, form.get("amount", "")),
            form.get("key") or None,
        )
        made = await open_deposit(panel, wanted)
    except PanelError as wrong:
        async with panel.db.transaction() as session:
            return await _page(request, panel, viewer, session, form, errors=_faults(request, wrong))
    return see_other(f"/deposits/{made.id}")


async def _page(
    request: Request,
    panel: Panel,
    viewer: Viewer,
    session: AsyncSession,
    form: Mapping[str, str],
    *,
    errors: Mapping[str, str] | None = None,
) -> Response:
    methods = await offered_methods(session)
    chosen = _chosen(methods, form.get("method", "")) or (methods[0] if methods else None)
    latest = await deposits_page(session, DepositFilter(user_id=viewer.user_id), size=LATEST)
    now = panel.clock()
    offers = [rule for rule in await rules_since(session, now) if chosen and holds(rule, chosen.id, now)]
    typed = form.get("amount", "").strip()
    shown = AddFundsPage(
        balance=await balance_of(session, viewer.user_id, panel.currency),
        held=await held_of(session, viewer.user_id, panel.currency),
        methods=methods,
        chosen=chosen,
        typed=typed,
        suggestions=suggested_amounts(chosen.currency, chosen.minimum, chosen.maximum) if chosen else (),
        sum=await _sum(session, panel, chosen, _readable(request, chosen, typed), offers) if chosen else None,
        offers=offers,
        instructions=lines_in(await read_option(session, TRANSFER_OPTION, ""), language_of(request)),
        latest=latest.rows,
        errors=errors or {},
        key=random_text(KEY_LENGTH),
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return page(request, "payments/add_funds.html", shown, fragment="sum", status=status)


def lines_in(words: object, language: str) -> list[str]:
    """Return the owner's words in a language, line by line: one text for everybody, or one for each language."""
    chosen = words.get(language) or words.get("en") or "" if isinstance(words, Mapping) else words
    return [line.strip() for line in str(chosen).strip().splitlines()] if chosen else []


def _chosen(methods: Sequence[PaymentMethod], typed: str) -> PaymentMethod | None:
    return next((method for method in methods if str(method.id) == typed), None)


def _amount(formats: Formats, method: PaymentMethod, typed: str) -> Decimal:
    try:
        amount = amount_typed(formats, typed, currency=method.currency)
    except InvalidInputError:
        amount = None
    if amount is None:
        raise InvalidInputError(field="amount", reason=NO_NUMBER)
    return amount


def _readable(request: Request, method: PaymentMethod, typed: str) -> Decimal | None:
    """Return the amount that was typed, if it can be paid in."""
    if not typed or not is_clean(typed):
        return None
    try:
        amount = _amount(formats_of(request), method, typed)
        check_amount(method, amount)
    except InvalidInputError:
        return None
    return amount


async def _sum(
    session: AsyncSession, panel: Panel, method: PaymentMethod, amount: Decimal | None, offers: Sequence[BonusRule]
) -> Sum | None:
    if amount is None:
        return None
    fee = fee_on(amount, method.fee_percent, method.fee_fixed)
    try:
        rate = (await rate_to(session, method.currency, panel.currency)).value
    except FxRateMissingError:
        return Sum(amount, fee, method.currency)
    if not fits(amount, rate):
        return None
    paid, taken = in_wallet(amount, rate), in_wallet(fee, rate)
    bonus = best_bonus(offers, method_id=method.id, paid=paid, credited=paid - taken, at=panel.clock())
    return Sum(amount, fee, method.currency, None if method.currency == panel.currency else paid - taken, bonus)


def _faults(request: Request, wrong: PanelError) -> dict[str, str]:
    if isinstance(wrong, InvalidInputError):
        reason = say(request, str(wrong.fields["reason"]))
        return {str(wrong.fields["field"]): reason[:1].upper() + reason[1:]}
    return {"": failure_of(request, wrong).message}
