"""How a demonstration's panel grows: people recommend it, and it gives bonuses, vouchers and coupons.

What listens to facts runs in workers, which live in real time. In the history they are told here instead, so that
commissions and bonuses are of their day; workers, who are told again afterwards, find everything done.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import select

from smmpanel.accounts.access import Actor, Viewer
from smmpanel.accounts.signing_up import Arrival, UserRegistered
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.demo.people import Customer
from smmpanel.growth.commissions import reckon_deposits, reckon_finished_orders
from smmpanel.growth.deposit_bonuses import give_bonuses
from smmpanel.growth.payouts import approve_payout, request_payout
from smmpanel.growth.redeeming import redeem
from smmpanel.growth.referral_models import Payout
from smmpanel.growth.referral_terms import referral_terms, set_referral_terms
from smmpanel.growth.referring import note_device, note_referral
from smmpanel.growth.voucher_making import BatchTerms, make_batch
from smmpanel.kernel.facts import Fact, FactRow
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import earnings_of
from smmpanel.orders.coupon_editing import CouponTerms, make_coupon
from smmpanel.orders.placing import NewOrder
from smmpanel.orders.returning_coupons import return_coupons_of_canceled
from smmpanel.orders.settling import OrderFinished
from smmpanel.payments.bonuses import RuleTerms, add_rule
from smmpanel.payments.crediting import DepositCredited
from smmpanel.web.formats import WITHOUT_DECIMALS

if TYPE_CHECKING:
    from smmpanel.entrypoints.demo.story import Story

BROUGHT = 4
"""So many of the others follow the demo customer's link; the last of them in the very same browser."""
COUPON = "WELCOME10"
COUPON_PERCENT, COUPON_MOST_DOLLARS = Decimal(10), 5
VOUCHER_CODES, VOUCHER_DOLLARS = 20, 2
REDEEMED = 3
BONUS_PERCENT, BONUS_FROM_DOLLARS, BONUS_MOST_DOLLARS = Decimal(5), 50, 20
LEAST_PAYOUT = Decimal("0.2")
"""In dollars' worth."""
PAYOUT_SHARE = Decimal("0.7")
"""How much of what is gathered is asked for."""
PLACE = "203.0.113.24"
"""An address that is nobody's."""
_DEVICE = sha256(b"the browser of the demonstration").hexdigest()


async def _note_referrals(panel: Panel, facts: Sequence[UserRegistered]) -> None:
    for fact in facts:
        await note_referral(panel, fact)


_HEARD: Mapping[type[Fact], Sequence[Callable[..., Awaitable[None]]]] = {
    UserRegistered: (_note_referrals,),
    DepositCredited: (reckon_deposits, give_bonuses),
    OrderFinished: (reckon_finished_orders, return_coupons_of_canceled),
}


