"""Matrix products by the kernels: TENSOR-10, TENSOR-16."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tests.tensor.kernels.same import assert_same, hostile_floats, model_of


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (3, 255, 5), (9, 256, 49), (17, 700, 100)])
@pytest.mark.parametrize("flags", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm(m: int, k: int, n: int, flags: tuple[int, int]) -> None:
    first, second = flags
    b = hostile_floats((n, k) if second else (k, n), seed=1)
    c = hostile_floats((n,), seed=2)
    node = helper.make_node("Gemm", ["a", "b", "c"], ["y"], transA=first, transB=second)
    content = model_of(
        [node], {"a": ("float32", (k, m) if first else (m, k))}, ["y"], {"b": b, "c": c}
    )
    a = np.random.default_rng(3).standard_normal((k, m) if first else (m, k)).astype(np.float32)
    assert_same(content, {"a": a})
    assert_same(content, {"a": hostile_floats(a.shape, seed=4)})
