"""Arithmetic, comparisons, choices and conversions by the kernels: TENSOR-15, TENSOR-20."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from tests.tensor.kernels.same import assert_same, hostile_floats, model_of

Array = np.ndarray[Any, Any]

FLOATS = ("float16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
NUMBERS = (*FLOATS, *SIGNED, *UNSIGNED)


def values(dtype: str, shape: tuple[int, ...], seed: int) -> Array:
    """Hostile values of a type: special floats, small integers and both ends of their range."""
    kind = np.dtype(dtype)
    generator = np.random.default_rng(seed)
    if kind.kind == "f":
        return hostile_floats(shape, dtype, seed)
    if kind.kind == "b":
        return generator.integers(0, 2, shape).astype(np.bool_)
    info = np.iinfo(kind)
    ends = np.array([0, 1, 2, 3, 7, info.max, info.max - 1, info.min, info.min + 1], kind)
    small = generator.integers(0, 100, shape).astype(kind) - kind.type(info.min < 0) * kind.type(
        50
    )
    picks = ends[generator.integers(0, len(ends), shape)]
    return np.where(generator.random(shape) < 0.4, picks, small).astype(kind)


#: Shapes of two operands: contiguous, a scalar on either side, rows, columns, both ways at once.
SHAPES = [
    ((1031,), (1031,)),
    ((5, 7, 33), (33,)),
    ((1,), (3, 129)),
    ((2, 3, 17, 5), (3, 1, 1)),
    ((4, 1, 35), (1, 6, 1)),
    ((), ()),
    ((0, 3), (1, 3)),
]


def check(
    name: str, arrays: dict[str, Array], weights: dict[str, Array] | None = None, **more: Any
) -> None:
    opset = more.pop("opset", 24)
    names = [*arrays, *(weights or {})]
    node = helper.make_node(name, names, ["result"], **more)
    inputs = {key: (str(array.dtype), array.shape) for key, array in arrays.items()}
    assert_same(model_of([node], inputs, ["result"], weights, opset=opset), arrays)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize(
    "name", ["Add", "Sub", "Mul", "Div", "Min", "Max", "Less", "LessOrEqual", "Greater", "Equal"]
)
def test_two_numbers(name: str, dtype: str) -> None:
    for seed, (first, second) in enumerate(
        SHAPES if dtype in ("float32", "int64") else SHAPES[1:3]
    ):
        check(name, {"a": values(dtype, first, seed), "b": values(dtype, second, seed + 10)})


@pytest.mark.parametrize("dtype", NUMBERS)
def test_modulo(dtype: str) -> None:
    a, b = values(dtype, (2003,), 1), values(dtype, (2003,), 2)
    check("Mod", {"a": a, "b": b}, fmod=1)
    check("Mod", {"a": a, "b": b}, fmod=int(np.dtype(dtype).kind == "f") and 0)


def test_remainders_of_all_magnitudes() -> None:
    for dtype in ("float32", "float64"):
        raw = np.random.default_rng(3).bytes(4000 * np.dtype(dtype).itemsize)
        a, b = np.frombuffer(raw, dtype).reshape(2, 2000)
        check("Mod", {"a": a, "b": b}, fmod=1)


@pytest.mark.parametrize("dtype", [*SIGNED, *UNSIGNED])
def test_bits(dtype: str) -> None:
    a, b = values(dtype, (3, 1, 77), 1), values(dtype, (5, 1), 2)
    for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        check(name, {"a": a, "b": b})
    check("BitwiseNot", {"a": a})
    shifts = np.random.default_rng(4).integers(0, 80, (5, 1)).astype(dtype)
    for direction in ("LEFT", "RIGHT"):
        check("BitShift", {"a": a, "b": shifts}, direction=direction)
        check("BitShift", {"a": a, "b": b}, direction=direction)


def test_truth_values() -> None:
    a, b = values("bool", (3, 35), 1), values("bool", (3, 1), 2)
    for name in ("And", "Or", "Xor", "Equal"):
        check(name, {"a": a, "b": b})
    check("Not", {"a": a})


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_float(dtype: str) -> None:
    halves = np.arange(-20, 20, dtype=dtype) / np.dtype(dtype).type(4)
    large = (np.random.default_rng(2).standard_normal(100) * 1000).astype(dtype)
    x = np.concatenate([values(dtype, (1033,), 1), halves, large])
    for name in ("Neg", "Abs", "Sign", "Floor", "Ceil", "Round", "Sqrt", "Reciprocal", "Relu"):
        check(name, {"x": x.astype(dtype)})
    for name in ("IsNaN", "IsInf", "LeakyRelu", "ThresholdedRelu", "Shrink"):
        check(name, {"x": x.astype(dtype)})
    check("IsInf", {"x": x.astype(dtype)}, detect_positive=0)
    check("LeakyRelu", {"x": x.astype(dtype)}, alpha=-0.3)
    check("Shrink", {"x": x.astype(dtype)}, lambd=0.3, bias=0.2)
    for name in ("HardSigmoid", "HardSwish", "Softsign"):
        check(name, {"x": x.astype(dtype)})
    check("HardSigmoid", {"x": x.astype(dtype)}, alpha=0.7, beta=-0.1)


@pytest.mark.parametrize(
    ("source", "target"),
    [("float32", "int32"), ("uint16", "float16"), ("float64", "uint64"), ("int8", "bool")],
)
def test_bit_cast(source: str, target: str) -> None:
    code = helper.np_dtype_to_tensor_dtype(np.dtype(target))
    check("BitCast", {"x": values(source, (5, 33), 1)}, opset=26, to=code)


def test_dropout() -> None:
    x = values("float32", (5, 33), 1)
    node = helper.make_node("Dropout", ["x"], ["result", "mask"])
    inputs = {"x": ("float32", x.shape)}
    assert_same(model_of([node], inputs, ["result", "mask"]), {"x": x})
    assert_same(model_of([node], inputs, ["result"]), {"x": x})


@pytest.mark.parametrize("dtype", [*SIGNED, *UNSIGNED])
def test_one_integer(dtype: str) -> None:
    x = values(dtype, (515,), 1)
    for name in ("Abs", "Sign", *(("Neg", "Relu") if dtype in SIGNED else ())):
        check(name, {"x": x})


@pytest.mark.parametrize("dtype", [*FLOATS, *SIGNED])
def test_prelu(dtype: str) -> None:
    check("PRelu", {"x": values(dtype, (2, 5, 31), 1), "slope": values(dtype, (5, 1), 2)})


@pytest.mark.parametrize("dtype", NUMBERS)
def test_clip(dtype: str) -> None:
    x = values(dtype, (3, 201), 1)
    low, high = np.array(3, dtype), np.array(20, dtype)
    check("Clip", {"x": x}, {"low": low, "high": high})
    check("Clip", {"x": x, "low": low, "high": high})
    check("Clip", {"x": x}, {"low": low})
    if dtype in FLOATS:
        check("Clip", {"x": x}, {"low": np.array(np.nan, dtype), "high": np.array(-0.0, dtype)})
        check("Clip", {"x": x}, opset=9, min=-0.5, max=0.25)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_variadic(dtype: str) -> None:
    arrays = {"a": values(dtype, (5, 33), 1), "b": values(dtype, (33,), 2)}
    arrays["c"] = values(dtype, (5, 1), 3)
    for name in ("Min", "Max", *(("Sum", "Mean") if dtype in FLOATS else ())):
        check(name, arrays)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int64", "uint16", "bool"]
)
def test_where(dtype: str) -> None:
    for mask, first, second in (((333,),) * 3, ((3, 1), (1, 65), ()), ((2, 3), (3,), (2, 1))):
        check(
            "Where",
            {
                "m": values("bool", mask, 1),
                "a": values(dtype, first, 2),
                "b": values(dtype, second, 3),
            },
        )


@pytest.mark.parametrize("source", [*NUMBERS, "bool"])
def test_cast(source: str) -> None:
    x = values(source, (777,), 1)
    if source in FLOATS:
        with np.errstate(over="ignore", invalid="ignore"):
            scales = np.array([1e2, 1e5, 3e9, 1e10, 9e18, 2e19, -3e9, -1e19]).astype(source)
            x = np.concatenate([x, np.multiply.outer(x[:99], scales).reshape(-1)])
            if source != "float16":  # ties and subnormals of float16
                ties = np.arange(1, 4000) * 2.0**-25
                x = np.concatenate([x, ties, -ties * 3.0, 65519.99 + ties, 1.0 + ties * 2.0**14])
        x = x.astype(source)
    for target in [*NUMBERS, "bool"]:
        code = helper.np_dtype_to_tensor_dtype(np.dtype(target))
        check("Cast", {"x": x}, to=code)


@pytest.mark.parametrize(
    ("base", "exponent"),
    [
        *(("float32", dtype) for dtype in ("float32", "float64", "int64", "float16")),
        *(("float64", "float64"), ("float16", "float16"), ("int32", "float32")),
        *(("int8", "int64"), ("int64", "int32"), ("uint8", "int8")),
    ],
)
def test_power(base: str, exponent: str) -> None:
    x, y = values(base, (2001,), 1), values(exponent, (2001,), 2)
    check("Pow", {"x": x, "y": y})
    for power in (2, 3, 0, *((0.5, -1.0, -0.5) if np.dtype(exponent).kind == "f" else ())):
        check("Pow", {"x": x}, {"y": np.array(power, exponent)})
