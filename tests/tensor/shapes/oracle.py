"""One-node models run on both sides: this engine's operators and onnxruntime, the oracle."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from synnergy.tensor import operators as _operators  # noqa: F401  (registers all operators)
from synnergy.tensor.operators.arguments import dtype_name
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import (
    Array,
    Graph,
    GraphInput,
    MapsType,
    Node,
    TensorType,
    Value,
    ValueType,
    Work,
)

CODES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "float16": TensorProto.FLOAT16,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}
#: onnxruntime's newest opset; the newest IR version it reads.
NEWEST, IR_VERSION = 23, 10

Inputs = Sequence[Array | None]


def strings(array: Array) -> Array:
    """Texts as an object array of str."""
    flat = [item.decode() if isinstance(item, bytes) else str(item) for item in array.reshape(-1)]
    result = np.empty(len(flat), object)
    result[:] = flat
    return result.reshape(array.shape)


def decoded(attribute: onnx.AttributeProto, opset: int) -> Any:
    """An attribute as `Node` holds it."""
    value = helper.get_attribute_value(attribute)
    if attribute.type == onnx.AttributeProto.STRING:
        return value.decode()
    if attribute.type == onnx.AttributeProto.STRINGS:
        return [item.decode() for item in value]
    if attribute.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS):
        return list(value)
    if attribute.type == onnx.AttributeProto.TENSOR:
        array = numpy_helper.to_array(value)
        return strings(array) if array.dtype.kind in "OSU" else array
    if attribute.type == onnx.AttributeProto.GRAPH:
        return graph_of(value, opset)
    return value


def node_of(proto: onnx.NodeProto, opset: int) -> Node:
    return Node(
        proto.name or "node",
        proto.domain,
        proto.op_type,
        opset if not proto.domain else 1,
        tuple(proto.input),
        tuple(proto.output),
        {attribute.name: decoded(attribute, opset) for attribute in proto.attribute},
    )


def graph_of(proto: onnx.GraphProto, opset: int) -> Graph:
    return Graph(
        proto.name,
        tuple(GraphInput(entry.name, "float32", None) for entry in proto.input),
        tuple(entry.name for entry in proto.output),
        {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.initializer},
        tuple(node_of(node, opset) for node in proto.node),
    )


class Names:
    """A scope over named values or arrays, as simple as one can be."""

    def __init__(self, names: dict[str, Any] | None = None) -> None:
        self.names = names or {}

    def infer_graph(self, graph: Graph, inputs: Sequence[Value]) -> tuple[list[Value], Work]:
        names = {**self.names, **{k: known(array) for k, array in graph.initializers.items()}}
        names |= zip((entry.name for entry in graph.inputs), inputs, strict=True)
        work = Work(steps=0)
        for node in graph.nodes:
            operator, scope = OPERATORS[node.domain, node.operator], Names(names)
            values = [names[name] if name else None for name in node.inputs]
            types = operator.infer(node, values, scope)
            work += operator.work(node, values, types, scope)
            results = [Value(kind) for kind in types]
            if operator.value and (first := operator.value(node, values, scope)) is not None:
                results[0] = Value(types[0], first)
            elif all(value is None or value.const is not None for value in values):
                arrays = [value and value.const for value in values]
                results = [known(array) for array in operator.run(node, arrays, scope)]
            names |= zip(node.outputs, results, strict=True)
        return [names[name] for name in graph.outputs], work

    def run_graph(self, graph: Graph, inputs: Sequence[Array]) -> list[Array]:
        names = {**self.names, **graph.initializers}
        names |= zip((entry.name for entry in graph.inputs), inputs, strict=True)
        for node in graph.nodes:
            arrays = [names[name] if name else None for name in node.inputs]
            operator = OPERATORS[node.domain, node.operator]
            names |= zip(node.outputs, operator.run(node, arrays, Names(names)), strict=True)
        return [names[name] for name in graph.outputs]


def known(array: Array) -> Value:
    return Value(TensorType(dtype_name(array), array.shape), array)


def unknown(array: Array) -> Value:
    return Value(TensorType(dtype_name(array), array.shape))


def make(
    operator: str,
    inputs: Inputs,
    attributes: dict[str, Any] | None = None,
    outputs: int = 1,
    domain: str = "",
) -> onnx.NodeProto:
    names = [f"x{place}" if array is not None else "" for place, array in enumerate(inputs)]
    results = [f"y{place}" for place in range(outputs)]
    return helper.make_node(operator, names, results, domain=domain, **(attributes or {}))


def infer(
    proto: onnx.NodeProto, inputs: Inputs, opset: int, const: Collection[int] = ()
) -> tuple[list[ValueType], Work]:
    """Types and work where the contents of the inputs `const` are known."""
    node = node_of(proto, opset)
    operator = OPERATORS[node.domain, node.operator]
    values = [
        None if array is None else known(array) if place in const else unknown(array)
        for place, array in enumerate(inputs)
    ]
    names = {name: value for name, value in zip(proto.input, values, strict=True) if name}
    scope = Names(names)
    types = operator.infer(node, values, scope)
    work = operator.work(node, values, types, scope)
    assert min(work.macs, work.elements, work.functions, work.steps) >= 0
    return types, work


def ours(
    proto: onnx.NodeProto, inputs: Inputs, opset: int, const: Collection[int] = ()
) -> list[Array]:
    """Our results, held against the inferred types; the inputs must come out unharmed."""
    types, _ = infer(proto, inputs, opset, const)
    node = node_of(proto, opset)
    copies = [None if array is None else array.copy() for array in inputs]
    names = {name: array for name, array in zip(proto.input, inputs, strict=True) if name}
    results = OPERATORS[node.domain, node.operator].run(node, inputs, Names(names))
    assert len(results) == len(types) == len(node.outputs)
    for result, kind in zip(results, types, strict=True):
        assert not isinstance(kind, MapsType)
        assert (dtype_name(result), result.shape) == (kind.dtype, kind.shape)
    for array, copy in zip(inputs, copies, strict=True):
        if array is not None and copy is not None:
            assert array.dtype.kind == "O" or array.tobytes() == copy.tobytes()
    return results


def model_of(proto: onnx.NodeProto, inputs: Inputs, opset: int) -> onnx.ModelProto:
    entries = [
        helper.make_tensor_value_info(name, CODES[dtype_name(array)], array.shape)
        for name, array in zip(proto.input, inputs, strict=True)
        if array is not None
    ]
    results = [onnx.ValueInfoProto(name=name) for name in proto.output]
    graph = helper.make_graph([proto], "one", entries, results)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def theirs(proto: onnx.NodeProto, inputs: Inputs, opset: int) -> list[Array]:
    """onnxruntime's results."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    data = model_of(proto, inputs, opset).SerializeToString()
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = zip(proto.input, inputs, strict=True)
    feed = {name: array for name, array in names if array is not None}
    return [np.asarray(result) for result in session.run(None, feed)]


def check(
    operator: str,
    inputs: Inputs,
    attributes: dict[str, Any] | None = None,
    opset: int = 18,
    outputs: int = 1,
    const: Collection[int] | None = None,
    tolerance: float = 0.0,
    domain: str = "",
) -> list[Array]:
    """Both sides agree, exactly or within a relative tolerance; all inputs but the first known."""
    proto = make(operator, inputs, attributes, outputs, domain)
    results = ours(proto, inputs, opset, range(1, len(inputs)) if const is None else const)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(proto, inputs, opset)
    for result, wanted in zip(results, expected, strict=True):
        wanted = strings(wanted) if wanted.dtype.kind in "OSU" else wanted
        assert result.dtype == wanted.dtype and result.shape == wanted.shape
        if tolerance:
            np.testing.assert_allclose(result, wanted, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(result, wanted)
    return results
