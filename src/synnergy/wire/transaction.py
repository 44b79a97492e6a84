"""The envelope: a signed body, its signatures, its attachments (TX-1 … TX-4)."""

from __future__ import annotations

import hashlib
from typing import Annotated

from msgspec import Meta

from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import Address, Amount, Count, Digest, Gas, Height, PublicKey, Signature

#: An envelope as it travels; larger ones are refused before decoding (TX-2).
MAX_ENVELOPE_BYTES = 4 * 1024 * 1024
MAX_CODE_BYTES = 65_536
MAX_DATA_BYTES = 262_144
MAX_ATTACHMENTS = 16
SALT_BYTES = 32

ChainId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,17}-[0-9a-f]{32}$(?!\n)")]


class AttachmentReference(Struct, frozen=True):
    """What the body says of an attachment: its commitment and the length of its content."""

    commitment: Digest
    length: Count


class Attachment(Struct, frozen=True):
    """A payload outside the signed body, erasable without breaking a hash (TX-4).

    `salt` has 32 bytes, or none for artefact chunks, which are exempt from erasure.
    """

    salt: Annotated[bytes, Meta(max_length=SALT_BYTES)]
    content: bytes

    @property
    def reference(self) -> AttachmentReference:
        return AttachmentReference(commit(self.salt, self.content), len(self.content))


class Body(Struct, frozen=True):
    """What is signed: header, program, data, and the attachments' commitments."""

    chain_id: ChainId
    sender: Address
    nonce: Count
    gas_limit: Gas
    gas_price: Amount
    expiry_height: Height
    code: Annotated[bytes, Meta(max_length=MAX_CODE_BYTES)]
    data: Annotated[bytes, Meta(max_length=MAX_DATA_BYTES)]
    attachments: Annotated[tuple[AttachmentReference, ...], Meta(max_length=MAX_ATTACHMENTS)]


class BodySignature(Struct, frozen=True):
    public_key: PublicKey
    signature: Signature


class Envelope(Struct, frozen=True):
    body: Body
    signatures: Annotated[tuple[BodySignature, ...], Meta(max_length=16)]
    attachments: Annotated[tuple[Attachment, ...], Meta(max_length=MAX_ATTACHMENTS)]


def commit(salt: bytes, content: bytes) -> bytes:
    """The salted commitment sha256(salt ‖ content); the reference's length fixes the split."""
    return hashlib.sha256(salt + content).digest()


def transaction_id(body: Body) -> bytes:
    """The hash of the body; signatures and attachments don't change it (TX-1)."""
    return hashlib.sha256(b"synnergy/transaction/1\x00" + encode(body)).digest()


def signing_bytes(body: Body) -> bytes:
    """What a signature covers: domain-separated, and bound to one chain by the body's chain id."""
    return signed_message(transaction_id(body))


def signed_message(transaction: bytes) -> bytes:
    """What the signature of the transaction with this id covers."""
    return b"synnergy/sign/transaction/1\x00" + transaction
