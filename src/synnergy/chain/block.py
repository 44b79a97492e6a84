"""Blocks as they are proposed, and as they are stored: headers are hash-chained and signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from synnergy.identity.authenticate import Transaction
from synnergy.pipeline import TransactionResult
from synnergy.receipts.header import Header
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
    """A committed block. `signature` is the solo engine's; empty where another engine signs."""

    header: Header
    signature: bytes
    transactions: tuple[StoredTransaction, ...]


def detach(transaction: Transaction) -> StoredTransaction:
    """What the block keeps of an envelope whose attachments are kept apart."""
    signature = BodySignature(transaction.public_key, transaction.signature)
    return StoredTransaction(False, encode(Envelope(transaction.body, (signature,), ())))


def transactions_root(transactions: tuple[bytes, ...]) -> bytes:
    """Merkle root over the hashes of the raw envelopes."""
    return merkle_root([hashlib.sha256(raw).digest() for raw in transactions])


def results_root(results: tuple[TransactionResult, ...]) -> bytes:
    """Merkle root over what is deterministic of the results: everything."""
    return merkle_root([encode(result) for result in results])
