"""What states and findings are called: for customers by what they mean to them, for staff by what is so."""

from collections.abc import Mapping, Sequence

from smmpanel.kernel.i18n import marked
from smmpanel.payments.states import OPEN, DepositState

S = DepositState
# Pairs of a colour and a word.
STATE_WORDS: Mapping[str, tuple[str, str]] = {
    S.CREATED: ("is-info", marked("Waiting")),
    S.PENDING: ("is-info", marked("Waiting")),
    S.EXPIRED: ("", marked("Expired")),
    S.FAILED: ("is-bad", marked("Rejected")),
    S.PARTIAL: ("is-warn", marked("Part has arrived")),
    S.PAID: ("is-ok", marked("Credited")),
    S.PARTIALLY_REFUNDED: ("is-warn", marked("Partly paid back")),
    S.REFUNDED: ("is-warn", marked("Paid back")),
    S.REVERSED: ("is-bad", marked("Taken back by the bank")),
}
TABS: Mapping[str, Sequence[DepositState]] = {
    "pending": OPEN,
    "partial": (S.PARTIAL,),
    "paid": (S.PAID,),
    "failed": (S.FAILED,),
    "expired": (S.EXPIRED,),
    "refunded": (S.PARTIALLY_REFUNDED, S.REFUNDED, S.REVERSED),
}
TAB_WORDS: Mapping[str, str] = {
    "": marked("All"),
    "pending": marked("Waiting"),
    "partial": marked("Part has arrived"),
    "paid": marked("Credited"),
    "failed": marked("Rejected"),
    "expired": marked("Expired"),
    "refunded": marked("Paid back"),
}
REASON_WORDS: Mapping[str, str] = {
    "": marked("As it was asked for"),
    "unmatched": marked("Names no deposit"),
    "ambiguous": marked("Names several deposits"),
    "wrong_currency": marked("Another currency"),
    "wrong_account": marked("Another account"),
    "unproved": marked("The message is not signed"),
    "too_late": marked("Too late"),
    "late": marked("Late"),
    "repeated": marked("A further transfer"),
    "underpaid": marked("Less than asked for"),
    "overpaid": marked("More than asked for"),
    "other_amount": marked("Another amount than before"),
    "same_reference": marked("The bank's reference came twice"),
    "staff_entered": marked("Staff entered other money by hand before"),
    "returned_early": marked("It went back before it was credited here"),
    "returned_too_much": marked("More went back than had arrived"),
    "returned_unclear": marked("What went back in all does not fit"),
}
OUTCOME_WORDS: Mapping[str, tuple[str, str]] = {
    "waiting": ("is-info", marked("Waiting")),
    "settled": ("is-ok", marked("Settled")),
    "duplicate": ("", marked("Told before")),
    "ignored": ("", marked("No concern of ours")),
    "review": ("is-warn", marked("In review")),
    "hint": ("is-info", marked("The gateway is asked")),
    "unreadable": ("is-bad", marked("Unreadable")),
}
RECEIPT_WORDS: Mapping[str, tuple[str, str]] = {
    "credited": ("is-ok", marked("Credited")),
    "review": ("is-warn", marked("In review")),
    "dismissed": ("", marked("Dismissed")),
}


def status_of(state: str) -> str:
    """Return a deposit's state as programs are told it."""
    return S.PENDING.value if state == S.CREATED else state
