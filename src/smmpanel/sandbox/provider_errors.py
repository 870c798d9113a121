"""The refusals of a provider: what they mean, and the words each family of panels has for them."""

from typing import Any

DIALECTS = ("human", "keys", "smartpanel", "cmsnt", "cmsnt_new")

# meaning → dialect → wordings; `{}` stands for the limit or the field. A dialect without words of its own uses "human".
_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "bad_key": {
        "human": ("Invalid API key", "Incorrect API key"),
        "smartpanel": ("API is Disable for this user or User Not Found! Contact the Support",),
        "cmsnt": ("Invalid API Key",),
    },
    "bad_action": {
        "human": ("Incorrect request", "Incorrect action"),
        "smartpanel": ("This action is Invalid",),
        "cmsnt": ("The action field is invalid.",),
    },
    "bad_service": {
        "human": ("Incorrect service ID",),
        "keys": ("error.incorrect_service_id", "neworder.error.service_not_found"),
        "smartpanel": ("Service ID does not exists",),
        "cmsnt": ("Invalid Service Id",),
    },
    "disabled": {"human": ("Disabled service ID",), "smartpanel": ("Service ID does not exists",)},
    "no_funds": {
        "human": ("Not enough funds on balance",),
        "keys": ("neworder.error.not_enough_funds", "neworder.error.insufficient_balance"),
        "smartpanel": ("Not enough funds on balance",),
        "cmsnt": ("Insufficient balance",),
    },
    "min": {
        "human": ("Quantity less than minimal {}",),
        "keys": ("neworder.error.min_quantity",),
        "smartpanel": ("Quantity must to be greater than or equal to minimum amount {}",),
        "cmsnt": ("Minimum quantity is {}",),
    },
    "max": {
        "human": ("Quantity more than maximum {}",),
        "keys": ("neworder.error.max_quantity",),
        "smartpanel": ("Quantity must to be less than or equal to maximum amount {}",),
        "cmsnt": ("Maximum quantity is {}",),
    },
    "link": {
        "human": ("Incorrect link", "Bad link"),
        "keys": ("neworder.error.link", "neworder.error.invalid_link"),
        "smartpanel": ("Bad Link",),
    },
    "link_duplicate": {
        "human": ("You have active order with this link. Please wait until order being completed.",),
        "keys": ("neworder.error.link_duplicate",),
    },
    "comments": {
        "human": ("Incorrect comments",),
        "keys": ("neworder.error.comment",),
        "smartpanel": ("Comments field is required",),
        "cmsnt": ("Invalid comments",),
    },
    "field": {
        "human": ("Incorrect {}",),
        "keys": ("neworder.error.{}",),
        "smartpanel": ("{} field is required",),
        "cmsnt": ("Invalid {}",),
    },
    "interval": {
        "human": ("Incorrect interval",),
        "keys": ("neworder.error.interval",),
        "smartpanel": ("Interval value is invalid",),
        "cmsnt": ("Invalid interval",),
    },
    "bad_order": {"human": ("Incorrect order ID",), "cmsnt": ("Invalid Order Id",)},
    "bad_refill": {"human": ("Refill not found",)},
    "refill_refused": {"human": ("Order not eligible for refill.",)},
    "cancel_refused": {"human": ("Order can not be canceled",)},
    "too_many": {
        "human": ("Too many requests",),
        "keys": ("neworder.error.too_many_orders",),
        "cmsnt": ("Too many requests",),
    },
    "too_many_ids": {"human": ("Maximum 100 orders",)},
    "no_ids_match": {"human": ("Invalid Order Ids",)},
    "method": {"human": ("Method Not Allowed",)},
}
_CMSNT_STATUS = {"bad_key": 401, "method": 405, "too_many": 429}
SHAPES = ("plain", "with_msg", "message", "object", "validation")

MEANINGS = tuple(_WORDS)


class Refusal(Exception):  # noqa: N818 - not a failure of ours: the provider says no
    """The provider says no; `detail` is the limit or the field that its sentence names."""

    def __init__(self, meaning: str, detail: object = "") -> None:
        assert meaning in _WORDS, meaning
        super().__init__(meaning)
        self.meaning = meaning
        self.detail = str(detail)


def wordings(meaning: str, dialect: str) -> tuple[str, ...]:
    """Every published wording of a refusal in one dialect, with `{}` for the limit or field."""
    words = _WORDS[meaning]
    return words.get("cmsnt" if dialect == "cmsnt_new" else dialect) or words["human"]


def error_text(meaning: str, dialect: str, detail: str = "", variant: int = 0) -> str:
    """One refusal in the words of a dialect."""
    words = wordings(meaning, dialect)
    return words[variant % len(words)].format(detail)


def error_answer(meaning: str, dialect: str, detail: str = "", variant: int = 0) -> tuple[int, dict[str, Any]]:
    """HTTP status and body with which a panel of this dialect refuses."""
    text = error_text(meaning, dialect, detail, variant)
    if dialect == "cmsnt":
        return _CMSNT_STATUS.get(meaning, 400), {"error": text}
    if dialect == "cmsnt_new":
        return 200, shaped(text, "with_msg")
    return 200, shaped(text, "message" if (meaning, dialect) == ("interval", "smartpanel") else "plain")


def shaped(text: str, shape: str) -> dict[str, Any]:
    """The bodies in which panels and the frameworks under them wrap a refusal."""
    match shape:
        case "with_msg":
            return {"status": "error", "msg": text, "error": text}
        case "message":
            return {"status": "error", "message": text}
        case "object":
            return {"error": {"message": text, "code": 1}}
        case "validation":
            return {"message": text, "errors": {"request": [text]}}
        case _:
            return {"error": text}
