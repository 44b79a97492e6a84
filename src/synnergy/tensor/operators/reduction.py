"""Reductions along axes, running sums and products.

SHAPE-50: axes are an attribute or, from opset 18 (ReduceSum: 13), an input. Without axes all are
reduced, or none where `noop_with_empty_axes` is set; then only the elementwise part is computed.
float16 is computed in float32 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.registry import Run, Scope, WorkOf, register
from synnergy.tensor.types import Array, BadInput, Node, Refuse, Value, ValueType, Work

Axes = tuple[int, ...]
Reduce = Callable[[Array, Axes, bool], Array]

_WIDE = ("int32", "int64", "uint32", "uint64", "float16", "float32", "float64")
_NARROW = ("int8", "uint8")


def _sum(x: Array, axes: Axes, keep: bool) -> Array:
    return numerics.ordered_sum(x, axes, keep)


def _product(x: Array, axes: Axes, keep: bool) -> Array:
    return numerics.ordered_product(x, axes, keep)


def _mean(x: Array, axes: Axes, keep: bool) -> Array:
    return numerics.ordered_mean(x, axes, keep)


def _absolute_sum(x: Array, axes: Axes, keep: bool) -> Array:
    return numerics.ordered_sum(np.abs(x), axes, keep)


def _square_sum(x: Array, axes: Axes, keep: bool) -> Array:
    return numerics.ordered_sum(x * x, axes, keep)


def _norm(x: Array, axes: Axes, keep: bool) -> Array:
    return numerics.sqrt(_square_sum(x, axes, keep))


def _log_sum(x: Array, axes: Axes, keep: bool) -> Array:
    return numerics.log(numerics.ordered_sum(x, axes, keep))


def _log_sum_exp(x: Array, axes: Axes, keep: bool) -> Array:
    """max + log(sum(exp(x - max))), max taken as 0 where it isn't finite. SHAPE-53"""
    largest = _largest(x, axes, True)
    shift = np.where(np.isfinite(largest), largest, x.dtype.type(0))
    total = numerics.ordered_sum(numerics.exp(x - shift), axes, True)
    result = numerics.log(total) + shift
    return result if keep else result.reshape(_reduced(x.shape, axes, False))


def _largest(x: Array, axes: Axes, keep: bool) -> Array:
    if _count(x.shape, axes) == 0:
        return np.full(_reduced(x.shape, axes, keep), _lowest(x.dtype), x.dtype)
    return numerics.reduce_maximum(x, axes, keep)  # SHAPE-55


def _smallest(x: Array, axes: Axes, keep: bool) -> Array:
    if _count(x.shape, axes) == 0:
        return np.full(_reduced(x.shape, axes, keep), _highest(x.dtype), x.dtype)
    return numerics.reduce_minimum(x, axes, keep)


def _lowest(dtype: np.dtype[Any]) -> float | int:
    """What the largest of no elements is. SHAPE-52"""
    if dtype.kind == "f":
        return -math.inf
    return 0 if dtype.kind == "b" else int(np.iinfo(dtype).min)


def _highest(dtype: np.dtype[Any]) -> float | int:
    if dtype.kind == "f":
        return math.inf
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)


def _count(shape: Sequence[int], axes: Axes) -> int:
    return math.prod(shape[axis] for axis in axes)


def _reduced(shape: Sequence[int], axes: Axes, keep: bool) -> tuple[int, ...]:
    if keep:
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


@dataclass(frozen=True, slots=True)
class Reduction:
    """A Reduce operator; `inputs_since` is the opset from which axes are an input.

    elements and functions are operations for each input element, last_functions for each output
    element. A `floating` one computes integers in float64 and cuts off the fraction. SHAPE-51
    """

    name: str
    reduce: Reduce
    inputs_since: int = 18
    elements: int = 1
    functions: int = 0
    last_functions: int = 0
    floating: bool = False


REDUCTIONS = (
    Reduction("ReduceSum", _sum, inputs_since=13),
    Reduction("ReduceProd", _product),
    Reduction("ReduceMean", _mean),
    Reduction("ReduceMax", _largest),
    Reduction("ReduceMin", _smallest),
    Reduction("ReduceL1", _absolute_sum, elements=2),
    Reduction("ReduceL2", _norm, elements=2, last_functions=1, floating=True),
    Reduction("ReduceSumSquare", _square_sum, elements=2),
    Reduction("ReduceLogSum", _log_sum, last_functions=1, floating=True),
    Reduction(
        "ReduceLogSumExp", _log_sum_exp, elements=3, functions=1, last_functions=1, floating=True
    ),
)


def reduced_axes(node: Node, rank: int, axes: Sequence[int] | None, inputs_since: int) -> Axes:
    if not axes:
        keep_all = node.opset >= inputs_since and arguments.flag(node, "noop_with_empty_axes")
        return () if keep_all else tuple(range(rank))
    return tuple(sorted(arguments.axes_of(axes, rank)))


