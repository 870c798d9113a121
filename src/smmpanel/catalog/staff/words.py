"""The names that staff's pages give to what the catalogue knows by codes."""

from collections.abc import Mapping

from smmpanel.kernel.i18n import marked

MODE_NAMES: Mapping[str, str] = {
    "provider": marked("From a provider"),
    "manual": marked("By hand"),
    "stock": marked("From stock"),
}
STATE_NAMES: Mapping[str, str] = {
    "on": marked("On sale"),
    "off": marked("Switched off"),
    "held": marked("Held back"),
    "loss": marked("Below cost"),
}
HOLD_NAMES: Mapping[str, str] = {
    "cost_above_price": marked("Costs more than it sells for"),
    "gone_at_provider": marked("Gone at the provider"),
}
SKIP_NAMES: Mapping[str, str] = {
    "unusable": marked("Makes no sense"),
    "duplicate": marked("Is there twice"),
    "unknown_type": marked("Unknown type"),
    "already_imported": marked("Imported before"),
    "not_listed": marked("Not on the list"),
}
FIELD_NAMES: Mapping[str, str] = {
    "added": marked("Added"),
    "name": marked("Name"),
    "description": marked("Description"),
    "category_id": marked("Category"),
    "average_time": marked("Average time"),
    "type": marked("Type"),
    "mode": marked("Delivered"),
    "min": marked("Minimum"),
    "max": marked("Maximum"),
    "rate": marked("Rate"),
    "cost": marked("Cost"),
    "fixed_rate": marked("Fixed price"),
    "markup_percent": marked("Markup"),
    "markup_fixed": marked("Fixed part"),
    "rounding_step": marked("Rounding"),
    "refill": marked("Refill"),
    "refill_days": marked("Days of refill"),
    "cancel": marked("Cancel"),
    "dripfeed": marked("Drip-feed"),
    "link_guard": marked("One order per link"),
    "allow_below_cost": marked("May sell below cost"),
    "enabled": marked("On sale"),
    "held_reason": marked("Held back"),
    "position": marked("Position"),
    "provider_type": marked("Type at the provider"),
}
CAUSE_NAMES: Mapping[str, str] = {
    "edit": marked("Edited"),
    "sync": marked("Sync"),
    "import": marked("Import"),
    "csv": marked("CSV file"),
    "route": marked("Routes"),
    "category": marked("Category"),
    "provider": marked("Provider"),
    "fx": marked("Exchange rate"),
    "bulk": marked("Bulk edit"),
    "markup": marked("Default markup"),
}
NO_ROUTE_NAMES: Mapping[str, str] = {
    "no_route": marked("No provider’s service stands behind it."),
    "route_disabled": marked("Its routes are switched off."),
    "provider_disabled": marked("Its provider is switched off."),
    "gone_at_provider": marked("Its provider does not list it any more."),
    "type_changed": marked("At its provider it became a service of another type."),
    "fx_missing": marked("There is no exchange rate for its provider’s currency."),
    "provider_paused": marked("Its provider is paused. Orders wait."),
}
