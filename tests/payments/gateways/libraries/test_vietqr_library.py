"""Two libraries for Vietnamese bank codes, in JavaScript and in Python: they make the codes that we make, and read ours."""

from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from payments.gateways.libraries.process import Library, LibraryProcess
from payments.gateways.vectors import VECTORS
from smmpanel.payments.vietqr import vietqr_payload

DIGITS = "0123456789"
PRINTED = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


class Slip(NamedTuple):
    """A transfer, as it is asked for."""

    bank: str
    account: str
    amount: str | None
    memo: str | None


SLIPS = st.builds(
    Slip,
    bank=st.text(DIGITS, min_size=6, max_size=6),
    account=st.text(DIGITS + "ABCDEFGHJK", min_size=1, max_size=19),
    amount=st.none() | st.integers(1, 10**12).map(str),
    memo=st.none() | st.text(PRINTED, min_size=1, max_size=95),
)
PUBLISHED = {
    "vietqr.ours": Slip("970416", "123456789", "100000", "HOMEMMO ABC123"),
    "vietqr.ours.nospace": Slip("970416", "123456789", "100000", "HOMEMMOABC123"),
    "vietqr.ours.static": Slip("970416", "123456789", None, None),
    "vietqr.vcb": Slip("970436", "0123499999", "2277000", "HOMEMMO9F3K2Q"),
}


def ours(slip: Slip) -> str:
    amount = None if slip.amount is None else Decimal(slip.amount)
    return vietqr_payload(slip.bank, slip.account, amount, slip.memo or "")


def spoilt(payload: str) -> str:
    """Return a payload with another last letter but four: the checksum does not fit it any more."""
    return payload[:-9] + ("X" if payload[-9] != "X" else "Y") + payload[-8:]


def agree(library: Library, slips: list[Slip]) -> None:
    payloads = [ours(slip) for slip in slips]
    assert library("make", slips) == payloads
    assert library("read", payloads) == [[True, *slip] for slip in slips]
    assert [is_valid for is_valid, *_ in library("read", [spoilt(one) for one in payloads])] == [False] * len(slips)


def test_published_codes_are_the_same(in_each: LibraryProcess) -> None:
    assert [ours(slip) for slip in PUBLISHED.values()] == [VECTORS[name] for name in PUBLISHED]
    agree(Library(in_each, "vietqr"), list(PUBLISHED.values()))


def test_any_code_is_the_same(in_node: LibraryProcess, in_python: LibraryProcess) -> None:
    libraries = [Library(process, "vietqr") for process in (in_node, in_python)]

    @settings(max_examples=25, deadline=None)
    @given(st.lists(SLIPS, min_size=1, max_size=20))
    def look(slips: list[Slip]) -> None:
        for library in libraries:
            agree(library, slips)

    look()
