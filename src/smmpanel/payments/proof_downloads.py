"""Handing proofs out: as files to keep, with which a browser does nothing."""

from starlette.responses import Response

from smmpanel.payments.proof_files import JPEG, PDF
from smmpanel.payments.proof_models import DepositProof
from smmpanel.web.guards import DOWNLOAD_POLICY

_ENDINGS = {PDF: "pdf", JPEG: "jpg"}


def as_download(proof: DepositProof) -> Response:
    """Hand a proof out as a file to keep: nothing in it can do anything here."""
    name = f"deposit-{proof.deposit_id}-proof-{proof.id}.{_ENDINGS[proof.media_type]}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": DOWNLOAD_POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(proof.content, media_type=proof.media_type, headers=headers)
