"""What is typed about a provider: read into what the verbs take, and written back."""

import json
import re
from collections.abc import Mapping
from typing import Any

from smmpanel.catalog.staff.typed import amount_in, whole_in, written
from smmpanel.kernel.crypto import SecretUnreadableError
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.providers.checking import ProviderTerms
from smmpanel.providers.models import Provider

TAIL = 4
KEY_SHOWN_FROM = 12
"""Of a key shorter than this even four signs would tell much."""
SLUG_MAX = 40
NOT_OPTIONS = marked('must be options as JSON, such as {"shopee_zone": "vn"}')
NEEDED = marked("is needed")


def terms_in(form: Mapping[str, str]) -> ProviderTerms:
    """Read the terms from a form; raises `InvalidInputError`."""
    terms: ProviderTerms = {
        "name": form.get("name", ""),
        "base_url": form.get("base_url", "").strip(),
        "currency": form.get("currency", ""),
        "rate_per_minute": whole_in(form, "rate_per_minute"),
        "low_balance": amount_in(form, "low_balance"),
        "markup_percent": amount_in(form, "markup_percent"),
        "markup_fixed": amount_in(form, "markup_fixed"),
        "rounding_step": amount_in(form, "rounding_step"),
    }
    if form.get("alias", "").strip():
        terms["alias"] = form["alias"]
    if (concurrency := whole_in(form, "concurrency")) is not None:
        terms["concurrency"] = concurrency
    if (timeout := whole_in(form, "timeout_seconds")) is not None:
        terms["timeout_seconds"] = timeout
    if form.get("options", "").strip():
        terms["options"] = _options(form["options"])
    return terms


def _options(typed: str) -> Mapping[str, Any]:
    try:
        read = json.loads(typed)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise InvalidInputError(field="options", reason=NOT_OPTIONS)
    return read


def slug_for(form: Mapping[str, str]) -> str:
    """Return the short name that was typed, or one made from the name."""
    typed = form.get("slug", "").strip().lower()
    if typed:
        return typed
    return re.sub(r"[^a-z0-9]+", "-", form.get("name", "").lower()).strip("-0123456789")[:SLUG_MAX].strip("-")


def typed_of(provider: Provider) -> dict[str, str]:
    """Write a provider's terms as its form shows them; never its key, and of options nothing but their names."""
    names = (
        "name",
        "alias",
        "base_url",
        "currency",
        "rate_per_minute",
        "concurrency",
        "timeout_seconds",
        "low_balance",
        "markup_percent",
        "markup_fixed",
        "rounding_step",
    )
    return {name: written(getattr(provider, name)) for name in names}


def key_tail(panel: Panel, provider: Provider) -> str | None:
    """Return the last four signs of a provider's key; empty if it is too short to show any, `None` if it cannot be read."""
    try:
        key = panel.vault.open(provider.api_key_sealed)
    except SecretUnreadableError:
        return None
    return key[-TAIL:] if len(key) >= KEY_SHOWN_FROM else ""
