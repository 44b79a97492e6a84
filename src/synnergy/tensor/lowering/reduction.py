"""Reductions along axes. TENSOR-12, SHAPE-50 to SHAPE-55"""

from __future__ import annotations

import math
from enum import IntEnum

from synnergy.tensor.kernels.program import Builder, Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import converted
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.reduction import REDUCTIONS, reduced_axes


class Operation(IntEnum):
    """What a reduction makes of its terms, as `reduce.c` numbers it."""

    SUM = 0
    ABSOLUTE_SUM = 1
    SQUARE_SUM = 2
    POWER_SUM = 3
    PRODUCT = 4
    LARGEST = 5
    SMALLEST = 6


class Finish(IntEnum):
    """What is done with a total."""

    AS_IS = 0
    MEAN = 1
    ROOT = 2
    LOGARITHM = 3
    FINITE = 4


_OPERATIONS = {
    "ReduceSum": (Operation.SUM, Finish.AS_IS),
    "ReduceProd": (Operation.PRODUCT, Finish.AS_IS),
    "ReduceMean": (Operation.SUM, Finish.MEAN),
    "ReduceMax": (Operation.LARGEST, Finish.AS_IS),
    "ReduceMin": (Operation.SMALLEST, Finish.AS_IS),
    "ReduceL1": (Operation.ABSOLUTE_SUM, Finish.AS_IS),
    "ReduceL2": (Operation.SQUARE_SUM, Finish.ROOT),
    "ReduceSumSquare": (Operation.SQUARE_SUM, Finish.AS_IS),
    "ReduceLogSum": (Operation.SUM, Finish.LOGARITHM),
    "ReduceLogSumExp": (Operation.POWER_SUM, Finish.LOGARITHM),
}
_SINCE = {reduction.name: reduction.inputs_since for reduction in REDUCTIONS}


def collapsed(
    shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Kept and reduced axes as (size, stride): neighbours of one kind are one, sizes of 1 none."""
    kept: list[tuple[int, int]] = []
    reduced: list[tuple[int, int]] = []
    stride, previous = 1, None
    for axis in reversed(range(len(shape))):
        size = shape[axis]
        if size != 1:
            group = reduced if axis in axes else kept
            if group is previous:
                group[0] = (group[0][0] * size, group[0][1])
            else:
                group.insert(0, (size, stride))
            previous = group
        stride *= size
    return kept, reduced


def emit(
    builder: Builder,
    result: Operand,
    x: Operand,
    axes: tuple[int, ...],
    operation: Operation,
    finish: Finish,
    shift: Operand | None = None,
) -> None:
    """Reduce `x`, which must not be empty, along axes. `shift` has the result's elements."""
    kept, reduced = collapsed(x.shape, axes)
    count = math.prod(x.shape[axis] for axis in axes)
    pairs = [number for pair in (*kept, *reduced) for number in pair]
    head = (x.code, operation, finish, count, len(kept), len(reduced))
    builder.step(Step.REDUCE, result, x, shift, *head, *pairs)


def reduced(
    builder: Builder, x: Operand, axes: tuple[int, ...], operation: Operation, finish: Finish
) -> Operand:
    """The reduction of an operand along axes that stay, as one element each."""
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    result = builder.tensor(x.dtype, shape)
    emit(builder, result, x, axes, operation, finish)
    return result


@lowers(*_OPERATIONS)
def reduction(site: Site) -> list[Operand] | None:
    node, x = site.node, site.inputs[0]
    if x is None or not x.elements:
        return None
    operation, finish = _OPERATIONS[node.operator]
    if node.opset < _SINCE[node.operator]:
        wanted = arguments.integers(node, "axes")
    else:
        given = site.inputs[1] if len(site.inputs) > 1 else None
        if given is not None and given.const is None:
            return None
        wanted = None if given is None or given.const is None else given.const.reshape(-1).tolist()
    axes = reduced_axes(node, len(x.shape), wanted, _SINCE[node.operator])
    builder = site.builder
    if x.dtype not in arguments.FLOATS and finish in (Finish.ROOT, Finish.LOGARITHM):
        x = converted(builder, x, "float64")
    kind, shift = site.outputs[0], None
    result = builder.tensor(x.dtype, kind.shape)
    if operation == Operation.POWER_SUM:
        shift = builder.tensor("float64" if x.dtype == "float64" else "float32", kind.shape)
        emit(builder, shift, x, axes, Operation.LARGEST, Finish.FINITE)
    emit(builder, result, x, axes, operation, finish, shift)
    return [converted(builder, result, kind.dtype)]
