"""The fault script: which call is to be spoilt, how, how often.

A rule comes from the control interface, or from the link of an order, so that a person can try a fault by hand:
`https://instagram.com/x#fault=timeout_after`, with parameters as in `#fault=refuse&meaning=no_funds&dialect=keys&times=1`.
`?fault=…` works as well, for panels that cut fragments off. With `&action=status` the fault waits for the calls about
that order. Likewise `#finish=partial&remains=30` says how the order ends.

| kind | what the client meets | parameters |
| --- | --- | --- |
| `refuse` | a refusal | `meaning`, `dialect`, `variant_number`, `detail`, `text`, `shape`, `status` |
| `no_funds`, `bad_key` | that refusal, whatever is true | as for `refuse` |
| `rate_limit` | 429 with Retry-After, or 200 with `status` 200 | `status`, `retry_after`, `dialect` |
| `timeout` | silence until it leaves | `seconds`, after which the connection closes |
| `drop`, `reset` | the connection closed (FIN, RST) without a byte | |
| `cut` | half of the answer, then the connection closed | |
| `status_5xx` | a page of HTML | `status` (502, 503, 504) |
| `html_200` | a challenge page at 200 | |
| `garbage`, `empty` | bytes that are no JSON, or none | |
| `redirect` | 302 | `location`, `status` |
| `huge` | the right answer and megabytes of blanks | `megabytes` |
| `bom` | the right answer behind a byte order mark | |
| `wrong_type` | an answer of another type | `variant`: flip, string, number, null, scalars |
| `slow` | the right answer, late | `ms` |
| `variant` | the right answer in another form, see `provider_variants.VARIANTS` | `variant`, and its own |
| `dialect` | the answer of another engine | `dialect` |

From `timeout` to `huge` a kind may end in `_before` (nothing was done) or `_after` (the order was taken); for the others there
is only one possibility. `delay_ms` delays any of them.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from smmpanel.sandbox.provider_errors import DIALECTS, MEANINGS, SHAPES
from smmpanel.sandbox.provider_orders import Order
from smmpanel.sandbox.provider_variants import VARIANTS, WRONG_TYPES

# kind → when it strikes if the rule does not say; "before" means that the action is not carried out.
KINDS: dict[str, str] = {
    "refuse": "before",
    "no_funds": "before",
    "bad_key": "before",
    "rate_limit": "before",
    "timeout": "before",
    "drop": "before",
    "reset": "before",
    "cut": "after",
    "status_5xx": "before",
    "html_200": "before",
    "garbage": "before",
    "empty": "before",
    "redirect": "before",
    "huge": "after",
    "bom": "after",
    "wrong_type": "after",
    "slow": "after",
    "variant": "after",
    "dialect": "after",
}
EITHER = frozenset(
    {"timeout", "drop", "reset", "cut", "status_5xx", "html_200", "garbage", "empty", "redirect", "huge"}
)
ACTIONS = ("services", "add", "status", "refill", "refill_status", "cancel", "balance", "orders")

_RULE_FIELDS = frozenset({"kind", "when", "action", "link", "service", "order", "times", "probability"})
_NUMBERS = frozenset(
    {
        "times",
        "probability",
        "status",
        "ms",
        "delay_ms",
        "seconds",
        "megabytes",
        "retry_after",
        "variant_number",
        "percent",
    }
)


@dataclass(slots=True)
class FaultRule:
    """One fault and the calls it strikes. Empty conditions match everything; `times` counts down to 0."""

    kind: str
    when: str
    action: str = "*"
    link: str = ""
    service: str = ""
    order: str = ""
    times: int | None = None
    probability: float = 1.0
    params: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    struck: int = 0

    @property
    def name(self) -> str:
        """The kind as logs show it, with the moment where both are possible."""
        if self.kind == "variant":
            return f"variant:{self.params['variant']}"
        return f"{self.kind}_{self.when}" if self.kind in EITHER else self.kind

    def row(self) -> dict[str, Any]:
        """The rule as the control interface shows it."""
        return {name: getattr(self, name) for name in self.__slots__} | {"name": self.name}


def _check_params(kind: str, action: str, params: Mapping[str, Any]) -> None:
    for name, value in params.items():
        if name in _NUMBERS and not isinstance(value, (int, float)):
            raise ValueError(f"{name} is a number")
    if kind == "refuse" and params.get("meaning", "bad_action") not in MEANINGS:
        raise ValueError(f"meaning is one of {', '.join(MEANINGS)}")
    if kind in ("dialect", "refuse") and params.get("dialect", "human") not in DIALECTS:
        raise ValueError(f"dialect is one of {', '.join(DIALECTS)}")
    if params.get("shape", "plain") not in SHAPES:
        raise ValueError(f"shape is one of {', '.join(SHAPES)}")
    if kind == "wrong_type" and params.get("variant", "flip") not in WRONG_TYPES:
        raise ValueError(f"variant is one of {', '.join(WRONG_TYPES)}")
    if kind == "variant" and params.get("variant") not in VARIANTS.get(action, {}):
        raise ValueError(f"variant for {action} is one of {', '.join(VARIANTS.get(action, {}))}")


def read_rule(fields: Mapping[str, Any], *, default_action: str = "*") -> FaultRule:
    """Read a rule; a kind may end in `_before` or `_after`. Raises `ValueError` for anything that cannot be meant."""
    kind, when = str(fields.get("kind", "")), fields.get("when")
    stem, _, ending = kind.rpartition("_")
    if stem in EITHER and ending in ("before", "after"):
        kind, when = stem, ending
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}")
    if when is None:
        when = KINDS[kind]
    if when not in ("before", "after") or (when != KINDS[kind] and kind not in EITHER):
        raise ValueError(f"{kind} cannot strike {when}")
    action = str(fields.get("action", default_action))
    if action not in ("*", *ACTIONS):
        raise ValueError(f"action is one of {', '.join(ACTIONS)}")
    params = {name: value for name, value in fields.items() if name not in _RULE_FIELDS}
    _check_params(kind, action, params)
    times = fields.get("times")
    return FaultRule(
        kind=kind,
        when=when,
        action=action,
        link=str(fields.get("link", "")),
        service=str(fields.get("service", "")),
        order=str(fields.get("order", "")),
        times=None if times is None else int(times),
        probability=float(fields.get("probability", 1)),
        params=params,
    )


def _number(text: str) -> int | float | str:
    """A number from a link; what is none stays text, and is refused when the rule is read."""
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _marks(link: str, word: str) -> dict[str, Any] | None:
    """The parameters in a link from `word=` on, or `None` if it has none."""
    for sign in "#?&":
        _, found, rest = link.partition(f"{sign}{word}=")
        if found:
            marks: dict[str, Any] = dict(parse_qsl(f"{word}={rest}"))
            return {name: _number(value) if name in _NUMBERS else value for name, value in marks.items()}
    return None


class FaultScript:
    """The rules in force, in the order in which they were given: the first that matches strikes."""

    def __init__(self, seed: int) -> None:
        self.rules: list[FaultRule] = []
        self._rng = random.Random(seed)  # noqa: S311 - chooses whom a fault strikes, not secrets
        self._next_id = 1
        self._by_link: dict[str, FaultRule] = {}

    def add(self, rule: FaultRule) -> FaultRule:
        """Put a rule at the end of the script and give it its id."""
        rule.id = self._next_id
        self._next_id += 1
        self.rules.append(rule)
        return rule

    def remove(self, rule_id: int) -> bool:
        """Take one rule out; false if there is none with this id."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if rule.id != rule_id]
        return len(self.rules) < before

    def clear(self) -> None:
        """Take out every rule, also those that came with links."""
        self.rules.clear()
        self._by_link.clear()

    def for_link(self, link: str) -> FaultRule | None:
        """The fault that a link asks for; raises `ValueError` if it is none we know."""
        if "fault=" not in link:
            return None
        rule = self._by_link.get(link)
        if rule is None:
            marks = _marks(link, "fault")
            if marks is None:
                return None
            rule = read_rule({**marks, "kind": marks["fault"]}, default_action="add")
            self._by_link[link] = rule
        return rule

    def strike(
        self,
        action: str,
        *,
        link: str = "",
        service: str = "",
        refs: Collection[str] = (),
        orders: Sequence[Order] = (),
    ) -> FaultRule | None:
        """The fault for this call, counted as used; `None` if it goes well. May raise `ValueError` from a link."""
        rule = self.for_link(link) if link else None
        if rule is not None and rule.action == action and self._takes(rule):
            return rule
        for rule in self.rules:
            if rule.action not in ("*", action):
                continue
            if rule.link and rule.link not in link and not any(rule.link in order.link for order in orders):
                continue
            if rule.service and rule.service != service and not any(rule.service == str(o.service) for o in orders):
                continue
            if rule.order and rule.order not in refs:
                continue
            if self._takes(rule):
                return rule
        return None

    def _takes(self, rule: FaultRule) -> bool:
        if rule.times == 0 or (rule.probability < 1 and self._rng.random() >= rule.probability):
            return False
        if rule.times is not None:
            rule.times -= 1
        rule.struck += 1
        return True

    def follow(self, order: Order) -> None:
        """If the link of a new order asks for a fault in a later call about it, put that into the script."""
        rule = self.for_link(order.link)
        if rule is not None and rule.action != "add":
            self.add(replace(rule, link="", order=order.ref, struck=0))


def ending_from(link: str) -> tuple[str, str | None] | None:
    """The outcome, and the remains, that a link asks for with `#finish=`."""
    if "finish=" not in link:
        return None
    marks = _marks(link, "finish")
    return None if marks is None else (str(marks["finish"]), marks.get("remains"))
