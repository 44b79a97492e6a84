"""From a receipt to a header: the proof that the ledger holds it (RCPT-4)."""

from __future__ import annotations

from synnergy.rejected import Rejected
from synnergy.state import accumulator, binary_merkle
from synnergy.state.accumulator import Accumulator
from synnergy.state.proofs import StateProof, verify_state
from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import Count, Digest


class ReceiptProof(Struct, frozen=True):
    """`index` of `count` receipts of the block; the accumulator `before` that block's root was
    appended; and the proof of the accumulator's record in the state after the block."""

    index: Count
    count: Count
    path: tuple[Digest, ...]
    before: Accumulator
    state: StateProof


def block_root(leaves: list[bytes]) -> bytes:
    """The root of one block's receipts, bound to their number: what the accumulator appends."""
    return binary_merkle.bind_count(len(leaves), binary_merkle.merkle_root(leaves))


def check_inclusion(
    leaf: bytes, proof: ReceiptProof, key: bytes, app_hash: bytes
) -> Rejected | None:
    """Whether `leaf` is in the state with this app hash; `key` is the accumulator's own."""
    found = binary_merkle.fold_path(leaf, proof.index, proof.count, proof.path)
    if found is None:
        return Rejected("RCPT-4", "not_included", "the path to the block's receipts is malformed")
    try:
        after = accumulator.append(proof.before, binary_merkle.bind_count(proof.count, found))
    except ValueError:
        return Rejected("RCPT-4", "not_included", "the accumulator in the proof is malformed")
    if proof.state.key != key or proof.state.value != encode(after):
        return Rejected("RCPT-4", "not_included", "the receipt is not in the block's accumulator")
    if not verify_state(proof.state, app_hash):
        return Rejected("RCPT-4", "not_included", "the accumulator is not in the header's state")
    return None