@dataclass(slots=True)
class Growth:
    """What the panel gives away, and who is told of what happens."""

    panel: Panel
    staff: Actor
    unit: Decimal
    """A dollar's worth in the panel's currency."""
    codes: list[str] = field(default_factory=list)
    """Vouchers that nobody has redeemed yet."""
    told: int = 0
    """The last fact that listeners were told."""

    async def begin(self) -> None:
        """Set the terms of referrals, and make the coupon, the vouchers and the rule for bonuses on deposits."""
        panel, staff, now = self.panel, self.staff, self.panel.clock()
        async with panel.db.transaction() as session:
            terms = replace(await referral_terms(session), approval=True, minimum=self._worth(LEAST_PAYOUT))
            await set_referral_terms(session, staff, terms)
            most = self._worth(COUPON_MOST_DOLLARS)
            coupon = CouponTerms(COUPON, percent=COUPON_PERCENT, maximum=most, uses_per_user=20, note="First steps")
            await make_coupon(session, coupon, actor=staff, now=now)
            batch = BatchTerms("Opening", self._worth(VOUCHER_DOLLARS), codes=VOUCHER_CODES, uses_per_user=1)
            made = await make_batch(
                session, panel.vault, staff, batch, currency=panel.currency, key="demo:opening", now=now
            )
            self.codes = list(made.codes)
            most = self._worth(BONUS_MOST_DOLLARS)
            rule = RuleTerms(BONUS_PERCENT, now, threshold=self._worth(BONUS_FROM_DOLLARS), maximum=most)
            await add_rule(session, rule, actor=staff, now=now)

    def _worth(self, dollars: Decimal | int) -> Decimal:
        return (dollars * self.unit).quantize(self._step)

    @property
    def _step(self) -> Decimal:
        return Decimal(1 if self.panel.currency in WITHOUT_DECIMALS else "0.01")

    async def tell(self) -> None:
        """Tell what happened since the last time, as workers would."""
        async with self.panel.db.transaction() as session:
            wanted = select(FactRow).where(FactRow.id > self.told).order_by(FactRow.id)
            rows = (await session.scalars(wanted)).all()
        for kind, listeners in _HEARD.items():
            facts = [kind.model_validate(row.body) for row in rows if row.name == kind.fact]
            for listener in listeners if facts else ():
                await listener(self.panel, facts)
        self.told = rows[-1].id if rows else self.told

    async def redeem(self, who: Customer) -> None:
        """Have somebody redeem the next voucher."""
        await redeem(self.panel, who.user_id, self.codes.pop(0), ip=PLACE)

    async def ask_payout(self, who: Customer) -> Payout | None:
        """Have somebody ask for most of their commission, if there is enough of it."""
        viewer = Viewer("user", who.user_id, who.username, Role.CUSTOMER, frozenset(), ip=PLACE)
        async with self.panel.db.transaction() as session:
            gathered = await earnings_of(session, who.user_id, self.panel.currency)
            wanted = (gathered.amount * PAYOUT_SHARE).quantize(self._step)
            if wanted < (await referral_terms(session)).minimum:
                return None
            return await request_payout(session, viewer, wanted, currency=self.panel.currency, now=self.panel.clock())

    async def have_paid_out(self, who: Customer) -> None:
        """Have somebody ask for their commission, and staff approve it."""
        payout = await self.ask_payout(who)
        if payout is not None:
            async with self.panel.db.transaction() as session:
                currency, now = self.panel.currency, self.panel.clock()
                await approve_payout(session, self.staff, payout.id, currency=currency, now=now)


def arrival_of(place: int, code: str) -> Arrival:
    """Return how one of the others comes to the panel."""
    if place >= BROUGHT:
        return Arrival()
    return Arrival(referral_code=code, via="link", device=_DEVICE if place == BROUGHT - 1 else None)


async def know_browser(panel: Panel, who: Customer) -> None:
    """Remember that somebody has looked at their link in this browser."""
    async with panel.db.transaction() as session:
        await note_device(session, who.user_id, _DEVICE, now=panel.clock())


def plan_growth(story: "Story") -> None:
    """Put on the agenda who redeems, who has a coupon, and a payout in the middle."""
    length = story.ends - story.begins
    for place, who in enumerate(story.others[-REDEEMED:]):
        story.at(story.begins + length * (place + 1) / 5, lambda who=who: story.growth.redeem(who))  # type: ignore[misc]
    for place, who in enumerate((story.others[-1], story.demo, story.others[0], story.demo)):
        moment = story.begins + length * (place + 2) / 6
        story.at(moment, lambda who=who: order_with_coupon(story, who))  # type: ignore[misc]
        for later in (timedelta(seconds=4), timedelta(hours=2), timedelta(hours=7)):
            story.at(moment + later)
    story.at(story.begins + length * 3 / 5, lambda: story.growth.have_paid_out(story.demo))


async def order_with_coupon(story: "Story", who: Customer) -> None:
    """Somebody orders with the coupon."""
    await story.fill_purse(who)
    article = max(story.favourites[who.user_id], key=lambda one: (one.rate, one.id))
    fields = article.fields(story.rng, who.dollars_a_visit * story.unit)
    await story.place(who, [NewOrder(who.user_id, article.id, fields, coupon=COUPON)], [article])
