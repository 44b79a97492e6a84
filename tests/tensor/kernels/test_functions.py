"""Functions of one element by the kernels: TENSOR-13, TENSOR-14, TENSOR-22."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from tests.tensor.kernels.same import assert_same, hostile_floats, model_of

FUNCTIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("Exp", "Log", "Sigmoid", "Tanh", "Erf", "Softplus", "Mish", "Gelu")),
    *((name, {}) for name in ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh")),
    *((name, {}) for name in ("Asinh", "Acosh", "Atanh", "Elu", "Selu", "Celu", "Swish")),
    ("Gelu", {"approximate": "tanh"}),
    ("Elu", {"alpha": 1.7}),
    ("Selu", {"alpha": 0.3, "gamma": -2.0}),
    ("Celu", {"alpha": -0.7}),
    ("Swish", {"alpha": 1.7}),
]


def any_bits(count: int, dtype: str, seed: int) -> np.ndarray[Any, Any]:
    """Every bit pattern equally likely: all magnitudes, subnormals and NaN."""
    size = np.dtype(dtype).itemsize
    return np.frombuffer(np.random.default_rng(seed).bytes(count * size), dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("name", "attributes"), FUNCTIONS)
def test_functions(name: str, attributes: dict[str, Any], dtype: str) -> None:
    scaled = (
        np.random.default_rng(1).standard_normal(3001) * np.repeat([1.0, 8.0, 300.0], 1001)[:3001]
    )
    x = np.concatenate(
        [any_bits(4001, dtype, 2), hostile_floats((1001,), dtype), scaled.astype(dtype)]
    )
    node = helper.make_node(name, ["x"], ["y"], **attributes)
    content = model_of([node], {"x": (dtype, x.shape)}, ["y"], opset=24)
    assert_same(content, {"x": x})
