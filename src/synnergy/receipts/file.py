"""The file a receipt travels in: all that an offline check needs but model and input (RCPT-5)."""

from __future__ import annotations

from synnergy.receipts.header import SignedBlock
from synnergy.receipts.light import LightProof
from synnergy.receipts.proof import ReceiptProof
from synnergy.rejected import Rejected
from synnergy.wire.codec import Struct, decode, encode
from synnergy.wire.types import Digest, ShortText

FILE_VERSION = 1
#: Room for some thousand changes of the validators.
MAX_FILE_BYTES = 4 * 1024 * 1024


class Opening(Struct, frozen=True):
    """What opens the commitments; kept by the caller, outside the receipt's leaf (RCPT-2)."""

    input_salt: Digest
    reference_salt: Digest | None
    reference: ShortText | None


class ReceiptFile(Struct, frozen=True):
    """`receipt` are the leaf's canonical bytes; `root` says by whom the state is signed that
    `proof` leads to: by a solo engine's key, or by the validators of a network (RCPT-10)."""

    file_version: int
    receipt: bytes
    proof: ReceiptProof
    root: SignedBlock | LightProof
    opening: Opening | None


def encode_receipt_file(file: ReceiptFile) -> bytes:
    return encode(file)


def decode_receipt_file(content: bytes) -> ReceiptFile | Rejected:
    """The file's contents; other bytes than its own encoding are refused (RCPT-5)."""
    file = decode(content, ReceiptFile, MAX_FILE_BYTES)
    if isinstance(file, Rejected):
        return Rejected("RCPT-5", "malformed_receipt", f"not a receipt file: {file.message}")
    if file.file_version != FILE_VERSION:
        return Rejected(
            "RCPT-5", "malformed_receipt", f"receipt files of version {file.file_version} are new"
        )
    return file
