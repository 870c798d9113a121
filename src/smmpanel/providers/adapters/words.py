"""What panels mean by their words: states, service types and, above all, errors.

Error texts are sorted by the class of their meaning, never compared for equality: there are two families of texts, a
dialect per script, and every panel edits its own.
"""

import re
from collections.abc import Mapping
from enum import Enum

from smmpanel.providers.adapters.reading import word_of
from smmpanel.providers.protocol import UpstreamRefillStatus, UpstreamStatus

STATUS_WORDS: Mapping[str, UpstreamStatus] = {
    "pending": UpstreamStatus.PENDING,
    "awaiting": UpstreamStatus.PENDING,
    "queued": UpstreamStatus.PENDING,
    "processing": UpstreamStatus.PROCESSING,
    "in_progress": UpstreamStatus.IN_PROGRESS,
    "inprogress": UpstreamStatus.IN_PROGRESS,
    "completed": UpstreamStatus.COMPLETED,
    "complete": UpstreamStatus.COMPLETED,
    "success": UpstreamStatus.COMPLETED,
    "partial": UpstreamStatus.PARTIAL,
    "partially_completed": UpstreamStatus.PARTIAL,
    "canceled": UpstreamStatus.CANCELED,
    "cancelled": UpstreamStatus.CANCELED,
    "refunded": UpstreamStatus.CANCELED,
    "refund": UpstreamStatus.CANCELED,
    "active": UpstreamStatus.ACTIVE,
    "paused": UpstreamStatus.PAUSED,
    "expired": UpstreamStatus.EXPIRED,
}
"""`Fail`, `Error` and bare numbers are left out on purpose: they do not say that money came back, so the caller keeps the
last state and somebody looks."""

REFILL_WORDS: Mapping[str, UpstreamRefillStatus] = {
    "pending": UpstreamRefillStatus.PENDING,
    "awaiting": UpstreamRefillStatus.PENDING,
    "in_progress": UpstreamRefillStatus.IN_PROGRESS,
    "inprogress": UpstreamRefillStatus.IN_PROGRESS,
    "processing": UpstreamRefillStatus.IN_PROGRESS,
    "completed": UpstreamRefillStatus.COMPLETED,
    "complete": UpstreamRefillStatus.COMPLETED,
    "success": UpstreamRefillStatus.COMPLETED,
    "rejected": UpstreamRefillStatus.REJECTED,
    "canceled": UpstreamRefillStatus.REJECTED,
    "cancelled": UpstreamRefillStatus.REJECTED,
    "error": UpstreamRefillStatus.ERROR,
    "fail": UpstreamRefillStatus.ERROR,
    "failed": UpstreamRefillStatus.ERROR,
}

TYPE_WORDS: Mapping[str, str] = {
    "custom_comment": "custom_comments",
    "custom_comment_package": "custom_comments_package",
    "mention": "mentions",
    "mentions_with_hashtag": "mentions_with_hashtags",
    "mention_list": "mentions_custom_list",
    "mention_hashtag": "mentions_hashtag",
    "mention_follower": "mentions_user_followers",
    "mention_media": "mentions_media_likers",
    "mentions_media_liker": "mentions_media_likers",
    "comment_like": "comment_likes",
    "comment_reply": "comment_replies",
    "invite_from_groups": "invites_from_groups",
    "invites_from_group": "invites_from_groups",
    "subscription": "subscriptions",
}

YES_WORDS = frozenset({"success", "ok", "true", "1", "yes", "sucess"})
"""The last one is sent by a real panel."""
NO_WORDS = frozenset({"error", "fail", "failed", "failure", "false", "0", "no"})


class Meaning(Enum):
    """What an explicit error says."""

    ORDER = "order"
    ACCOUNT = "account"
    LATER = "later"
    UNCLEAR = "unclear"
    """The panel itself stumbled; whether before or after taking the order, it does not say."""
    ACTION = "action"
    """It does not know what we asked for at all."""
    UNKNOWN = "unknown"


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE)


