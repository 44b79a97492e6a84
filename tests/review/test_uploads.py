"""Uploads that try to stop the node, not to be published (MKT-3)."""

from __future__ import annotations

from synnergy.opcodes import artefacts
from synnergy.wire.transaction import Attachment
from tests.ledger.harness import PUBLISHER, Ledger

WHOLE_CHUNK = b"x" * artefacts.CHUNK_BYTES


def test_a_chunk_after_the_last_is_refused(ledger: Ledger) -> None:  # MKT-3
    digest = ledger.upload(WHOLE_CHUNK)
    another = artefacts.Upload(digest, 1, 0)
    for chunk in (WHOLE_CHUNK, b"short"):
        result = ledger.send(PUBLISHER, "MODEL_UPLOAD", another, (Attachment(b"", chunk),))
        assert (result.status, result.code) == ("refused", "wrong_chunk")
