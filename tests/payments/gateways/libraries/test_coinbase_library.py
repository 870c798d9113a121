"""Coinbase's own library for its former messages: it believes what a description of them has the panel believe."""

import json

import pytest

from payments.gateways.describing import NOW
from payments.gateways.libraries.process import Library, LibraryError, LibraryProcess
from payments.gateways.test_generic_vectors import COINBASE, other
from payments.gateways.vectors import VECTORS
from smmpanel.payments.protocol import Message

SECRET, BODY, SIGNATURE = "cc_shared_secret", VECTORS["cc.body"], VECTORS["cc.sig"]


@pytest.mark.parametrize(
    ("body", "signature", "secret", "is_right"),
    [
        (BODY, SIGNATURE, SECRET, True),
        (BODY + "\n", SIGNATURE, SECRET, False),
        (BODY.replace("TOPUP-000123", "TOPUP-000124"), SIGNATURE, SECRET, False),
        (BODY, SIGNATURE[::-1], SECRET, False),
        (BODY, SIGNATURE, "another", False),
    ],
)
def test_the_same_messages_are_believed(
    in_python: LibraryProcess, body: str, signature: str, secret: str, *, is_right: bool
) -> None:
    message = Message({"x-cc-webhook-signature": signature.encode()}, body.encode())
    assert (other(COINBASE, secret).verify(message, NOW) == "signature") is is_right
    library = Library(in_python, "coinbase")
    if is_right:
        assert library("read", body, signature, secret) == json.loads(body)["event"]
        return
    with pytest.raises(LibraryError, match="SignatureVerificationError"):
        library("read", body, signature, secret)
