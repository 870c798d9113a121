"""What alerts say, by their kind; whoever raises a new kind gives it its words here."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from string import Formatter
from typing import Any

from smmpanel.kernel.i18n import marked, translate
from smmpanel.web.formats import Formats

ALERT_NAMES: Mapping[str, str] = {
    "books_differ": marked("The books do not hold"),
    "catalogue_refused": marked("Its list was not believed"),
    "deposit_charged_back": marked("The bank took a deposit back"),
    "mail_failing": marked("Mail cannot be sent"),
    "mail_not_set_up": marked("Mail is not set up"),
    "odd_order_reports": marked("Reports about orders that make no sense"),
    "order_accepted_late": marked("Accepted late: it may be delivered twice"),
    "orders_unconfirmed": marked("Unconfirmed orders"),
    "payment_awaits_second": marked("A second person has to confirm a payment"),
    "payment_message_differs": marked("A payment message came again with another content"),
    "payment_amount_differs": marked("The bank tells another amount than is on record here"),
    "payment_not_listed": marked("Money is on record here that the bank does not list"),
    "payment_list_failing": marked("A gateway's list of payments cannot be read"),
    "payment_message_failing": marked("A payment message cannot be processed"),
    "payment_message_refused": marked("Payment messages that nobody signed"),
    "payment_message_unclear": marked("A payment message that somebody has to look at"),
    "refund_unknown": marked("Nobody knows whether a deposit was paid back"),
    "return_exceeds_payment": marked("More went back of a deposit than had arrived"),
    "return_unmatched": marked("Money went back that never arrived here"),
    "provider_currency": marked("The account is in another currency"),
    "provider_low_balance": marked("Low balance"),
    "provider_paused": marked("Paused by itself: the provider refused our account"),
}
_SENTENCES: Mapping[str, str] = {
    "books_differ": marked("{differences} differences. The first: {first}"),
    "catalogue_refused": marked("Reason: {reason} {said}"),
    "deposit_charged_back": marked("Deposit {deposit}: {amount}."),
    "mail_failing": marked("The mail server said: {said}"),
    "mail_not_set_up": marked("Mails that wait: {waiting}"),
    "odd_order_reports": marked("Order {order}: {word}"),
    "order_accepted_late": marked("The provider took it as {external_id}."),
    "orders_unconfirmed": marked("{orders} orders, the first is {first}."),
    "payment_awaits_second": marked("Amount: {amount}."),
    "payment_message_differs": marked("Message {key}. Only the first one counts."),
    "payment_amount_differs": marked("Reference {bank_ref}: {here} here, {there} there."),
    "payment_not_listed": marked("{number} receipts, the first is number {receipt}."),
    "payment_list_failing": marked("Payment method {name}. It is tried again every ten minutes."),
    "payment_message_failing": marked("Message {key}, tried {tries} times."),
    "payment_message_refused": marked("The last one came from {ip}."),
    "payment_message_unclear": marked("Message {key} of {gateway}. It has moved nothing."),
    "refund_unknown": marked("Deposit {deposit}: {amount}. Look at the gateway, then say what became of it."),
    "return_exceeds_payment": marked("Deposit {deposit}: {amount}. The wallet lost no more than it had gained."),
    "return_unmatched": marked("Payment {payment} at {gateway}."),
    "provider_currency": marked("The provider says {told}, here it stands as {configured}."),
    "provider_low_balance": marked("{balance} is left. The warning is set at {low_balance}."),
    "provider_paused": marked("The provider said: {reason}"),
}
_AMOUNTS = ("amount", "balance", "low_balance")
_RENAMED = {"text": "said"}
"""What translating itself calls something else."""


def sentence_of(formats: Formats, kind: str, fields: Mapping[str, Any]) -> str:
    """Say what an alert knows, in the reader's language; nothing if it is of a kind that has no words."""
    sentence = _SENTENCES.get(kind, "")
    known = {_RENAMED.get(name, name): _told(formats, name, value, fields) for name, value in fields.items()}
    needed = [name for _, name, _, _ in Formatter().parse(sentence) if name]
    if not needed or any(name not in known for name in needed):
        return ""
    return translate(formats.language, sentence, **{name: known[name] for name in needed}).strip()


def _told(formats: Formats, name: str, value: Any, fields: Mapping[str, Any]) -> str:
    if name in _AMOUNTS and isinstance(fields.get("currency"), str):
        try:
            return formats.money(Decimal(str(value)), fields["currency"])
        except InvalidOperation:
            pass
    return "" if value is None else str(value)
