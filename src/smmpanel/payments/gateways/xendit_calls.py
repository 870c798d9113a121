"""Calling Xendit with an account's key: what it answers to the letter, and what that says."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.addresses import address_in
from smmpanel.payments.gateways.calling import call, call_json
from smmpanel.payments.protocol import Account, GatewayFailedError, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, read_json

ADDRESS = "https://api.xendit.co"
API_VERSION = "2024-11-11"
TOKEN = "callback_token"  # noqa: S105 - the setting's name


class XenditCalls:
    """Requests in the name of one account. Every failure is a `GatewayFailedError`."""

    def __init__(self, account: Account, http: Outgoing) -> None:
        self._account = account
        self._http = http

    @property
    def key(self) -> str:
        """The newest secret key, or nothing."""
        return next(iter(self._account.secrets_named("secret_key")), "")

    @property
    def address(self) -> str:
        """Where Xendit is."""
        return address_in(self._account, "base_url", ADDRESS)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> tuple[bytes, Mapping[str, Any]]:
        """Return an answer to the letter, and what it says."""
        answer = await call(
            self._http, "GET", self.address + path, secrets=self._secrets, headers=self._headers, params=params
        )
        return answer.body, _read(answer.body)

    async def rows(self, path: str, params: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Return the objects of an answer that is a list."""
        answer = await call(
            self._http, "GET", self.address + path, secrets=self._secrets, headers=self._headers, params=params
        )
        found = _read(b'{"rows":%s}' % answer.body)["rows"]
        if not isinstance(found, list):
            raise GatewayFailedError
        return [row for row in found if isinstance(row, dict)]

    async def post(self, path: str, content: bytes, *, repeat_key: str = "", acts: bool = False) -> Mapping[str, Any]:
        """Send something, under a key if it is to be done once; `acts` as in `calling.call`."""
        headers = self._headers | {"content-type": "application/json"}
        if repeat_key:
            headers["idempotency-key"] = repeat_key
        url = self.address + path
        return await call_json(
            self._http, "POST", url, secrets=self._secrets, acts=acts, content=content, headers=headers
        )

    @property
    def _basic(self) -> str:
        return b64encode(f"{self.key}:".encode()).decode()

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (*self._account.secrets_named("secret_key"), *self._account.secrets_named(TOKEN), self._basic)

    @property
    def _headers(self) -> dict[str, str]:
        headers = {"authorization": f"Basic {self._basic}", "accept": "application/json", "api-version": API_VERSION}
        sub_account = self._account.option("for_user_id")
        return headers | ({"for-user-id": sub_account} if sub_account else {})


def told(fields: Mapping[str, Any], name: str) -> str:
    """Return a text of an answer; what is no text is none."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def number_told(fields: Mapping[str, Any], name: str) -> str:
    """Return the number of a thing; raises `GatewayFailedError` if an answer does not say it."""
    number = told(fields, name)
    if not 0 < len(number) <= NUMBER_MAX:
        raise GatewayFailedError
    return number


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        return read_json(body)
    except UnreadableMessageError:
        raise GatewayFailedError from None
