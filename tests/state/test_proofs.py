"""State proofs: what holds verifies, everything else is refused (STATE-40..42)."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.rejected import Rejected
from synnergy.state.merkle import EMPTY_ROOT, Tree, hash_inner, hash_leaf
from synnergy.state.proofs import StateProof, prove, verify_state
from synnergy.wire.codec import decode, encode

replace = msgspec.structs.replace


def tree_of(items: dict[bytes, bytes]) -> Tree:
    tree = Tree({}.get)
    tree.update(items.items())
    return tree


def numbered(count: int) -> dict[bytes, bytes]:
    return {b"key%d" % n: b"value%d" % n for n in range(count)}


@given(
    st.dictionaries(st.binary(min_size=1, max_size=3), st.binary(max_size=3), max_size=40),
    st.binary(min_size=1, max_size=3),
)
@settings(deadline=None)
def test_every_key_is_proved_present_or_absent(items: dict[bytes, bytes], key: bytes) -> None:
    tree = tree_of(items)
    for asked in [key, *items]:
        proof = prove(tree, asked, items.get(asked))
        assert proof.value == items.get(asked)
        assert verify_state(proof, tree.root)
        assert decode(encode(proof), StateProof, 65_536) == proof
        assert not verify_state(proof, sha256(tree.root).digest())
        # The opposite statement cannot be made from the same hashes.
        opposite = b"other" if proof.value is None else None
        assert not verify_state(replace(proof, value=opposite), tree.root)
        with pytest.raises(ValueError):
            prove(tree, asked, opposite)


def flips(encoded: bytes) -> list[bytes]:
    """Every encoding that differs in one bit."""
    return [
        encoded[:position] + bytes((encoded[position] ^ 1 << bit,)) + encoded[position + 1 :]
        for position in range(len(encoded))
        for bit in range(8)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_every_flipped_bit_of_a_proof_of_presence_fails(count: int) -> None:
    tree = tree_of(numbered(count))
    encoded = encode(prove(tree, b"key0", b"value0"))
    for flipped in flips(encoded):
        proof = decode(flipped, StateProof, 65_536)
        assert isinstance(proof, Rejected) or not verify_state(proof, tree.root)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_every_flipped_bit_of_a_proof_of_absence_fails_or_proves_another_absence(
    count: int,
) -> None:
    items = numbered(count)
    tree = tree_of(items)
    # Several absent keys, so that both ends occur: nothing there, and another key's leaf.
    ends = set[bool]()
    for number in range(6):
        honest = prove(tree, b"absent%d" % number, None)
        ends.add(honest.other is None)
        for flipped in flips(encode(honest)):
            proof = decode(flipped, StateProof, 65_536)
            if isinstance(proof, Rejected) or not verify_state(proof, tree.root):
                continue
            assert proof.key not in items
            assert replace(proof, key=honest.key) == honest
    assert count < 50 or ends == {True, False}


def test_presence_cannot_be_denied_with_a_foreign_leaf() -> None:
    tree = tree_of(numbered(2))
    proof = prove(tree, b"key0", b"value0")
    other = prove(tree, b"key1", b"value1")
    assert len(proof.siblings) == len(other.siblings) >= 1
    leaf = (sha256(b"key1").digest(), sha256(b"value1").digest())
    own = (sha256(b"key0").digest(), sha256(b"value0").digest())
    for siblings in (proof.siblings, other.siblings, ()):
        for end in (leaf, own, None):
            assert not verify_state(StateProof(b"key0", None, siblings, end), tree.root)


def test_what_is_not_needed_is_refused() -> None:
    tree = tree_of(numbered(50))
    proof = prove(tree, b"key0", b"value0")
    leaf = (sha256(b"a").digest(), sha256(b"b").digest())
    siblings = proof.siblings
    for changed in (
        replace(proof, other=leaf),
        replace(proof, siblings=(*siblings, b"")),
        replace(proof, siblings=(b"", *siblings)),
        replace(proof, siblings=siblings[1:]),
        replace(proof, siblings=siblings[:-1]),
        replace(proof, siblings=(*siblings[:-1], siblings[-1] + b"\x00")),
        replace(proof, siblings=(*siblings[:-1], siblings[-1][:-1])),
        replace(proof, siblings=siblings * 100),
        replace(proof, key=b""),
        replace(proof, key=b"key0" * 200),
        replace(proof, value=bytes(16 * 1024 * 1024 + 1)),
    ):
        assert not verify_state(changed, tree.root)


def test_the_leaf_that_proves_absence_is_cut_in_one_place_only() -> None:
    tree = tree_of(numbered(1))
    proof = prove(tree, b"absent", None)
    assert proof.other is not None and proof.siblings == ()
    both = b"".join(proof.other)
    for cut in range(len(both) + 1):
        moved = replace(proof, other=(both[:cut], both[cut:]))
        assert verify_state(moved, tree.root) == (cut == 32)


def test_a_leaf_off_the_path_proves_no_absence() -> None:
    """Even under a root that no tree has, built with a leaf on the wrong side."""
    foreign = (bytes(32), bytes(32))
    key = next(b"%d" % n for n in range(99) if sha256(b"%d" % n).digest()[0] >= 128)
    bent = hash_inner(b"\x01" * 32, hash_leaf(*foreign))
    assert not verify_state(StateProof(key, None, (b"\x01" * 32,), foreign), bent)


def test_an_empty_subtree_is_never_spelled_out() -> None:
    deep = next(
        (tree, proof)
        for count in range(2, 60)
        for tree in [tree_of(numbered(count))]
        for proof in [prove(tree, b"key0", b"value0")]
        if b"" in proof.siblings
    )
    tree, proof = deep
    assert verify_state(proof, tree.root)
    spelled = tuple(sibling or EMPTY_ROOT for sibling in proof.siblings)
    assert not verify_state(replace(proof, siblings=spelled), tree.root)


def test_the_empty_state() -> None:
    tree = tree_of({})
    proof = prove(tree, b"k", None)
    assert proof == StateProof(b"k", None, (), None)
    assert verify_state(proof, EMPTY_ROOT)
    assert not verify_state(replace(proof, value=b""), EMPTY_ROOT)


def test_an_inner_node_is_not_a_leaf() -> None:
    """Values and hashes live in different domains: 64 bytes that are two hashes prove nothing."""
    tree = tree_of(numbered(2))
    proof = prove(tree, b"key0", b"value0")
    joined = b"".join(proof.siblings) * 2
    assert not verify_state(StateProof(joined, joined, (), None), tree.root)


def test_verifying_needs_no_database() -> None:
    code = (
        "import sys; import synnergy.state.proofs, synnergy.state.accumulator; "
        "import synnergy.state.binary_merkle; sys.exit('lmdb' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
