"""Blocks as they are proposed, and as they are stored: headers are hash-chained and signed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from synnergy.chain.genesis import Genesis
from synnergy.identity.authenticate import Transaction
from synnergy.identity.keys import verify_signature
from synnergy.opcodes.context import Event
from synnergy.pipeline import TransactionResult
from synnergy.receipts.header import Header, header_hash, header_signing_bytes
from synnergy.state.binary_merkle import merkle_root
from synnergy.wire.codec import Struct, encode
from synnergy.wire.transaction import BodySignature, Envelope


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an engine asks to be made a block: raw envelopes in order, time in ms UTC."""

    height: int
    time: int
    transactions: tuple[bytes, ...]


class StoredTransaction(Struct, frozen=True):
    """An envelope without its attachments, which are kept apart so that they can be erased.

    `whole` marks bytes that did not authenticate and are kept as they came.
    """

    whole: bool
    content: bytes


class StoredBlock(Struct, frozen=True):
    """A committed block. `signature` is the solo engine's; empty where another engine signs.

    `events` are those of no transaction: what fell due at its start.
    """

    header: Header
    signature: bytes
    transactions: tuple[StoredTransaction, ...]
    events: tuple[Event, ...]


def previous_of(genesis: Genesis, last: Header) -> bytes:
    """What a header says of the one before it: its hash; in a network nothing.

    There CometBFT's headers are chained, and a node that began with a snapshot knows no header
    of ours before it that anybody vouches for (NET-31).
    """
    return bytes(32) if genesis.validators else header_hash(last)


def detach(transaction: Transaction) -> StoredTransaction:
    """What the block keeps of an envelope whose attachments are kept apart."""
    if not transaction.attachments:
        return StoredTransaction(False, transaction.raw)
    signature = BodySignature(transaction.public_key, transaction.signature)
    return StoredTransaction(False, encode(Envelope(transaction.body, (signature,), ())))


def transactions_root(transactions: tuple[StoredTransaction, ...]) -> bytes:
    """Merkle root over what the block keeps of its transactions, never of attachments (CHAIN-12).

    The body binds its attachments by their commitments, so erasing one breaks no hash.
    """
    return merkle_root([hashlib.sha256(encode(stored)).digest() for stored in transactions])


def is_signed(genesis: Genesis, header: Header, signature: bytes) -> bool:
    """Whether the chain's key signed a header. In a network validators sign headers of CometBFT's
    instead, which are kept apart (RCPT-8): nothing is to stand here."""
    if genesis.validators:
        return signature == b""
    signer = bytes.fromhex(genesis.signer)
    return verify_signature(signer, header_signing_bytes(header), signature)


def consensus_part(result: TransactionResult) -> TransactionResult:
    """A result without its sentence, whose words may come from a library's version (CHAIN-11)."""
    return msgspec.structs.replace(result, message="")


def results_root(
    results: tuple[TransactionResult, ...],
    events: tuple[Event, ...],
    encoded: Sequence[bytes] = (),
) -> bytes:
    """Merkle root over what validators must agree on of the results, then the block's events.

    `encoded` spares another encoding of results without a message, where there is one already.
    """
    leaves = [
        encode(consensus_part(result)) if result.message or not encoded else encoded[index]
        for index, result in enumerate(results)
    ]
    return merkle_root([*leaves, encode(events)])
