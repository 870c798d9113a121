"""What alerts are called, by their kind; whoever raises a new kind names it here."""

from collections.abc import Mapping

from smmpanel.kernel.i18n import marked

ALERT_NAMES: Mapping[str, str] = {
    "books_differ": marked("The books do not hold"),
    "catalogue_refused": marked("Its list was not believed"),
    "odd_order_reports": marked("Reports about orders that make no sense"),
    "order_accepted_late": marked("Accepted late: it may be delivered twice"),
    "orders_unconfirmed": marked("Orders that nobody knows were taken"),
    "provider_currency": marked("The account is in another currency"),
    "provider_low_balance": marked("Low balance"),
    "provider_paused": marked("Paused by itself: the provider refused our account"),
}
