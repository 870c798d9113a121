"""Which bonus a deposit brings: the rules, and the reckoning, so that pages can promise what is later credited.

The money is posted by `growth.deposit_bonuses`. Of all rules that hold, the one that gives most counts; they do not add up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, plain, round_down
from smmpanel.payments.bonus_models import BonusRule
from smmpanel.payments.methods import method_by

RUNNING_MAX = 50
PERCENT_MAX = Decimal(100)
PERCENT_STEP = Decimal("0.0001")
THRESHOLD_WRONG = marked("Enter an amount, zero or more, with six decimals at most.")
MAXIMUM_WRONG = marked("Enter an amount above zero, with six decimals at most.")
PERCENT_WRONG = marked("Enter a percentage above 0, up to 100.")
TIME_WRONG = marked("Choose a last day that is not over, and not before the first one.")


class TooManyRulesError(ConflictError):
    """More rules at once than anybody oversees, or pages should read."""

    code, message = "too_many_rules", marked("There are {most} rules already. Stop one first.")


@dataclass(frozen=True, slots=True)
class Bonus:
    """What a deposit brings on top, by which rule."""

    rule_id: int
    percent: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class RuleTerms:
    """A rule as it is wanted. Raises `InvalidInputError` for what no rule can be."""

    percent: Decimal
    starts_at: datetime
    threshold: Decimal = Decimal(0)
    maximum: Decimal | None = None
    ends_at: datetime | None = None
    method_id: int | None = None

    def __post_init__(self) -> None:
        if not (self.percent.is_finite() and 0 < self.percent <= PERCENT_MAX):
            raise InvalidInputError(field="percent", reason=PERCENT_WRONG)
        if self.percent != self.percent.quantize(PERCENT_STEP):
            raise InvalidInputError(field="percent", reason=PERCENT_WRONG)
        if not _is_amount(self.threshold):
            raise InvalidInputError(field="threshold", reason=THRESHOLD_WRONG)
        if self.maximum is not None and not (_is_amount(self.maximum) and self.maximum > 0):
            raise InvalidInputError(field="maximum", reason=MAXIMUM_WRONG)
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise InvalidInputError(field="ends_at", reason=TIME_WRONG)


def bonus_by(rule: BonusRule, credited: Decimal) -> Decimal:
    """Return what a rule gives on what was credited: rounded down, and no more than its maximum."""
    amount = round_down(credited * rule.percent / PERCENT_MAX)
    return amount if rule.maximum is None else min(amount, rule.maximum)


def best_bonus(
    rules: Iterable[BonusRule], *, method_id: int, paid: Decimal, credited: Decimal, at: datetime
) -> Bonus | None:
    """Return what a deposit brings that was begun at this moment: `paid` reaches thresholds, `credited` is what counts."""
    found = [
        Bonus(rule.id, rule.percent, bonus_by(rule, credited))
        for rule in rules
        if holds(rule, method_id, at) and paid >= rule.threshold
    ]
    best = max(found, key=lambda one: (one.amount, -one.rule_id), default=None)
    return best if best is not None and best.amount > 0 else None


def holds(rule: BonusRule, method_id: int | None, at: datetime) -> bool:
    """Whether a rule was in force for a method at a moment."""
    return (
        (rule.method_id is None or rule.method_id == method_id)
        and rule.starts_at <= at
        and (rule.ends_at is None or at < rule.ends_at)
        and (rule.stopped_at is None or at < rule.stopped_at)
    )


async def rules_since(session: AsyncSession, moment: datetime) -> Sequence[BonusRule]:
    """Return the rules that were not over at a moment, those to come among them."""
    row = BonusRule
    wanted = select(row).where(
        or_(row.stopped_at.is_(None), row.stopped_at > moment), or_(row.ends_at.is_(None), row.ends_at > moment)
    )
    return (await session.scalars(wanted.order_by(row.threshold, row.id))).all()


async def rules_lately(session: AsyncSession, *, most: int) -> Sequence[BonusRule]:
    """Return the latest rules, those that are over among them, newest first."""
    return (await session.scalars(select(BonusRule).order_by(BonusRule.id.desc()).limit(most))).all()


async def add_rule(session: AsyncSession, terms: RuleTerms, *, actor: Actor, now: datetime) -> BonusRule:
    """Add a rule, for deposits that are begun from then on. Raises `InvalidInputError` or `TooManyRulesError`."""
    actor.require(Permission.VOUCHERS_EDIT)
    if terms.ends_at is not None and terms.ends_at <= now:
        raise InvalidInputError(field="ends_at", reason=TIME_WRONG)
    if terms.method_id is not None:
        await method_by(session, terms.method_id)
    if len(await rules_since(session, now)) >= RUNNING_MAX:
        raise TooManyRulesError(most=RUNNING_MAX)
    rule = BonusRule(
        method_id=terms.method_id,
        threshold=terms.threshold,
        percent=terms.percent,
        maximum=terms.maximum,
        starts_at=terms.starts_at,
        ends_at=terms.ends_at,
        made_by=actor.user_id,
        created_at=now,
    )
    session.add(rule)
    await session.flush()
    await audit(session, actor, Permission.VOUCHERS_EDIT, f"bonus_rule:{rule.id}", after=_told(rule))
    return rule


async def stop_rule(session: AsyncSession, rule_id: int, *, actor: Actor, now: datetime) -> None:
    """End a rule. Deposits that were begun before still get what they were promised. Raises `NotFoundError`."""
    actor.require(Permission.VOUCHERS_EDIT)
    wanted = select(BonusRule).where(BonusRule.id == rule_id, BonusRule.stopped_at.is_(None))
    locked = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    rule = await session.scalar(locked)
    if rule is None:
        raise NotFoundError
    rule.stopped_at = now
    await audit(session, actor, Permission.VOUCHERS_EDIT, f"bonus_rule:{rule.id}", after={"stopped": True})


def _is_amount(amount: Decimal) -> bool:
    return amount.is_finite() and 0 <= amount < LIMIT and amount == round_down(amount)


def _told(rule: BonusRule) -> dict[str, Any]:
    return {
        "percent": plain(rule.percent),
        "threshold": plain(rule.threshold),
        "maximum": None if rule.maximum is None else plain(rule.maximum),
        "method": rule.method_id,
        "starts_at": rule.starts_at,
        "ends_at": rule.ends_at,
    }
