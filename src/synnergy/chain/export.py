"""Taking a receipt out of the ledger, with everything that proves it (RCPT-5)."""

from __future__ import annotations

from synnergy.chain.archive import StoredReceipt, load_block, load_receipt_proof
from synnergy.chain.commits import archived_proof
from synnergy.chain.genesis import Genesis
from synnergy.receipts.file import FILE_VERSION, ReceiptFile, encode_receipt_file
from synnergy.receipts.header import SignedBlock
from synnergy.rejected import Rejected
from synnergy.state.store import View
from synnergy.wire.codec import decode_trusted


def export_receipt(view: View, genesis: Genesis, receipt: bytes) -> bytes | Rejected | None:
    """The receipt file of an id, without its opening; None where there is no such receipt.

    In a network the file needs the header after the receipt's block: `archived_proof` says why
    it isn't there.
    """
    stored = view.get("receipts", receipt)
    if stored is None:
        return None
    entry = decode_trusted(stored, StoredReceipt)
    block = load_block(view.get, entry.height)
    if block is None:
        raise LookupError(f"block {entry.height} of a stored receipt is missing")
    if genesis.validators:
        root = archived_proof(view, genesis, entry.height + 1)
        if isinstance(root, Rejected):
            return root
    else:
        root = SignedBlock(block.header, block.signature)
    proof = load_receipt_proof(view.get, entry)
    return encode_receipt_file(ReceiptFile(FILE_VERSION, entry.leaf, proof, root, None))
