"""QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear. SHAPE-100, SHAPE-102"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.kernels.program import Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import converted
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.quantization import aligned_shape
from synnergy.tensor.operators.registry import OPERATORS
from synnergy.tensor.types import DTYPES, Array, Graph, Node, Refuse, Value, Work

#: Operators that work on each element by itself, given constants for all operands but one.
_EACH = frozenset(
    (
        *("QuantizeLinear", "DequantizeLinear", "Add", "Sub", "Mul", "Div", "Max", "Min"),
        *("Relu", "Clip", "LeakyRelu", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh", "Elu"),
        *("Selu", "Celu", "Softplus", "Softsign", "Gelu", "Erf", "Exp", "Abs", "Neg", "Sqrt"),
    )
)
#: Parts of a tensor whose ranges are found on their own, and elements from which on there are two.
_MOST_CHUNKS, _CHUNK = 64, 4096


def _walk(node: Node, x: Operand, scale: Operand) -> list[int]:
    """Runs of x with one scale, or with one for each element: sizes before the axis, of it and
    after it, the block along it, and strides of scales for the first, a block and the last."""
    found = aligned_shape(node, x.shape, scale.shape)
    if found is None:
        return [1, 1, x.elements, 1, 0, 0, 0]
    aligned, axis, block = found
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    if len(scale.shape) > 1:
        return [outer, x.shape[axis], inner, block, aligned[axis] * inner, inner, 1]
    if inner == 1:
        return [1, outer, x.shape[axis], 1, 0, 0, 1]
    return [outer, x.shape[axis], inner, 1, 0, 1, 0]


class _NoGraphs:
    """The scope of nodes that have no subgraphs."""

    def infer_graph(self, graph: Graph, inputs: Sequence[Value]) -> tuple[list[Value], Work]:
        raise Refuse("a node without subgraphs has none to run")

    def run_graph(self, graph: Graph, inputs: Sequence[Array]) -> list[Array]:
        raise Refuse("a node without subgraphs has none to run")


def _evaluated(
    node: Node, names: Sequence[str], inputs: Sequence[Operand | None], values: Array
) -> Array | None:
    """The node on these values, which go where no operand is; None where it isn't known, or
    looks at more than one element at a time."""
    if node.domain or node.operator not in _EACH or arguments.integer(node, "block_size", 0):
        return None
    given: list[Array | None] = []
    for name, operand in zip(names, inputs, strict=True):
        if operand is None:
            given.append(values if name else None)
        elif operand.const is not None and operand.elements == 1:
            given.append(operand.const.reshape(()))
        else:
            return None
    (result,) = OPERATORS[("", node.operator)].run(node, given, _NoGraphs())
    return result if str(result.dtype) in ("float32", "uint8", "int8") else None


@quiet
def _table(site: Site, x: Operand) -> Array | None:
    """What a node and the chain after it make of each byte, where they work element by element
    with constants, and there is a chain; its nodes are taken."""
    if x.dtype not in ("uint8", "int8") or x.const is not None:
        return None
    values: Array = np.arange(256, dtype=np.uint8).view(DTYPES[x.dtype])
    table = _evaluated(site.node, site.node.inputs, [None, *site.inputs[1:]], values)
    taken = False
    while table is not None:
        following = site.followers.next()
        if following is None or following[2].shape != x.shape:
            break
        node, inputs, _ = following
        more = _evaluated(node, node.inputs, inputs, table)
        if more is None:
            break
        site.followers.take()
        table, taken = more, True
    return table if taken else None


@lowers("QuantizeLinear")
def quantize(site: Site) -> list[Operand] | None:
    x, scale, zero = (*site.inputs, None)[:3]
    if x is None or scale is None:
        return None
    result, builder = site.result(), site.builder
    if result.elements:
        walk = _walk(site.node, x, scale)
        x, scale = (converted(builder, each, "float32") for each in (x, scale))
        builder.step(Step.QUANTISE, result, x, scale, zero, result.code, *walk)
    return [result]


@lowers("DequantizeLinear")
def dequantize(site: Site) -> list[Operand] | None:
    x, scale, zero = (*site.inputs, None)[:3]
    if x is None or scale is None:
        return None
    builder = site.builder
    table = _table(site, x)
    if table is not None:
        result = builder.tensor(str(table.dtype), x.shape)
        place = builder.constant(table)
        builder.step(Step.MAP_BYTES, result, x, place, x.elements, result.itemsize)
        return [result]
    result = builder.tensor("float32", x.shape)
    if x.elements:
        walk = _walk(site.node, x, scale)
        scale = converted(builder, scale, "float32")
        builder.step(Step.DEQUANTISE, result, x, scale, zero, x.code, *walk)
    return [converted(builder, result, site.outputs[0].dtype)]


@lowers("DynamicQuantizeLinear")
def dynamic_quantize(site: Site) -> list[Operand] | None:
    (x,) = site.inputs
    if x is None:
        return None
    builder = site.builder
    chunks = min(_MOST_CHUNKS, max(1, x.elements // _CHUNK))
    ranges = builder.temporary(8 * chunks)
    results = [
        builder.tensor("uint8", x.shape),
        builder.tensor("float32", ()),
        builder.tensor("uint8", ()),
    ]
    builder.step(Step.DYNAMIC_RANGE, ranges, x, x.elements, chunks)
    builder.step(Step.DYNAMIC_QUANTISE, *results, ranges, x, x.elements, chunks)
    return results[: len(site.outputs)]
