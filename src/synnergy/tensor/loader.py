"""ONNX bytes to a checked, immutable `Model`: models are hostile files. TENSOR-31

The onnx package only parses the protobuf, after caps on bytes and fields. Nothing here reads a
disk, infers a shape or calls onnx's checker. Every problem of a file is reported at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx.defs
from google.protobuf.message import DecodeError

from synnergy.tensor.limits import DEFAULT_LIMITS, Limits
from synnergy.tensor.proto_tensor import decode_tensor, dtype_of_code
from synnergy.tensor.types import (
    Array,
    Graph,
    GraphInput,
    Node,
    Problem,
    Refuse,
    Unsupported,
)
from synnergy.tensor.wire_scan import scan

#: Versions of each domain that the pinned onnx package knows. TENSOR-32
OPSETS: dict[str, range] = {
    "": range(9, int(onnx.defs.onnx_opset_version()) + 1),
    "ai.onnx.ml": range(1, int(onnx.defs.onnx_ml_opset_version()) + 1),
}
#: Operators of ai.onnx that mean the same since before the first version above, and since when:
#: LightGBM's exporter declares version 8 whatever it is told. TENSOR-32
_UNCHANGED = {
    "Abs": 6,
    "Add": 7,
    "And": 7,
    "ArgMax": 1,
    "Cast": 6,
    "Concat": 4,
    "Div": 7,
    "Exp": 6,
    "Gather": 1,
    "Identity": 1,
    "Log": 6,
    "Mul": 7,
    "Neg": 6,
    "Not": 1,
    "Or": 7,
    "Relu": 6,
    "Reshape": 5,
    "Sigmoid": 6,
    "Sqrt": 6,
    "Sub": 7,
    "Tanh": 6,
    "Transpose": 1,
    "Xor": 7,
}
_IR_VERSIONS = range(3, int(onnx.IR_VERSION) + 1)

_ATTRIBUTE = onnx.AttributeProto


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A parsed model: format version, imported opsets by domain, and the main graph."""

    ir_version: int
    opsets: Mapping[str, int]
    graph: Graph


@dataclass(slots=True)
class _Names:
    """The value names defined so far in a graph; `outer` are those around it."""

    outer: _Names | None
    own: set[str] = field(default_factory=set[str])

    def __contains__(self, name: str) -> bool:
        return name in self.own or (self.outer is not None and name in self.outer)


@dataclass(slots=True)
class _Reading:
    """What accumulates while one file is read."""

    limits: Limits
    opsets: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[Problem] = field(default_factory=list[Problem])
    nodes: int = 0
    attribute_items: int = 0

    def refuse(self, node: str, operator: str, reason: str) -> None:
        self.problems.append(Problem(node, operator, reason))
        if len(self.problems) > self.limits.nodes:
            raise Unsupported(self.problems)

    @contextmanager
    def part(self, node: str, operator: str) -> Generator[None]:
        """Turn a refusal or broken text inside into a problem of this part of the file."""
        try:
            yield
        except Refuse as refusal:
            self.refuse(node, operator, str(refusal))
        except UnicodeDecodeError:
            self.refuse(node, operator, "it holds text that isn't UTF-8")

    def name(self, text: str | bytes) -> str:
        """A value's, node's or operator's name, not absurdly long; bytes are broken UTF-8."""
        if isinstance(text, bytes):
            raise Refuse("it holds text that isn't UTF-8")
        if len(text.encode("utf-8", "surrogatepass")) > self.limits.name_bytes:
            raise Refuse(f"a name is longer than {self.limits.name_bytes} bytes")
        return text


def parse(onnx_bytes: bytes, limits: Limits = DEFAULT_LIMITS) -> Model:
    """Parse and check a model file. Raises Unsupported with every problem found."""
    if len(onnx_bytes) > limits.model_bytes:
        reason = f"the file has {len(onnx_bytes)} bytes, above the limit of {limits.model_bytes}"
        raise Unsupported([Problem("", "model", reason)])
    scanned = scan(onnx_bytes, limits.fields)
    if scanned.problem:
        raise Unsupported([Problem("", "model", scanned.problem)])
    if scanned.fields > limits.fields:
        reason = f"the file has more than {limits.fields} fields"
        raise Unsupported([Problem("", "model", reason)])
    try:
        proto = onnx.ModelProto.FromString(onnx_bytes)
    except DecodeError:
        raise Unsupported([Problem("", "model", "the file isn't a model")]) from None
    reading = _Reading(limits)
    with reading.part("", "model"):
        _read_header(reading, proto)
        if _count_nodes(reading, proto.graph, 1):
            graph = _read_graph(reading, proto.graph, None)
            if not reading.problems:
                return Model(int(proto.ir_version), dict(reading.opsets), graph)
    raise Unsupported(reading.problems)


