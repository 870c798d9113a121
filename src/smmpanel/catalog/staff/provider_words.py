"""The names that the providers' pages give to the ways in which calls fail."""

from collections.abc import Mapping

from smmpanel.kernel.i18n import marked

FAILURE_NAMES: Mapping[str, str] = {
    "not_sent": marked("It could not be reached"),
    "refused_order": marked("It refused the order"),
    "refused_account": marked("It refused our account"),
    "try_later": marked("It asked us to try later"),
    "unknown": marked("Its answer was unclear"),
    "provider_busy": marked("No call was free in time"),
    "provider_unavailable": marked("It cannot be called now"),
    "provider_key_unreadable": marked("Its key cannot be read; enter it again"),
}
