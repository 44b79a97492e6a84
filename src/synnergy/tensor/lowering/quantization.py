"""QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear. SHAPE-100, SHAPE-102"""

from __future__ import annotations

import math

from synnergy.tensor.kernels.program import Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import converted
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators.quantization import aligned_shape
from synnergy.tensor.types import Node

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
