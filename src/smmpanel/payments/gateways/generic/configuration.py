"""What a gateway is described by: TOML or JSON, checked piece by piece, each fault with the key that it is about."""

import ipaddress
import json
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.generic.paths import PATTERN
from smmpanel.payments.protocol import GatewayStatus

FIELD = "configuration"
LONGEST = 20_000
DEPTH_MAX = 12
AWAITED = marked(
    "cannot be used yet: nobody has said how this gateway works. Ask its owner for the base URL, the API document, an example of "
    "a request with its answer and of a message, and the secret of the signatures. Put them in here, and take out “unknown”."
)
NOT_WRITTEN = marked("is neither TOML nor JSON")
NOT_WRITTEN_AT = marked("is neither TOML nor JSON: look at line {line}")
NO_TABLE = marked("must be a table of keys")
MISSING = marked("“{key}” is missing")
STRANGE = marked("“{key}” is not known")
ONE_OF = marked("“{key}” must be one of {choices}")
WRONG = marked("“{key}” is not written as it should be")
TOO_LONG = marked("“{key}” is too long")

_IN_QUERY = re.compile(r"^query:")
_LINE = re.compile(r"line (\d+)")
_CONDITION = re.compile(r"^(?P<path>\$\S+) == (?P<values>\S.*)$")

Path = Annotated[str, StringConstraints(pattern=PATTERN)]
Short = Annotated[str, StringConstraints(max_length=20)]
Location = Annotated[
    str,
    StringConstraints(
        pattern=r"^(header:[A-Za-z0-9-]{1,60}(#[A-Za-z0-9_]{1,20})?|body:\$(\.[A-Za-z0-9_-]{1,64}){1,4}|query:[A-Za-z0-9_-]{1,60})$"
    ),
]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,60}$")]
Condition = Annotated[str, StringConstraints(pattern=r"^\$(\.[A-Za-z0-9_-]+|\[[0-9]+\])+ == \S.*$", max_length=300)]
Places = Annotated[int, Field(ge=0, le=6)]
Status = Literal[
    "pending", "paid", "failed", "expired", "review", "refunded", "partially_refunded", "reversed", "reinstated",
    "refund_failed",
]  # fmt: skip
Digest = Literal[
    "md5", "sha1", "sha256", "sha512", "hmac-sha1", "hmac-sha256", "hmac-sha512", "rsa-sha256", "static_token", "basic"
]
Payload = Literal["raw_body", "ts.body", "base64(raw_body)", "fields_concat", "fields_kv", "sorted_kv"]
IN_FIELDS = frozenset({"fields_concat", "fields_kv", "sorted_kv"})
PLAIN_DIGESTS = frozenset({"md5", "sha1", "sha256", "sha512"})
TOKENS = frozenset({"static_token", "basic"})
WEAK = TOKENS | {"md5", "sha1"}


