"""An append-only Merkle mountain range, small in state whatever it holds (STATE-60..63).

State keeps the count and the peaks, the roots of the perfect trees that the count's binary digits
name. Folded from the right the peaks give the RFC 6962 root of all leaves; the accumulator's root
binds the count to it. Nodes needed for proofs are kept beside the state, numbered in post-order:
leaf i first, then each parent that it completes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from synnergy.state.binary_merkle import (
    EMPTY_TREE,
    bind_count,
    fold_path,
    hash_inner,
    hash_leaf,
)
from synnergy.wire.codec import Struct
from synnergy.wire.types import MAX_INTEGER, Count, Digest

MAX_LEAF_BYTES: Final = 65_536

LoadNode = Callable[[int], bytes]


class Accumulator(Struct, frozen=True):
    """How many leaves, and the peaks from the widest (leftmost) to the narrowest."""

    count: Count = 0
    peaks: tuple[Digest, ...] = ()


class AccumulatorProof(Struct, frozen=True):
    """Of leaf number `index` of `count`: `path` holds its siblings from the bottom up."""

    index: Count
    count: Count
    path: tuple[Digest, ...]


def append(accumulator: Accumulator, leaf: bytes) -> Accumulator:
    """The accumulator with one more leaf (its bytes, at most 64 KiB)."""
    completed = _completed(accumulator, leaf)
    kept = len(accumulator.peaks) - (len(completed) - 1)
    return Accumulator(accumulator.count + 1, (*accumulator.peaks[:kept], completed[-1]))


def nodes_for_append(accumulator: Accumulator, leaf: bytes) -> list[tuple[int, bytes]]:
    """The (position, hash) of each node that appending `leaf` completes; keep them for `prove`."""
    first = _leaf_position(accumulator.count)
    return [(first + height, node) for height, node in enumerate(_completed(accumulator, leaf))]


def root(accumulator: Accumulator) -> bytes:
    """sha256(02 || count || RFC 6962 root of all leaves) (STATE-61)."""
    return bind_count(accumulator.count, _fold_peaks(accumulator.peaks))


def prove(count: int, index: int, load_node: LoadNode) -> AccumulatorProof:
    """The proof of leaf `index` in the accumulator as it was with `count` leaves.

    `load_node` reads a stored node by position and raises if it is missing. ValueError if there
    is no such leaf.
    """
    if not 0 <= index < count:
        raise ValueError(f"no leaf {index} among {count}")
    peaks = _peak_ranges(count)
    own = next(n for n, (start, height) in enumerate(peaks) if index < start + (1 << height))
    path: list[bytes] = []
    for height in range(peaks[own][1]):
        sibling = (index >> height) ^ 1
        path.append(load_node(_node_position(sibling << height, height)))
    hashes = [load_node(_node_position(start, height)) for start, height in peaks]
    if own + 1 < len(peaks):
        path.append(_fold_peaks(tuple(hashes[own + 1 :])))
    path += reversed(hashes[:own])
    return AccumulatorProof(index, count, tuple(path))


def verify_member(proof: AccumulatorProof, leaf: bytes, accumulator_root: bytes) -> bool:
    """Whether `leaf` is at the proof's index in the accumulator with this root.

    A change to the leaf or to any field makes a proof fail (STATE-63).
    """
    if not 0 <= proof.count <= MAX_INTEGER or len(leaf) > MAX_LEAF_BYTES:
        return False
    found = fold_path(leaf, proof.index, proof.count, proof.path)
    return found is not None and bind_count(proof.count, found) == accumulator_root


def _completed(accumulator: Accumulator, leaf: bytes) -> list[bytes]:
    """Hashes of the new leaf and of each parent that it completes, upwards."""
    if len(leaf) > MAX_LEAF_BYTES:
        raise ValueError(f"a leaf has at most {MAX_LEAF_BYTES} bytes, not {len(leaf)}")
    if len(accumulator.peaks) != accumulator.count.bit_count():
        raise ValueError("an accumulator has one peak for each binary one of its count")
    completed = [hash_leaf(leaf)]
    for height in range((~accumulator.count & (accumulator.count + 1)).bit_length() - 1):
        completed.append(hash_inner(accumulator.peaks[-1 - height], completed[-1]))
    return completed


def _fold_peaks(peaks: tuple[bytes, ...]) -> bytes:
    """The RFC 6962 root over perfect trees of falling size."""
    if not peaks:
        return EMPTY_TREE
    node = peaks[-1]
    for peak in reversed(peaks[:-1]):
        node = hash_inner(peak, node)
    return node


def _peak_ranges(count: int) -> list[tuple[int, int]]:
    """(first leaf, height) of each peak, from the left."""
    ranges: list[tuple[int, int]] = []
    start = 0
    for height in reversed(range(count.bit_length())):
        if count >> height & 1:
            ranges.append((start, height))
            start += 1 << height
    return ranges


def _leaf_position(index: int) -> int:
    """Nodes before leaf `index` in post-order: that many leaves and their completed parents."""
    return 2 * index - index.bit_count()


def _node_position(start: int, height: int) -> int:
    """The position of the perfect tree of `height` whose first leaf is `start`."""
    return _leaf_position(start + (1 << height) - 1) + height
