"""What a notification says, made from its kind and fields when it is shown, in the reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from smmpanel.accounts.devices import browser_in
from smmpanel.kernel.i18n import marked, translate
from smmpanel.notifications.events import Event
from smmpanel.web.formats import Formats

# icons: hand-coins check-circle-2 circle-alert refresh-ccw wallet shield list-checks crown

BROWSER_ON_SYSTEM = marked("{browser} on {system}")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of notification: which event it belongs to, how it looks, and its sentences with their places."""

    event: Event
    icon: str
    colour: str
    title: str
    text: str = ""


KINDS: Mapping[str, Kind] = {
    "order_completed": Kind(
        Event.ORDERS, "check-circle-2", "is-ok", marked("Order {order_id} is completed"), "{service}"
    ),
    "order_partial": Kind(
        Event.ORDERS,
        "check-circle-2",
        "is-warn",
        marked("Order {order_id} was delivered in part"),
        marked("{refunded} went back to your balance. {service}"),
    ),
    "order_canceled": Kind(
        Event.ORDERS,
        "circle-alert",
        "is-bad",
        marked("Order {order_id} was canceled"),
        marked("{refunded} went back to your balance. {service}"),
    ),
    "orders_finished": Kind(
        Event.ORDERS,
        "list-checks",
        "is-ok",
        marked("{n} orders finished"),
        marked("{completed} completed, {partial} partial, {canceled} canceled."),
    ),
    "refill_completed": Kind(
        Event.REFILLS, "refresh-ccw", "is-ok", marked("The refill of order {order_id} is completed")
    ),
    "refill_rejected": Kind(
        Event.REFILLS, "refresh-ccw", "is-bad", marked("The refill of order {order_id} was rejected")
    ),
    "deposit_credited": Kind(
        Event.DEPOSITS,
        "wallet",
        "is-ok",
        marked("Your deposit of {amount} has arrived"),
        marked("{credited} was added to your balance."),
    ),
    "deposit_rejected": Kind(
        Event.DEPOSITS, "circle-alert", "is-bad", marked("Your deposit of {amount} was rejected"), "{reason}"
    ),
    "deposit_refunded": Kind(
        Event.DEPOSITS,
        "wallet",
        "is-warn",
        marked("A deposit is paid back: {amount} less in your balance"),
        marked("Your balance is {balance} now."),
    ),
    "deposit_refunded_below": Kind(
        Event.DEPOSITS,
        "wallet",
        "is-warn",
        marked("A deposit is paid back: {amount} less in your balance"),
        marked("Your balance is {balance} now. While it is below zero, nothing can be ordered."),
    ),
    "deposit_charged_back": Kind(
        Event.DEPOSITS,
        "circle-alert",
        "is-bad",
        marked("Your bank took a deposit back: {amount} less in your balance"),
        marked("Your balance is {balance} now."),
    ),
    "deposit_charged_back_below": Kind(
        Event.DEPOSITS,
        "circle-alert",
        "is-bad",
        marked("Your bank took a deposit back: {amount} less in your balance"),
        marked("Your balance is {balance} now. While it is below zero, nothing can be ordered."),
    ),
    "deposit_reinstated": Kind(
        Event.DEPOSITS, "wallet", "is-ok", marked("{amount} of a deposit is in your balance again")
    ),
    "balance_credited": Kind(
        Event.BALANCE, "wallet", "is-ok", marked("{amount} was added to your balance"), "{reason}"
    ),
    "balance_debited": Kind(
        Event.BALANCE, "wallet", "is-warn", marked("{amount} was taken from your balance"), "{reason}"
    ),
    "commission_credited": Kind(
        Event.REFERRALS,
        "hand-coins",
        "is-ok",
        marked("You earned {amount} in commission"),
        marked("From orders of people you brought: {n}."),
    ),
    "commission_taken_back": Kind(
        Event.REFERRALS,
        "hand-coins",
        "is-warn",
        marked("{amount} of commission was taken back"),
        marked("Orders of people you brought were paid back or corrected: {n}."),
    ),
    "payout_paid": Kind(Event.REFERRALS, "wallet", "is-ok", marked("Your payout of {amount} is in your balance")),
    "payout_refused": Kind(
        Event.REFERRALS, "circle-alert", "is-bad", marked("Your payout of {amount} was refused"), "{reason}"
    ),
    "low_balance": Kind(
        Event.LOW_BALANCE,
        "wallet",
        "is-warn",
        marked("Your balance is low"),
        marked("{balance} is left, less than the {below} that you set."),
    ),
    "tier_up": Kind(
        Event.TIER,
        "crown",
        "is-ok",
        marked("You have reached the tier {tier}"),
        marked("Discount of this tier: {percent}."),
    ),
    "tier_down": Kind(
        Event.TIER, "crown", "is-warn", marked("Your tier is now {tier}"), marked("Discount of this tier: {percent}.")
    ),
    "new_sign_in": Kind(
        Event.SIGN_IN,
        "shield",
        "is-warn",
        marked("New sign-in from {ip}"),
        marked("{device}. If this was not you, change your password."),
    ),
}
ORDER_KINDS = tuple(name for name, kind in KINDS.items() if kind.event is Event.ORDERS)
_AMOUNTS = ("refunded", "amount", "credited", "balance", "below")
_COUNTS = ("n", "completed", "partial", "canceled")


@dataclass(frozen=True, slots=True)
class Said:
    """A notification in words."""

    title: str
    text: str
    icon: str
    colour: str


def said(kind: str, fields: Mapping[str, Any], formats: Formats) -> Said:
    """Say a notification. One of a kind that this version does not know says its name, rather than nothing."""
    known = KINDS.get(kind)
    if known is None:
        return Said(kind, "", "circle-alert", "")
    shown = _shown(fields, formats)
    title = translate(formats.language, known.title, **shown)
    return Said(title, _filled(known.text, shown, formats.language).strip(), known.icon, known.colour)


def device_named(agent: str | None, language: str) -> str:
    """Say which browser a `User-Agent` means."""
    browser, system = browser_in(agent)
    return translate(language, BROWSER_ON_SYSTEM, browser=browser, system=system) if system else browser


def _filled(text: str, shown: Mapping[str, Any], language: str) -> str:
    return translate(language, text, **shown) if text else ""


def _shown(fields: Mapping[str, Any], formats: Formats) -> dict[str, Any]:
    shown: dict[str, Any] = {"service": "", "reason": "", **fields}
    for name in _AMOUNTS:
        if name in fields:
            shown[name] = formats.brief(Decimal(str(fields[name])), fields.get("currency"))
    for name in _COUNTS:
        if name in fields:
            shown[name] = formats.num(int(fields[name]))
    if "percent" in fields:
        percent = Decimal(str(fields["percent"]))
        shown["percent"] = formats.percent(percent, 0 if percent == percent.to_integral_value() else 2)
    if "user_agent" in fields:
        shown["device"] = device_named(fields["user_agent"], formats.language)
    return shown
