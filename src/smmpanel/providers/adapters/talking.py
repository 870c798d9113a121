"""One call to a panel: what went wrong on the way becomes one of the five failures, and what came back becomes JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from smmpanel.kernel.http import Answer, AnswerLostError, NotSentError, Outgoing, redacted
from smmpanel.providers.adapters.reading import NotJSONError, parse_json
from smmpanel.providers.adapters.words import Meaning, meaning_of
from smmpanel.providers.protocol import NotSent, ProviderFailure, RefusedAccount, RefusedOrder, TryLater, Unclear

TEXT_MAX = 300
ANSWER_MAX = 2000
CATALOGUE_BYTES_MAX = 64 * 1024 * 1024
RETRY_AFTER_MAX = 24 * 3600

_CHALLENGE_MARKS = (b"_cf_chl_opt", b"challenge-platform", b"cf-browser-verification", b"<title>Just a moment...")
_BLOCK_MARKS = (b"Attention Required! | Cloudflare",)


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer. `answer` is its text, redacted; `data` is what it says, not yet understood."""

    status: int
    data: Any
    answer: str
    secrets: tuple[str, ...]
    retry_after_seconds: int | None = None

    def unclear(self, text: str) -> Unclear:
        """Return the failure for an answer that makes no sense."""
        return Unclear(self.shown(text), answer=self.answer, status=self.status)

    def refused_order(self, text: str) -> RefusedOrder:
        """Return the failure for an answer that turns down this order only."""
        return RefusedOrder(self.shown(text), answer=self.answer, status=self.status)

    def refusal(self, text: str, *, meaning: Meaning | None = None, about_one_order: bool = False) -> ProviderFailure:
        """Return the failure that an explicit error means.

        What its words say comes first, the HTTP status second. An error that neither explains is a refusal of this
        order: the panel said no and gave no order id. `about_one_order` says that the call is one that a panel may simply
        not have (refill, cancel), so that an unknown action is no reason to distrust the whole account.
        """
        meaning = meaning or meaning_of(text)
        if meaning is Meaning.UNKNOWN:
            meaning = {401: Meaning.ACCOUNT, 402: Meaning.ACCOUNT, 403: Meaning.ACCOUNT}.get(self.status, Meaning.ORDER)
        if self.status == 429 or meaning is Meaning.LATER:
            return TryLater(
                self.shown(text),
                answer=self.answer,
                status=self.status,
                retry_after_seconds=self.retry_after_seconds,
            )
        if meaning is Meaning.UNCLEAR:
            return self.unclear(text)
        if meaning is Meaning.ACCOUNT or (meaning is Meaning.ACTION and not about_one_order):
            return RefusedAccount(self.shown(text), answer=self.answer, status=self.status)
        return self.refused_order(text)

    def shown(self, text: str) -> str:
        """Return words of the panel as they may be stored and shown."""
        return redacted(text, self.secrets, max_chars=TEXT_MAX)


@dataclass(frozen=True, slots=True)
class Talk:
    """How one connection's calls are made."""

    http: Outgoing
    timeout_seconds: float
    secrets: tuple[str, ...]
    challenge_means_not_sent: bool = False
    headers: Mapping[str, str] | None = None

    async def ask(
        self,
        method: Literal["GET", "POST"],
        url: str,
        params: Mapping[str, str],
        *,
        as_json: bool = False,
        max_body_bytes: int | None = None,
    ) -> Reply:
        """Make one call; returns whatever JSON came back with a status from 200 to 499, redirects excluded."""
        try:
            answer = await self.http.send(
                method,
                url,
                params=params if method == "GET" else None,
                form=params if method == "POST" and not as_json else None,
                json=dict(params) if method == "POST" and as_json else None,
                headers=self.headers,
                timeout_seconds=self.timeout_seconds,
                max_body_bytes=max_body_bytes,
                secrets=self.secrets,
            )
        except NotSentError as failure:
            raise NotSent(failure.text) from None
        except AnswerLostError as failure:
            raise Unclear(failure.text) from None
        return self._read(answer)

    def _read(self, answer: Answer) -> Reply:
        shown = redacted(answer.body, self.secrets, max_chars=ANSWER_MAX)
        status = answer.status
        if self.challenge_means_not_sent and is_challenge(answer):
            raise NotSent(f"a challenge page instead of the panel (HTTP {status})", answer=shown, status=status)
        if not (200 <= status < 300 or 400 <= status < 500):
            what = "a redirect" if status < 400 else "a server error"
            raise Unclear(f"{what} instead of an answer (HTTP {status})", answer=shown, status=status)
        wait = retry_after_of(answer.headers)
        try:
            data = parse_json(answer.body)
        except NotJSONError:
            if status == 429:
                raise TryLater("too many requests", answer=shown, status=status, retry_after_seconds=wait) from None
            kind = "a page" if answer.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else "no JSON"
            kind = kind if answer.body.strip() else "nothing"
            raise Unclear(f"{kind} instead of an answer (HTTP {status})", answer=shown, status=status) from None
        return Reply(status, data, shown, self.secrets, wait)


def is_challenge(answer: Answer) -> bool:
    """Whether a guard in front of the panel answered instead of it: a Cloudflare challenge or block page."""
    if answer.status not in {403, 503}:
        return False
    if answer.headers.get("cf-mitigated", "").lower() == "challenge":
        return True
    page = answer.body.lstrip(b"\xef\xbb\xbf \t\r\n")
    return page.startswith(b"<") and any(mark in page for mark in (*_CHALLENGE_MARKS, *_BLOCK_MARKS))


def retry_after_of(headers: Mapping[str, str]) -> int | None:
    """Return how many seconds the panel asks us to wait, from either form of `Retry-After`."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(int(text), RETRY_AFTER_MAX)
    try:
        # A date is read against the server's own clock, which is the one it was written by.
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(int(wait.total_seconds()), 0), RETRY_AFTER_MAX)
