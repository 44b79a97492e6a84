"""What a node keeps of committed blocks beside their state: transactions, results, receipts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from synnergy.chain.block import StoredBlock, StoredTransaction
from synnergy.identity.authenticate import Transaction
from synnergy.opcodes.context import Payload
from synnergy.pipeline import Executed, TransactionResult
from synnergy.receipts.proof import ReceiptProof, block_root
from synnergy.receipts.receipt import Receipt, receipt_leaf
from synnergy.state import accumulator, records
from synnergy.state.accumulator import Accumulator
from synnergy.state.binary_merkle import merkle_path
from synnergy.state.journal import Journal
from synnergy.state.merkle import Tree
from synnergy.state.proofs import StateProof, prove
from synnergy.wire.codec import Struct, decode_trusted, encode
from synnergy.wire.transaction import Attachment, Envelope
from synnergy.wire.types import Count, Digest, Height

#: The database of a payload, and its commitment.
PayloadKey = tuple[str, bytes]
#: `get` of a store, a snapshot or a batch.
Get = Callable[[str, bytes], bytes | None]
Put = Callable[[str, bytes, bytes], None]


class StoredReceipt(Struct, frozen=True):
    """A receipt's canonical bytes and where its block keeps it."""

    leaf: bytes
    height: Height
    index: Count


class BlockReceipts(Struct, frozen=True):
    """What proves the receipts of one block: their ids in order, the accumulator before them,
    and the proof of the accumulator's record after them."""

    receipts: tuple[Digest, ...]
    before: Accumulator
    state: StateProof


class WriteSet(Struct, frozen=True):
    """What a transaction changed in the state, by key; None is a deletion (CHAIN-13)."""

    changes: tuple[tuple[bytes, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Archived:
    """What is kept of a transaction for ever, with which a replay does without its payloads.

    `chunks` are those attachments that are still here: artefact chunks are never erased.
    """

    stored: StoredTransaction
    result: TransactionResult
    receipts: tuple[Receipt, ...]
    writes: WriteSet
    chunks: dict[PayloadKey, Payload]


class Location(Struct, frozen=True):
    height: Height
    index: Count


def save_receipts(
    put: Put, height: int, receipts: tuple[Receipt, ...], before: Accumulator, tree: Tree
) -> None:
    """Keep a block's receipts and what proves them; `tree` is the state after the block."""
    leaves = [receipt_leaf(receipt) for receipt in receipts]
    for index, (receipt, leaf) in enumerate(zip(receipts, leaves, strict=True)):
        put("receipts", receipt.id, encode(StoredReceipt(leaf, height, index)))
    after = encode(accumulator.append(before, block_root(leaves)))
    state = prove(tree, records.receipts_root.raw_key(records.SINGLE), after)
    ids = tuple(receipt.id for receipt in receipts)
    kept = BlockReceipts(ids, before, state)
    put("proofs", height_key(height), encode(kept))


def height_key(height: int) -> bytes:
    """The key of a height, in height order."""
    return height.to_bytes(8, "big")


def entry_key(height: int, index: int) -> bytes:
    """The key of a block's transaction, in order."""
    return height_key(height) + index.to_bytes(4, "big")


def payload_database(salt: bytes) -> str:
    """Where a payload is kept: artefact chunks, which have no salt, apart from people's (TX-4).

    sha256(salt ‖ content) alone doesn't say where the salt ends, so a salted payload can have
    the commitment of somebody's chunk, and must not take its place.
    """
    return "payloads" if salt else "artefacts"


def payloads_of(transaction: Transaction) -> dict[PayloadKey, Payload]:
    """A transaction's attachments as they are kept; those with a salt are their sender's."""
    if not transaction.attachments:
        return {}
    listed = zip(transaction.attachments, transaction.body.attachments, strict=True)
    return {
        (payload_database(attachment.salt), reference.commitment): Payload(
            attachment.salt,
            attachment.content,
            (transaction.body.sender,) if attachment.salt else (),
        )
        for attachment, reference in listed
    }


def join_parties(one: Payload, other: Payload) -> Payload:
    """One payload that two transactions carried: whoever showed it may read it (API-7)."""
    others = tuple(party for party in other.parties if party not in one.parties)
    return Payload(one.salt, one.content, one.parties + others)


def load_payload(get: Get, commitment: bytes) -> Payload | None:
    """What is kept under a commitment; None where unknown or erased.

    A payload comes before a chunk: whoever knows one could attach salt and content as a chunk,
    and its parties must still find theirs. Files are read chunk by chunk, not from here.
    """
    stored = get("payloads", commitment) or get("artefacts", commitment)
    return decode_trusted(stored, Payload) if stored is not None else None


def load_block(get: Get, height: int) -> StoredBlock | None:
    """The stored block at `height`, read through a store's or a snapshot's `get`."""
    stored = get("blocks", height_key(height))
    return decode_trusted(stored, StoredBlock) if stored is not None else None


def load_receipt_proof(get: Get, entry: StoredReceipt) -> ReceiptProof:
    """The proof of one receipt: its path among its block's, and the block's own proof."""
    stored = get("proofs", height_key(entry.height))
    assert stored is not None
    block = decode_trusted(stored, BlockReceipts)
    leaves: list[bytes] = []
    for identifier in block.receipts:
        other = get("receipts", identifier)
        assert other is not None
        leaves.append(decode_trusted(other, StoredReceipt).leaf)
    return ReceiptProof(
        entry.index,
        len(leaves),
        merkle_path(leaves, entry.index),
        block.before,
        block.state,
    )


def load_archived(get: Get, height: int, index: int, stored: StoredTransaction) -> Archived | None:
    """What replaces executing a transaction again; None where it isn't all there."""
    key = entry_key(height, index)
    result_bytes, writes = get("results", key), get("writes", key)
    if result_bytes is None or writes is None:
        return None
    result = decode_trusted(result_bytes, TransactionResult)
    receipts: list[Receipt] = []
    for identifier in result.receipts:
        entry = get("receipts", identifier)
        if entry is None:
            return None
        receipts.append(decode_trusted(decode_trusted(entry, StoredReceipt).leaf, Receipt))
    chunks: dict[PayloadKey, Payload] = {}
    for reference in decode_trusted(stored.content, Envelope).body.attachments:
        chunk = get("artefacts", reference.commitment)
        if chunk is not None:
            chunks["artefacts", reference.commitment] = decode_trusted(chunk, Payload)
    kept = decode_trusted(writes, WriteSet)
    return Archived(stored, result, tuple(receipts), kept, chunks)


def apply_archived(archived: Archived, journal: Journal) -> Executed:
    """What a transaction did, as the archive has it; the header's hashes show whether it did."""
    for key, value in archived.writes.changes:
        if value is None:
            journal.delete(key)
        else:
            journal.put(key, value)
    return Executed(archived.result, archived.receipts, (), ())


def reattach(get: Get, stored: StoredTransaction) -> bytes | None:
    """The envelope as it came, or None where a payload of it was erased."""
    if stored.whole:
        return stored.content
    kept = decode_trusted(stored.content, Envelope)
    attachments: list[Payload] = []
    for reference in kept.body.attachments:
        kept_under = (get(where, reference.commitment) for where in ("artefacts", "payloads"))
        found = [decode_trusted(stored, Payload) for stored in kept_under if stored is not None]
        fitting = [payload for payload in found if len(payload.content) == reference.length]
        if not fitting:
            return None
        attachments.append(fitting[0])
    whole = Envelope(
        kept.body,
        kept.signatures,
        tuple(Attachment(payload.salt, payload.content) for payload in attachments),
    )
    return encode(whole)