def _read_header(reading: _Reading, proto: Any) -> None:
    if proto.ir_version not in _IR_VERSIONS:
        known = f"{_IR_VERSIONS.start} to {_IR_VERSIONS.stop - 1}"
        reading.refuse("", "model", f"IR version {proto.ir_version} isn't one of {known}")
    if len(proto.functions):
        reading.refuse("", "model", "it has model-local functions; inline them")
    if len(proto.training_info):
        reading.refuse("", "model", "it has training information")
    if not proto.HasField("graph"):
        reading.refuse("", "model", "it has no graph")
    for entry in proto.opset_import:
        domain = "" if entry.domain == "ai.onnx" else reading.name(entry.domain)
        version = int(entry.version)
        # Exporters repeat an import; only two versions of one domain contradict each other.
        if reading.opsets.get(domain, version) != version:
            reading.refuse("", "model", f"it imports two versions of {domain or 'ai.onnx'}")
        reading.opsets[domain] = version
        known = OPSETS.get(domain)
        # An import of another domain that no node uses does no harm.
        if known is None or version in known or (not domain and _unchanged(proto.graph, version)):
            continue
        span = f"{known.start} to {known.stop - 1}"
        reading.refuse("", "model", f"opset {version} of {domain or 'ai.onnx'} isn't {span}")


def _unchanged(graph: Any, version: int) -> bool:
    """Whether the graph's nodes of ai.onnx mean in an old version what they mean today."""
    old = [node for node in graph.node if node.domain in ("", "ai.onnx")]
    known = all(version >= _UNCHANGED.get(node.op_type, version + 1) for node in old)
    return version < OPSETS[""].start and known


def _count_nodes(reading: _Reading, graph: Any, depth: int) -> bool:
    """Whether the graph and its subgraphs are within the limits on nodes and nesting."""
    if depth > reading.limits.graph_depth:
        reading.refuse("", "model", f"graphs nest deeper than {reading.limits.graph_depth}")
        return False
    reading.nodes += len(graph.node)
    if reading.nodes > reading.limits.nodes:
        reading.refuse("", "model", f"it has more than {reading.limits.nodes} nodes")
        return False
    return all(
        _count_nodes(reading, inner, depth + 1)
        for node in graph.node
        for attribute in node.attribute
        for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs)
    )


def _read_graph(reading: _Reading, proto: Any, outer: _Names | None) -> Graph:
    """A graph, the main one or inside `outer`; names are unique and defined before use."""
    label = reading.name(proto.name) or "graph"
    initializers = _read_initializers(reading, proto)
    defined = _Names(outer)
    inputs: list[GraphInput] = []
    for entry in proto.input:
        with reading.part(f"input {entry.name!r}", "graph"):
            _define(reading, defined, entry.name)
            inputs.append(_read_input(reading, entry, outer is None))
    declared = set(defined.own)
    for name in initializers:
        if name not in declared:
            with reading.part(f"initializer {name!r}", "graph"):
                _define(reading, defined, name)
    nodes: list[Node] = []
    for index, entry in enumerate(proto.node):
        with reading.part(f"node {index}", "graph"):
            nodes.append(_read_node(reading, entry, index, defined))
    outputs = tuple(reading.name(entry.name) for entry in proto.output)
    for name in outputs:
        if name not in defined:
            reading.refuse(f"output {name!r}", "graph", "nothing computes it")
    if len(set(outputs)) != len(outputs):
        reading.refuse(label, "graph", "it names one output twice")
    if outer is None and not outputs:
        reading.refuse(label, "graph", "it has no outputs")
    return Graph(label, tuple(inputs), outputs, initializers, tuple(nodes))


def _define(reading: _Reading, defined: _Names, name: str) -> None:
    """Record a value's name, which must be new in the graph and those around it. TENSOR-33"""
    reading.name(name)
    if not name:
        raise Refuse("a value has no name")
    if name in defined:
        raise Refuse(f"the value {name!r} is defined twice")
    defined.own.add(name)


def _read_initializers(reading: _Reading, proto: Any) -> dict[str, Array]:
    initializers: dict[str, Array] = {}
    if len(proto.sparse_initializer):
        reading.refuse("", "graph", "it has sparse initializers")
    for entry in proto.initializer:
        with reading.part(f"initializer {entry.name!r}", "graph"):
            if reading.name(entry.name) in initializers:
                raise Refuse(f"the value {entry.name!r} is defined twice")
            initializers[entry.name] = np.zeros(0)  # known by name even where it is refused
            initializers[entry.name] = decode_tensor(entry, reading.limits)
    return initializers


