"""The header that binds a state: hash-chained, signed with a key named in genesis (CHAIN-4)."""

from __future__ import annotations

import hashlib

from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import Digest, Height, Signature, Time


class Header(Struct, frozen=True):
    """What the solo engine signs; `app_hash` is the state after this block, `time` ms UTC."""

    chain_id: str
    height: Height
    time: Time
    previous: Digest
    app_hash: Digest
    transactions: Digest
    results: Digest


class SignedBlock(Struct, frozen=True, tag="solo"):
    """A header of the solo engine and its signature, by the key that genesis names."""

    header: Header
    signature: Signature


def header_hash(header: Header) -> bytes:
    return hashlib.sha256(b"synnergy/header/1\x00" + encode(header)).digest()


def header_signing_bytes(header: Header) -> bytes:
    return b"synnergy/sign/header/1\x00" + header_hash(header)
