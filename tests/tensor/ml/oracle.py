"""Builds one-node models, runs them on both sides, and compares with onnxruntime, the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from synnergy.tensor import operators as _operators  # noqa: F401  (registers all operators)
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import MapsType, Node, TensorType, Value, Work

NAMES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
    "int16": TensorProto.INT16,
}
OPSETS = {"": 20, "ai.onnx.ml": 5, "com.microsoft": 1}


def dtype_name(array: np.ndarray) -> str:
    return "string" if array.dtype.kind in "OUS" else array.dtype.name


def decoded(attribute: onnx.AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        array = numpy_helper.to_array(value)
        if array.dtype == object:
            flat = [x.decode() if isinstance(x, bytes) else x for x in array.reshape(-1)]
            array = np.array(flat, dtype=object).reshape(array.shape)
        return array
    if attribute.type == onnx.AttributeProto.STRINGS:
        return [item.decode() for item in value]
    if attribute.type in (onnx.AttributeProto.FLOATS, onnx.AttributeProto.INTS):
        return list(value)
    return value


def node_of(proto: onnx.NodeProto, opsets: dict[str, int] | None = None) -> Node:
    attributes = {a.name: decoded(a) for a in proto.attribute}
    opset = (opsets or OPSETS)[proto.domain]
    return Node(
        proto.name or "node",
        proto.domain,
        proto.op_type,
        opset,
        tuple(proto.input),
        tuple(proto.output),
        attributes,
    )


def values_of(inputs: list[np.ndarray | None]) -> list[Value | None]:
    return [
        None if x is None else Value(TensorType(dtype_name(x), tuple(x.shape))) for x in inputs
    ]


def run_node(node: Node, inputs: list[np.ndarray | None]) -> tuple[list[np.ndarray], Work]:
    """Our outputs, checked against what `infer` promised, and the work."""
    operator = OPERATORS[(node.domain, node.operator)]
    values = values_of(inputs)
    types = operator.infer(node, values, None)
    work = operator.work(node, values, types, None)
    assert min(work.macs, work.elements, work.functions, work.steps) >= 0
    outputs = operator.run(node, inputs, None)
    assert len(outputs) == len(types)
    for output, kind in zip(outputs, types, strict=True):
        assert dtype_name(output) == kind.dtype, (output.dtype, kind)
        expected = (kind.rows, len(kind.labels)) if isinstance(kind, MapsType) else kind.shape
        assert output.shape == expected, (output.shape, kind)
    return outputs, work


def ours(
    operator: str,
    *inputs: np.ndarray,
    domain: str = "ai.onnx.ml",
    outputs: int = 1,
    opsets: dict[str, int] | None = None,
    **attributes: Any,
) -> list[np.ndarray]:
    proto = make(operator, inputs, domain, outputs, attributes)
    return run_node(node_of(proto, opsets), list(inputs))[0]


def make(
    operator: str,
    inputs: tuple[np.ndarray, ...],
    domain: str,
    outputs: int,
    attributes: dict[str, Any],
) -> onnx.NodeProto:
    return helper.make_node(
        operator,
        [f"x{i}" for i in range(len(inputs))],
        [f"y{i}" for i in range(outputs)],
        domain=domain,
        name="node",
        **attributes,
    )


def oracle(
    operator: str,
    *inputs: np.ndarray,
    domain: str = "ai.onnx.ml",
    outputs: int = 1,
    opsets: dict[str, int] | None = None,
    **attributes: Any,
) -> list[Any]:
    proto = make(operator, inputs, domain, outputs, attributes)
    graph = helper.make_graph(
        [proto],
        "one",
        [
            helper.make_tensor_value_info(f"x{i}", NAMES[dtype_name(x)], x.shape)
            for i, x in enumerate(inputs)
        ],
        [onnx.ValueInfoProto(name=f"y{i}") for i in range(outputs)],
    )
    imports = [helper.make_opsetid(d, v) for d, v in (opsets or OPSETS).items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {f"x{i}": x for i, x in enumerate(inputs)})


def assert_close(mine: np.ndarray, theirs: np.ndarray, tolerance: float = 1e-5) -> None:
    """Equal labels, or numbers within `tolerance` of the largest finite one; NaN and inf agree."""
    theirs = np.asarray(theirs)
    assert mine.shape == theirs.shape, (mine.shape, theirs.shape)
    if mine.dtype.kind not in "fc":
        assert mine.tolist() == theirs.tolist()
        return
    assert mine.dtype == theirs.dtype
    assert (np.isnan(mine) == np.isnan(theirs)).all(), (mine, theirs)
    finite = np.isfinite(theirs)
    infinite = ~finite & ~np.isnan(theirs)
    assert (mine[infinite] == theirs[infinite]).all(), (mine, theirs)
    if finite.any():
        largest = max(1.0, float(np.abs(theirs[finite]).max()))
        difference = np.abs(mine[finite].astype(np.float64) - theirs[finite])
        assert difference.max() <= tolerance * largest, (difference.max(), largest)


def agree(operator: str, *inputs: np.ndarray, tolerance: float = 1e-5, **keywords: Any) -> None:
    """Both sides give the same outputs."""
    mine = ours(operator, *inputs, **keywords)
    theirs = oracle(operator, *inputs, **keywords)
    for a, b in zip(mine, theirs, strict=True):
        assert_close(a, b, tolerance)
