"""Customers read the field's own words, and every state of ours has one."""

from decimal import Decimal

import pytest

from smmpanel.orders.models import CancelState, DripState, OrderKind, OrderStatus, RefillState
from smmpanel.orders.words import TABS, cancel_word, net_charge, refill_word, shown_remains, status_word

S = OrderStatus
WIRE_WORDS = {"Pending", "Processing", "In progress", "Completed", "Partial", "Canceled", "Active", "Paused"}


def test_every_state_has_a_word_of_the_field() -> None:
    for kind in OrderKind:
        for status in S:
            for drip in (None, *DripState):
                assert status_word(status, kind, drip) in WIRE_WORDS
    assert {refill_word(state) for state in RefillState} == {"Pending", "In progress", "Completed", "Rejected"}
    assert {cancel_word(state) for state in CancelState} == {"Requested", "Accepted", "Rejected"}


@pytest.mark.parametrize(
    ("status", "kind", "drip", "word"),
    [
        (S.SUBMITTING, "normal", None, "Pending"),
        (S.FAILED, "normal", None, "Pending"),
        (S.IN_PROGRESS, "run", None, "In progress"),
        (S.PENDING, "drip", "active", "Active"),
        (S.IN_PROGRESS, "drip", "paused", "Paused"),
        (S.IN_PROGRESS, "drip", "finishing", "Active"),
        (S.PARTIAL, "drip", "canceled", "Partial"),
        (S.SUBMITTING, "subscription", None, "Pending"),
        (S.PROCESSING, "subscription", None, "Active"),
        (S.CANCELED, "subscription", None, "Canceled"),
    ],
)
def test_words(status: str, kind: str, drip: str | None, word: str) -> None:
    assert status_word(status, kind, drip) == word


def test_every_status_is_behind_exactly_one_tab() -> None:
    assert sorted(status for tab in TABS.values() for status in tab) == sorted(S)


@pytest.mark.parametrize(
    ("status", "remains", "shown"),
    [
        (S.PENDING, None, 100),
        (S.COMPLETED, None, 0),
        (S.CANCELED, None, 100),
        (S.PARTIAL, 30, 30),
        (S.PARTIAL, 500, 100),
    ],
)
def test_remains(status: str, remains: int | None, shown: int) -> None:
    assert shown_remains(status, 100, remains) == shown


def test_the_net_charge_is_what_is_left_after_refunds() -> None:
    assert net_charge(Decimal("1.5"), Decimal("0.2"), None, Decimal("0.3")) == 1
