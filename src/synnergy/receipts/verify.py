"""Checking a receipt offline, in order, naming the first thing that doesn't hold (RCPT-6).

What is proved: the ledger of this genesis holds this receipt, and this model computes, on this
input, an output with this commitment. What is not: that its validators were honest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from synnergy import tensor
from synnergy.identity.keys import verify_signature
from synnergy.receipts.file import ReceiptFile, decode_receipt_file
from synnergy.receipts.header import SignedBlock, header_signing_bytes
from synnergy.receipts.light import LightProof, check_light, signers_of
from synnergy.receipts.proof import check_inclusion
from synnergy.receipts.receipt import (
    MAX_RECEIPT_BYTES,
    RECEIPT_VERSION,
    Receipt,
    output_salt,
    receipt_id,
)
from synnergy.rejected import Rejected
from synnergy.state.records import SINGLE, receipts_root
from synnergy.tensor.encoding import decode_tensors, encode_tensors
from synnergy.wire.codec import decode
from synnergy.wire.transaction import MAX_ENVELOPE_BYTES, commit


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """What the verifier believes beforehand, from a genesis file: chain id, and who signs.

    `signer` is a solo engine's key, None where a network makes the blocks; `validators` is the
    hash of its first set (`trusted_validators`), None for a solo engine.
    """

    chain_id: str
    signer: bytes | None
    validators: bytes | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """A receipt that holds. `checks` says in order what was checked; `outputs` are recomputed."""

    receipt: Receipt
    checks: tuple[str, ...]
    outputs: bytes | None


def read_receipt(content: bytes) -> tuple[ReceiptFile, Receipt] | Rejected:
    """Decode a receipt file and the receipt inside; nothing is verified but the encoding."""
    file = decode_receipt_file(content)
    if isinstance(file, Rejected):
        return file
    receipt = decode(file.receipt, Receipt, MAX_RECEIPT_BYTES)
    if isinstance(receipt, Rejected):
        return Rejected("RCPT-5", "malformed_receipt", f"the receipt inside: {receipt.message}")
    if receipt.receipt_version != RECEIPT_VERSION:
        return Rejected(
            "RCPT-5", "malformed_receipt", f"receipts of version {receipt.receipt_version} are new"
        )
    return file, receipt


def verify_receipt(
    content: bytes, model: bytes, tensors: bytes | None, trusted: TrustedRoot | None
) -> Verified | Rejected:
    """Check a receipt file against a model file, an input's canonical bytes and a genesis.

    A refused call proves its inclusion; there is nothing to recompute. Where the input or its
    salt is not at hand, erased perhaps, the refusal names it and what holds without (RCPT-7).
    """
    read = read_receipt(content)
    if isinstance(read, Rejected):
        return read
    file, receipt = read
    return (
        check_root(file, receipt, trusted)
        or check_consistency(file, receipt)
        or check_model(receipt, model)
        or check_opening(file, receipt, tensors)
        or recompute(file, receipt, model, tensors or b"")
    )


def check_root(
    file: ReceiptFile, receipt: Receipt, trusted: TrustedRoot | None
) -> Rejected | None:
    """A header is signed by the chain that is trusted, and its state holds the receipt."""
    if trusted is None:
        return Rejected(
            "RCPT-6", "untrusted_root", "no genesis to trust was given; name one with --trusted"
        )
    if receipt.chain_id != trusted.chain_id:
        return Rejected(
            "RCPT-6",
            "untrusted_root",
            f"the receipt is of chain {receipt.chain_id}, the trusted one is {trusted.chain_id}",
        )
    app_hash = signed_state(file.root, trusted)
    if isinstance(app_hash, Rejected):
        return app_hash
    key = receipts_root.raw_key(SINGLE)
    return check_inclusion(file.receipt, file.proof, key, app_hash)


def signed_state(root: SignedBlock | LightProof, trusted: TrustedRoot) -> bytes | Rejected:
    """The app hash that the trusted chain's key, or its validators, signed."""
    if isinstance(root, LightProof):
        if trusted.validators is None:
            return Rejected(
                "RCPT-6",
                "untrusted_root",
                "validators signed this, but the trusted genesis names none",
            )
        header = check_light(root, trusted.chain_id, trusted.validators)
        return header if isinstance(header, Rejected) else header.app_hash
    if trusted.signer is None:
        return Rejected(
            "RCPT-6",
            "untrusted_root",
            "a single node signed this, but in the trusted genesis validators do",
        )
    if root.header.chain_id != trusted.chain_id:
        return Rejected(
            "RCPT-6",
            "untrusted_root",
            f"the header is of chain {root.header.chain_id}, the trusted one is"
            f" {trusted.chain_id}",
        )
    if not verify_signature(trusted.signer, header_signing_bytes(root.header), root.signature):
        return Rejected(
            "RCPT-6", "bad_header_signature", "the header is not signed by the trusted chain's key"
        )
    return root.header.app_hash