def _read_input(reading: _Reading, proto: Any, main: bool) -> GraphInput:
    """A graph input; only those of the main graph must declare a tensor type."""
    limits = reading.limits
    kind = proto.type.WhichOneof("value")
    if kind is None and not main:
        return GraphInput(proto.name, "", None)
    if kind != "tensor_type":
        raise Refuse(f"it is a {kind or 'value without a type'}; only tensors are supported")
    tensor = proto.type.tensor_type
    dtype = dtype_of_code(tensor.elem_type)
    if not tensor.HasField("shape"):
        return GraphInput(proto.name, dtype, None)
    if len(tensor.shape.dim) > limits.rank:
        raise Refuse(f"its rank {len(tensor.shape.dim)} is above the limit of {limits.rank}")
    shape: list[int | str | None] = []
    for dimension in tensor.shape.dim:
        which = dimension.WhichOneof("value")
        if which == "dim_value":
            size = int(dimension.dim_value)
            if not 0 <= size <= limits.elements:
                raise Refuse(f"its dimension {size} is outside 0..{limits.elements}")
            shape.append(size)
        else:
            shape.append(reading.name(dimension.dim_param) or None)
    return GraphInput(proto.name, dtype, tuple(shape))


def _read_node(reading: _Reading, proto: Any, index: int, defined: _Names) -> Node:
    domain = "" if proto.domain == "ai.onnx" else reading.name(proto.domain)
    operator = reading.name(proto.op_type)
    name = reading.name(proto.name) or f"#{index}"
    attributes: dict[str, Any] = {}
    inputs = tuple(reading.name(entry) for entry in proto.input)
    outputs = tuple(reading.name(entry) for entry in proto.output)
    with reading.part(name, operator):
        if proto.overload:
            raise Refuse("it calls an overloaded function")
        if domain not in reading.opsets:
            raise Refuse(f"the model imports no opset of domain {domain or 'ai.onnx'!r}")
    for entry in inputs:
        if entry and entry not in defined:
            reason = f"its input {entry!r} isn't defined before it (nodes must be sorted)"
            reading.refuse(name, operator, reason)
    for entry in proto.attribute:
        with reading.part(name, operator):
            if entry.name in attributes:
                raise Refuse(f"attribute {entry.name!r} is given twice")
            attributes[reading.name(entry.name)] = _read_attribute(reading, entry, defined)
    for entry in outputs:
        if entry:
            with reading.part(name, operator):
                _define(reading, defined, entry)
    opset = reading.opsets.get(domain, 0)
    return Node(name, domain, operator, opset, inputs, outputs, attributes)


def _text(reading: _Reading, raw: bytes) -> str | bytes:
    """A string attribute; ONNX calls these UTF-8, a few hold other bytes."""
    if len(raw) > reading.limits.attribute_bytes:
        raise Refuse(f"a string attribute is longer than {reading.limits.attribute_bytes} bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def _read_attribute(reading: _Reading, proto: Any, defined: _Names) -> Any:
    if proto.ref_attr_name:
        raise Refuse(f"attribute {proto.name!r} refers to a function's attribute")
    read = _ATTRIBUTE_READERS.get(proto.type)
    if read is None:
        raise Refuse(f"attribute {proto.name!r} is of a kind that isn't supported")
    try:
        return read(reading, proto, defined)
    except Refuse as refusal:
        raise Refuse(f"attribute {proto.name!r}: {refusal}") from None


def _items(reading: _Reading, items: Any) -> Any:
    """A repeated field, counted against the limit on all of them together."""
    reading.attribute_items += len(items)
    if reading.attribute_items > reading.limits.attribute_items:
        limit = reading.limits.attribute_items
        raise Refuse(f"the model's list attributes hold more than {limit} items")
    return items


_ATTRIBUTE_READERS: dict[int, Callable[[_Reading, Any, _Names], Any]] = {
    _ATTRIBUTE.FLOAT: lambda reading, proto, defined: float(proto.f),
    _ATTRIBUTE.INT: lambda reading, proto, defined: int(proto.i),
    _ATTRIBUTE.STRING: lambda reading, proto, defined: _text(reading, proto.s),
    _ATTRIBUTE.TENSOR: lambda reading, proto, defined: decode_tensor(proto.t, reading.limits),
    _ATTRIBUTE.GRAPH: lambda reading, proto, defined: _read_graph(reading, proto.g, defined),
    _ATTRIBUTE.FLOATS: lambda reading, proto, defined: list(_items(reading, proto.floats)),
    _ATTRIBUTE.INTS: lambda reading, proto, defined: list(_items(reading, proto.ints)),
    _ATTRIBUTE.STRINGS: lambda reading, proto, defined: [
        _text(reading, item) for item in _items(reading, proto.strings)
    ],
    _ATTRIBUTE.TENSORS: lambda reading, proto, defined: [
        decode_tensor(item, reading.limits) for item in _items(reading, proto.tensors)
    ],
    _ATTRIBUTE.GRAPHS: lambda reading, proto, defined: [
        _read_graph(reading, item, defined) for item in _items(reading, proto.graphs)
    ],
}
