"""Signed transfers, checked, policed, executed and stored durably, beside bare verification."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.row import Row
from synnergy.identity.keys import verify_signature
from synnergy.opcodes.ledger import Transfer
from tests.ledger.harness import CONSUMER, OPERATOR, Ledger

TRANSFERS = 2_000
PER_BLOCK = 500


def rows() -> list[Row]:
    """Transfers/s through check → finalise → commit; the peer is libsodium alone."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "data")
        envelopes = [
            ledger.envelope(
                OPERATOR,
                "LEDGER_TRANSFER",
                Transfer(CONSUMER.address, 1 + nonce),
                nonce=nonce,
                gas_limit=20_000,
            )
            for nonce in range(TRANSFERS)
        ]
        begin = time.perf_counter()
        for start in range(0, TRANSFERS, PER_BLOCK):
            chosen = ledger.application.prepare(envelopes[start : start + PER_BLOCK])
            results = ledger.block(*chosen)
            assert all(result.status == "ok" for result in results) and len(results) == PER_BLOCK
        ours = TRANSFERS / (time.perf_counter() - begin)
        ledger.close()
    message = b"m" * 64
    signature = OPERATOR.sign(message)
    begin = time.perf_counter()
    for _ in range(TRANSFERS):
        assert verify_signature(OPERATOR.public_key, message, signature)
    peer = TRANSFERS / (time.perf_counter() - begin)
    return [Row("transfers_vs_signature_verify", ours, "1/s", "libsodium verify", peer)]
