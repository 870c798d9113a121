"""What must be right in a description besides its form: addresses, secrets, and above all that messages prove what they say."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.addresses import is_safe_address
from smmpanel.payments.gateways.generic.configuration import (
    IN_FIELDS,
    MISSING,
    PLAIN_DIGESTS,
    TOKENS,
    WEAK,
    WRONG,
    Call,
    Configuration,
    Create,
    Notify,
    Query,
    RefundCall,
    Sign,
    condition_of,
    fault,
)
from smmpanel.payments.gateways.generic.paths import found_at, is_at_the_top, name_of
from smmpanel.payments.gateways.generic.placeholders import KNOWN, SECRET, names_in, texts_in
from smmpanel.payments.gateways.generic.signatures import is_private_key, is_public_key

NOT_SECURE = marked("“{key}” must be an address that begins with https://, with no placeholder in its host")
NO_PLACEHOLDER = marked("“{key}” holds a placeholder that is not known there: {name}")
SHOWN_SECRET = marked("“{key}” would show a secret to customers")
NOT_FLAT = marked("“{key}” must be plain text or a number: only JSON has objects and lists")
NEEDS_SECRET = marked("is needed: “{key}” uses it")
NO_KEY = marked("must be a private RSA key in PEM, of 2048 bits or more")
NO_PUBLIC_KEY = marked("“{key}” must hold public RSA keys in PEM, of 2048 bits or more")
UNSIGNED_TIME = marked("“{key}” is worth nothing: the time must be among what is signed")
UNSIGNED = marked(
    "“{key}” is false, and what is signed leaves out {what}: whoever sees one message could write another. Have the gateway asked."
)
NOBODY_TO_ASK = marked(
    "“{key}” is missing: messages alone do not prove enough here. Say how the gateway is asked, or “staff_review = true” under "
    "“notify”, so that people look at each payment."
)
SAME_NUMBERS = marked("“{key}” must be said of messages and of answers, or of neither: it is the number of the money")
CREDITS = ("reference_path", "amount_path", "status_path")
"""What must be said, and signed."""
SIGNED_IF_SAID = ("currency_path", "gateway_txn_path", "returned_path")
"""With another number the same money would be credited again."""
IN_QUERIES = (
    frozenset({"reference", "amount", "amount_minor", "currency", "ts", "ts_ms", "nonce", "gateway_id"}) | SECRET
)
IN_REFUNDS = IN_QUERIES | {"gateway_txn", "refund_key", "reason"}

Secrets = Callable[[str], tuple[str, ...]]


def check(described: Configuration, secrets: Secrets) -> None:
    """Raise `InvalidInputError` that names the first key, or secret, which is wrong."""
    _check_create(described.create)
    if described.query is not None:
        _check_query(described.query, described.create)
    if described.refund is not None:
        _check_refund(described.refund, described.create)
    if described.notify is not None:
        _check_notify(described.notify, described.query)
    for key, sign in _signs(described):
        _check_sign(key, sign, is_message=key.startswith("notify"))
    _check_secrets(described, secrets)


def must_be_asked(notify: Notify) -> bool:
    """Whether messages only lead to a question, or to people, whatever they prove."""
    if notify.require_status_requery or unsigned(notify):
        return True
    sign, position = notify.sign, notify.sign.secret_position
    stretches = sign.algo in PLAIN_DIGESTS and position == "prefix"  # more can be put behind
    return notify.require_status_requery is None and (sign.algo in WEAK or stretches)


def unsigned(notify: Notify) -> list[str]:
    """Return what money depends on and the signature does not cover."""
    missing = [name for name in CREDITS if getattr(notify, name) is None]
    said = {name: getattr(notify, name) for name in (*CREDITS, *SIGNED_IF_SAID)}
    missing += [name for name, path in said.items() if path is not None and not _covers(notify.sign, path)]
    conditions = [condition_of(condition)[0] for condition in notify.only_when]
    return missing + (["only_when"] if not all(_covers(notify.sign, path) for path in conditions) else [])


def message_secrets(secrets: Secrets) -> tuple[str, ...]:
    """Return the secrets that prove messages: their own, or those that sign requests."""
    return secrets("notify_secret") or secrets("secret")


def _covers(sign: Sign, path: str) -> bool:
    if sign.algo in TOKENS:
        return False
    if sign.payload not in IN_FIELDS:
        return True
    if sign.payload == "sorted_kv" and not sign.fields:
        return is_at_the_top(path) and name_of(path) not in sign.exclude
    return path in sign.fields


def _signs(described: Configuration) -> Iterator[tuple[str, Sign]]:
    parts = {name: getattr(described, name) for name in ("create", "query", "refund", "notify")}
    for name, part in parts.items():
        if part is not None and part.sign is not None:
            yield f"{name}.sign", part.sign


def _check_create(create: Create) -> None:
    _check_call("create", create, KNOWN - {"gateway_id", "gateway_txn", "refund_key", "reason"})
    if create.is_called:
        if create.redirect_url_path is None:
            raise fault(MISSING, "create.redirect_url_path")
        return
    texts = [create.url, *texts_in(create.body)]
    if any(SECRET & names_in(text) for text in texts):
        raise fault(SHOWN_SECRET, "create.body")
    if create.headers:
        raise fault(WRONG, "create.headers")  # browsers send their own
    if create.sign is not None and (create.sign.algo in TOKENS or create.sign.location.startswith("header:")):
        raise fault(SHOWN_SECRET if create.sign.algo in TOKENS else WRONG, "create.sign.location")


def _check_query(query: Query, create: Create) -> None:
    _check_call("query", query, IN_QUERIES)
    if query.amount_path is None:
        raise fault(MISSING, "query.amount_path")
    _check_number(query, create)


def _check_refund(refund: RefundCall, create: Create) -> None:
    _check_call("refund", refund, IN_REFUNDS)
    _check_number(refund, create)
    if refund.method == "GET":
        raise fault(WRONG, "refund.method")  # what is called with GET may be called twice on the way
    if refund.status_map and refund.status_path is None:
        raise fault(MISSING, "refund.status_path")
    if refund.status_path is not None and not refund.status_map:
        raise fault(MISSING, "refund.status_map")


def _check_number(call: Call, create: Create) -> None:
    uses_number = any("gateway_id" in names_in(text) for text in _templates(call))
    if uses_number and create.gateway_id_path is None:
        raise fault(MISSING, "create.gateway_id_path")


def _check_call(name: str, call: Create | Query | RefundCall, known: frozenset[str]) -> None:
    parts = urlsplit(call.url.replace("{", "(").replace("}", ")"))
    if not is_safe_address(f"{parts.scheme}://{parts.netloc}") or "(" in parts.netloc or "#" in call.url:
        raise fault(NOT_SECURE, f"{name}.url")
    for text in _templates(call):
        try:
            strange = names_in(text) - known
        except ValueError as brace:
            strange = {str(brace)}
        if strange:
            raise fault(NO_PLACEHOLDER, name, name=min(strange))
    if call.body_mode != "json":
        for key, value in call.body.items():
            if isinstance(value, (dict, list)) or value is None or ":number}" in str(value):
                raise fault(NOT_FLAT, f"{name}.body.{key}")
    _check_signed_fields(name, call)


def _check_signed_fields(name: str, call: Call) -> None:
    """A field that is not sent would be signed as nothing, and the gateway would only say that the signature is wrong."""
    if call.sign is None or call.sign.payload not in IN_FIELDS or call.sign.algo in TOKENS:
        return
    for path in call.sign.fields:
        if found_at(call.body, path) is None and call.sign.timestamp_location != f"body:{path}":
            raise fault(MISSING, f"{name}.body.{name_of(path)}")


def _templates(call: Call) -> list[str]:
    return [call.url, *call.headers.values(), *texts_in(call.body)]


def _check_notify(notify: Notify, query: Query | None) -> None:
    left_out = unsigned(notify)
    if notify.require_status_requery is False and left_out:
        what = ", ".join(name.removesuffix("_path") for name in left_out)
        raise fault(UNSIGNED, "notify.require_status_requery", what=what)
    sign = notify.sign
    is_blurred = sign.payload in IN_FIELDS and not sign.separator and len(sign.fields) != 1
    if (must_be_asked(notify) or is_blurred) and query is None and not notify.staff_review:
        raise fault(NOBODY_TO_ASK, "query")
    if query is None and notify.amount_path is None:
        raise fault(MISSING, "notify.amount_path")
    if query is not None and (notify.gateway_txn_path is None) != (query.gateway_txn_path is None):
        raise fault(SAME_NUMBERS, "gateway_txn_path")


def _check_sign(key: str, sign: Sign, *, is_message: bool) -> None:
    if sign.algo in PLAIN_DIGESTS and sign.secret_position in {None, "hmac_key"}:
        raise fault(MISSING, f"{key}.secret_position")
    if sign.algo not in PLAIN_DIGESTS and sign.secret_position not in {None, "hmac_key"}:
        raise fault(WRONG, f"{key}.secret_position")
    if sign.payload in {"fields_concat", "fields_kv"} and not sign.fields and sign.algo not in TOKENS:
        raise fault(MISSING, f"{key}.fields")
    if sign.fields_from is not None and (sign.payload == "sorted_kv" or not is_message):
        raise fault(WRONG, f"{key}.fields_from")
    if sign.algo == "basic" and not sign.username:
        raise fault(MISSING, f"{key}.username")
    if sign.timestamp_location is None and sign.payload == "ts.body":
        raise fault(MISSING, f"{key}.timestamp_location")
    if sign.timestamp_location is not None and not _signs_time(sign, sign.timestamp_location):
        raise fault(UNSIGNED_TIME, f"{key}.timestamp_location")
    if sign.algo == "rsa-sha256" and is_message:
        if not sign.public_keys:
            raise fault(MISSING, f"{key}.public_keys")
        if not all(is_public_key(one) for one in sign.public_keys):
            raise fault(NO_PUBLIC_KEY, f"{key}.public_keys")


def _signs_time(sign: Sign, where: str) -> bool:
    if sign.algo in TOKENS:
        return False
    if sign.payload == "ts.body":
        return True
    kind, _, path = where.partition(":")
    return kind == "body" and _covers(sign, path)


def _check_secrets(described: Configuration, secrets: Secrets) -> None:
    calls = [call for call in (described.create, described.query, described.refund) if call is not None]
    for name in ("secret", "api_key"):
        uses = any(name in names_in(text) for call in calls for text in _templates(call))
        if uses and not secrets(name):
            raise InvalidInputError(field=name, reason=NEEDS_SECRET, key=f"{{{name}}}")
    for key, sign in _signs(described):
        if key.startswith("notify"):
            if sign.algo != "rsa-sha256" and not message_secrets(secrets):
                raise InvalidInputError(field="secret", reason=NEEDS_SECRET, key=key)
        elif not secrets("secret"):
            raise InvalidInputError(field="secret", reason=NEEDS_SECRET, key=key)
        elif sign.algo == "rsa-sha256" and not is_private_key(secrets("secret")[0]):
            raise InvalidInputError(field="secret", reason=NO_KEY)
