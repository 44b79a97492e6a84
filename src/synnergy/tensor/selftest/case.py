"""What a case is, and how one is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from synnergy.tensor.types import Array

OPSETS = {"": 23, "ai.onnx.ml": 5}


@dataclass(frozen=True, slots=True)
class Case:
    """A model's bytes and the inputs of its runs, all of the same types and shapes."""

    name: str
    model: bytes
    feeds: tuple[Mapping[str, Array], ...]


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str] = ("y",),
    domain: str = "",
    **attributes: Any,
) -> onnx.NodeProto:
    """A node; attributes as the onnx package takes them."""
    return helper.make_node(operator, list(inputs), list(outputs), domain=domain, **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Array],
    outputs: Sequence[str],
    weights: Mapping[str, Array] | None = None,
    opset: int = OPSETS[""],
) -> bytes:
    """A model's bytes: inputs are of the types and shapes of these arrays."""
    graph = helper.make_graph(
        list(nodes),
        "case",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape)
            )
            for name, array in inputs.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [
            numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            for name, array in (weights or {}).items()
        ],
    )
    imports = [helper.make_opsetid("", opset)]
    imports.append(helper.make_opsetid("ai.onnx.ml", OPSETS["ai.onnx.ml"]))
    made = helper.make_model(graph, opset_imports=imports, ir_version=10, producer_name="")
    return made.SerializeToString(deterministic=True)
