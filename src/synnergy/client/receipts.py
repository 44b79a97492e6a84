"""Receipts as files: taken from a node with their opening, verified with nothing but files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from synnergy.client.failures import ClientError, refused
from synnergy.client.home import Home
from synnergy.client.inputs import canonical_bytes, read_inputs
from synnergy.client.models import read_model
from synnergy.client.openings import find_opening
from synnergy.client.trust import when_signed
from synnergy.identity.keys import KeyPair
from synnergy.receipts.file import Opening, encode_receipt_file
from synnergy.receipts.receipt import Receipt
from synnergy.receipts.verify import TrustedRoot, Verified, read_receipt, verify_receipt
from synnergy.rejected import Rejected
from synnergy.tensor.loader import parse
from synnergy.tensor.types import Unsupported

if TYPE_CHECKING:
    from synnergy.client.api import Node
    from synnergy.client.replies import Payload


def export_receipt(
    home: Home, node: Node, identifier: str, keys: KeyPair | None
) -> tuple[bytes, bool]:
    """A receipt file, and whether it has its opening: the home's, else one fetched with `keys`.

    In a network the header that proves it comes with the next block, and is waited for. An erased
    input has no opening to be fetched.
    """
    read = read_receipt(when_signed(lambda: node.receipt(identifier)))
    if isinstance(read, Rejected):
        raise refused(read)
    file, receipt = read
    if receipt.id.hex() != identifier:
        raise ClientError("wrong_receipt", f"the node gave the receipt {receipt.id.hex()}")
    opening = find_opening(home, identifier)
    if opening is None and keys is not None:
        opening = _fetch_opening(node, receipt, keys)
    return encode_receipt_file(msgspec.structs.replace(file, opening=opening)), opening is not None


def _fetch_opening(node: Node, receipt: Receipt, keys: KeyPair) -> Opening | None:
    """The salts as the node's copy of the attachments has them, for a party of the call."""
    source = _fetch(node, receipt, keys, receipt.input)
    if source is None:
        return None
    reference = _fetch(node, receipt, keys, receipt.reference)
    if reference is None:
        return Opening(source.salt, None, None)
    return Opening(source.salt, reference.salt, reference.content.decode("utf-8", "replace"))


def _fetch(
    node: Node, receipt: Receipt, keys: KeyPair, commitment: bytes | None
) -> Payload | None:
    if commitment is None:
        return None
    from synnergy.client.payloads import fetch_payload

    try:
        return fetch_payload(node, keys, receipt.chain_id, commitment)
    except ClientError as failed:
        if failed.code != "erased":
            raise
        return None


def verify_file(
    content: bytes, model_path: Path, input_path: Path | None, trusted: TrustedRoot | None
) -> Verified | Rejected:
    """Verify a receipt against a model file and an input file; see `receipts.verify`."""
    read = read_receipt(content)
    if isinstance(read, Rejected):
        return read
    model = read_model(model_path)
    called = read[1].model
    if called is None or hashlib.sha256(model).digest() != called.digest:
        # Another model has other inputs: its refusal must not hide behind theirs.
        return verify_receipt(content, model, b"", trusted)
    if input_path is None:
        return verify_receipt(content, model, None, trusted)
    try:
        graph = parse(model).graph
    except Unsupported as unsupported:
        return Rejected("RCPT-6", "not_recomputable", str(unsupported))
    tensors = canonical_bytes(read_inputs(input_path, graph.inputs), graph.inputs)
    return verify_receipt(content, model, tensors, trusted)
