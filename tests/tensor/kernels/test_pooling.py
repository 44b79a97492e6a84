"""Poolings and batch normalisation by the kernels: TENSOR-18, TENSOR-19, TENSOR-23."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from tests.tensor.kernels.same import assert_same, hostile_floats, model_of

# spatial sizes, attributes
CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "halved": ((12, 14), {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "padded": ((23, 40), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "wide": ((5, 90), {"kernel_shape": [3, 2], "pads": [2, 1, 0, 1]}),
    "ceiled": ((11, 9), {"kernel_shape": [3, 4], "strides": [3, 2], "ceil_mode": 1}),
    "dilated": ((11, 9), {"kernel_shape": [2, 3], "dilations": [3, 2], "strides": [1, 3]}),
    "same": ((9, 10), {"kernel_shape": [4, 3], "auto_pad": "SAME_LOWER", "strides": [2, 1]}),
    "one axis": ((17,), {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
    "three axes": ((4, 5, 6), {"kernel_shape": [2, 3, 2], "pads": [1, 1, 0, 0, 1, 1]}),
    "tall": ((130, 33), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
}
OPERATORS: dict[str, dict[str, Any]] = {
    "MaxPool": {},
    "AveragePool": {},
    "AveragePool, padding counts": {"count_include_pad": 1},
    "LpPool": {"p": 2},
    "LpPool, sums": {"p": 1},
}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("case", CASES)
def test_pool(operator: str, case: str) -> None:
    size, attributes = CASES[case]
    more = OPERATORS[operator]
    node = helper.make_node(operator.split(",")[0], ["x"], ["y"], **attributes, **more)
    shape = (2, 3, *size)
    for dtype in ("float32", "float64", "float16"):
        if dtype != "float32" and case == "tall":
            continue
        content = model_of([node], {"x": (dtype, shape)}, ["y"], opset=22)
        assert_same(content, {"x": hostile_floats(shape, dtype, seed=1)})


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5), (0, 0, 4, 5, 6)])
def test_no_images_or_channels(operator: str, shape: tuple[int, ...]) -> None:
    node = helper.make_node(operator, ["x"], ["y"], kernel_shape=[2] * (len(shape) - 2))
    content = model_of([node], {"x": ("float32", shape)}, ["y"], opset=22)
    assert_same(content, {"x": np.zeros(shape, np.float32)})


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint8"])
def test_indices(dtype: str, order: int) -> None:
    for case in ("padded", "three axes", "one axis"):
        size, attributes = CASES[case]
        node = helper.make_node("MaxPool", ["x"], ["y", "i"], storage_order=order, **attributes)
        shape = (2, 3, *size)
        content = model_of([node], {"x": (dtype, shape)}, ["y", "i"])
        if "float" in dtype:
            x = hostile_floats(shape, dtype, seed=2)
        else:
            x = np.random.default_rng(2).integers(0, 5, shape).astype(dtype)
        assert_same(content, {"x": x})


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
def test_global(operator: str) -> None:
    for shape in ((2, 3, 7, 9), (1, 5, 3, 4, 5), (2, 1, 1)):
        for dtype in ("float32", "float16", "float64"):
            content = model_of(
                [helper.make_node(operator, ["x"], ["y"])], {"x": (dtype, shape)}, ["y"], opset=22
            )
            assert_same(content, {"x": hostile_floats(shape, dtype, seed=3)})


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_batch_normalisation(dtype: str) -> None:
    names = ["x", "scale", "bias", "mean", "variance"]
    node = helper.make_node("BatchNormalization", names, ["y"], epsilon=1e-3)
    for shape in ((2, 5, 3, 7), (3, 4)):
        channels = (shape[1],)
        arrays = {name: hostile_floats(channels, dtype, seed=at) for at, name in enumerate(names)}
        arrays["variance"] = np.abs(arrays["variance"])
        arrays["x"] = hostile_floats(shape, dtype, seed=9)
        kinds = {name: (dtype, array.shape) for name, array in arrays.items()}
        assert_same(model_of([node], kinds, ["y"]), arrays)
