"""ID-1: which signatures hold is decided by recorded vectors, and so by one library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.identity.keys import KeyPair, verify_signature
from tests.vectors import edwards25519 as curve

VECTORS = json.loads(
    Path(__file__).parent.parent.joinpath("vectors", "ed25519.json").read_text("utf-8")
)
seeds = st.binary(min_size=32, max_size=32)


def parts(vector: dict[str, object]) -> tuple[bytes, bytes, bytes]:
    text, zeros = vector["message"], vector["zeros"]
    message = bytes.fromhex(str(text)) if text is not None else bytes(int(str(zeros)))
    key = bytes.fromhex(str(vector["public_key"]))
    return key, message, bytes.fromhex(str(vector["signature"]))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_verdicts_are_those_recorded(vector: dict[str, object]) -> None:
    assert verify_signature(*parts(vector)) is vector["valid"]


def test_the_vectors_cover_what_libraries_disagree_on() -> None:
    """Refused although an equation holds: with and without cofactor, and never the reverse."""
    verdicts = {(v["valid"], v["equation"], v["cofactored"]) for v in VECTORS}
    assert verdicts == {
        (True, True, True),
        (False, True, True),
        (False, False, True),
        (False, False, False),
    }
    # Small-order and non-canonical keys, small-order R, and S ≥ L: refused, equation or not.
    strict = ("key 0/8", "key 4/8", "a good key, R", "S + ", "R with y = p +", "a key with y = p")
    for start in strict:
        named = [vector for vector in VECTORS if vector["name"].startswith(start)]
        assert named and not any(vector["valid"] for vector in named), start
    # Keys of mixed order pass where the equation holds exactly, and only there.
    mixed = [vector for vector in VECTORS if vector["name"].startswith("key + ")]
    assert len(mixed) > 10
    assert all(vector["valid"] is vector["equation"] for vector in mixed)


@settings(max_examples=15, deadline=None)
@given(seeds, st.binary(max_size=200))
def test_keys_and_signatures_are_those_of_rfc_8032(seed: bytes, message: bytes) -> None:
    """Against the plain curve: the same public key, and bit for bit the same signature."""
    pair = KeyPair.from_seed(seed)
    assert pair.public_key == curve.public_key(seed)
    assert pair.sign(message) == curve.sign(seed, message)
    assert verify_signature(pair.public_key, message, pair.sign(message))


@settings(max_examples=100, deadline=None)
@given(seeds, st.binary(max_size=100), st.integers(0, 511))
def test_no_bit_of_a_signature_may_change(seed: bytes, message: bytes, bit: int) -> None:
    pair = KeyPair.from_seed(seed)
    changed = bytearray(pair.sign(message))
    changed[bit // 8] ^= 1 << bit % 8
    assert not verify_signature(pair.public_key, message, bytes(changed))


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=100))
def test_arbitrary_bytes_are_refused_without_raising(key: bytes, text: bytes, sign: bytes) -> None:
    assert not verify_signature(key, text, sign)
    assert not verify_signature(key[:32].ljust(32, b"k"), text, sign[:64].ljust(64, b"s"))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeyPair.from_seed(bytes(length))


def test_a_key_pair_does_not_show_its_seed() -> None:
    pair = KeyPair.from_seed(b"\xaa" * 32)
    assert "aa" * 8 not in repr(pair) and "aa" * 8 not in str(pair)
    assert "\\xaa" not in repr(pair)
