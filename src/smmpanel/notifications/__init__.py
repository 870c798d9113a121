"""Telling people: alerts for staff."""

from smmpanel.notifications.alerts import clear_alert, open_alerts, raise_alert
from smmpanel.notifications.models import Alert, AlertLevel

__all__ = ["Alert", "AlertLevel", "clear_alert", "open_alerts", "raise_alert"]