def _allowed(name: str, opset: int) -> tuple[str, ...]:
    """Element types of a reduction. Extremes take bytes since opset 12 and bools since 20."""
    if name not in ("ReduceMax", "ReduceMin"):
        return _WIDE
    return (*_WIDE, *_NARROW, *(("bool",) if opset >= 20 else ()))


def _declare(reduction: Reduction) -> None:
    def infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
        data = arguments.required(inputs, 0)
        arguments.one_of(data, _allowed(reduction.name, node.opset), "data")
        if node.opset < reduction.inputs_since:
            arguments.arity(node, inputs, 1, 1)
            wanted = arguments.integers(node, "axes")
        else:
            arguments.arity(node, inputs, 1, 2)
            value = arguments.optional(inputs, 1)
            wanted = None if value is None else arguments.known_integers(value, "axes")
        axes = reduced_axes(node, len(data.shape), wanted, reduction.inputs_since)
        keep = arguments.flag(node, "keepdims", True)
        return [arguments.tensor(data.dtype, _reduced(data.shape, axes, keep))]

    @numerics.quiet
    def run(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
        data = arguments.present(inputs, 0)
        array = arguments.given(inputs, 1)
        if node.opset < reduction.inputs_since:
            wanted = arguments.integers(node, "axes")
        else:
            wanted = None if array is None else tuple(int(axis) for axis in array.reshape(-1))
        axes = reduced_axes(node, data.ndim, wanted, reduction.inputs_since)
        keep = arguments.flag(node, "keepdims", True)
        wide = np.float32 if data.dtype == np.float16 else data.dtype
        if reduction.floating and data.dtype.kind != "f":
            wide = np.float64
        result = reduction.reduce(data.astype(wide), axes, keep)
        return [numerics.cast(np.asarray(result), arguments.dtype_name(data))]

    def work(
        node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
    ) -> Work:
        """Each input element once (twice where it is squared or made positive first), each result
        once; functions where there are logarithms, exponentials or roots."""
        source = arguments.required(inputs, 0).tensor.elements
        results = outputs[0].elements
        return Work(
            elements=source * reduction.elements + results,
            functions=source * reduction.functions + results * reduction.last_functions,
        )

    register(reduction.name, infer, run, work)


for _reduction in REDUCTIONS:
    _declare(_reduction)


def _running_infer(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    arguments.arity(node, inputs, 2, 2)
    data, axis = arguments.required(inputs, 0), arguments.required(inputs, 1)
    arguments.one_of(data, _WIDE, "x")
    arguments.one_of(axis, arguments.INDICES, "axis")
    arguments.flag(node, "exclusive")
    arguments.flag(node, "reverse")
    if axis.tensor.elements != 1:
        raise Refuse("axis must be one element")
    if not data.shape:
        raise Refuse("a scalar has no axis to run along")
    if axis.const is not None:
        arguments.axis_of(int(axis.const.reshape(-1)[0]), len(data.shape))
    return [data.tensor]


def _running_axis(inputs: Sequence[Array | None]) -> tuple[Array, int]:
    data = arguments.present(inputs, 0)
    axis = int(arguments.present(inputs, 1).reshape(-1)[0])
    if not -data.ndim <= axis < data.ndim:
        raise BadInput(f"axis {axis} is outside a tensor of rank {data.ndim}")
    return data, axis % data.ndim


def _running_sum(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    data, axis = _running_axis(inputs)
    exclusive, reverse = arguments.flag(node, "exclusive"), arguments.flag(node, "reverse")
    return [numerics.cumulative_sum(data, axis, exclusive, reverse)]


@numerics.quiet
def _running_product(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    """Each product is the one before it times the next element, from 1. SHAPE-54"""
    data, axis = _running_axis(inputs)
    terms = np.moveaxis(data.astype(np.float32) if data.dtype == np.float16 else data, axis, 0)
    terms = terms[::-1] if arguments.flag(node, "reverse") else terms
    result = np.ones_like(terms)
    exclusive = arguments.flag(node, "exclusive")
    total = np.ones(terms.shape[1:], terms.dtype)
    for index in range(terms.shape[0]):
        following = total * terms[index]
        result[index] = total if exclusive else following
        total = following
    result = result[::-1] if arguments.flag(node, "reverse") else result
    return [np.moveaxis(result, 0, axis).astype(data.dtype)]


_RUNNING: tuple[tuple[str, Run, int], ...] = (
    ("CumSum", _running_sum, 11),
    ("CumProd", _running_product, 26),
)
_running_work: WorkOf = arguments.move_work
for _name, _run, _since in _RUNNING:
    register(_name, _running_infer, _run, _running_work, since=_since)
