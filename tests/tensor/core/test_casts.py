"""TENSOR-4, TENSOR-15: conversions between element types; the one NaN."""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from synnergy.tensor import BadInput, numerics
from synnergy.tensor.types import DTYPES
from tests.tensor.core.building import bits, single, uniform

SPECIAL = [0.0, -0.0, 0.9, -0.9, 1.5, 255.9, 256.0, -129.0, 70000.0, 2147483520.0]
MINIMUM_32, MINIMUM_64 = -(2**31), -(2**63)


@pytest.mark.parametrize(
    ("to", "x", "wanted"),
    [
        ("int32", math.nan, MINIMUM_32),
        ("int32", math.inf, MINIMUM_32),
        ("int32", 2.0**31, MINIMUM_32),
        ("int32", -(2.0**31), MINIMUM_32),
        ("int32", -(2.0**31) - 0.5, MINIMUM_32),
        ("int32", 2.0**31 - 0.5, 2**31 - 1),
        ("int32", -1.9, -1),
        ("int64", math.nan, MINIMUM_64),
        ("int64", 2.0**63, MINIMUM_64),
        ("int64", 2.0**62, 2**62),
        ("int64", -math.inf, MINIMUM_64),
        ("int8", 300.0, 44),
        ("int8", 3e9, 0),
        ("uint8", -1.0, 255),
        ("uint8", math.nan, 0),
        ("int16", 40000.0, -25536),
        ("uint16", 70000.0, 4464),
        ("uint32", 2.0**32 - 1, 2**32 - 1),
        ("uint32", -1.0, 2**32 - 1),
        ("uint32", math.inf, 0),
        ("uint64", 2.0**63 + 2048, 2**63 + 2048),
        ("uint64", 2.0**64, 2**63),
        ("uint64", -1.0, 2**64 - 1),
        ("bool", math.nan, True),
        ("bool", -0.0, False),
        ("bool", 0.1, True),
    ],
)
def test_floats_to_integers(to: str, x: float, wanted: int) -> None:
    assert numerics.cast(np.array([x]), to).tolist() == [wanted]


NUMBERS = [name for name in DTYPES if name not in ("string", "bool")]


@pytest.mark.parametrize("source", ["float32", "float64", "int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("to", sorted(DTYPES))
def test_agrees_with_onnx_runtime_where_that_is_defined(source: str, to: str) -> None:
    x = np.array(SPECIAL).astype(source) if source != "bool" else np.array([True, False])
    if source.startswith("float"):
        x = np.concatenate([x, uniform("casts", (50,), source, 200.0)])
        small = {"int8": 127, "uint8": 255, "int16": 2**15 - 1, "uint16": 2**16 - 1}
        limit = small.get(to, 2.0**31)
        low = 0 if to.startswith("uint") else -limit
        x = x[(x > low - 1) & (x < limit)] if "int" in to else x
    code = helper.np_dtype_to_tensor_dtype(DTYPES[to]) if to != "string" else 8
    model, fed = single("Cast", [x], 13, to=int(code))
    model.graph.output[0].type.tensor_type.elem_type = int(code)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    wanted = session.run(None, fed)[0]
    ours = numerics.cast(x, to)
    assert ours.tolist() == wanted.tolist()


def test_numbers_to_strings() -> None:
    x = np.array([0.1, 1e10, -math.inf, math.inf, math.nan, 1.5, -0.0, 1e-7], np.float32)
    wanted = ["0.1", "1e+10", "-INF", "INF", "NaN", "1.5", "-0", "1e-07"]
    assert numerics.cast(x, "string").tolist() == wanted
    assert numerics.cast(np.array([0.1]), "string").tolist() == ["0.1"]
    assert numerics.cast(np.array([-5, 7]), "string").tolist() == ["-5", "7"]
    assert numerics.cast(np.array([True, False]), "string").tolist() == ["1", "0"]


def test_strings_to_numbers() -> None:
    texts = np.array(["1.5", "-2e3", "NaN", "inf", "-INF", " 7 "], object)
    ours = numerics.cast(texts, "float32").tolist()
    assert ours[:2] == [1.5, -2000.0]
    assert math.isnan(ours[2])
    assert ours[3:] == [math.inf, -math.inf, 7.0]
    whole = np.array(["12", "-3"], object)
    assert numerics.cast(whole, "int64").tolist() == [12, -3]
    assert numerics.cast(whole, "int8").dtype == np.int8


@pytest.mark.parametrize("text", ["", "x", "1_000", "١", "0x10", "1" * 500, "1.5.2"])
@pytest.mark.parametrize("to", ["float32", "int64"])
def test_text_that_is_not_a_number_is_bad_input(text: str, to: str) -> None:
    with pytest.raises(BadInput):
        numerics.cast(np.array([text], object), to)


def test_integers_beyond_64_bits_are_bad_input() -> None:
    with pytest.raises(BadInput):
        numerics.cast(np.array([str(2**63)], object), "int64")


@pytest.mark.parametrize(
    ("dtype", "quiet"),
    [("float16", 0x7E00), ("float32", 0x7FC00000), ("float64", 0x7FF8000000000000)],
)
def test_every_nan_becomes_one(dtype: str, quiet: int) -> None:
    raw = np.dtype(f"u{np.dtype(dtype).itemsize}")
    x = np.array([quiet, quiet + 1, quiet | 1 << (raw.itemsize * 8 - 1), quiet - 1], raw)
    result = numerics.canonicalise(x.view(dtype))
    assert result.view(raw).tolist() == [quiet] * 4
    other = bits("canonical", 300, dtype)
    kept = numerics.canonicalise(other)
    numbers = ~np.isnan(other)
    assert kept[numbers].tobytes() == other[numbers].tobytes()
    assert (kept.view(raw)[~numbers] == quiet).all()
    scalar = numerics.canonicalise(np.array(math.nan, dtype))
    assert scalar.shape == ()
