"""Changes to an ONNX file that leave it a file of nodes: the plan is behind the loader."""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from fuzz.mutate import INTEGERS
from fuzz.target import MutateBytes
from synnergy.tensor.operators.registry import OPERATORS

FLOATS = (0.0, -0.0, 0.5, -1.0, 1e-45, 3e38, float("inf"), float("nan"))
DIMENSIONS = (0, 1, 2, 3, 4, 5, 7, 64, 1 << 14, 1 << 28, -1, 2**62)
WORDS = ("", "constant", "reflect", "edge", "wrap", "linear", "cubic", "nearest", "add", "max")
WORDS += ("SAME_UPPER", "VALID", "NOTSET", "DCR", "CRD", "reverse", "bidirectional", "Tanh", "SUM")
WORDS += ("ij,jk->ik", "...i->...", "ii->i", "BRANCH_LEQ", "LEAF", "SOFTMAX", "PROBIT", "[a-z]+")


@lru_cache(maxsize=1)
def _attributes() -> tuple[str, ...]:
    names = {
        name
        for kinds in (onnx.defs.get_all_schemas_with_history(),)
        for schema in kinds
        if (schema.domain, schema.name) in OPERATORS
        for name in schema.attributes
    }
    return tuple(sorted(names))


def model(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Change operators, attributes, wiring, shapes and weights."""
    if random.random() < 0.2:
        return mutate_bytes(data, len(data) + 64)
    try:
        proto = onnx.ModelProto.FromString(data)
    except DecodeError:
        return mutate_bytes(data, len(data) + 64)
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        _change(proto, random)
    try:
        return proto.SerializeToString()
    except (ValueError, UnicodeError):
        return data


def _change(proto: Any, random: Random) -> None:
    graph = proto.graph
    while graph.node and random.random() < 0.5:
        inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
        if not inner:
            break
        graph = random.choice(inner)
    choice = random.random()
    if choice < 0.3 and graph.node:
        _attribute(random.choice(graph.node), random)
    elif choice < 0.45 and graph.node:
        node = random.choice(graph.node)
        node.domain, node.op_type = random.choice(sorted(OPERATORS))
    elif choice < 0.6:
        _insert(graph, random)
    elif choice < 0.7 and graph.node:
        node = random.choice(graph.node)
        if node.input:
            node.input[random.randrange(len(node.input))] = _name(graph, random)
        if random.random() < 0.3:
            node.input.append(_name(graph, random))
    elif choice < 0.8 and graph.initializer:
        _weight(random.choice(graph.initializer), random)
    elif choice < 0.9 and graph.input:
        _shape(random.choice(graph.input).type.tensor_type, random)
    elif choice < 0.95 and graph.output:
        graph.output[random.randrange(len(graph.output))].name = _name(graph, random)
    else:
        entry = random.choice(proto.opset_import) if proto.opset_import else None
        if entry is None or random.random() < 0.3:
            entry = proto.opset_import.add()
            entry.domain = "ai.onnx.ml"
        entry.version = random.randrange(1, 27)


def _name(graph: Any, random: Random) -> str:
    names = [entry.name for entry in (*graph.input, *graph.initializer)]
    names += [name for node in graph.node for name in node.output]
    return random.choice(names) if names else "x"


def _insert(graph: Any, random: Random) -> None:
    """A node, or a weight of a few numbers, somewhere."""
    if random.random() < 0.3:
        numbers = [random.choice((*INTEGERS, 1, 2, 3)) for _ in range(random.randrange(4))]
        numbers = [max(min(number, 2**63 - 1), -(2**63)) for number in numbers]
        name = f"w{len(graph.initializer)}"
        graph.initializer.append(
            helper.make_tensor(name, onnx.TensorProto.INT64, [len(numbers)], numbers)
        )
        return
    domain, operator = random.choice(sorted(OPERATORS))
    inputs = [_name(graph, random) for _ in range(random.choice((0, 1, 1, 2, 2, 3, 5)))]
    outputs = [f"n{len(graph.node)}_{place}" for place in range(random.choice((1, 1, 1, 2, 3)))]
    node = helper.make_node(operator, inputs, outputs, domain=domain)
    graph.node.append(node)
    if graph.output and random.random() < 0.6:
        graph.output[0].name = outputs[0]


def _attribute(node: Any, random: Random) -> None:
    known = [attribute.name for attribute in node.attribute]
    if known and random.random() < 0.2:
        del node.attribute[random.randrange(len(known))]
        return
    name = (
        random.choice(known) if known and random.random() < 0.5 else random.choice(_attributes())
    )
    value: Any = random.choice(
        (
            random.choice(INTEGERS),
            random.randrange(-3, 6),
            random.choice(FLOATS),
            random.choice(WORDS),
            [random.choice((*INTEGERS, 0, 1, 2, 3)) for _ in range(random.randrange(1, 6))],
            [random.randrange(-2, 4) for _ in range(random.randrange(1, 9))],
            [random.choice(FLOATS) for _ in range(random.randrange(1, 6))],
            [random.choice(WORDS) for _ in range(random.randrange(1, 4))],
        )
    )
    if isinstance(value, int):
        value = max(min(value, 2**63 - 1), -(2**63))
    if isinstance(value, list) and isinstance(value[0], int):
        value = [max(min(number, 2**63 - 1), -(2**63)) for number in value]
    for place, attribute in enumerate(node.attribute):
        if attribute.name == name:
            del node.attribute[place]
            break
    node.attribute.append(helper.make_attribute(name, value))


def _weight(tensor: Any, random: Random) -> None:
    choice = random.random()
    raw = bytes(tensor.raw_data)
    if choice < 0.4 and raw:
        size = random.choice((1, 4, 8))
        at = random.randrange(0, len(raw), size) if len(raw) > size else 0
        numbers = [random.choice(INTEGERS) % 2**64 for _ in range(1)]
        piece = numbers[0].to_bytes(8, "little")[:size]
        tensor.raw_data = (raw[:at] + piece + raw[at + size :])[: len(raw)]
    elif choice < 0.7:
        if tensor.dims and random.random() < 0.7:
            tensor.dims[random.randrange(len(tensor.dims))] = random.choice(DIMENSIONS)
        else:
            tensor.dims.insert(0, 1)
    elif choice < 0.9 and len(tensor.dims) > 1:
        dims = list(tensor.dims)
        random.shuffle(dims)
        tensor.dims[:] = dims
    else:
        tensor.data_type = random.randrange(1, 17)


def _shape(kind: Any, random: Random) -> None:
    if random.random() < 0.3:
        kind.elem_type = random.randrange(1, 14)
        return
    dims = kind.shape.dim
    if not dims or random.random() < 0.2:
        dims.add().dim_value = random.choice(DIMENSIONS)
    elif random.random() < 0.2:
        del dims[random.randrange(len(dims))]
    elif random.random() < 0.3:
        random.choice(dims).dim_param = random.choice(("N", "M", ""))
    else:
        random.choice(dims).dim_value = random.choice(DIMENSIONS)
