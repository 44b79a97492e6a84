"""RFC 6962 trees: published roots and paths, and strictness (STATE-50, STATE-51)."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.state.binary_merkle import bind_count, merkle_path, merkle_root, verify_path

VECTORS = json.loads((Path(__file__).parent / "vectors" / "rfc6962.json").read_text())
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]


def oracle_root(leaves: list[bytes]) -> bytes:
    """MTH as section 2.1 words it, by recursion."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = oracle_root(leaves[:split]), oracle_root(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


def test_published_roots() -> None:
    for count, root in enumerate(VECTORS["roots"]):
        assert merkle_root(LEAVES[:count]).hex() == root


@pytest.mark.parametrize("vector", VECTORS["paths"])
def test_published_paths(vector: dict[str, object]) -> None:
    index, count = vector["index"], vector["count"]
    assert isinstance(index, int) and isinstance(count, int)
    path = merkle_path(LEAVES[:count], index)
    assert [node.hex() for node in path] == vector["path"]


@given(st.lists(st.binary(max_size=3), max_size=40), st.data())
def test_against_the_definition(leaves: list[bytes], data: st.DataObject) -> None:
    root = merkle_root(leaves)
    assert root == oracle_root(leaves)
    if not leaves:
        return
    count = len(leaves)
    index = data.draw(st.integers(0, count - 1))
    leaf, path = leaves[index], merkle_path(leaves, index)
    assert verify_path(leaf, index, count, path, root)
    assert not verify_path(leaf + b"x", index, count, path, root)
    assert not verify_path(leaf, index, count, path, sha256(root).digest())
    assert not verify_path(leaf, index, count, (*path, root), root)
    assert not verify_path(leaf, index, count, (root, *path), root)
    assert not verify_path(leaf, count, count, path, root)
    assert not verify_path(leaf, -1, count, path, root)
    assert not verify_path(leaf, index, 0, path, root)
    for position, node in enumerate(path):
        for changed in (node[:-1], node + b"\x00", bytes(32), b""):
            bent = (*path[:position], changed, *path[position + 1 :])
            assert not verify_path(leaf, index, count, bent, root)
        assert not verify_path(leaf, index, count, path[:position], root)
    for other in range(count):
        if leaves[other] != leaf:
            assert not verify_path(leaf, other, count, path, root)


def test_no_leaf_no_path() -> None:
    for index in (-1, 3):
        with pytest.raises(ValueError, match="no leaf"):
            merkle_path([b"a", b"b", b"c"], index)


def test_an_inner_node_is_not_a_leaf() -> None:
    leaves = [b"a", b"b", b"c", b"d"]
    left = sha256(b"\x00a").digest() + sha256(b"\x00b").digest()
    right = merkle_root(leaves[2:])
    assert not verify_path(left, 0, 2, (right,), merkle_root(leaves))


def test_the_bound_root_tells_counts_apart() -> None:
    """Leaf 0 of 3 and of 4 have paths of one shape, so the plain root can't tell them apart."""
    leaves = [b"a", b"b", b"c"]
    root, path = merkle_root(leaves), merkle_path(leaves, 0)
    assert verify_path(b"a", 0, 3, path, root) and verify_path(b"a", 0, 4, path, root)
    assert bind_count(3, root) != bind_count(4, root)
    assert bind_count(3, root) == sha256(b"\x02" + bytes(7) + b"\x03" + root).digest()