class Part(BaseModel):
    """A part of a description: nothing in it is ignored, and nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, str_max_length=4000)


class Sign(Part):
    """How something is signed, or proved without a signature."""

    algo: Digest
    payload: Payload = "raw_body"
    fields: tuple[Path, ...] = Field((), max_length=30)
    fields_from: Path | None = None
    """Where a message lists the fields that it signs; `fields` must then be among them."""
    field_sep: Short | None = None
    kv_sep: Short = "="
    skip_empty: bool = False
    exclude: tuple[Annotated[str, StringConstraints(max_length=64)], ...] = ()
    secret_position: (
        Annotated[str, StringConstraints(pattern=r"^(hmac_key|prefix|suffix|kv:[A-Za-z0-9_-]{1,40})$")] | None
    ) = None
    secret_sep: Short | None = None
    encoding: Literal["hex", "HEX", "base64", "base64url"] = "hex"
    location: Location
    prefix: Short = ""
    username: Annotated[str, StringConstraints(max_length=100)] = ""
    """Of `basic` only."""
    timestamp_location: Location | None = None
    tolerance_s: int = Field(300, ge=1, le=86_400)
    ts_unit: Literal["s", "ms"] = "s"
    public_keys: tuple[str, ...] = ()
    """In PEM; of `rsa-sha256` only. Several while one is changed."""

    @property
    def separator(self) -> str:
        """What stands between fields."""
        if self.field_sep is not None:
            return self.field_sep
        return {"fields_kv": ",", "sorted_kv": "&"}.get(self.payload, "")

    @property
    def secret_separator(self) -> str:
        """What stands between the fields and the secret."""
        if self.secret_sep is not None:
            return self.secret_sep
        is_field = self.payload == "fields_concat" or (self.secret_position or "").startswith("kv:")
        return self.separator if is_field else ""


class Told(Part):
    """Where a message or an answer says what."""

    reference_path: Path | None = None
    gateway_txn_path: Path | None = None
    status_path: Path
    amount_path: Path | None = None
    currency_path: Path | None = None
    amount_unit: Literal["major", "minor"] = "major"
    exponent: Places | None = None
    """Decimals of `minor`; unless said, those of the currency."""
    status_map: dict[Annotated[str, StringConstraints(max_length=64)], Status] = Field(min_length=1)
    returned_path: Path | None = None
    """Where it says how much has gone back so far."""

    def status_of(self, word: str) -> GatewayStatus:
        """Return what a word means; what nobody has said is for people to look at, never money."""
        return GatewayStatus(self.status_map.get(word, "review"))


class Call(Part):
    """A request as it is made."""

    method: Literal["GET", "POST", "PUT"] = "POST"
    url: Annotated[str, StringConstraints(min_length=8, max_length=500)]
    headers: dict[HeaderName, str] = Field(default_factory=dict, max_length=20)
    body: dict[str, Any] = Field(default_factory=dict, max_length=60)
    success_when: Condition | None = None
    sign: Sign | None = None


class Create(Call):
    """How a payment is begun."""

    body_mode: Literal["json", "form", "query", "browser_form_post", "redirect_only"] = "json"
    redirect_url_path: Path | None = None
    gateway_id_path: Path | None = None
    qr_path: Path | None = None
    expires_path: Path | None = None
    redirect_hosts: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+$")], ...] = ()
    """Where customers may be sent; none: wherever an answer says. Of a form: where the gateway sends the browser on to."""

    @property
    def is_called(self) -> bool:
        """Whether the panel calls; otherwise the customer's browser does."""
        return self.body_mode not in {"browser_form_post", "redirect_only"}


class Notify(Told):
    """How the gateway tells of payments."""

    body: Literal["json", "form", "query", "base64_json"] = "json"
    """`query`: it calls our address with GET, and what it tells stands in there."""
    reference_path: Path
    only_when: tuple[Condition, ...] = Field((), max_length=5)
    """What must stand in a message for it to be ours: a merchant's number, an environment."""
    reply_status: int = Field(200, ge=200, le=299)
    reply_body: Annotated[str, StringConstraints(max_length=500)] = '{"status":"ok"}'
    reply_content_type: Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]+(; charset=[a-z0-9-]+)?$")] = (
        "application/json"
    )
    ip_allowlist: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = Field((), max_length=100)
    require_status_requery: bool | None = None
    staff_review: bool = False
    """Whether people look at what messages alone do not prove; only where nobody can be asked."""
    sign: Sign

    @model_validator(mode="before")
    @classmethod
    def _in_one_place(cls, raw: Any) -> Any:
        # Where all stands in an address, there is no body beside it: both names mean the same place.
        sign = raw.get("sign") if isinstance(raw, dict) and raw.get("body") == "query" else None
        if not isinstance(sign, dict):
            return raw
        places = {name: sign[name] for name in ("location", "timestamp_location") if isinstance(sign.get(name), str)}
        return {**raw, "sign": {**sign, **{name: _IN_QUERY.sub("body:$.", place) for name, place in places.items()}}}


class Query(Call, Told):
    """How the gateway is asked about a payment."""

    method: Literal["GET", "POST", "PUT"] = "GET"
    body_mode: Literal["json", "form", "query"] = "query"
    not_found_statuses: tuple[Annotated[int, Field(ge=400, le=499)], ...] = (404,)
    """HTTP statuses of an answer that mean: nothing has been paid yet."""


