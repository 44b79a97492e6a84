"""Signed transfers, checked, policed, executed and stored durably, beside bare verification."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from bench.ledger import BenchLedger, key
from bench.row import Row, seconds
from synnergy.identity.authenticate import decode_transaction
from synnergy.identity.keys import verify_signature
from synnergy.rejected import Rejected
from synnergy.wire.transaction import signing_bytes

WALLETS = 1_000
PER_BLOCK = 1_000
BLOCKS = 12


def rows(wallets: int = WALLETS, per_block: int = PER_BLOCK, blocks: int = BLOCKS) -> list[Row]:
    """Transfers/s through check → finalise → commit, with a sync to disk for each block.

    Senders and recipients are drawn from `wallets`. The peer is libsodium's verification of the
    same block's signatures, on one thread, in turn with the block.
    """
    found = [_row("transfers_vs_signature_verify", wallets, per_block, blocks, None)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        name = "transfers_vs_signature_verify_threads"
        found.append(_row(name, wallets, per_block, blocks, pool))
    return found


def _row(name: str, wallets: int, per_block: int, blocks: int, pool: Executor | None) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        pairs = [key(number) for number in range(1, wallets + 1)]
        ledger = BenchLedger.open(Path(folder) / "data", pairs, verifiers=pool)
        batches = [ledger.transfers(per_block) for _ in range(blocks + 1)]
        ledger.block(batches[0])
        taken = [
            (seconds(lambda batch=batch: ledger.block(batch)), verification(ledger, batch))
            for batch in batches[1:]
        ]
        ledger.close()
    ours = statistics.median(mine for mine, _ in taken)
    peer = statistics.median(theirs for _, theirs in taken)
    ratio = statistics.median(theirs / mine for mine, theirs in taken)
    return Row(name, per_block / ours, "1/s", "libsodium verify", per_block / peer, ratio)


def verification(ledger: BenchLedger, batch: Sequence[bytes]) -> float:
    """Seconds to verify the signatures of a batch, and nothing else."""
    signed: list[tuple[bytes, bytes, bytes]] = []
    for raw in batch:
        transaction = decode_transaction(raw, ledger.application.chain_id)
        assert not isinstance(transaction, Rejected)
        message = signing_bytes(transaction.body)
        signed.append((transaction.public_key, message, transaction.signature))
    return seconds(lambda: [verify_signature(*one) for one in signed])
