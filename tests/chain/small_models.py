"""Models of a few hundred bytes, made by hand: what a call costs here is the ledger's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper


def model(
    nodes: Sequence[NodeProto],
    outputs: Sequence[str],
    *,
    constants: dict[str, np.ndarray] | None = None,
    name: str = "X",
    shape: Sequence[int | str] = ("N", 2),
    output_type: int = TensorProto.FLOAT,
    input_type: int = TensorProto.FLOAT,
    marker: str = "",
) -> bytes:
    """A model of one input; `marker` only makes its bytes, and so its digest, another."""
    graph = helper.make_graph(
        list(nodes),
        "graph" + marker,
        [helper.make_tensor_value_info(name, input_type, list(shape))],
        [helper.make_tensor_value_info(output, output_type, None) for output in outputs],
        [numpy_helper.from_array(array, key) for key, array in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 4)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return made.SerializeToString()


def linear(marker: str = "") -> bytes:
    """Y = X · [[1, 2, 3], [4, 5, 6]] + 1 for X of [N, 2]."""
    weights = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    node = helper.make_node("Gemm", ["X", "W", "B"], ["Y"])
    return model(
        [node], ["Y"], constants={"W": weights, "B": np.ones(3, np.float32)}, marker=marker
    )


def doubled(marker: str = "") -> bytes:
    """Y = X + X."""
    return model([helper.make_node("Add", ["X", "X"], ["Y"])], ["Y"], marker=marker)


def chained(length: int) -> bytes:
    """`length` additions after one another."""
    nodes = [
        helper.make_node("Add", [f"v{index}" if index else "X", "X"], [f"v{index + 1}"])
        for index in range(length)
    ]
    return model(nodes, [f"v{length}"])