class RefundCall(Call):
    """How it is asked to give money back. What an answer leaves open is told later, or looked at by people: never sent again."""

    body_mode: Literal["json", "form", "query"] = "json"
    refused_when: Condition | None = None
    """What an answer says when nothing was done, and never will be."""
    refund_id_path: Path | None = None
    status_path: Path | None = None
    status_map: dict[Annotated[str, StringConstraints(max_length=64)], Literal["done", "pending", "failed"]] = Field(
        default_factory=dict
    )


class Configuration(Part):
    """One gateway as it is described."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,19}$")]
    """Part of the numbers of its money: it never changes."""
    amount_decimals: Places | None = None
    """How amounts are written in requests: with so many decimals, or without needless ones."""
    exponent: Places | None = None
    """Decimals of `{amount_minor}`; unless said, those of the currency."""
    create: Create
    notify: Notify | None = None
    query: Query | None = None
    refund: RefundCall | None = None

    @model_validator(mode="after")
    def _tells(self) -> Self:
        if self.notify is None and self.query is None:
            raise ValueError("nothing would ever tell of money")
        return self


@lru_cache(maxsize=64)
def configuration_in(text: str) -> Configuration:
    """Read a description; raises `InvalidInputError` that names the first key which is wrong."""
    raw = _document(text)
    if raw.pop("unknown", False):
        raise InvalidInputError(field=FIELD, reason=AWAITED)
    common = raw.pop("sign", {})
    if not isinstance(common, dict):
        raise fault(WRONG, "sign")
    for name in ("create", "query", "refund", "notify"):
        part = raw.get(name)
        if isinstance(part, dict) and ("sign" in part or name == "notify") and isinstance(part.get("sign", {}), dict):
            part["sign"] = {**common, **part.get("sign", {})}
    try:
        return Configuration.model_validate(raw)
    except ValidationError as wrong:
        raise _fault_of(wrong) from None


def condition_of(condition: str) -> tuple[str, tuple[str, ...]]:
    """Take `$.state == 0 | 200` apart: where it stands, and what may stand there."""
    found = _CONDITION.match(condition)
    assert found is not None, "its pattern was looked at"
    return found["path"], tuple(value.strip() for value in found["values"].split("|"))


def fault(reason: str, key: str, **facts: object) -> InvalidInputError:
    """Return the complaint about a key."""
    return InvalidInputError(field=FIELD, reason=reason, key=key, **facts)


def _document(text: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        raise fault(TOO_LONG, FIELD)
    is_json = text.lstrip().startswith("{")
    try:
        found = json.loads(text, parse_float=Decimal) if is_json else tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as wrong:
        line = _LINE.search(str(wrong))
        if line is None:
            raise InvalidInputError(field=FIELD, reason=NOT_WRITTEN) from None
        raise InvalidInputError(field=FIELD, reason=NOT_WRITTEN_AT, line=line[1]) from None
    if not isinstance(found, Mapping) or _is_deep(found, DEPTH_MAX):
        raise InvalidInputError(field=FIELD, reason=NO_TABLE)
    return dict(found)


def _is_deep(value: object, left: int) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return left == 0 or any(_is_deep(one, left - 1) for one in inner)


def _fault_of(wrong: ValidationError) -> InvalidInputError:
    first = wrong.errors(include_url=False, include_context=True)[0]
    # Where there is a choice of kinds, their names stand in it too, which are nobody's keys.
    key = ".".join(step for step in map(str, first["loc"]) if "(" not in step) or "notify"
    match first["type"]:
        case "missing":
            return fault(MISSING, key)
        case "extra_forbidden":
            return fault(STRANGE, key)
        case "literal_error":
            choices = str(first["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
            return fault(ONE_OF, key, choices=choices)
        case "string_too_long" | "too_long":
            return fault(TOO_LONG, key)
        case "value_error":
            return fault(MISSING, key)
        case _:
            return fault(WRONG, key)
