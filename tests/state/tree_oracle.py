"""The state tree from its definition (STATE-30), slow and without any storage."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256


def oracle_root(items: Mapping[bytes, bytes]) -> bytes:
    """The root of the tree that holds exactly `items`."""
    leaves = {sha256(key).digest(): sha256(value).digest() for key, value in items.items()}
    return _subtree(leaves, 0)


def _subtree(leaves: dict[bytes, bytes], depth: int) -> bytes:
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        [(key_hash, value_hash)] = leaves.items()
        return sha256(b"\x00" + key_hash + value_hash).digest()
    sides: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    for key_hash, value_hash in leaves.items():
        bits = f"{int.from_bytes(key_hash, 'big'):0256b}"
        sides[int(bits[depth])][key_hash] = value_hash
    left, right = (_subtree(side, depth + 1) for side in sides)
    return sha256(b"\x01" + left + right).digest()
