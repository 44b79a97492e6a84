"""Addresses: bech32 `syn1…` of 20 bytes (ID-2)."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import bech32

PREFIX = "syn"
ADDRESS_BYTES = 20
#: Of the text, every address alike.
ADDRESS_CHARACTERS = 42


def encode_address(raw: bytes) -> str:
    """The text form of 20 raw bytes."""
    if len(raw) != ADDRESS_BYTES:
        raise ValueError(f"an address has {ADDRESS_BYTES} bytes, not {len(raw)}")
    text = bech32.bech32_encode(PREFIX, bech32.convertbits(raw, 8, 5) or [])
    assert isinstance(text, str)
    return text


@lru_cache(maxsize=65_536)
def is_address(text: str) -> bool:
    """Whether `text` is an address in canonical (lower-case) form with a correct checksum."""
    prefix, words = bech32.bech32_decode(text)
    if prefix != PREFIX or words is None or text != text.lower():
        return False
    raw = bech32.convertbits(words, 5, 8, False)
    return raw is not None and len(raw) == ADDRESS_BYTES


@lru_cache(maxsize=65_536)
def address_of(public_key: bytes) -> str:
    """The address of a wallet: the first 20 bytes of a domain-separated hash of its key."""
    digest = hashlib.sha256(b"synnergy/address/1\x00" + public_key).digest()
    return encode_address(digest[:ADDRESS_BYTES])


def derived_address(domain: str, *parts: bytes) -> str:
    """An address nobody holds a key for, derived from fixed-length parts."""
    digest = hashlib.sha256(f"synnergy/{domain}/1".encode() + b"\x00" + b"".join(parts))
    return encode_address(digest.digest()[:ADDRESS_BYTES])