_MEANINGS: tuple[tuple[Meaning, re.Pattern[str]], ...] = (
    (
        Meaning.UNCLEAR,
        _any(
            r"internal\b.{0,20}\berror", r"server error", r"something (went|is) wrong", r"unexpected error", r"sqlstate",
            r"exception", r"time[d ]*\s?-?out\b", r"bad gateway", r"unknown error", r"fatal error",
            r"database (error|connection)", r"kesalahan (sistem|server)", r"lỗi (hệ thống|máy chủ)",
        ),
    ),
    (
        Meaning.LATER,
        _any(
            r"too[ _]?many[ _](requests?|orders|attempts|calls|connections)", r"too[ _]?many\W*$", r"rate[ _-]?limit",
            r"(?<!quantity )(?<!max )limit (exceeded|reached)", r"slow down", r"\bflood",
            r"duplicate.{0,20}(order|link|target)", r"(order|link|target).{0,20}duplicate", r"active order",
            r"order.{0,30}\bsame link", r"same link.{0,40}\border", r"wait until", r"please wait",
            r"already (have|has|exists?).{0,40}\b(order|link)", r"try again (later|in)", r"maintenance",
            r"temporar(y|ily) (unavailable|disabled|closed)", r"\bbusy\b", r"target yang sama", r"pesanan aktif",
            r"masih (ada|terdapat)", r"terlalu banyak", r"sedang (maintenance|gangguan|perbaikan)", r"coba lagi",
            r"quá nhiều", r"bảo trì", r"thử lại sau",
        ),
    ),
    # An order's own link can lead to a "suspended account" or a "user not found". Whoever places such an order must
    # not be able to stop a provider for everybody, so those words count here only where they are about us.
    (
        Meaning.ACCOUNT,
        _any(
            r"\bapi[ _-]?(key|id|token)\b", r"(in(valid|correct)|wrong|bad|missing|unknown) (key|token|credentials?)\b",
            r"\bkey\b.{0,20}\b(invalid|incorrect|wrong|expired|not (found|valid))", r"\bbad_auth\b", r"api is disabled?\b",
            r"^user (was )?not found\W*$", r"api (access )?(is |has been )?(disabled?|off|blocked|not (enabled|allowed))",
            r"not[ _]enough[ _](funds?|balance|money|credits?)", r"insufficient[ _](funds?|balance|credits?)",
            r"(low|no|negative) (funds|balance)\b", r"balance.{0,30}\b(not enough|insufficient|too low)", r"top[ -]?up",
            r"\bip\b.{0,60}\b(not|isn.t|denied|blocked|forbidden|invalid|tidak|whitelist)", r"whitelist",
            r"(your|api|reseller) (account|user).{0,30}\b(suspend|block|bann?ed|disabled|inactive|not active|frozen)",
            r"unauthori[sz]ed", r"unauthenticated", r"not authenticated", r"authenticat\w+ (failed|required|error)",
            r"access denied", r"permission denied", r"^forbidden\b", r"kredensial", r"saldo.{0,40}\b(tidak|kurang)",
            r"akun anda.{0,30}\b(tidak aktif|diblokir|suspend)", r"số dư", r"không đủ (tiền|số dư)",
        ),
    ),
    (
        Meaning.ORDER,
        _any(
            r"\blink\b", r"\burl\b", r"quantity", r"\bmin(imal|imum|_quantity)?\b", r"\bmax(imal|imum|_quantity)?\b",
            r"less than", r"more than", r"greater than", r"service", r"comment", r"username", r"hashtag", r"order",
            r"\brefill\b", r"cancel", r"not eligible", r"\bruns?\b", r"interval", r"drip", r"jumlah", r"layanan",
            r"pesanan", r"target", r"dịch vụ", r"số lượng", r"liên kết",
        ),
    ),
    (
        Meaning.ACTION,
        _any(r"\baction\b", r"bad_action", r"(incorrect|invalid|bad) request", r"method not allowed"),
    ),
)  # fmt: skip

_UNKNOWN_ORDER = _any(
    r"\border[ _]?(ids?|not[ _]found|does(n.t| not) exist)", r"\b(no|unknown|invalid|incorrect) orders?\b",
    r"refill (ids?\b|not[ _]found)", r"(pesanan|order) tidak ditemukan", r"refill tidak ditemukan",
)  # fmt: skip


def meaning_of(text: str) -> Meaning:
    """Sort an error text by what it says; the first class that fits wins, the graver ones come first."""
    for meaning, pattern in _MEANINGS:
        if pattern.search(text):
            return meaning
    return Meaning.UNKNOWN


def is_unknown_order(text: str) -> bool:
    """Whether an error says that an order's or refill's id is not known."""
    return _UNKNOWN_ORDER.search(text) is not None


def status_of(value: object, own_words: Mapping[str, UpstreamStatus] | None = None) -> UpstreamStatus | None:
    """Return the state that a panel's word means; a panel's own words come before the field's."""
    word = word_of(value)
    return (own_words or {}).get(word) or STATUS_WORDS.get(word)


def refill_status_of(value: object) -> UpstreamRefillStatus | None:
    """Return the refill state that a panel's word means."""
    return REFILL_WORDS.get(word_of(value))


def type_of(value: object) -> str:
    """Return the slug of a service type, or the panel's own word, normalised; no word means the default type."""
    word = word_of(value) or "default"
    return TYPE_WORDS.get(word, word)


def says_yes(value: object) -> bool:
    """Whether a value is an explicit marker of success."""
    return value is True or (not isinstance(value, bool) and word_of(value) in YES_WORDS)


def says_no(value: object) -> bool:
    """Whether a value is an explicit marker of failure."""
    return value is False or (not isinstance(value, bool) and word_of(value) in NO_WORDS)