def check_consistency(file: ReceiptFile, receipt: Receipt) -> Rejected | None:
    """Receipt and header speak of the same block, and the id is the transaction's."""
    if not _of_this_block(file.root, receipt):
        return Rejected("RCPT-6", "wrong_block", "the receipt's height or time is not its block's")
    if receipt.id != receipt_id(receipt.transaction, receipt.index):
        return Rejected("RCPT-6", "wrong_id", "the receipt's id is not of its transaction")
    return None


def _of_this_block(root: SignedBlock | LightProof, receipt: Receipt) -> bool:
    """The header of a receipt's block is signed; in a network, the one after it, whose app hash
    is that block's and whose time is later."""
    if isinstance(root, SignedBlock):
        return (receipt.height, receipt.time) == (root.header.height, root.header.time)
    header = root.last.signed.header
    milliseconds = header.time.seconds * 1000 + header.time.nanos // 1_000_000
    return receipt.height + 1 == header.height and receipt.time <= milliseconds


def check_model(receipt: Receipt, model: bytes) -> Rejected | None:
    """The model file is the one that was called; a refused call may have named none there is."""
    if receipt.model is None and receipt.outcome.status == "refused":
        return None
    digest = hashlib.sha256(model).digest()
    if receipt.model is None or digest != receipt.model.digest:
        called = receipt.model.digest.hex() if receipt.model else "none"
        return Rejected(
            "RCPT-6",
            "wrong_model",
            f"the model file's digest is {digest.hex()}, the receipt's model is {called}",
        )
    return None


def check_opening(file: ReceiptFile, receipt: Receipt, tensors: bytes | None) -> Rejected | None:
    """The input is the one that was committed to, and so is the caller's reference.

    A refused call may have named an attachment that wasn't there: then there is nothing to open.
    """
    if receipt.input is None and receipt.outcome.status == "refused":
        return None
    opening = file.opening
    if opening is None:
        return _missing(
            file,
            receipt,
            "missing_opening",
            "the file has no opening (the input's salt), which the caller's home keeps, and the"
            " ledger's nodes until the input is erased",
        )
    if tensors is None:
        return _missing(
            file,
            receipt,
            "missing_input",
            "the input itself, whose copy the ledger's nodes keep until it is erased",
        )
    if commit(opening.input_salt, tensors) != receipt.input:
        return Rejected("RCPT-6", "wrong_input", "the input is not the one the receipt commits to")
    if opening.reference_salt is None and opening.reference is None:
        return None
    text = (opening.reference or "").encode()
    if opening.reference_salt is None or commit(opening.reference_salt, text) != receipt.reference:
        return Rejected("RCPT-6", "wrong_reference", "the reference is not the one committed to")
    return None


def _missing(file: ReceiptFile, receipt: Receipt, code: str, what: str) -> Rejected:
    """A refusal that says what holds nevertheless: what the receipt itself says (RCPT-7)."""
    held = "; ".join(_established(file, receipt))
    verdict = "its policy verdict, fee and outcome are those the ledger recorded"
    return Rejected(
        "RCPT-7",
        code,
        f"missing: {what}; so the call cannot be computed again. What holds: {held}; {verdict}",
    )


def _established(file: ReceiptFile, receipt: Receipt) -> tuple[str, ...]:
    """What was checked before input and opening."""
    return (
        _who_signed(file.root),
        "the ledger's state holds the receipt",
        *(("the model file is the one called",) if receipt.model else ()),
    )


def _who_signed(root: SignedBlock | LightProof) -> str:
    if isinstance(root, SignedBlock):
        return "the header is signed by the trusted chain"
    signers = signers_of(root.last)
    changes = len(root.steps)
    since = (
        f"; changes of the validators, each signed by those before: {changes}" if changes else ""
    )
    return (
        f"the header after its block is signed by {signers.signed} of {signers.validators}"
        f" validators of the trusted chain, with {signers.signed_power} of {signers.power}"
        f" votes{since}"
    )


def recompute(
    file: ReceiptFile, receipt: Receipt, model: bytes, tensors: bytes
) -> Verified | Rejected:
    """Run the model again and compare the output's commitment, bit for bit."""
    checks = (
        *_established(file, receipt),
        *(("the input is the one committed to",) if receipt.input else ()),
    )
    if receipt.outcome.status == "refused":
        return Verified(receipt, checks, None)
    arrays = decode_tensors(tensors, MAX_ENVELOPE_BYTES)
    if isinstance(arrays, Rejected):
        return arrays
    assert file.opening is not None and receipt.model is not None
    try:
        plan = tensor.load(model, tensor.LEDGER_LIMITS)
        given = {name: array for name, _, array in arrays}
        plan.check_inputs(given, allow_missing=receipt.model.allow_missing)
        outputs = encode_tensors(plan.execute(given))
    except (tensor.Unsupported, tensor.BadInput) as error:
        return Rejected("RCPT-6", "not_recomputable", f"the model cannot run on it: {error}")
    salt = output_salt(file.opening.input_salt, receipt.id)
    if commit(salt, outputs) != receipt.output:
        return Rejected("RCPT-6", "wrong_output", "running the model again gives another output")
    return Verified(receipt, (*checks, "running the model again gives the same bits"), outputs)
