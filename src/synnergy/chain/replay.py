"""Re-executing a chain from genesis and comparing every block with the stored one (CHAIN-9).

What is kept beside the headers is compared as well: results, receipts and their proofs, where
transactions are found, outputs, and the state itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from synnergy.chain.application import Application
from synnergy.chain.archive import (
    Archived,
    StoredReceipt,
    height_key,
    load_archived,
    load_block,
    reattach,
)
from synnergy.chain.block import (
    Proposal,
    StoredBlock,
    consensus_part,
    is_signed,
    previous_of,
)
from synnergy.chain.commits import light_proof, load_commit
from synnergy.chain.genesis import Genesis, first_validators
from synnergy.identity.keys import verify_signature
from synnergy.opcodes.context import Payload
from synnergy.pipeline import TransactionResult
from synnergy.receipts.header import Header
from synnergy.receipts.light import check_light
from synnergy.receipts.receipt import Receipt
from synnergy.rejected import Rejected
from synnergy.state.export import export_state
from synnergy.state.merkle import Tree
from synnergy.state.store import Store
from synnergy.wire.codec import MAX_BYTES, decode, decode_trusted
from synnergy.wire.transaction import Envelope, commit, signing_bytes, transaction_id

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Where the replay ended; `problem` says what differed first, None where nothing did.

    `not_recomputed` are the transactions whose attachments are gone: the archive's write sets and
    results were applied instead, and gave the headers' hashes.
    """

    height: int
    app_hash: bytes
    problem: str | None
    not_recomputed: tuple[bytes, ...] = ()


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

    skipped: list[bytes] = []

    def differs(height: int, what: str) -> ReplayResult:
        problem = f"block {height}: {what}"
        return ReplayResult(height, application.app_hash, problem, tuple(skipped))

    begun = source.get("meta", b"first_height")
    if begun is not None:
        height = int.from_bytes(begun, "big")
        return differs(0, f"the store begins with a snapshot of block {height}, without a history")
    first = load_block(source.get, 0)
    if first is None or first.header != application.header:
        return differs(0, "the stored chain begins with another genesis")
    for height in range(1, last + 1):
        try:
            block = load_block(source.get, height)
            again = _again(source, block) if block is not None else "it is missing"
        except ValueError as corrupt:
            return differs(height, f"it is unreadable: {corrupt}")
        if block is None or isinstance(again, str):
            return differs(height, str(again))
        if block.header.previous != previous_of(genesis, application.header):
            return differs(height, "it does not follow the block before it")
        if not is_signed(genesis, block.header, block.signature):
            return differs(height, "its header's signature does not verify")
        proposal, archived = again
        skipped += [kept.result.transaction for kept in archived.values()]
        header = application.finalise(proposal, archived).header
        if header != block.header:
            return differs(height, _difference(header, block.header))
        application.commit(block.signature)
        problem = _kept_otherwise(source, store, height) or _signed_otherwise(
            source, genesis, header
        )
        if problem is not None:
            return differs(height, problem)
        if progress is not None:
            progress(height, last)
    problem = _damaged_state(source)
    return ReplayResult(last, application.app_hash, problem, tuple(skipped))


def _again(source: Store, block: StoredBlock) -> tuple[Proposal, dict[int, Archived]] | str:
    """A block as it was proposed, with what the archive has of transactions whose attachments are
    gone (CHAIN-13); or what is missing of it."""
    height = block.header.height
    transactions: list[bytes] = []
    archived: dict[int, Archived] = {}
    for index, stored in enumerate(block.transactions):
        raw = reattach(source.get, stored)
        if raw is None:
            kept = load_archived(source.get, height, index, stored)
            if kept is None:
                return f"transaction {index} lacks an attachment, and what it wrote is not kept"
            if not _is_signed(kept):
                return f"transaction {index}, which lacks an attachment, is not signed"
            archived[index] = kept
        transactions.append(raw or b"")
    return Proposal(height, block.header.time, tuple(transactions)), archived


def _is_signed(archived: Archived) -> bool:
    """Whether the body is the result's, and signed: that much shows without its attachments.

    The result of what somebody else than its sender signed names no transaction.
    """
    envelope = decode_trusted(archived.stored.content, Envelope)
    named, inadmissible = archived.result.transaction, archived.result.status == "inadmissible"
    if named != transaction_id(envelope.body) and not (inadmissible and named == bytes(32)):
        return False
    message = signing_bytes(envelope.body)
    return [
        verify_signature(given.public_key, message, given.signature)
        for given in envelope.signatures
    ] == [True]


