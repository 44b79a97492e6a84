"""Proofs that a key has a value in a state root, or has none (STATE-40..42).

Needs no store: whoever holds a root can check a proof with this file and `merkle` alone.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from synnergy.state.journal import MAX_KEY_BYTES, MAX_VALUE_BYTES
from synnergy.state.merkle import EMPTY_ROOT, Tree, hash_inner, hash_leaf
from synnergy.wire.codec import Struct

HASH_BYTES: Final = 32
MAX_DEPTH: Final = 256


class StateProof(Struct, frozen=True):
    """`key` has `value`, or with None is absent.

    `siblings` go from the root down to where the key's path ends, b"" for an empty subtree.
    `other` is for absence only: the `(sha256(key), sha256(value))` of another key that stands
    there; None where nothing does.
    """

    key: bytes
    value: bytes | None
    siblings: tuple[bytes, ...]
    other: tuple[bytes, bytes] | None


def prove(tree: Tree, key: bytes, value: bytes | None) -> StateProof:
    """The proof that `key` has `value` (None: is absent) in `tree`; ValueError if it hasn't."""
    path = tree.path(key)
    key_hash = sha256(key).digest()
    present = path.leaf is not None and path.leaf[0] == key_hash
    if value is None:
        if present:
            raise ValueError("the key is in the tree, its absence cannot be proved")
        other = path.leaf
    else:
        if path.leaf != (key_hash, sha256(value).digest()):
            raise ValueError("the tree does not hold this value under this key")
        other = None
    siblings = tuple(b"" if sibling == EMPTY_ROOT else sibling for sibling in path.siblings)
    return StateProof(key, value, siblings, other)


def verify_state(proof: StateProof, root: bytes) -> bool:
    """Whether `proof` holds in the state whose root is `root`.

    The caller compares `proof.key` and `proof.value` with what it wants to know. A change to any
    field makes a proof fail, save that a proof of absence holds for each key whose path ends in
    the same place, all of which are absent (STATE-42).
    """
    if not 1 <= len(proof.key) <= MAX_KEY_BYTES or len(proof.siblings) > MAX_DEPTH:
        return False
    key_hash = sha256(proof.key).digest()
    path = int.from_bytes(key_hash, "big")
    shift = MAX_DEPTH - len(proof.siblings)
    if proof.value is not None:
        if proof.other is not None or len(proof.value) > MAX_VALUE_BYTES:
            return False
        node = hash_leaf(key_hash, sha256(proof.value).digest())
    elif proof.other is not None:
        other_key, other_value = proof.other
        if len(other_key) != HASH_BYTES or len(other_value) != HASH_BYTES:
            return False
        if other_key == key_hash or int.from_bytes(other_key, "big") >> shift != path >> shift:
            return False
        node = hash_leaf(other_key, other_value)
    else:
        node = EMPTY_ROOT
    for level, sibling in enumerate(reversed(proof.siblings)):
        if sibling == b"":
            sibling = EMPTY_ROOT
        elif len(sibling) != HASH_BYTES or sibling == EMPTY_ROOT:
            return False
        right = path >> (shift + level) & 1
        node = hash_inner(sibling, node) if right else hash_inner(node, sibling)
    return node == root
