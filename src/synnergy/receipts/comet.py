"""CometBFT 0.38's headers, validator sets and votes, and the bytes hashed and signed (RCPT-8).

The source of each encoding is CometBFT's own: `types/block.go` (Header.Hash), `types/validator.go`
(Validator.Bytes), `types/canonical.go` and `proto/tendermint/types/canonical.proto` (votes). All
are protocol buffers, of which only what these few messages need is written here.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Final

from msgspec import Meta

from synnergy.state.binary_merkle import merkle_root
from synnergy.wire.codec import Struct
from synnergy.wire.types import Count, Digest, PublicKey, Signature

#: Most validators that a set may have, and signatures that a commit may carry.
MAX_VALIDATORS: Final = 128
#: The type of the votes that commit a block, in CometBFT's `SignedMsgType`.
PRECOMMIT: Final = 2

#: A hash that is empty where there is nothing to hash: nothing comes before the first block.
MaybeDigest = Annotated[bytes, Meta(max_length=32, description="SHA-256, or empty")]
Nanoseconds = Annotated[int, Meta(ge=0, le=999_999_999, description="of the second")]
Round = Annotated[int, Meta(ge=0, le=2**31 - 1, description="of consensus, at one height")]
Parts = Annotated[int, Meta(ge=0, le=2**32 - 1, description="parts a block was gossiped in")]
BlockHeight = Annotated[int, Meta(ge=1, le=2**53 - 1, description="block height")]
Power = Annotated[int, Meta(ge=1, le=2**53 - 1, description="voting power")]


class Timestamp(Struct, frozen=True):
    """A moment in whole `seconds` since 1970, UTC, and nanoseconds."""

    seconds: Count
    nanos: Nanoseconds


class BlockId(Struct, frozen=True):
    """A block by the hash of its header and of the parts it was gossiped in."""

    hash: MaybeDigest
    parts: Parts
    parts_hash: MaybeDigest


class LightHeader(Struct, frozen=True):
    """The fourteen fields of a header, in the order that they are hashed in.

    `app_hash` is the state after the block before (FinalizeBlock of `height` - 1).
    `validators` and `next_validators` are the hashes of the sets that vote on this height and on
    the next.
    """

    block_version: Count
    app_version: Count
    chain_id: Annotated[str, Meta(max_length=50)]
    height: BlockHeight
    time: Timestamp
    last_block: BlockId
    last_commit: MaybeDigest
    data: MaybeDigest
    validators: Digest
    next_validators: Digest
    consensus: Digest
    app_hash: MaybeDigest
    last_results: MaybeDigest
    evidence: MaybeDigest
    proposer: Annotated[bytes, Meta(min_length=20, max_length=20, description="address")]


class CommitSignature(Struct, frozen=True):
    """The vote for a block of the validator that is number `validator` of the set.

    `time` is that vote's own.
    """

    validator: Annotated[int, Meta(ge=0, lt=MAX_VALIDATORS)]
    time: Timestamp
    signature: Signature


class SignedHeader(Struct, frozen=True):
    """A header and the votes that committed it: those for this block alone, in order."""

    header: LightHeader
    round: Round
    parts: Parts
    parts_hash: Digest
    signatures: Annotated[tuple[CommitSignature, ...], Meta(max_length=MAX_VALIDATORS)]


class ValidatorPower(Struct, frozen=True):
    """A validator's consensus key (Ed25519) and its voting power."""

    public_key: PublicKey
    power: Power


Validators = Annotated[tuple[ValidatorPower, ...], Meta(min_length=1, max_length=MAX_VALIDATORS)]


class Committed(Struct, frozen=True):
    """A signed header with the set that voted on it, in CometBFT's own order (`in_order`)."""

    signed: SignedHeader
    validators: Validators


def consensus_address(public_key: bytes) -> bytes:
    """The 20 bytes that CometBFT names a validator by, and a node by those of its own key."""
    return sha256(public_key).digest()[:20]


def in_order(validators: tuple[ValidatorPower, ...]) -> tuple[ValidatorPower, ...]:
    """A set as CometBFT numbers it: by power, highest first, then by address."""
    return tuple(
        sorted(validators, key=lambda one: (-one.power, consensus_address(one.public_key)))
    )


def validators_hash(validators: tuple[ValidatorPower, ...]) -> bytes:
    """The Merkle root over a set, which must be in order."""
    return merkle_root(
        [
            _bytes_field(1, _bytes_field(1, one.public_key)) + _integer_field(2, one.power)
            for one in validators
        ]
    )


def header_hash(header: LightHeader) -> bytes:
    """The hash that a commit's block id names: the Merkle root over the header's fields."""
    version = _integer_field(1, header.block_version) + _integer_field(2, header.app_version)
    return merkle_root(
        [
            version,
            _wrapped(header.chain_id.encode()),
            _integer_field(1, header.height),
            _timestamp(header.time),
            _block_id(header.last_block),
            _wrapped(header.last_commit),
            _wrapped(header.data),
            _wrapped(header.validators),
            _wrapped(header.next_validators),
            _wrapped(header.consensus),
            _wrapped(header.app_hash),
            _wrapped(header.last_results),
            _wrapped(header.evidence),
            _wrapped(header.proposer),
        ]
    )


def block_of(signed: SignedHeader) -> BlockId:
    """The block that the votes of `signed` must name."""
    return BlockId(header_hash(signed.header), signed.parts, signed.parts_hash)


def vote_bytes(signed: SignedHeader, block: BlockId, time: Timestamp) -> bytes:
    """What a validator signs who votes at `time` for `block`, which is `block_of(signed)`."""
    content = (
        _integer_field(1, PRECOMMIT)
        + _fixed_field(2, signed.header.height)
        + _fixed_field(3, signed.round)
        + _message_field(4, _block_id(block))
        + _message_field(5, _timestamp(time))
        + _bytes_field(6, signed.header.chain_id.encode())
    )
    return _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """A number below 2⁶⁴, seven bits a byte, lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _integer_field(field: int, number: int) -> bytes:
    """A varint field; left out when 0."""
    return _varint(field << 3) + _varint(number) if number else b""


def _fixed_field(field: int, number: int) -> bytes:
    """A sfixed64 field; left out when 0."""
    return _varint(field << 3 | 1) + number.to_bytes(8, "little") if number else b""


def _message_field(field: int, content: bytes) -> bytes:
    """A message field that is there even when empty."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _bytes_field(field: int, content: bytes) -> bytes:
    """A field of bytes; left out when empty."""
    return _message_field(field, content) if content else b""


def _wrapped(content: bytes) -> bytes:
    """A StringValue or BytesValue: nothing at all when empty."""
    return _bytes_field(1, content)


def _timestamp(time: Timestamp) -> bytes:
    return _integer_field(1, time.seconds) + _integer_field(2, time.nanos)


def _block_id(block: BlockId) -> bytes:
    parts = _integer_field(1, block.parts) + _bytes_field(2, block.parts_hash)
    return _bytes_field(1, block.hash) + _message_field(2, parts)
