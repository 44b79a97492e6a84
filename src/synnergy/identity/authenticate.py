"""From an envelope's bytes to an authenticated transaction: pure, no state (TX-1 … TX-5).

Whether the key that signed is the sender's is a matter of state, and of admission.
"""

from __future__ import annotations

import msgspec

from synnergy.identity.keys import verify_signature
from synnergy.rejected import Rejected
from synnergy.wire.codec import decode
from synnergy.wire.transaction import (
    MAX_ENVELOPE_BYTES,
    SALT_BYTES,
    Attachment,
    Body,
    Envelope,
    signed_message,
    transaction_id,
)


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """A decoded, well-formed envelope; `raw` are the bytes it came as."""

    id: bytes
    body: Body
    attachments: tuple[Attachment, ...]
    public_key: bytes
    signature: bytes
    raw: bytes


def decode_transaction(raw: bytes, chain_id: str) -> Transaction | Rejected:
    """The envelope that `raw` holds, structurally sound, for this chain; signature unverified."""
    envelope = decode(raw, Envelope, MAX_ENVELOPE_BYTES)  # TX-2
    if isinstance(envelope, Rejected):
        return envelope
    body = envelope.body
    if body.chain_id != chain_id:
        return Rejected(
            "TX-3",
            "wrong_chain",
            f"the transaction is for chain {body.chain_id}, this one is {chain_id}",
        )
    if len(envelope.signatures) != 1:
        return Rejected(
            "TX-5",
            "wrong_signatures",
            f"exactly the sender's signature is needed, {len(envelope.signatures)} were given",
        )
    for index, attachment in enumerate(envelope.attachments):
        if len(attachment.salt) not in (0, SALT_BYTES):
            return Rejected(
                "TX-4", "malformed", f"attachment {index}: a salt has {SALT_BYTES} bytes or none"
            )
    references = tuple([attachment.reference for attachment in envelope.attachments])
    if references != body.attachments:
        return Rejected(
            "TX-4",
            "wrong_attachments",
            "the attachments are not those whose commitments and lengths the body lists",
        )
    signed = envelope.signatures[0]
    return Transaction(
        transaction_id(body), body, envelope.attachments, signed.public_key, signed.signature, raw
    )


def check_signature(transaction: Transaction) -> Rejected | None:
    """Verify the one signature of a decoded transaction (TX-5)."""
    message = signed_message(transaction.id)
    if not verify_signature(transaction.public_key, message, transaction.signature):
        return Rejected("TX-5", "bad_signature", "the signature does not verify")
    return None


def authenticate(raw: bytes, chain_id: str) -> Transaction | Rejected:
    """Decode and verify: the envelope's key signed its body, whoever it belongs to."""
    transaction = decode_transaction(raw, chain_id)
    if isinstance(transaction, Rejected):
        return transaction
    return check_signature(transaction) or transaction
