"""MedanPedia: an envelope of its own, its own words for types and states, fifty ids a call, rupiah, no cancel."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from smmpanel.kernel.http import Outgoing
from smmpanel.providers.adapters.answers import accepted_order, balance_in, raise_error_in
from smmpanel.providers.adapters.catalogue import read_rows, service_from
from smmpanel.providers.adapters.options import checked
from smmpanel.providers.adapters.reading import amount_of, word_of
from smmpanel.providers.adapters.states import refill_id_in, refill_states_in, reports_in
from smmpanel.providers.adapters.talking import CATALOGUE_BYTES_MAX, Reply, Talk
from smmpanel.providers.adapters.words import type_of
from smmpanel.providers.protocol import (
    Accepted,
    Catalogue,
    Connection,
    RecentOrder,
    RefusedOrder,
    Rejected,
    UpstreamBalance,
    UpstreamOrder,
    UpstreamRefillStatus,
    UpstreamReport,
    UpstreamService,
    UpstreamStatus,
)

BASE_URL = "https://api.medanpedia.co.id"
BATCH_MAX = 50
CURRENCY = "IDR"

THEIR_TYPES: Mapping[str, str] = {
    "default": "default",
    "package": "package",
    "custom_comments": "custom_comment",
    "comment_likes": "comment_likes",
    "mentions_custom_list": "mention_list",
    "mentions_hashtag": "mention_hastag",
    "mentions_user_followers": "mention_follower",
    "mentions_media_likers": "mention_media",
    "poll": "poll",
    "comment_replies": "comment_reply",
}
"""Our slugs and their words, misspelt as they are."""
OUR_TYPES: Mapping[str, str] = {theirs: ours for ours, theirs in THEIR_TYPES.items()}


class MedanPediaOptions(BaseModel):
    """What MedanPedia asks for besides the key."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    api_id: Annotated[str, StringConstraints(pattern=r"^\d{1,12}$")]
    comments_name: Literal["comments", "custom_comments"] = "comments"
    """The second one is what older documentation calls the field."""


class MedanPedia:
    """One account at MedanPedia."""

    slug: ClassVar[str] = "medanpedia"
    status_batch_max: int = BATCH_MAX
    supports_listing: bool = False

    def __init__(self, connection: Connection, http: Outgoing) -> None:
        self.options = checked(MedanPediaOptions, connection.options)
        self._base_url = (connection.base_url.strip() or BASE_URL).rstrip("/")
        self._sent_always = {"api_id": self.options.api_id, "api_key": connection.api_key}
        self._names = {"link": "target", "comments": self.options.comments_name}
        self._talk = Talk(http=http, timeout_seconds=connection.timeout_seconds, secrets=(connection.api_key,))

    async def services(self) -> Catalogue:
        """Read the whole catalogue."""
        reply = await self._ask("/services", max_body_bytes=CATALOGUE_BYTES_MAX)
        return await asyncio.to_thread(_catalogue_in, reply)

    async def add(self, order: UpstreamOrder) -> Accepted:
        """Hand in one order, once; a type that MedanPedia does not have is refused before anything is sent."""
        if order.type not in THEIR_TYPES:
            raise RefusedOrder(f"MedanPedia has no orders of the type {order.type}")
        fields = {self._names.get(name, name): value for name, value in order.fields.items()}
        return accepted_order(await self._ask("/order", {**fields, "service": order.service}))

    async def status(self, external_ids: Sequence[str]) -> Mapping[str, UpstreamReport | Rejected]:
        """Ask for up to fifty orders at once."""
        if not external_ids:
            return {}
        assert len(external_ids) <= BATCH_MAX, "the caller splits into batches"
        reply = await self._ask("/status", {"id": ",".join(external_ids)})
        reports = reports_in(reply, external_ids)
        return {
            external_id: _in_rupiah(report) if isinstance(report, UpstreamReport) else report
            for external_id, report in reports.items()
        }

    async def refill(self, external_id: str) -> str:
        """Ask for a refill; returns the refill's id."""
        return refill_id_in(await self._ask("/refill", {"id_order": external_id}), external_id)

    async def refill_status(self, refill_ids: Sequence[str]) -> Mapping[str, UpstreamRefillStatus | Rejected]:
        """Ask for the state of refills, one call each, since there is no other way here."""
        found: dict[str, UpstreamRefillStatus | Rejected] = {}
        for refill_id in refill_ids:
            reply = await self._ask("/refill_status", {"id_refill": refill_id})
            found.update(refill_states_in(reply, [refill_id]))
        return found

    async def cancel(self, external_ids: Sequence[str]) -> Mapping[str, Rejected | None]:
        """Turn all down without asking: MedanPedia cannot cancel."""
        return dict.fromkeys(external_ids, Rejected("MedanPedia cannot cancel orders"))

    async def balance(self) -> UpstreamBalance:
        """Read the account's balance, in rupiah."""
        return replace(balance_in(await self._ask("/profile")), currency=CURRENCY)

    async def recent_orders(self, limit: int) -> Sequence[RecentOrder]:
        """There is no such list here; `supports_listing` says so."""
        raise RefusedOrder(f"MedanPedia does not list orders (asked for {limit})")

    async def _ask(self, path: str, fields: Mapping[str, str] | None = None, **limits: Any) -> Reply:
        return await self._talk.ask("POST", self._base_url + path, {**(fields or {}), **self._sent_always}, **limits)


def _in_rupiah(report: UpstreamReport) -> UpstreamReport:
    """Add the currency, and believe "Error" to be a cancel only where nothing was charged."""
    status = report.status
    if word_of(report.raw_status) == "error":
        status = UpstreamStatus.CANCELED if report.charge is not None and report.charge == 0 else None
    return replace(report, status=status, currency=CURRENCY)


def _catalogue_in(reply: Reply) -> Catalogue:
    raise_error_in(reply)
    rows = reply.data.get("data") if isinstance(reply.data, Mapping) else None
    if not isinstance(rows, list):
        raise reply.unclear("the answer is no list of services")
    return read_rows(reply, rows, _service_of)


def _service_of(row: Mapping[str, Any]) -> UpstreamService | None:
    word = word_of(row.get("type"))
    return service_from(
        external_id=row.get("id"),
        name=row.get("name"),
        category=row.get("category"),
        type_word=OUR_TYPES.get(word) or type_of(word),
        rate=amount_of(row.get("price")),
        limits=(row.get("min"), row.get("max")),
        flags=(row.get("refill"), False, None),
        description=row.get("description"),
        average_time=row.get("average_time"),
    )
