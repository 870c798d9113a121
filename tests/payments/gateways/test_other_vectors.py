"""Every vector of the contract is held to by a test, or belongs to a gateway that there is no adapter for."""

import ast
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from payments.gateways.vectors import VECTORS

TESTS = Path(__file__).parents[1]
WITHOUT_ADAPTER = {
    "paypal": ("paypal.body", "paypal.crc32", "paypal.str", "paypal.sig(testkey)"),
    "nowpayments": ("np.body", "np.deep.str", "np.deep.sig", "np.unsorted(wrong)"),
    "coinbase": ("hook0.body", "hook0.hdr"),
}
"""Gateways of which the contract has vectors and the product no adapter: nobody asked for them, and code that only a test
calls proves nothing. Who writes one takes its line away."""
EXCLUDED = frozenset(name for names in WITHOUT_ADAPTER.values() for name in names)


def claimed() -> set[str]:
    """Return the names of vectors that stand in tests, other than this one."""
    return {
        found.value
        for path in TESTS.rglob("*.py")
        if path != Path(__file__)
        for found in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(found, ast.Constant) and isinstance(found.value, str) and found.value in VECTORS
    }


def test_every_vector_is_held_to_or_left_out_for_a_reason() -> None:
    assert set(VECTORS) - claimed() - EXCLUDED == set()
    assert set(VECTORS) >= EXCLUDED


@pytest.mark.parametrize("gateway", WITHOUT_ADAPTER)
def test_what_is_left_out_has_no_adapter(gateway: str) -> None:
    names = {one.name for one in entry_points(group="smmpanel.payment_gateways")}
    assert {"paystack", "flutterwave", "stripe"} <= names
    assert not any(gateway in name for name in names)
    assert not set(WITHOUT_ADAPTER[gateway]) & claimed()
