"""TENSOR-50: canonical tensor bytes."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.rejected import Rejected
from synnergy.tensor import decode_tensors, encode_tensors
from synnergy.tensor.types import DTYPES, MapsType, TensorType
from tests.tensor.core.building import bits, uniform

LIMIT = 1 << 20


def tensor(name: str, array: Any) -> tuple[str, TensorType, Any]:
    dtype = next(key for key, value in DTYPES.items() if value == array.dtype)
    return name, TensorType(dtype, array.shape), array


def same(a: Any, b: Any) -> bool:
    return (
        a[:2] == b[:2]
        and a[2].dtype == b[2].dtype
        and (a[2].tolist() == b[2].tolist() or a[2].tobytes() == b[2].tobytes())
    )


arrays = st.one_of(
    st.tuples(st.sampled_from(sorted(set(DTYPES) - {"string", "bool"})), st.integers(0, 9)).map(
        lambda pair: (
            np.nan_to_num(bits(str(pair), pair[1], pair[0]))
            if DTYPES[pair[0]].kind == "f"
            else bits(str(pair), pair[1], pair[0])
        )
    ),
    st.lists(st.booleans(), max_size=5).map(lambda items: np.array(items, np.bool_)),
    st.lists(st.text(max_size=5), max_size=4).map(lambda items: np.array(items, object)),
)


def encodable(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@given(st.dictionaries(st.text(max_size=8).filter(encodable), arrays, max_size=5))
@settings(max_examples=150)
def test_decoding_inverts_encoding(named: dict[str, Any]) -> None:
    given_ = [tensor(name, array) for name, array in named.items()]
    data = encode_tensors(given_)
    assert encode_tensors(given_[::-1]) == data
    decoded = decode_tensors(data, LIMIT)
    assert not isinstance(decoded, Rejected)
    ordered = sorted(given_, key=lambda entry: entry[0].encode())
    assert all(same(a, b) for a, b in zip(decoded, ordered, strict=True))


def test_shapes_scalars_and_layout() -> None:
    x = uniform("layout", (2, 3, 4))
    decoded = decode_tensors(encode_tensors([tensor("x", np.asfortranarray(x))]), LIMIT)
    assert not isinstance(decoded, Rejected)
    assert decoded[0][2].tobytes() == x.tobytes()
    for array in (np.array(1.5), np.zeros((0, 3), np.int64), np.array("text", object)):
        again = decode_tensors(encode_tensors([tensor("x", array)]), LIMIT)
        assert not isinstance(again, Rejected)
        assert again[0][2].shape == array.shape
        assert again[0][2].tolist() == array.tolist()


def test_maps_keep_their_labels() -> None:
    values = uniform("maps", (2, 3))
    for labels in (("a", "b", "ü"), (3, -1, 2**40)):
        kind = MapsType("float32", 2, labels)
        decoded = decode_tensors(encode_tensors([("y", kind, values)]), LIMIT)
        assert not isinstance(decoded, Rejected)
        assert decoded[0][1] == kind
        assert decoded[0][2].tobytes() == values.tobytes()


def digest(*entries: Any) -> str:
    return hashlib.sha256(encode_tensors(list(entries))).hexdigest()


def test_the_digest_covers_names_types_shapes_and_values() -> None:
    x = np.float32([[1, 2]])
    variants = [
        tensor("x", x),
        tensor("y", x),
        tensor("x", x.T),
        tensor("x", x[0]),
        tensor("x", x.astype(np.float64)),
        tensor("x", x.view(np.int32)),
        tensor("x", np.float32([[1, 3]])),
        tensor("x", np.float32([[1, -2]])),
        ("x", MapsType("float32", 1, ("a", "b")), x),
        ("x", MapsType("float32", 1, ("a", "c")), x),
        ("x", MapsType("float32", 1, (1, 2)), x),
    ]
    assert len({digest(variant) for variant in variants}) == len(variants)
    assert digest(tensor("z", np.float32([0.0]))) != digest(tensor("z", np.float32([-0.0])))


def test_golden_digest() -> None:
    """These bytes are in receipts: they must never change."""
    entries = [
        tensor("b", np.float32([[1.5, -0.0], [math.nan, math.inf]])),
        tensor("a", np.array(["x", "ÿ"], object)),
        tensor("c", np.array([True, False])),
        tensor("d", np.array([-(2**63)], np.int64)),
        ("e", MapsType("float64", 1, (0, 1)), np.array([[0.25, 0.75]])),
    ]
    assert digest(*entries) == GOLDEN


GOLDEN = "f18353c0c5b7c1d517e4bb1f4390d5924b05c6a11602cb167bf81ada2054cd1c"


def test_nan_is_one_value() -> None:
    odd = np.array([0xFFC01234], np.uint32).view(np.float32)
    assert encode_tensors([tensor("x", odd)]) == encode_tensors(
        [tensor("x", np.float32([math.nan]))]
    )
    data = encode_tensors([tensor("x", np.float32([math.nan]))])
    broken = data.replace(b"\x00\x00\xc0\x7f", b"\x01\x00\xc0\x7f")
    assert broken != data
    rejected = decode_tensors(broken, LIMIT)
    assert isinstance(rejected, Rejected)
    assert rejected.code == "not_canonical"


def test_encoding_refuses_what_is_not_of_its_type() -> None:
    x = np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="one name"):
        encode_tensors([tensor("x", x), tensor("x", x)])
    with pytest.raises(ValueError, match="not float64"):
        encode_tensors([("x", TensorType("float64", (2,)), x)])
    with pytest.raises(ValueError, match="not float32"):
        encode_tensors([("x", TensorType("float32", (3,)), x)])


def packed(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "name": "x",
        "dtype": "float32",
        "shape": [1],
        "raw": b"\0\0\0\0",
        "strings": [],
        "int_labels": None,
        "string_labels": None,
    }
    return msgspec.msgpack.encode([1, [list((fields | changes).values())]])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        b"\x93",
        packed() + b"\0",
        packed(dtype="float8"),
        packed(shape=[-1]),
        packed(shape=[2]),
        packed(shape=[2**62, 4], raw=b""),
        packed(shape=[1] * 40),
        packed(shape=[2**40, 0], raw=b""),
        packed(raw=b"\0\0\0"),
        packed(strings=["a"]),
        packed(dtype="bool", raw=b"\2"),
        packed(dtype="string", raw=b"\0", strings=["a"]),
        packed(string_labels=["a"]),
        packed(shape=[1, 1], string_labels=["a"], int_labels=[1]),
        packed(shape=[1, 2], raw=b"\0" * 8, string_labels=["a", "a"]),
        packed(shape=[1, 1], string_labels=["a", "b"]),
        packed(shape=[1.0]),
        packed(raw=b"\1\0\xc0\x7f"),
        msgspec.msgpack.encode([2, []]),
        msgspec.msgpack.encode([1, [], 0]),
    ],
)
def test_other_bytes_are_rejected(data: bytes) -> None:
    result = decode_tensors(data, LIMIT)
    assert isinstance(result, Rejected)
    assert result.rule == "TENSOR-50"


def test_order_and_repeated_names_are_rejected() -> None:
    one = msgspec.msgpack.decode(packed())[1][0]
    other = ["a", *one[1:]]
    unsorted = msgspec.msgpack.encode([1, [one, other]])
    repeated = msgspec.msgpack.encode([1, [one, one]])
    assert isinstance(decode_tensors(unsorted, LIMIT), Rejected)
    assert isinstance(decode_tensors(repeated, LIMIT), Rejected)
    assert not isinstance(decode_tensors(packed(), LIMIT), Rejected)


def test_bytes_are_capped_before_decoding() -> None:
    data = packed()
    assert isinstance(decode_tensors(data, len(data) - 1), Rejected)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_rejected(data: bytes) -> None:
    result = decode_tensors(data, LIMIT)
    assert isinstance(result, Rejected) or encode_tensors(result) == data


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_every_changed_byte_is_seen(position: int, value: int) -> None:
    entries = [tensor("x", uniform("flip", (3,))), tensor("y", np.array(["ab"], object))]
    data = bytearray(encode_tensors(entries))
    position %= len(data)
    if data[position] == value:
        return
    data[position] = value
    result = decode_tensors(bytes(data), LIMIT)
    assert isinstance(result, Rejected) or encode_tensors(result) != encode_tensors(entries)
