"""What a receipt holds: everything a third party needs to know of one invocation (RCPT-1)."""

from __future__ import annotations

import hashlib
from typing import Literal

from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import (
    Address,
    Amount,
    Count,
    Digest,
    Gas,
    Height,
    Jurisdiction,
    ShortText,
    Time,
)

RECEIPT_VERSION = 1
MAX_RECEIPT_BYTES = 65_536


class ReceiptApproval(Struct, frozen=True):
    """An approval in force at the call; `until` in ms, 0 means without end."""

    regulator: Address
    height: Height
    until: Time
    evidence: Digest | None


class ReceiptModel(Struct, frozen=True):
    """The model that was called, as it stood in state."""

    id: bytes
    name: ShortText
    version: ShortText
    digest: Digest
    publisher: Address
    risk: ShortText
    jurisdictions: tuple[Jurisdiction, ...]
    allow_missing: bool
    approvals: tuple[ReceiptApproval, ...]
    licence_text: Digest | None
    intended_use: Digest | None
    limitations: Digest | None


class ReceiptPolicy(Struct, frozen=True):
    """The policy set in force and its verdict; `determining` are policy ids, sorted."""

    version: Count
    hash: Digest
    allowed: bool
    determining: tuple[ShortText, ...]


class ReceiptOutcome(Struct, frozen=True):
    """`ok`, or `refused` with the rule and code that refused it; its sentence is in the result."""

    status: Literal["ok", "refused"]
    rule: ShortText
    code: ShortText


class Receipt(Struct, frozen=True):
    """One invocation. Inputs and outputs appear only as salted commitments (RCPT-2).

    `caller` holds the licence; `origin` signed the transaction: another, where a contract called.
    `fee` and `gas` are those of the whole transaction; `price` went from escrow to the publisher.
    `policy` is None where the call was refused before a policy was asked.
    """

    receipt_version: int
    id: Digest
    chain_id: str
    height: Height
    time: Time
    transaction: Digest
    index: Count
    caller: Address
    origin: Address
    model: ReceiptModel | None
    licence: Digest
    price: Amount
    fee: Amount
    gas: Gas
    gas_version: Count
    protocol_version: Count
    policy: ReceiptPolicy | None
    reference: Digest | None
    input: Digest | None
    output: Digest | None
    outcome: ReceiptOutcome


def receipt_id(transaction: bytes, index: int) -> bytes:
    """The id of the index-th INVOKE of a transaction (RCPT-3)."""
    return hashlib.sha256(
        b"synnergy/receipt/1\x00" + transaction + index.to_bytes(4, "big")
    ).digest()


def output_salt(input_salt: bytes, receipt: bytes) -> bytes:
    """The salt of an output's commitment, derived from the input's (RCPT-2)."""
    return hashlib.sha256(b"synnergy/output-salt/1\x00" + input_salt + receipt).digest()


def receipt_leaf(receipt: Receipt) -> bytes:
    """The bytes that enter the block's Merkle tree of receipts."""
    return encode(receipt)
