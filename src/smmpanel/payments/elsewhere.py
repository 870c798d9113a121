"""What a customer who pays at a gateway is led to: a link, a code to scan, or a form that their browser sends."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from smmpanel.payments.models import Deposit

FIELDS_MAX = 100
FURTHER_MAX = 5
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")
_ORIGIN = re.compile(r"https://(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a deposit is paid."""

    url: str
    fields: tuple[tuple[str, str], ...] = ()
    """Of the form that is sent there, in its order; none for a link."""
    is_form: bool = False
    further: tuple[str, ...] = ()
    """Other origins of the gateway's that its answer to the form sends the browser on to: browsers hold that against the form."""
    qr_payload: str = ""
    """What a code says that can be scanned instead."""

    @property
    def origin(self) -> str:
        """Whose address it is, as policies name it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def elsewhere(deposit: Deposit) -> Elsewhere | None:
    """Return where a deposit is paid; `None` if it is not paid elsewhere, or what its gateway said leads nowhere."""
    shown: Mapping[str, Any] = deposit.shown
    if shown.get("kind") == "redirect" and _leads_somewhere(url := str(shown.get("redirect_url"))):
        return Elsewhere(url, qr_payload=str(shown.get("qr") or ""))
    if shown.get("kind") == "form" and _leads_somewhere(url := str(shown.get("url"))):
        fields = tuple((str(name), str(value)) for name, value in list(shown.get("fields") or ())[:FIELDS_MAX])
        told = [str(one) for one in list(shown.get("goes_on_to") or ())[:FURTHER_MAX]]
        return Elsewhere(url, fields, is_form=True, further=tuple(one for one in told if _ORIGIN.fullmatch(one)))
    return None


def _leads_somewhere(url: str) -> bool:
    # Adapters look closely; here it is made sure that it is an address at all, and none that could end a policy's list.
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in {"https", "http"} and bool(host) and _HOST.fullmatch(parts.netloc) is not None
