"""API v2, the contract that thousands of panels share, with the dialects in which they speak it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from smmpanel.kernel.http import Outgoing
from smmpanel.providers.adapters.answers import accepted_order, balance_in, recent_orders_in
from smmpanel.providers.adapters.catalogue import catalogue_in
from smmpanel.providers.adapters.options import checked, secret_values
from smmpanel.providers.adapters.reading import word_of
from smmpanel.providers.adapters.states import cancels_in, refill_id_in, refill_states_in, reports_in
from smmpanel.providers.adapters.talking import CATALOGUE_BYTES_MAX, Reply, Talk
from smmpanel.providers.protocol import (
    Accepted,
    Catalogue,
    Connection,
    RecentOrder,
    Rejected,
    UpstreamBalance,
    UpstreamOrder,
    UpstreamRefillStatus,
    UpstreamReport,
    UpstreamStatus,
)

BATCH_MAX = 100
DEFAULT_PATH = "/api/v2"

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class PanelV2Options(BaseModel):
    """What differs between panels that speak API v2."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["POST", "GET"] = "POST"
    body: Literal["form", "json"] = "form"
    """How a POST carries its fields."""
    key_name: Text = "key"
    extra: dict[str, str] = Field(default_factory=dict)
    """Fields sent with every call."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers sent with every call; some guards let only browsers' names through."""
    batch_max: int = Field(BATCH_MAX, ge=1, le=BATCH_MAX)
    """Orders that one `status` call may ask for."""
    cloudflare_means_not_sent: bool = False
    """Believe a recognised challenge page at 403 or 503 to mean that the panel never saw the order."""
    status_words: dict[str, UpstreamStatus] = Field(default_factory=dict)
    """The panel's own words, or numbers, for states."""
    listing: bool = False
    """The panel answers `action=orders` with our latest orders."""


class PanelV2:
    """One panel that speaks API v2. A base URL without a path means `/api/v2`."""

    slug: ClassVar[str] = "panel_v2"
    status_batch_max: int = BATCH_MAX
    supports_listing: bool = False

    def __init__(self, connection: Connection, http: Outgoing) -> None:
        self.options = checked(PanelV2Options, connection.options)
        self.status_batch_max = self.options.batch_max
        self.supports_listing = self.options.listing
        self._words = {word_of(word): status for word, status in self.options.status_words.items()}
        url = connection.base_url.strip()
        self._url = url if urlsplit(url).path.strip("/") else url.rstrip("/") + DEFAULT_PATH
        self._sent_always = {self.options.key_name: connection.api_key, **self.options.extra}
        self._talk = Talk(
            http=http,
            timeout_seconds=connection.timeout_seconds,
            secrets=(connection.api_key, *secret_values(self.options.extra, self.options.headers)),
            challenge_means_not_sent=self.options.cloudflare_means_not_sent,
            headers=self.options.headers,
        )

    async def services(self) -> Catalogue:
        """Read the whole catalogue; an answer that is not wholly a list of services is `Unclear`, never an empty list."""
        reply = await self._ask("services", max_body_bytes=CATALOGUE_BYTES_MAX)
        # Ten thousand lines take a while to read, and other calls of this process must not wait for that.
        return await asyncio.to_thread(catalogue_in, reply)

    async def add(self, order: UpstreamOrder) -> Accepted:
        """Hand in one order, once; an explicit error without an order id is a refusal, all doubt is `Unclear`."""
        return accepted_order(await self._ask("add", {**order.fields, "service": order.service}))

    async def status(self, external_ids: Sequence[str]) -> Mapping[str, UpstreamReport | Rejected]:
        """Ask for several orders at once; those that the answer does not mention are left out."""
        if not external_ids:
            return {}
        assert len(external_ids) <= self.status_batch_max, "the caller splits into batches"
        return reports_in(await self._ask("status", _ids("order", external_ids)), external_ids, self._words)

    async def refill(self, external_id: str) -> str:
        """Ask for a refill; returns the refill's id."""
        return refill_id_in(await self._ask("refill", {"order": external_id}), external_id)

    async def refill_status(self, refill_ids: Sequence[str]) -> Mapping[str, UpstreamRefillStatus | Rejected]:
        """Ask for the state of refills; unknown words and missing ids are left out."""
        if not refill_ids:
            return {}
        return refill_states_in(await self._ask("refill_status", _ids("refill", refill_ids)), refill_ids)

    async def cancel(self, external_ids: Sequence[str]) -> Mapping[str, Rejected | None]:
        """Ask to cancel; `None` means that the wish was registered, not that the order is canceled."""
        if not external_ids:
            return {}
        return cancels_in(await self._ask("cancel", {"orders": ",".join(external_ids)}), external_ids)

    async def balance(self) -> UpstreamBalance:
        """Read the account's balance."""
        return balance_in(await self._ask("balance"))

    async def recent_orders(self, limit: int) -> Sequence[RecentOrder]:
        """List our latest orders, where the panel has been said to offer that."""
        assert self.supports_listing, "the caller looks at supports_listing first"
        return recent_orders_in(await self._ask("orders", {"limit": str(limit)}), limit)

    async def _ask(self, action: str, fields: Mapping[str, str] | None = None, **limits: Any) -> Reply:
        params = {**(fields or {}), **self._sent_always, "action": action}
        as_json = self.options.body == "json"
        return await self._talk.ask(self.options.method, self._url, params, as_json=as_json, **limits)


def _ids(name: str, ids: Sequence[str]) -> dict[str, str]:
    """One id goes in the singular form, which every script knows."""
    return {name: ids[0]} if len(ids) == 1 else {f"{name}s": ",".join(ids)}
