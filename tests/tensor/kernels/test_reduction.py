"""Reductions by the kernels: TENSOR-12, SHAPE-50 to SHAPE-55."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tests.tensor.kernels.same import Array, assert_same, hostile_floats, model_of

NAMES = ("Sum", "Prod", "Mean", "Max", "Min", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")
FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int32", "int64", "uint32", "uint64")

#: Shapes and axes: contiguous, strided, both, several of each, none kept, none reduced.
PLACES = [
    ((5, 37), (1,)),
    ((16,), (0,)),
    ((3, 4, 1100), (2,)),
    ((35, 70), (0,)),
    ((2, 19, 131), (1,)),
    ((3, 5, 4, 6), (0, 2, 3)),
    ((4, 1, 3, 5, 2), (0, 3)),
    ((2, 3, 5), (0, 1, 2)),
    ((21, 3), (0,)),
    ((3, 1, 4), (1,)),
    ((), ()),
]


def _model(name: str, dtype: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> bytes:
    inputs = {"x": (dtype, shape)}
    node = helper.make_node(f"Reduce{name}", ["x", "axes"], ["y"], keepdims=len(shape) % 2)
    weights: dict[str, Array] = {"axes": np.array(axes, np.int64)}
    return model_of([node], inputs, ["y"], weights, opset=20)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats(name: str, dtype: str) -> None:
    for seed, (shape, axes) in enumerate(PLACES):
        content = _model(name, dtype, shape, axes)
        plain = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
        assert_same(content, {"x": plain})
        assert_same(content, {"x": hostile_floats(shape, dtype, seed)})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(name: str, dtype: str) -> None:
    info = np.iinfo(dtype)
    for seed, (shape, axes) in enumerate(PLACES):
        generator = np.random.default_rng(seed)
        wide = generator.integers(info.min, info.max, shape, dtype, endpoint=True)
        small = generator.integers(0, 5, shape).astype(dtype)
        for x in (np.asarray(wide), small):
            assert_same(_model(name, dtype, shape, axes), {"x": x})


@pytest.mark.parametrize("name", ["Max", "Min"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool"])
def test_extremes_of_bytes(name: str, dtype: str) -> None:
    for seed, (shape, axes) in enumerate(PLACES):
        x = np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 256, shape)
        assert_same(_model(name, dtype, shape, axes), {"x": x.astype(dtype)})


@pytest.mark.parametrize("name", ["Max", "Min"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_zeros_are_ordered(name: str, dtype: str) -> None:
    """SHAPE-55"""
    x = np.where(np.random.default_rng(0).random((40, 3)) < 0.5, 0.0, -0.0).astype(dtype)
    x[20:, 0], x[20:, 1], x[20:, 2] = 0.0, -0.0, np.nan
    for axes in ((0,), (1,), (0, 1)):
        assert_same(_model(name, dtype, (40, 3), axes), {"x": x})


def test_axes_as_attribute() -> None:
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[-1, 1], keepdims=0)
    content = model_of([node], {"x": ("float32", (3, 20, 5, 7))}, ["y"], opset=13)
    assert_same(content, {"x": hostile_floats((3, 20, 5, 7))})
