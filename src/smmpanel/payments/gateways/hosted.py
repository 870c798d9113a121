"""What gateways have in common on whose own pages customers pay: there is no account of ours to transfer to, and no memo.

`Hosted` is the least of it; `WithBearerKey` adds one secret key that calls are made with, and one address they go to.
"""

from collections.abc import Mapping
from typing import ClassVar

from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.addresses import address_in
from smmpanel.payments.gateways.calling import call, refused
from smmpanel.payments.protocol import Account, GatewayFailedError, Setting, UnreadableMessageError
from smmpanel.payments.signing import read_json

SECRET_KEY = "secret_key"  # noqa: S105 - the setting's name


class Hosted:
    """A gateway that says itself to whom it was paid."""

    uses_memo: ClassVar[bool] = False
    approved_by_staff: ClassVar[bool] = False
    expires_minutes: ClassVar[int] = 60
    kept_headers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, account: Account, http: Outgoing) -> None:
        self._account = account
        self._http = http

    @property
    def accounts(self) -> frozenset[str]:
        """None: whatever the gateway says is right."""
        return frozenset()

    @property
    def _all_secrets(self) -> tuple[str, ...]:
        # All of them, whatever they are for: none may stand in what is noted of a call.
        return tuple(secret for name in self._account.secrets for secret in self._account.secrets_named(name))


class WithBearerKey(Hosted):
    """A gateway that is called with one secret key, the same address for real and for test keys."""

    api_url: ClassVar[str]
    tells_nothing_with: ClassVar[frozenset[int]] = frozenset()
    """HTTP statuses with which it says that there is no such thing: answers like any other."""

    @property
    def can_be_asked(self) -> bool:
        """With its key."""
        return bool(self._key)

    @property
    def _key(self) -> str:
        return next(iter(self._account.secrets_named(SECRET_KEY)), "")

    @property
    def _address(self) -> str:
        return address_in(self._account, "base_url", self.api_url)

    @property
    def _headers(self) -> dict[str, str]:
        if not self._key:
            raise GatewayFailedError
        return {"authorization": f"Bearer {self._key}"}

    async def _asked(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """Return an answer as it came, if it is JSON."""
        url = f"{self._address}{path}"
        answer = await call(
            self._http,
            "GET",
            url,
            secrets=self._all_secrets,
            also=self.tells_nothing_with,
            params=query,
            headers=self._headers,
        )
        try:
            read_json(answer.body)
        except UnreadableMessageError:
            raise refused(url, answer.body, self._all_secrets) from None
        return answer.body


def another_address(hint: str) -> Setting:
    """Return the setting for an address that is not the gateway's own: a sandbox's."""
    return Setting("base_url", marked("Another address of the gateway"), required=False, hint=hint)
