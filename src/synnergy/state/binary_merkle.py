"""Merkle trees over a list of leaves, as RFC 6962 section 2.1 defines them (STATE-50, 51).

    leaf = sha256(00 || x)    inner = sha256(01 || left || right)    empty = sha256("")

The left subtree of n leaves holds the largest power of two below n. Such a root does not say how
many leaves it has: one path can hold for several counts. `bind_count` says it, for where a count
from an untrusted file must be the true one.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_TREE: Final = sha256(b"").digest()


def hash_leaf(leaf: bytes) -> bytes:
    """The hash of one leaf's bytes."""
    return sha256(b"\x00" + leaf).digest()


def hash_inner(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def bind_count(count: int, root: bytes) -> bytes:
    """sha256(02 || count, 8 bytes big-endian || root): a root that commits to its leaf count."""
    return sha256(b"\x02" + count.to_bytes(8, "big") + root).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The tree hash of `leaves` in order."""
    level = [hash_leaf(leaf) for leaf in leaves]
    while len(level) > 1:
        level = _next_level(level)
    return level[0] if level else EMPTY_TREE


def merkle_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The siblings of leaf `index` from the bottom up; ValueError if there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"no leaf {index} among {len(leaves)}")
    level = [hash_leaf(leaf) for leaf in leaves]
    path: list[bytes] = []
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        level = _next_level(level)
        index >>= 1
    return tuple(path)


def verify_path(leaf: bytes, index: int, count: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf` is number `index` of the `count` leaves under `root`, by this very path.

    A count other than the tree's own may pass too, see `bind_count`.
    """
    found = fold_path(leaf, index, count, path)
    return found is not None and found == root


def fold_path(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """The root that `path` leads to, or None if no tree of `count` leaves has such a path."""
    if not 0 <= index < count:
        return None
    node, last = hash_leaf(leaf), count - 1
    siblings = iter(path)
    while last > 0:
        if index & 1 or index < last:
            sibling = next(siblings, None)
            if sibling is None or len(sibling) != HASH_BYTES:
                return None
            node = hash_inner(sibling, node) if index & 1 else hash_inner(node, sibling)
        # Else the node is the last of an odd level and rises as it is.
        index >>= 1
        last >>= 1
    return node if next(siblings, None) is None else None


def _next_level(level: list[bytes]) -> list[bytes]:
    """Pairs joined; the last of an odd level rises, which yields RFC 6962's shape."""
    joined = [hash_inner(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return [*joined, level[-1]] if len(level) & 1 else joined
