"""Places of extremes, sorting, running sums and resizing. SHAPE-40 to SHAPE-61"""

from __future__ import annotations

import math

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.kernels.program import Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import converted
from synnergy.tensor.lowering.movement import gathered
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.lowering.walks import broadcast, walk
from synnergy.tensor.operators import arguments, resizing

#: Element types of running totals, besides float16, which goes by way of float32.
_RUNNING = ("float32", "float64", "int32", "int64", "uint32", "uint64")


def _around(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """Elements before an axis, of it and after it."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def _wide(site: Site, x: Operand) -> Operand:
    return converted(site.builder, x, "float32") if x.dtype == "float16" else x


@lowers("ArgMax", "ArgMin")
def extreme_index(site: Site) -> list[Operand] | None:
    x, node = site.inputs[0], site.node
    if x is None:
        return None
    axis = arguments.axis_of(arguments.integer(node, "axis", 0), len(x.shape))
    last = node.opset >= 12 and arguments.flag(node, "select_last_index")
    result = site.result()
    if result.elements:
        wide = _wide(site, x)
        largest = int(node.operator == "ArgMax")
        site.builder.step(
            *(Step.EXTREME_INDEX, wide.code, result, wide, *_around(x.shape, axis)),
            *(largest, int(last)),
        )
    return [result]


@lowers("TopK")
def top(site: Site) -> list[Operand] | None:
    """Values and places; float16 is ordered as float32, and rounded back as it was."""
    x, node, builder = site.inputs[0], site.node, site.builder
    if x is None:
        return None
    axis = arguments.axis_of(arguments.integer(node, "axis", -1), len(x.shape))
    largest = node.opset < 11 or arguments.flag(node, "largest", True)
    outer, size, inner = _around(x.shape, axis)
    shape = site.outputs[0].shape
    wide = _wide(site, x)
    values = builder.tensor(wide.dtype, shape)
    places = [site.result(1)] if len(site.outputs) > 1 else []
    if values.elements:
        builder.step(
            *(Step.TOP, wide.code, values, places[0] if places else None, wide),
            *(outer, size, inner, shape[axis], int(largest), builder.thread_scratch(24 * size)),
        )
    return [converted(builder, values, x.dtype), *places]


@lowers("CumSum", "CumProd")
def running_total(site: Site) -> list[Operand] | None:
    x, axis = site.inputs
    if x is None or axis is None or axis.const is None:
        return None
    wide, node = _wide(site, x), site.node
    if wide.dtype not in _RUNNING:
        return None
    counted = arguments.axis_of(int(axis.const.reshape(-1)[0]), len(x.shape))
    result = site.builder.tensor(wide.dtype, x.shape)
    if result.elements:
        flags = [int(arguments.flag(node, name)) for name in ("exclusive", "reverse")]
        site.builder.step(
            *(Step.RUNNING_TOTAL, wide.code, result, wide, *_around(x.shape, counted)),
            *(*flags, int(node.operator == "CumProd")),
        )
    return [converted(site.builder, result, x.dtype)]


@quiet
@lowers("Resize", "Upsample")
def resize(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    others = [operand for operand in site.inputs[1:] if operand is not None]
    if x is None or not x.elements or any(operand.const is None for operand in others):
        return None
    arrays = [None, *(None if operand is None else operand.const for operand in site.inputs[1:])]
    taps, outside, extrapolation = resizing.taps_of(site.node, x.shape, arrays)
    if not site.outputs[0].elements:
        return [site.result()]
    result = _wide(site, x)
    for each in taps:
        if each.weights is None:
            result = gathered(builder, result, builder.constant(each.indices), each.position)
            continue
        outer, size, inner = _around(result.shape, each.position)
        after, count = each.indices.shape
        before, shape = result, list(result.shape)
        shape[each.position] = after
        result = builder.tensor(before.dtype, tuple(shape))
        weights = builder.constant(each.weights.astype(before.dtype))
        builder.step(
            *(Step.TAPS, before.code, result, before, builder.constant(each.indices), weights),
            *(outer, size, after, count, inner),
        )
    if outside.any():
        value = builder.constant(np.asarray(extrapolation).astype(result.dtype))
        inside, mask = result, builder.constant(outside)
        result = builder.tensor(inside.dtype, inside.shape)
        strides = [broadcast(each.shape, result.shape) for each in (mask, value, inside)]
        steps = walk(result.shape, *strides)
        builder.step(Step.WHERE, result.itemsize, result, mask, value, inside, *steps)
    return [converted(builder, result, x.dtype)]
