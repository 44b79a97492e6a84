"""Quantised numbers and distances against onnxruntime."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from synnergy.tensor.types import Array, Refuse

from .oracle import check, infer, make, ours

RNG = np.random.default_rng(13)


def floats(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def scalar(value: float, dtype: str = "float32") -> Array:
    return np.array(value, dtype)


NUMBERS = [
    floats(3, 4) * np.float32(50),
    np.array([np.inf, -np.inf, 0, -0.0], np.float32),
    np.arange(-20, 20, 0.5, dtype=np.float32),
]


@pytest.mark.parametrize("x", NUMBERS, ids=["normal", "special", "ties"])
@pytest.mark.parametrize(("dtype", "opset"), [("uint8", 10), ("int8", 13), ("uint16", 21)])
def test_quantize(x: Array, dtype: str, opset: int) -> None:
    """SHAPE-100"""
    check("QuantizeLinear", [x, scalar(0.5), scalar(3, dtype)], opset=opset, const=())


def test_nan_becomes_the_zero_point() -> None:
    """SHAPE-100"""
    inputs = [scalar(np.nan), scalar(0.5), scalar(3, "uint8")]
    assert ours(make("QuantizeLinear", inputs), inputs, 13)[0] == 3


def test_scales_by_axis_and_by_block() -> None:
    """SHAPE-100"""
    x, scales = floats(2, 3, 4) * np.float32(9), np.abs(floats(3))
    zeros = np.array([1, 2, 3], np.uint8)
    (q,) = check("QuantizeLinear", [x, scales, zeros], {"axis": -2}, const=())
    check("DequantizeLinear", [q, scales, zeros], {"axis": 1}, const=())
    blocks, none = np.abs(floats(2, 2)), np.zeros((2, 2), np.uint8)
    options = {"axis": 1, "block_size": 3}
    wide = floats(2, 6) * np.float32(9)
    (q,) = check("QuantizeLinear", [wide, blocks, none], options, opset=21, const=())
    check("DequantizeLinear", [q, blocks, none], options, opset=21, const=())


def test_dequantize_wide_integers() -> None:
    """SHAPE-100"""
    x = RNG.integers(-(2**31), 2**31 - 1, 50).astype(np.int32)
    check("DequantizeLinear", [x, scalar(0.3)], const=())


@pytest.mark.parametrize("x", [NUMBERS[0], NUMBERS[2], np.zeros(4, np.float32)])
def test_dynamic_quantize(x: Array) -> None:
    """SHAPE-102"""
    check("DynamicQuantizeLinear", [x], outputs=3)


@pytest.mark.parametrize(("left", "right"), product(("uint8", "int8"), repeat=2))
def test_integer_products(left: str, right: str) -> None:
    """SHAPE-101"""
    a = RNG.integers(0, 256, (5, 70)).astype(np.uint8).view(left)
    b = RNG.integers(0, 256, (70, 6)).astype(np.uint8).view(right)
    check("MatMulInteger", [a, b, scalar(3, left), RNG.integers(0, 9, 6).astype(right)], const=())
    check("MatMulInteger", [a[None], b], const=())
    if (left, right) == ("int8", "uint8"):
        return  # the oracle has no QLinearMatMul of these
    inputs = [a, scalar(0.03), scalar(2, left), b, scalar(0.02), scalar(1, right)]
    check("QLinearMatMul", [*inputs, scalar(0.5), scalar(7, left)], const=())


def test_integer_products_are_exact_at_their_extremes() -> None:
    """SHAPE-101"""
    size = 40000
    a, b = np.full((1, size), 255, np.uint8), np.full((size, 1), 255, np.uint8)
    (result,) = ours(make("MatMulInteger", [a, b]), [a, b], 10)
    assert result.item() == (255 * 255 * size + 2**31) % 2**32 - 2**31


@pytest.mark.parametrize("name", ["QuantizeLinear", "DequantizeLinear"])
def test_a_scale_that_does_not_fit_is_refused(name: str) -> None:
    x = floats(2, 3) if name == "QuantizeLinear" else np.zeros((2, 3), np.uint8)
    for inputs in (
        [x, floats(2)],
        [x, floats(3), np.zeros(2, np.uint8)],
        [x, scalar(1), np.zeros((), np.float32)],
    ):
        with pytest.raises(Refuse):
            infer(make(name, inputs), inputs, 13)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_distances(metric: str) -> None:
    """SHAPE-95"""
    a, b = floats(5, 30), floats(4, 30)
    options = {"metric": metric}
    check("CDist", [a, b], options, const=(), tolerance=1e-4, domain="com.microsoft")
    (same,) = ours(make("CDist", [a, a], options, domain="com.microsoft"), [a, a], 18)
    assert np.diag(same).tobytes() == bytes(4 * 5)


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize(
    "options", [{}, {"strides": [2, 1], "pads": [1, 0, 2, 1]}, {"dilations": [1, 2]}]
)
def test_integer_convolutions(group: int, options: dict[str, list[int]]) -> None:
    """SHAPE-101, SHAPE-103"""
    x = RNG.integers(0, 256, (2, 4, 6, 7)).astype(np.uint8)
    weights = RNG.integers(-128, 128, (6, 4 // group, 3, 2)).astype(np.int8)
    attributes = {"group": group, **options}
    unsigned = weights.view(np.uint8)  # the oracle's ConvInteger knows these only
    check("ConvInteger", [x, unsigned, scalar(100, "uint8")], attributes, const=())
    scales, bias = np.abs(floats(6)), RNG.integers(-999, 999, 6).astype(np.int32)
    inputs = [x, scalar(0.02), scalar(120, "uint8"), weights, scales, np.zeros(6, np.int8)]
    inputs += [scalar(0.7), scalar(99, "uint8"), bias]
    check("QLinearConv", inputs, attributes, const=())
