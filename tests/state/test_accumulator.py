"""The accumulator against the tree of all its leaves (STATE-60..63)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.rejected import Rejected
from synnergy.state.accumulator import (
    MAX_LEAF_BYTES,
    Accumulator,
    AccumulatorProof,
    append,
    nodes_for_append,
    prove,
    root,
    verify_member,
)
from synnergy.state.binary_merkle import bind_count, merkle_path, merkle_root
from synnergy.wire.codec import decode, encode

LEAVES = [b"leaf%d" % number for number in range(70)]


def grow(leaves: list[bytes]) -> tuple[Accumulator, dict[int, bytes]]:
    accumulator, nodes = Accumulator(), dict[int, bytes]()
    for leaf in leaves:
        added = nodes_for_append(accumulator, leaf)
        # Post-order: no gaps, nothing overwritten (STATE-62).
        assert [position for position, _ in added] == list(
            range(len(nodes), len(nodes) + len(added))
        )
        nodes.update(added)
        accumulator = append(accumulator, leaf)
    return accumulator, nodes


def test_root_and_every_proof_at_every_count() -> None:
    _, nodes = grow(LEAVES)
    accumulator = Accumulator()
    for count in range(len(LEAVES) + 1):
        assert root(accumulator) == bind_count(count, merkle_root(LEAVES[:count]))  # STATE-61
        assert len(accumulator.peaks) == count.bit_count()  # STATE-60
        for index in range(count):
            proof = prove(count, index, nodes.__getitem__)
            assert proof.path == merkle_path(LEAVES[:count], index)
            assert verify_member(proof, LEAVES[index], root(accumulator))
        if count < len(LEAVES):
            accumulator = append(accumulator, LEAVES[count])


@pytest.mark.parametrize(("count", "index"), [(1, 0), (2, 1), (3, 0), (3, 2), (13, 9), (70, 69)])
def test_every_flipped_bit_fails(count: int, index: int) -> None:
    accumulator, nodes = grow(LEAVES[:count])
    encoded = encode(prove(count, index, nodes.__getitem__))
    for position in range(len(encoded)):
        for bit in range(8):
            flipped = bytearray(encoded)
            flipped[position] ^= 1 << bit
            proof = decode(bytes(flipped), AccumulatorProof, 65_536)
            assert isinstance(proof, Rejected) or not verify_member(
                proof, LEAVES[index], root(accumulator)
            )


@given(st.integers(1, 40), st.data())
def test_other_statements_fail(count: int, data: st.DataObject) -> None:
    accumulator, nodes = grow(LEAVES[:count])
    index = data.draw(st.integers(0, count - 1))
    proof = prove(count, index, nodes.__getitem__)
    right = root(accumulator)
    replace = msgspec.structs.replace
    assert verify_member(proof, LEAVES[index], right)
    assert not verify_member(proof, b"other", right)
    assert not verify_member(proof, bytes(MAX_LEAF_BYTES + 1), right)
    assert not verify_member(proof, LEAVES[index], root(append(accumulator, b"more")))
    for wrong in data.draw(st.lists(st.integers(-3, 90), max_size=6)):
        if wrong != index:
            assert not verify_member(replace(proof, index=wrong), LEAVES[index], right)
        if wrong != count:
            assert not verify_member(replace(proof, count=wrong), LEAVES[index], right)
    huge = AccumulatorProof(0, 2**70, (bytes(32),) * 70)
    assert not verify_member(huge, LEAVES[index], right)


def test_an_old_proof_holds_for_the_old_root_only() -> None:
    old, _ = grow(LEAVES[:5])
    new, nodes = grow(LEAVES[:9])
    proof = prove(5, 4, nodes.__getitem__)
    assert verify_member(proof, LEAVES[4], root(old))
    assert not verify_member(proof, LEAVES[4], root(new))


def test_misuse_raises() -> None:
    accumulator, nodes = grow(LEAVES[:3])
    for index in (-1, 3):
        with pytest.raises(ValueError, match="no leaf"):
            prove(3, index, nodes.__getitem__)
    with pytest.raises(ValueError, match="bytes"):
        append(accumulator, bytes(MAX_LEAF_BYTES + 1))
    with pytest.raises(ValueError, match="peak"):
        append(Accumulator(3, (bytes(32),)), b"leaf")
