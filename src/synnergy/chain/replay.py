"""Re-executing a chain from genesis and comparing every block with the stored one (CHAIN-9)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from synnergy.chain.application import Application
from synnergy.chain.archive import load_block, reattach
from synnergy.chain.block import Proposal
from synnergy.chain.genesis import Genesis
from synnergy.identity.keys import verify_signature
from synnergy.receipts.header import header_hash, header_signing_bytes
from synnergy.state.store import Store

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Where the replay ended; `problem` says what differed first, None where nothing did."""

    height: int
    app_hash: bytes
    problem: str | None


def replay(data: Path, genesis: Genesis, progress: Progress | None = None) -> ReplayResult:
    """Replay the chain stored in `data`, which a running node may have open.

    The work happens in a temporary store beside nothing of the original.
    """
    source = Store.open(data, readonly=True)
    try:
        with tempfile.TemporaryDirectory(prefix="synnergy-replay-") as folder:
            store = Store.open(Path(folder))
            try:
                return _replay(source, store, genesis, progress)
            finally:
                store.close()
    finally:
        source.close()


def _replay(
    source: Store, store: Store, genesis: Genesis, progress: Progress | None
) -> ReplayResult:
    application = Application(store, genesis)
    stored_height = source.get("meta", b"height")
    last = int.from_bytes(stored_height, "big") if stored_height else 0
    signer = bytes.fromhex(genesis.signer)

    def differs(height: int, what: str) -> ReplayResult:
        return ReplayResult(height, application.app_hash, f"block {height}: {what}")

    first = load_block(source.get, 0)
    if first is None or first.header != application.header:
        return differs(0, "the stored chain begins with another genesis")
    for height in range(1, last + 1):
        block = load_block(source.get, height)
        if block is None:
            return differs(height, "it is missing")
        if block.header.previous != header_hash(application.header):
            return differs(height, "it does not follow the block before it")
        if not verify_signature(signer, header_signing_bytes(block.header), block.signature):
            return differs(height, "its header's signature does not verify")
        transactions: list[bytes] = []
        for index, stored in enumerate(block.transactions):
            raw = reattach(source.get, stored)
            if raw is None:
                return differs(height, f"transaction {index} lacks an attachment")
            transactions.append(raw)
        proposal = Proposal(height, block.header.time, tuple(transactions))
        header = application.finalise(proposal).header
        if header != block.header:
            return differs(height, _difference(header, block.header))
        application.commit(block.signature)
        if progress is not None:
            progress(height, last)
    return ReplayResult(last, application.app_hash, None)


def _difference(computed: object, stored: object) -> str:
    for name in ("app_hash", "results", "transactions"):
        one, other = getattr(computed, name), getattr(stored, name)
        if one != other:
            return f"{name} is {one.hex()} on replay, {other.hex()} in the chain"
    return "its header differs"
