"""Taking a receipt out of the ledger, with everything that proves it (RCPT-5)."""

from __future__ import annotations

from synnergy.chain.archive import StoredReceipt, load_block, load_receipt_proof
from synnergy.receipts.file import FILE_VERSION, ReceiptFile, encode_receipt_file
from synnergy.receipts.header import SignedBlock
from synnergy.state.store import View
from synnergy.wire.codec import decode_trusted


def export_receipt(view: View, receipt: bytes) -> bytes | None:
    """The receipt file of an id, without its opening; None where there is no such receipt."""
    stored = view.get("receipts", receipt)
    if stored is None:
        return None
    entry = decode_trusted(stored, StoredReceipt)
    block = load_block(view.get, entry.height)
    if block is None:
        raise LookupError(f"block {entry.height} of a stored receipt is missing")
    proof = load_receipt_proof(view.get, entry)
    root = SignedBlock(block.header, block.signature)
    return encode_receipt_file(ReceiptFile(FILE_VERSION, entry.leaf, proof, root, None))
