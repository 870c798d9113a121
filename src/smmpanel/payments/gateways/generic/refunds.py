"""What a described gateway answers to a refund: done, failed, or something that only time tells."""

from collections.abc import Sequence
from typing import Literal

from smmpanel.payments.gateways.calling import refused
from smmpanel.payments.gateways.generic.configuration import RefundCall
from smmpanel.payments.gateways.generic.paths import written_at
from smmpanel.payments.gateways.generic.proofs import holds
from smmpanel.payments.protocol import GatewayUnknownError, Refunded, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, read_json

State = Literal["done", "pending", "failed"]


def refunded(part: RefundCall, answer: bytes, key: str, secrets: Sequence[str]) -> Refunded:
    """Return what became of a refund that was asked for under our key.

    Raises `GatewayFailedError` for an answer that is described as a refusal, and `GatewayUnknownError` for any other that is
    not described as success: money may have gone.
    """
    try:
        said = read_json(answer)
        is_refused = part.refused_when is not None and holds(part.refused_when, said)
        is_taken = part.success_when is None or holds(part.success_when, said)
        number = written_at(said, part.refund_id_path)[:NUMBER_MAX] if part.refund_id_path else ""
        state: State = "pending"
        if part.status_path is not None:
            # A word that nobody has explained ends nothing.
            state = part.status_map.get(written_at(said, part.status_path), "pending")
    except UnreadableMessageError:
        raise GatewayUnknownError from None
    if is_refused:
        raise refused(part.url, answer, secrets)
    if not is_taken:
        raise GatewayUnknownError
    return Refunded(f"refund:{number}" if number else key, state)