def _kept_otherwise(source: Store, replayed: Store, height: int) -> str | None:
    """What is kept of a block otherwise than the replay keeps it."""
    start, stop = height_key(height), height_key(height + 1)
    if source.scan("proofs", start, stop) != replayed.scan("proofs", start, stop):
        return "the proofs kept of it are not those of the replay"
    if source.scan("changes", start, stop) != replayed.scan("changes", start, stop):
        return "what is kept of it says otherwise whether it changed voting power"
    if _results(source, start, stop) != _results(replayed, start, stop):
        return "the results kept of it are not those of the replay"
    for _, stored in replayed.scan("results", start, stop):
        result = decode_trusted(stored, TransactionResult)
        placed = _same(source, replayed, "transactions", result.transaction)
        if result.status != "inadmissible" and not placed:
            return f"transaction {result.transaction.hex()} is kept in another place"
        for receipt in result.receipts:
            if not _same(source, replayed, "receipts", receipt):
                return f"the receipt {receipt.hex()} kept of it is not that of the replay"
            if not _output_holds(source, replayed, receipt):
                return f"the output kept for receipt {receipt.hex()} is not what was committed to"
    return None


def _signed_otherwise(source: Store, genesis: Genesis, header: Header) -> str | None:
    """What validators signed of the state after a block otherwise, as far as the archive says.

    It has the headers that follow blocks with receipts or changes of voting power (RCPT-11).
    """
    trusted = first_validators(genesis)
    with source.snapshot() as view:
        following = load_commit(view.get, header.height + 1)
        proof = light_proof(view, genesis, following) if following is not None else None
    if following is None:
        return None
    if proof is None or trusted is None:
        return "the archive lacks a change of validators before the header that signs it"
    signed = check_light(proof, header.chain_id, trusted)
    if isinstance(signed, Rejected):
        return f"the header archived for it does not hold: {signed.message}"
    if signed.app_hash != header.app_hash:
        return f"its app hash is {header.app_hash.hex()}, signed is {signed.app_hash.hex()}"
    return None


def _results(store: Store, start: bytes, stop: bytes) -> list[tuple[bytes, object]]:
    """What is kept of a block's results, their sentences apart; unreadable ones as they are."""
    found: list[tuple[bytes, object]] = []
    for key, stored in store.scan("results", start, stop):
        result = decode(stored, TransactionResult, MAX_BYTES)
        readable = isinstance(result, TransactionResult)
        found.append((key, consensus_part(result) if readable else stored))
    return found


def _same(source: Store, replayed: Store, database: str, key: bytes) -> bool:
    return source.get(database, key) == replayed.get(database, key)


def _output_holds(source: Store, replayed: Store, receipt: bytes) -> bool:
    """Whether a call's output is the one of the replay; it may have been erased."""
    stored = replayed.get("receipts", receipt)
    assert stored is not None
    output = decode_trusted(decode_trusted(stored, StoredReceipt).leaf, Receipt).output
    if output is None:
        return True
    stored, again = source.get("payloads", output), replayed.get("payloads", output)
    if stored is None:
        return True
    kept = decode(stored, Payload, MAX_BYTES)
    if not isinstance(kept, Payload):
        return False
    # Who its parties are by now is later blocks' doing.
    if again is None:
        return commit(kept.salt, kept.content) == output
    computed = decode_trusted(again, Payload)
    return (kept.salt, kept.content) == (computed.salt, computed.content)


def _damaged_state(source: Store) -> str | None:
    """Whether the state as it is stored has the app hash of the last block, whichever that is."""
    with source.snapshot() as view:
        height = view.get("meta", b"height")
        assert height is not None
        block = decode_trusted(view.get("blocks", height) or b"", StoredBlock)
        root = Tree(lambda _: None).update(export_state(view))
        pages = Tree(partial(view.get, "nodes")).root
    if root == pages == block.header.app_hash:
        return None
    return f"block {block.header.height}: the stored state is not the one it says"


def _difference(computed: object, stored: object) -> str:
    for name in ("app_hash", "results", "transactions"):
        one, other = getattr(computed, name), getattr(stored, name)
        if one != other:
            return f"{name} is {one.hex()} on replay, {other.hex()} in the chain"
    return "its header differs"
