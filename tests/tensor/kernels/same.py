"""Whether every build of the kernels gives the reference's bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from synnergy.tensor import Plan, load
from synnergy.tensor.kernels.selection import builds

Array = np.ndarray[Any, Any]


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[str, Sequence[int | str]]],
    outputs: Sequence[str],
    weights: Mapping[str, Array] | None = None,
    opset: int = 21,
    ml: int = 5,
) -> bytes:
    """A model's bytes; inputs are (element type, shape), output types are inferred."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape)
            )
            for name, (dtype, shape) in inputs.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ml)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def assert_same(
    content: bytes | Plan, arrays: Mapping[str, Array], threads: Sequence[int] = (1, 3)
) -> dict[str, Array]:
    """Run every build and compare each output's bytes with the reference's, which are given back.

    Fails too where a node was left to the reference declaration: then nothing was compared.
    """
    shapes = {name: array.shape for name, array in arrays.items()}
    plan = content if isinstance(content, Plan) else load(content, shapes=shapes)
    expected = plan.run(arrays, kernel="reference")
    assert builds(), "no build of the kernels runs here"
    for name in builds():
        left = plan.left_to_reference(shapes, name)
        assert not left, f"not lowered: {[node.operator for node in left]}"
        for count in threads:
            got = plan.run(arrays, kernel=name, threads=count)
            for output, array in expected.items():
                mine = got[output]
                assert mine.dtype == array.dtype and mine.shape == array.shape
                if mine.tobytes() != array.tobytes():
                    bad = np.flatnonzero(
                        mine.reshape(-1).view(f"V{mine.itemsize}")
                        != array.reshape(-1).view(f"V{array.itemsize}")
                    )
                    at = [(int(i), mine.reshape(-1)[i], array.reshape(-1)[i]) for i in bad[:5]]
                    raise AssertionError(
                        f"{name}, {count} threads: {output} differs in {len(bad)} of"
                        f" {mine.size} (index, build, reference): {at}"
                    )
    return expected


def hostile_floats(shape: Sequence[int], dtype: str = "float32", seed: int = 0) -> Array:
    """Random bit patterns of ordinary size, and among them every kind of special value."""
    generator = np.random.default_rng(seed)
    real = np.dtype(dtype)
    values = generator.standard_normal(shape).astype(real)
    info = np.finfo(real)
    special = np.array(
        [
            *(0.0, -0.0, np.inf, -np.inf, np.nan, info.tiny, -info.tiny),
            *(info.smallest_subnormal, info.max, info.min, 1.0, -1.0, info.eps, 0.5, 88.7, -104.0),
        ],
        dtype=real,
    )
    chosen = generator.random(shape) < 0.2
    picks = special[generator.integers(0, len(special), shape)]
    return np.where(chosen, picks, values).astype(real)
